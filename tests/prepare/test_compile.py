"""torch.compile on tiny models. Each real compilation takes seconds, so there are few of them."""

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import cpp_builder, cpu_vec_isa, metrics
from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare import Prepared, Source, eager, prepare
from tradespace.prepare import compile as compiled
from tradespace.tasks import Task

CONFIG = Config("model", runtime="compile")
needs_compiler = pytest.mark.skipif(
    compiled.unsupported(CONFIG, calibrated=False) is not None, reason=str(compiled.unsupported(CONFIG, False))
)


def runs_as_compiled(session, inputs: Tensor) -> Tensor:
    """The outputs of what is compiled already: to fall back on Python, or compile anew, is an error here."""
    with torch.inference_mode(), torch.compiler.set_stance("fail_on_recompile"):
        return session.call(inputs.clone())  # a tensor of inference mode, as all are in the measuring process


@pytest.fixture
def plain_loops(monkeypatch):
    """Code without vector instructions: finding out which the compiler knows takes ten seconds."""
    monkeypatch.setattr(cpu_vec_isa, "valid_vec_isa_list", list)


@needs_compiler
@pytest.mark.usefixtures("plain_loops")
@pytest.mark.parametrize("items", [1, 3])
def test_fp32_is_generated_code_that_computes_as_the_model_does(images, items):
    metrics.reset()
    session = images.session("compile", "fp32", batch_size=items)
    assert metrics.generated_kernel_count > 0
    inputs = images.inputs(items)
    outputs = runs_as_compiled(session, inputs)
    assert (outputs.dtype, outputs.shape) == (torch.float32, (items, 3))
    torch.testing.assert_close(outputs, images.exact(inputs), rtol=1e-4, atol=1e-5)
    kept = outputs.clone()
    runs_as_compiled(session, inputs + 1)
    assert torch.equal(outputs, kept)


@needs_compiler
@pytest.mark.usefixtures("plain_loops")
def test_one_session_takes_texts_of_any_number_and_length(texts):
    session = texts.session("compile", "bf16", batch_size=None)
    for items, length in ((3, 9), (7, 4), (30, 2)):
        inputs = texts.inputs(items, length)
        torch.testing.assert_close(runs_as_compiled(session, inputs), texts.exact(inputs), rtol=0.05, atol=0.05)


@pytest.fixture
def fast(monkeypatch):
    """torch.compile without the generating of code: it traces, guards and counts as ever. -> calls of it"""
    original, calls = torch.compile, []

    def traced(function, **options):
        calls.append(options)
        return original(function, **{**options, "backend": "eager", "mode": None})

    monkeypatch.setattr(torch, "compile", traced)
    torch.compiler.reset()
    yield calls
    torch.compiler.reset()


def task_of(module: nn.Module) -> Task:
    return Task.from_model(module, example=torch.zeros(1, 4))


def ready(module: nn.Module) -> Prepared:
    return prepare(Source(task_of(module), "model", "none"), CONFIG)


def opened(prepared: Prepared, *sizes: int | None, threads: int = 1):
    with torch.inference_mode():
        return [prepared.session(threads, size) for size in sizes]


def test_more_sessions_than_torch_compile_recompiles_one_function_are_all_compiled(fast):
    sizes = range(1, 2 * torch._dynamo.config.recompile_limit + 1)
    for size, session in zip(sizes, opened(ready(nn.Linear(4, 2)), *sizes), strict=True):
        assert runs_as_compiled(session, torch.ones(size, 4)).shape == (size, 2)
    assert len(fast) == len(sizes)


def test_a_session_of_any_size_is_compiled_for_sizes_that_vary_and_one_of_a_size_is_not(fast, texts):
    opened(ready(nn.Linear(4, 2)), 4, None)
    opened(prepare(texts.source, CONFIG), 4)
    assert [options["dynamic"] for options in fast] == [False, True, True]


def test_nothing_of_a_model_is_left_to_python(fast):
    opened(ready(nn.Linear(4, 2)), 1)
    assert fast[0]["fullgraph"] is True


def test_each_session_is_compiled_anew_so_that_the_time_it_takes_is_known_each_time(fast):
    prepared = ready(nn.Linear(4, 2))
    for _ in range(2):  # a Config that was measured, let go of, and is measured again
        opened(prepared, 8)
    assert len(fast) == 2


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print("from Python")
        return x


@pytest.mark.parametrize("module", [Branches, Prints])
def test_a_model_that_cannot_be_compiled_whole_is_unsupported_not_half_compiled(fast, capfd, module):
    prepared = ready(module())
    capfd.readouterr()
    with pytest.raises(Unsupported, match=r"^torch\.compile failed: .{10}") as refused:
        opened(prepared, 2)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_what_the_compiler_printed_before_it_failed_is_part_of_the_reason(monkeypatch):
    def failing(function, **options):
        def call(batch):
            print("g++: fatal error: no space left on device")
            raise RuntimeError("CppCompileError")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(Unsupported, match=r"CppCompileError.*no space left on device"):
        opened(ready(nn.Linear(4, 2)), 2)


def test_compiling_prints_and_warns_nothing(fast, capfd, recwarn):
    opened(ready(nn.Linear(4, 2)), 1, None)
    assert capfd.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn] == []


def test_the_layers_are_those_that_eager_pytorch_has(fast, images):
    [session] = opened(prepare(images.source, CONFIG), 2)
    assert session.layers() == images.session("eager", "fp32").layers()


def test_the_model_of_the_source_stays_as_it_is(fast, images):
    before = images.task.load_model("model").state_dict()
    opened(prepare(images.source, CONFIG), 2)
    assert all(torch.equal(before[name], value) for name, value in images.source.module().state_dict().items())


def test_without_a_compiler_the_reason_names_one(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    reason = compiled.unsupported(CONFIG, calibrated=True)
    assert reason.startswith("torch.compile needs a C++ compiler and found none: install g++")


def test_on_cuda_no_compiler_for_the_processor_is_asked_for(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiled.unsupported(Config("model", runtime="compile", device="cuda"), calibrated=True) is None


@needs_compiler
def test_the_compiler_found_is_the_one_that_torch_finds():
    assert cpp_builder.get_cpp_compiler()


@pytest.mark.parametrize("precision", [name for name in eager.PRECISIONS if name not in ("fp32", "bf16", "fp16")])
def test_it_runs_floating_point_alone(precision):
    reason = compiled.unsupported(Config("model", precision=precision, runtime="compile"), calibrated=True)
    assert reason == f"torch.compile runs fp32, bf16, fp16 in this release, not {precision}"


NOTEBOOK = """
class Twice(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) * 2
"""


@needs_compiler
@pytest.mark.usefixtures("plain_loops")
def test_a_model_of_a_notebook_is_compiled_where_there_is_no_notebook():
    # The global names of its code are not those of this process's own `__main__`.
    cells = {"__name__": "__main__", "torch": torch}
    exec(NOTEBOOK, cells)
    task = Task.from_model(cells["Twice"](), example=torch.ones(1, 4))
    call = prepare(Source(task, "model", "none"), CONFIG).session(1, 1).call
    assert call(torch.ones(1, 4)).tolist() == [[2.0] * 4]
