"""Precisions of CUDA, with torchao and the device faked: which configuration is asked for, and what is refused."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from tradespace.config import Config
from tradespace.prepare import Source, cuda, eager, registry
from tradespace.tasks import Task

CLASSES = {
    "int8-dynamic": "Int8DynamicActivationInt8WeightConfig",
    "int4": "Int4WeightOnlyConfig",
    "fp8": "Float8DynamicActivationFloat8WeightConfig",
}
CONFIGS = {name: Config("model", precision=name, device="cuda") for name in CLASSES}


@pytest.fixture
def torchao(monkeypatch):
    """A torchao that quantizes nothing. -> the (module, configuration) pairs that it was asked for"""
    package, quantization, asked = ModuleType("torchao"), ModuleType("torchao.quantization"), []
    package.__spec__, package.__path__ = ModuleSpec("torchao", None), []
    for name in CLASSES.values():
        setattr(quantization, name, type(name, (), {}))
    quantization.quantize_ = lambda module, config: asked.append((module, config))
    monkeypatch.setitem(sys.modules, "torchao", package)
    monkeypatch.setitem(sys.modules, "torchao.quantization", quantization)
    return asked


@pytest.fixture
def device(monkeypatch):
    """(compute capability) -> a CUDA device of that capability; what is sent to it stays here."""

    def pretend(*capability: int) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        for kind in (Tensor, nn.Module):
            monkeypatch.setattr(kind, "to", staying_here(kind.to))

    return pretend


def staying_here(move):
    def moved(self, *args, **options):
        rest = [arg for arg in args if arg != "cuda"]
        return move(self, *rest, **options) if rest or options else self

    return moved


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize("precision", CLASSES)
def test_a_device_that_has_the_arithmetic_is_enough(device, precision):
    device(9, 0)
    assert eager.unsupported(CONFIGS[precision], calibrated=False) is None


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize(
    ("precision", "capability", "least"),
    [("int8-dynamic", (7, 5), "8.0"), ("int4", (7, 5), "8.0"), ("fp8", (8, 6), "8.9")],
)
def test_an_older_device_is_told_what_it_lacks(device, precision, capability, least):
    device(*capability)
    reason = eager.unsupported(CONFIGS[precision], calibrated=False)
    found = ".".join(map(str, capability))
    assert reason == f"{precision} needs compute capability {least}; this device has {found}"


@pytest.mark.parametrize("precision", CLASSES)
def test_without_torchao_the_reason_is_the_line_that_installs_it(monkeypatch, device, precision):
    device(9, 0)
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    reason = eager.unsupported(CONFIGS[precision], calibrated=False)
    assert reason == f"{precision} on CUDA needs torchao: pip install torchao"


def test_static_int8_has_no_kernels_on_cuda_and_the_others_are_named():
    reason = eager.unsupported(Config("model", precision="int8", device="cuda"), calibrated=True)
    assert reason == "on CUDA, torchao has kernels for int8-dynamic, int4, fp8, not for int8"


@pytest.mark.parametrize("precision", CLASSES)
def test_torchao_is_asked_for_the_precision(torchao, device, precision):
    device(9, 0)
    cuda.quantize(module := nn.Linear(4, 2), precision)
    [(asked, config)] = torchao
    assert asked is module
    assert type(config).__name__ == CLASSES[precision]


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize("precision", CLASSES)
@pytest.mark.parametrize(
    ("module", "example"),
    [(nn.Linear(4, 2), torch.ones(1, 4)), (nn.Conv2d(1, 2, 3), torch.ones(1, 1, 5, 5))],
    ids=["vectors", "images"],
)
def test_inputs_and_outputs_are_fp32_as_of_every_session(device, precision, module, example):
    device(9, 0)
    source = Source(Task.from_model(module, example=example), "model", "none")
    session = eager.convert(source, CONFIGS[precision]).open(1, None)
    with torch.inference_mode():
        outputs, expected = session.call(example), module(example)
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, expected, rtol=0.02, atol=0.02)


def test_torchao_is_part_of_what_a_stored_point_depends_on(torchao, monkeypatch):
    monkeypatch.setattr(registry, "version", lambda name: "1.0")
    assert "torchao" in registry.versions(CONFIGS["fp8"])
    assert "torchao" not in registry.versions(Config("model"))
