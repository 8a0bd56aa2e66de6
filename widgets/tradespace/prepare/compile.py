"""torch.compile: kernels generated and fused for one model and one shape, at the cost of compiling them."""

import copy
import os
import shutil
import sys
from functools import cache

import torch
from torch import Tensor, nn

from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare.eager import FLOATS, InFloat, layers_of
from tradespace.prepare.fold import fold
from tradespace.prepare.quiet import quiet
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import Call, Converted, Session
from tradespace.prepare.source import Source

PRECISIONS = tuple(FLOATS)
FIRST_CALLS = 3


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why torch.compile cannot run `config` here, or None."""
    if config.precision not in PRECISIONS:
        return f"torch.compile runs {', '.join(PRECISIONS)} in this release, not {config.precision}"
    if config.device == "cpu" and not _has_compiler():
        return "torch.compile needs a C++ compiler and found none: install g++ (on macOS clang, on Windows MSVC)"
    return None


def convert(source: Source, config: Config) -> Converted:
    """Compile the model of `source` separately for each batch size and number of threads, and once for any size."""
    module = InFloat(fold(source.module()), source.example, FLOATS[config.precision], config.device).eval()
    example = source.example.to(config.device)

    def open_session(threads: int, batch_size: int | None) -> Session:
        call = _compiled(copy.deepcopy(module), example, batch_size, bool(source.varying), config.device)
        return Session(call, lambda: layers_of(module, example))

    weights = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    return Converted(open_session, weights / 1e6)


def _compiled(module: nn.Module, example: Tensor, batch_size: int | None, varying: bool, device: str) -> Call:
    """Compile `module` and make its first calls."""
    import torch._inductor.config as inductor

    # CUDA graphs need fixed shapes, and do not exist on a CPU.
    mode = "reduce-overhead" if device == "cuda" and not varying and batch_size is not None else None
    call = torch.compile(_of_its_own(module), dynamic=varying or batch_size is None, mode=mode, fullgraph=True)
    # A size that stands for any size must not be 1, which torch.compile treats as a constant.
    batch = example.expand(batch_size or 3, *example.shape[1:]).clone()
    # Nothing is cached, so `prepare_s` is the cost of compiling; one thread compiles in this process only.
    try:
        with quiet() as log, inductor.patch(force_disable_caches=True, compile_threads=1):
            for _ in range(FIRST_CALLS):
                call(batch)
    except Exception as error:
        reason = (str(error) or repr(error)).strip().splitlines()[0]
        raise Unsupported(f"torch.compile failed: {reason} {log.tail()}") from error
    # The next call overwrites the output memory of a CUDA graph.
    return call if mode is None else lambda batch: call(batch).clone()


def _of_its_own(module: nn.Module) -> Call:
    """Wrap `module` in a function with a code object that no other session shares.

    torch.compile counts how often it compiles a code object; past a limit, it silently runs the code uncompiled.
    """

    def call(batch: Tensor) -> Tensor:
        outputs: Tensor = module(batch)
        return outputs

    call.__code__ = call.__code__.replace()
    return call


def begin(config: Config) -> None:
    """Let torch detect which vector instructions the compiler knows: once per process, in one to ten seconds."""
    if config.device == "cpu":
        _find_vector_instructions()


@cache
def _find_vector_instructions() -> None:
    from torch._inductor import cpu_vec_isa

    with quiet():
        cpu_vec_isa.pick_vec_isa()


def _has_compiler() -> bool:
    # torch's own check imports its compiler, which takes two seconds.
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX", usual)) is not None


RUNTIME = Runtime(PRECISIONS, unsupported, convert, begin=begin, preparing_s=(15.0, 10.0))
