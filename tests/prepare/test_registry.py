"""The registry: what each runtime takes, and what a machine lacks for it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from tradespace.config import DEVICES, PRECISIONS, RUNTIMES, Config
from tradespace.prepare import (
    Source,
    any_size,
    export,
    openvino,
    precisions,
    prepare,
    registry,
    unsupported,
    untimed,
    versions,
)
from tradespace.prepare import compile as compiled
from tradespace.prepare import source as source_module
from tradespace.tasks import Task

ON_CPU = {
    "eager": set(PRECISIONS) - {"fp8", "int4"},
    "fused": {"fp32", "bf16", "fp16"},
    "compile": {"fp32", "bf16", "fp16"},
    "onnxruntime": {"fp32", "int8", "int8-dynamic"},
    "openvino": {"fp32", "bf16", "fp16", "int8"},
}


@pytest.fixture
def accelerator(monkeypatch):
    """(device, available) -> a torch built for that device, on a machine that has it or lacks it."""

    def pretend(device: str | None, available: bool) -> None:
        def current(check_available: bool = False) -> torch.device | None:
            return torch.device(device) if device and (available or not check_available) else None

        monkeypatch.setattr(torch.accelerator, "current_accelerator", current)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: available)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: int(available))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: available and device == "cuda")

    return pretend


def prepared(task: Task, config: Config):
    return prepare(Source(task, config.model, config.pruning), config)


def test_every_runtime_of_the_knob_is_registered():
    assert list(registry.RUNTIMES) == list(RUNTIMES)


def test_the_precisions_that_can_be_timed_come_in_the_order_of_the_knob(accelerator):
    accelerator(None, available=False)
    assert precisions() == ("fp32", "bf16", "fp16", "int8", "int8-dynamic")


def test_with_cuda_its_own_precisions_can_be_timed_too(accelerator):
    accelerator("cuda", available=True)
    assert precisions() == ("fp32", "bf16", "fp16", "int8", "int8-dynamic", "fp8", "int4")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_precision_is_supported_on_the_cpu_exactly_where_a_runtime_has_it(tiny, monkeypatch, runtime, precision):
    monkeypatch.setattr(compiled, "_has_compiler", lambda: True)
    monkeypatch.setattr(openvino, "_capabilities", lambda: ("BF16", "FP16"))
    reason = unsupported(tiny, Config("narrow", precision=precision, runtime=runtime))
    assert (reason is None) == (precision in ON_CPU[runtime])
    assert reason is None or precision in reason


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_cannot_be_timed_is_what_eager_pytorch_rounds_the_weights_of(runtime, precision):
    reason = untimed(Config("narrow", precision=precision, runtime=runtime))
    assert (reason is not None) == (runtime == "eager" and precision.startswith("w"))


@pytest.mark.parametrize("runtime", ["eager", "fused", "onnxruntime"])
def test_one_session_of_a_runtime_that_takes_any_size_does(tiny, runtime):
    if runtime == "onnxruntime":
        pytest.importorskip(runtime)
    config = Config("narrow", runtime=runtime, threads=1)
    assert any_size(config)
    session = prepared(tiny, config).session(1, 4)
    with torch.inference_mode():
        assert [len(session.call(torch.rand(size, 1, 8, 8))) for size in (1, 3, 4, 9)] == [1, 3, 4, 9]


@pytest.mark.parametrize("runtime", ["compile", "openvino"])
def test_others_are_compiled_for_one_size(runtime):
    assert not any_size(Config("narrow", runtime=runtime, threads=1))


@pytest.mark.parametrize(("runtime", "packages"), [
    ("onnxruntime", ["onnx"]), ("onnxruntime", ["onnx", "onnxruntime", "onnxscript"]), ("openvino", ["openvino"]),
])  # fmt: skip
def test_a_missing_package_is_answered_with_the_line_that_installs_it(tiny, monkeypatch, runtime, packages):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in packages else name)
    reason = unsupported(tiny, Config("narrow", runtime=runtime))
    assert reason == f"runtime {runtime} needs {', '.join(packages)}: pip install {' '.join(packages)}"


@pytest.mark.parametrize("runtime", ["eager", "compile"])
def test_pytorch_itself_needs_no_other_package(tiny, monkeypatch, runtime):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    monkeypatch.setattr(compiled, "_has_compiler", lambda: True)
    assert unsupported(tiny, Config("narrow", runtime=runtime)) is None


def test_the_versions_are_those_of_what_runs_and_converts(monkeypatch):
    monkeypatch.setattr(registry, "version", lambda name: f"{name} 1.0")
    assert versions(Config("narrow")) == {}
    assert set(versions(Config("narrow", runtime="onnxruntime"))) == {"onnx", "onnxruntime", "onnxscript"}
    assert versions(Config("narrow", runtime="openvino"))["openvino"] == "openvino 1.0"
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert versions(Config("narrow", runtime="openvino")) == {}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("device", [name for name in DEVICES if name != "cpu"])
def test_a_device_is_not_supported_where_torch_is_built_without_it(tiny, accelerator, device, runtime):
    accelerator(None, available=False)
    reason = unsupported(tiny, Config("narrow", device=device, runtime=runtime))
    assert reason == f"torch finds no {device} device on this machine"


@pytest.mark.parametrize("device", [name for name in DEVICES if name != "cpu"])
def test_a_device_is_not_supported_where_the_machine_lacks_it(tiny, accelerator, device):
    # torch from PyPI is built for CUDA on Linux, so on most machines without a GPU this is how it looks.
    accelerator(device, available=False)
    assert unsupported(tiny, Config("narrow", device=device)) == f"torch finds no {device} device on this machine"


def test_the_device_of_the_machine_is_supported_and_no_other(tiny, accelerator):
    accelerator("cuda", available=True)
    assert unsupported(tiny, Config("narrow", device="cuda")) is None
    assert unsupported(tiny, Config("narrow", device="cpu")) is None
    assert unsupported(tiny, Config("narrow", device="mps")) == "torch finds no mps device on this machine"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_runtime_of_the_cpu_is_not_supported_on_a_gpu(tiny, accelerator, runtime):
    accelerator("cuda", available=True)
    assert "on the CPU only, not on cuda" in unsupported(tiny, Config("narrow", device="cuda", runtime=runtime))


@pytest.mark.parametrize("runtime", ["eager", "onnxruntime", "openvino"])
def test_int8_is_supported_only_with_calibration_inputs(tiny, runtime):
    bare = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
    assert unsupported(tiny, Config("narrow", precision="int8", runtime=runtime)) is None
    assert "calibration" in unsupported(bare, Config("model", precision="int8", runtime=runtime))


def test_preparing_gives_the_model_that_was_asked_for(tiny):
    inputs = tiny.test[0]
    for name in tiny.models:
        session = prepared(tiny, Config(name)).session(1, None)
        with torch.inference_mode():
            torch.testing.assert_close(session.call(inputs), tiny.load_model(name)(inputs))


def test_preparing_gives_the_pruned_model_that_was_asked_for(tiny):
    source = Source(tiny, "narrow", "weights-90")
    session = prepare(source, Config("narrow", "weights-90")).session(1, None)
    with torch.inference_mode():
        torch.testing.assert_close(session.call(tiny.test[0]), source.module()(tiny.test[0]))


def test_preparing_notes_the_size_of_the_weights_and_how_long_it_took(tiny):
    ready = prepared(tiny, Config("wide"))
    weights = sum(value.numel() * value.element_size() for value in tiny.load_model("wide").parameters())
    assert 0.9 * weights <= 1e6 * ready.model_mb < 10 * weights
    assert math.isfinite(ready.prepare_s)


def test_the_wider_model_is_the_larger_file(tiny):
    assert prepared(tiny, Config("wide")).model_mb > prepared(tiny, Config("narrow")).model_mb


class Clock:
    """Stands still but for the steps that are said to take time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def taking(self, seconds, make):
        def step(*args):
            self.now += seconds
            return make(*args)

        return step


def test_the_time_of_a_reused_export_counts_for_every_config_that_needs_it(tiny, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(registry, "time", clock)
    monkeypatch.setattr(source_module, "time", clock)
    monkeypatch.setattr(export, "to_onnx", clock.taking(10, lambda *args: b"exported"))
    monkeypatch.setattr(export, "to_static_int8", clock.taking(5, lambda *args: b"rounded"))
    task = replace(tiny, load_model=clock.taking(1, tiny.load_model))
    source = Source(task, "narrow", "none")

    def prepare_s(runtime: str, precision: str) -> float:
        return prepare(source, Config("narrow", precision=precision, runtime=runtime)).prepare_s

    assert prepare_s("openvino", "int8") == 16
    assert prepare_s("onnxruntime", "int8") == 16
    assert prepare_s("onnxruntime", "fp32") == 11
    assert prepare_s("eager", "fp32") == 1


def test_every_runtime_says_how_long_preparing_is_expected_to_take():
    for runtime in registry.RUNTIMES.values():
        first, again = runtime.preparing_s
        assert first >= again > 0
