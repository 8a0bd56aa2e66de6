"""torch.compile: kernels generated and fused for one model and one shape, at the cost of compiling them."""

import os
import shutil
import sys
from functools import cache

import torch
from torch import Tensor, nn

from tradespace.config import Config
from tradespace.prepare.eager import in_float, layers_of
from tradespace.prepare.quiet import quiet
from tradespace.prepare.refusal import refusing
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import Call, Converted, Session
from tradespace.prepare.source import Source
from tradespace.prepare.types import FLOATS
from tradespace.tasks.parcel import pack, unpack

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
    module = in_float(source.module(), FLOATS[config.precision], config.device).eval()
    packed, example = pack(module), [tensor.to(config.device) for tensor in source.example]
    varying = any(source.varying)

    def open_session(threads: int, batch_size: int | None) -> Session:
        # A size that stands for any size must not be 1, which torch.compile treats as a constant.
        items = 1 if source.traits.one_at_a_time else batch_size or 3
        batch = tuple(tensor.to(config.device) for tensor in source.batched(items))
        call = _compiled(unpack(packed), batch, varying or batch_size is None, config.device)
        return Session(call, lambda: layers_of(module, *example))

    weights = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    return Converted(open_session, weights / 1e6)


def _compiled(module: nn.Module, batch: tuple[Tensor, ...], dynamic: bool, device: str) -> Call:
    """Compile `module` and call it on the batch some times; with `dynamic`, for other shapes too."""
    import torch._inductor.config as inductor

    # CUDA graphs need fixed shapes, and do not exist on a CPU.
    mode = "reduce-overhead" if device == "cuda" and not dynamic else None
    call = torch.compile(_of_its_own(module), dynamic=dynamic, mode=mode, fullgraph=True)
    # Nothing is cached, so `prepare_s` is the cost of compiling; one thread compiles in this process only.
    with refusing("torch.compile failed", log=True), inductor.patch(force_disable_caches=True, compile_threads=1):
        for _ in range(FIRST_CALLS):
            call(*(tensor.clone() for tensor in batch))
    # The next call overwrites the output memory of a CUDA graph.
    return call if mode is None else lambda *batch: call(*batch).clone()


def _of_its_own(module: nn.Module) -> Call:
    """Wrap `module` in a function with a code object that no other session shares.

    torch.compile counts how often it compiles a code object; past a limit, it silently runs the code uncompiled.
    """

    def call(*batch: Tensor) -> Tensor:
        outputs: Tensor = module(*batch)
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


RUNTIME = Runtime(PRECISIONS, unsupported, convert, begin=begin, any_size=False, preparing_s=(15.0, 10.0))
