"""Every precision of eager PyTorch, on the trained resnet32 and real test images."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from tradespace.config import PRECISIONS, Config
from tradespace.prepare import Prepared, eager, prepare
from tradespace.tasks import load_task

IMAGES = 200
FLOATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@cache
def prepared(precision: str) -> Prepared:
    return prepare(load_task("fashion"), Config("resnet32", precision=precision))


@cache
def scores(precision: str) -> Tensor:
    with torch.inference_mode():
        return prepared(precision).call(load_task("fashion").test[0][:IMAGES])


def layers(precision: str, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in prepared(precision).call.modules() if isinstance(module, kind)]


def test_fp32_is_the_model_as_it_is_loaded(fashion):
    with torch.inference_mode():
        expected = fashion.load_model("resnet32")(fashion.test[0][:IMAGES])
    torch.testing.assert_close(scores("fp32"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", eager.PRECISIONS)
def test_every_precision_mostly_agrees_with_fp32(precision):
    assert scores(precision).dtype == torch.float32
    assert scores(precision).shape == (IMAGES, 10)
    agreement = (scores(precision).argmax(1) == scores("fp32").argmax(1)).double().mean().item()
    assert agreement >= 0.95


@pytest.mark.parametrize("precision", [name for name in eager.PRECISIONS if name != "fp32"])
def test_a_lower_precision_does_round(precision):
    assert not torch.equal(scores(precision), scores("fp32"))


@pytest.mark.parametrize(("precision", "dtype"), FLOATS.items())
def test_weights_of_a_float_precision_have_its_type(precision, dtype):
    assert {weight.dtype for weight in prepared(precision).call.parameters()} == {dtype}


def test_int8_convolutions_and_the_head_have_int8_weights(fashion):
    convolutions = layers("int8", quantized.Conv2d)
    originals = [m for m in fashion.load_model("resnet32").modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == len(originals) == 9
    assert {module.weight().dtype for module in convolutions} == {torch.qint8}
    assert [module.weight().dtype for module in layers("int8", quantized.Linear)] == [torch.qint8]
    assert not layers("int8", nn.Conv2d)
    assert not layers("int8", nn.Linear)


def test_dynamic_int8_has_int8_weights_in_linear_layers_alone():
    [head] = layers("int8-dynamic", quantized.dynamic.Linear)
    assert head.weight().dtype == torch.qint8
    assert not layers("int8-dynamic", nn.Linear)
    assert {module.weight.dtype for module in layers("int8-dynamic", nn.Conv2d)} == {torch.float32}


@pytest.mark.parametrize(("precision", "most"), [("bf16", 0.55), ("fp16", 0.55), ("int8", 0.35)])
def test_a_lower_precision_makes_a_smaller_file(precision, most):
    assert prepared(precision).model_mb < most * prepared("fp32").model_mb


def test_fp32_takes_four_bytes_a_weight(fashion):
    weights = sum(value.numel() for value in fashion.load_model("resnet32").state_dict().values())
    assert 4 * weights <= 1e6 * prepared("fp32").model_mb < 4.2 * weights


@pytest.mark.parametrize("precision", eager.PRECISIONS)
@pytest.mark.parametrize("items", [1, 3])
def test_every_precision_takes_any_batch_size(tiny, precision, items):
    call = prepare(tiny, Config("narrow", precision=precision)).call
    with torch.inference_mode():
        outputs = call(tiny.test[0][:items])
    assert (outputs.shape, outputs.dtype) == ((items, 3), torch.float32)


@pytest.mark.parametrize("precision", eager.PRECISIONS)
def test_the_models_of_the_task_stay_as_they_are(tiny, precision):
    before = tiny.load_model("narrow").state_dict()
    prepare(tiny, Config("narrow", precision=precision))
    after = tiny.load_model("narrow").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_of_whole_numbers_is_fed_whole_numbers():
    embedding = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2)).eval()
    words = torch.tensor([[1, 2, 6]])
    with torch.inference_mode():
        expected = embedding(words)
        outputs = eager.prepare(embedding, Config("m", precision="bf16"), None)(words)
    torch.testing.assert_close(outputs, expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("precision", FLOATS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_float_precisions_are_for_every_device_and_need_no_calibration(precision, device):
    assert eager.unsupported(Config("m", precision=precision, device=device), calibrated=False) is None


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name not in eager.PRECISIONS])
def test_a_precision_without_kernels_is_not_supported(precision):
    reason = eager.unsupported(Config("m", precision=precision), calibrated=True)
    assert reason == f"eager PyTorch has no {precision} kernels in this release"


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_int8_is_for_the_cpu_alone(precision):
    assert eager.unsupported(Config("m", precision=precision), calibrated=True) is None
    reason = eager.unsupported(Config("m", precision=precision, device="cuda"), calibrated=True)
    assert reason == f"eager PyTorch has {precision} kernels for the CPU alone, not for cuda"


def test_static_int8_needs_calibration_inputs_and_dynamic_int8_does_not():
    reason = eager.unsupported(Config("m", precision="int8"), calibrated=False)
    assert "calibration inputs, and this task has none" in reason
    assert eager.unsupported(Config("m", precision="int8-dynamic"), calibrated=False) is None


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_int8_needs_an_engine_in_the_build(monkeypatch, precision):
    monkeypatch.setattr(eager, "INT8_ENGINE", "abacus")
    reason = eager.unsupported(Config("m", precision=precision), calibrated=True)
    assert reason == "this build of PyTorch has no abacus engine, which runs int8 on a CPU"
