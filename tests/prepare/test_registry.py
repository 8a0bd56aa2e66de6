import math

import pytest
import torch
from torch import nn
from tradespace.config import DEVICES, PRECISIONS, PRUNINGS, RUNTIMES, Config
from tradespace.prepare import precisions, prepare, registry, unsupported
from tradespace.tasks import Task


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


def test_the_precisions_of_the_release_come_in_the_order_of_the_knob():
    assert precisions() == ("fp32", "bf16", "fp16", "int8", "int8-dynamic")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_is_supported_on_the_cpu_exactly_if_the_release_has_it(tiny, precision):
    reason = unsupported(tiny, Config("narrow", precision=precision))
    assert (reason is None) == (precision in precisions())
    assert reason is None or precision in reason


@pytest.mark.parametrize("pruning", [name for name in PRUNINGS if name != "none"])
def test_a_pruning_outside_the_release_is_not_supported(tiny, pruning):
    reason = unsupported(tiny, Config("narrow", pruning=pruning))
    assert reason == f"there is no {pruning} version of narrow in this release"


@pytest.mark.parametrize("runtime", [name for name in RUNTIMES if name not in registry.RUNTIMES])
def test_a_runtime_outside_the_release_is_not_supported(tiny, runtime):
    reason = unsupported(tiny, Config("narrow", runtime=runtime))
    assert reason == f"runtime {runtime} is not in this release; there is eager"


@pytest.mark.parametrize("device", [name for name in DEVICES if name != "cpu"])
def test_a_device_is_not_supported_where_torch_is_built_without_it(tiny, accelerator, device):
    accelerator(None, available=False)
    assert unsupported(tiny, Config("narrow", device=device)) == f"torch finds no {device} device on this machine"


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


def test_int8_is_not_supported_on_a_gpu(tiny, accelerator):
    accelerator("cuda", available=True)
    assert "for the CPU alone" in unsupported(tiny, Config("narrow", precision="int8", device="cuda"))


def test_int8_is_supported_only_with_calibration_inputs(tiny):
    bare = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
    assert unsupported(tiny, Config("narrow", precision="int8")) is None
    assert "calibration" in unsupported(bare, Config("model", precision="int8"))


def test_preparing_gives_the_model_that_was_asked_for(tiny):
    inputs = tiny.test[0]
    for name in tiny.models:
        with torch.inference_mode():
            outputs, expected = prepare(tiny, Config(name)).call(inputs), tiny.load_model(name)(inputs)
        torch.testing.assert_close(outputs, expected)


def test_preparing_notes_the_size_of_the_weights_and_how_long_it_took(tiny):
    ready = prepare(tiny, Config("wide"))
    weights = sum(value.numel() * value.element_size() for value in tiny.load_model("wide").state_dict().values())
    assert weights <= 1e6 * ready.model_mb < 10 * weights
    assert math.isfinite(ready.prepare_s)


def test_the_wider_model_is_the_larger_file(tiny):
    assert prepare(tiny, Config("wide")).model_mb > prepare(tiny, Config("narrow")).model_mb


def test_calibrating_a_model_that_works_in_place_leaves_the_calibration_inputs_as_they_are():
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2))
    calibration = torch.linspace(-1, 1, 80).reshape(20, 4)
    task = Task.from_model(module, example=torch.zeros(1, 4), calibration=calibration.clone())
    prepare(task, Config("model", precision="int8"))
    assert torch.equal(task.calibration, calibration)
