"""Every precision of eager PyTorch: on the trained resnet8 and real test images, and on tiny models."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.ao.nn import quantized
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare import Layer, Prepared, Session, Source, eager, prepare
from tradespace.tasks import Task, load_task

IMAGES = 200
FLOATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU = tuple(name for name in eager.PRECISIONS if name not in ("fp8", "int4"))
# What keeps at least 95 % of the decisions of a trained model; w4 to w2 need not.
CLOSE = ("fp32", "bf16", "fp16", "int8", "int8-dynamic", "w8", "w6", "w8-tensor", "w6-tensor")
X = torch.zeros(1, 1, 8, 8)


@cache
def resnet() -> Source:
    return Source(load_task("fashion"), "resnet8", "none")


@cache
def prepared(precision: str) -> Prepared:
    return prepare(resnet(), Config("resnet8", precision=precision))


@cache
def scores(precision: str) -> Tensor:
    return call(prepared(precision).session(1, IMAGES), load_task("fashion").test[0][:IMAGES])


def call(session: Session, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        return session.call(inputs)


def session_of(module: nn.Module, example: Tensor, precision: str = "fp32", calibration=None) -> Session:
    """`module`, through a task of its own."""
    task = Task.from_model(module, example=example, calibration=calibration)
    return prepare(Source(task, "model", "none"), Config("model", precision=precision)).session(1, None)


def modules(precision: str, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in prepared(precision).session(1, None).call.modules() if isinstance(module, kind)]


def test_fp32_is_the_model_as_it_is_loaded(fashion):
    with torch.inference_mode():
        expected = fashion.load_model("resnet8")(fashion.test[0][:IMAGES])
    torch.testing.assert_close(scores("fp32"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", CLOSE)
def test_every_precision_that_keeps_accuracy_mostly_agrees_with_fp32(precision):
    agreement = (scores(precision).argmax(1) == scores("fp32").argmax(1)).double().mean().item()
    assert agreement >= 0.95


@pytest.mark.parametrize("precision", CPU)
def test_scores_are_fp32_one_row_an_item(precision):
    assert (scores(precision).dtype, scores(precision).shape) == (torch.float32, (IMAGES, 10))


@pytest.mark.parametrize("precision", [name for name in CPU if name != "fp32"])
def test_a_lower_precision_does_round(precision):
    assert not torch.equal(scores(precision), scores("fp32"))


@pytest.mark.parametrize("kind", ["", "-tensor"])
def test_fewer_bits_a_weight_stray_further_from_fp32(kind):
    error = [(scores(f"w{bits}{kind}") - scores("fp32")).square().mean().item() for bits in (8, 6, 4, 2)]
    assert error == sorted(error)


def test_a_step_for_each_channel_strays_less_than_one_for_the_tensor():
    error = {name: (scores(name) - scores("fp32")).square().mean().item() for name in ("w4", "w4-tensor")}
    assert error["w4"] < error["w4-tensor"]


@pytest.mark.parametrize(("precision", "dtype"), FLOATS.items())
def test_weights_of_a_float_precision_have_its_type(precision, dtype):
    assert {weight.dtype for weight in prepared(precision).session(1, None).call.parameters()} == {dtype}


def test_int8_convolutions_and_the_head_have_int8_weights(fashion):
    convolutions = modules("int8", quantized.Conv2d)
    originals = [m for m in fashion.load_model("resnet8").modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == len(originals) == 9
    assert {module.weight().dtype for module in convolutions} == {torch.qint8}
    assert [module.weight().dtype for module in modules("int8", quantized.Linear)] == [torch.qint8]
    assert not modules("int8", nn.Conv2d)
    assert not modules("int8", nn.Linear)


def test_dynamic_int8_has_int8_weights_in_linear_layers_alone():
    [head] = modules("int8-dynamic", quantized.dynamic.Linear)
    assert head.weight().dtype == torch.qint8
    assert not modules("int8-dynamic", nn.Linear)
    assert {module.weight.dtype for module in modules("int8-dynamic", nn.Conv2d)} == {torch.float32}


@pytest.mark.parametrize("precision", ["w8", "w2", "w4-tensor"])
def test_rounded_weights_are_on_few_levels_and_the_arithmetic_is_fp32(precision):
    most = 2 ** int(precision[1]) - 1
    for layer in (*modules(precision, nn.Conv2d), *modules(precision, nn.Linear)):
        assert layer.weight.dtype == torch.float32
        assert all(len(channel.unique()) <= most for channel in layer.weight)


def test_nothing_of_the_module_is_folded_or_laid_out_anew(fashion):
    own = sum(isinstance(layer, nn.BatchNorm2d) for layer in fashion.load_model("resnet8").modules())
    for precision in ("fp32", "bf16", "w8"):
        assert len(modules(precision, nn.BatchNorm2d)) == own
        assert all(layer.weight.is_contiguous() for layer in modules(precision, nn.Conv2d))


@pytest.mark.parametrize(
    ("precision", "most"), [("bf16", 0.6), ("fp16", 0.6), ("int8", 0.55), ("w8", 0.3), ("w4", 0.16), ("w2", 0.1)]
)
def test_a_lower_precision_makes_a_smaller_file(precision, most):
    assert prepared(precision).model_mb < most * prepared("fp32").model_mb


def test_fp32_takes_four_bytes_a_weight(fashion):
    weights = sum(value.numel() for value in fashion.load_model("resnet8").parameters())
    # Besides, there are the means and variances of each BatchNorm, and the names of all.
    assert 4 * weights <= 1e6 * prepared("fp32").model_mb < 1.3 * 4 * weights


@pytest.mark.parametrize("precision", CPU)
def test_every_precision_takes_any_batch_size(images, precision):
    for items in (1, 3):
        outputs = call(images.session("eager", precision), images.inputs(items))
        assert (outputs.shape, outputs.dtype) == ((items, 3), torch.float32)


def test_static_int8_of_a_model_that_compares_is_unsupported_since_its_observers_take_no_truth_values(texts):
    with pytest.raises(Unsupported, match=r"^PyTorch's static int8 .* not implemented for 'Bool'"):
        texts.session("eager", "int8")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8-dynamic", "w8"])
def test_every_length_of_a_text_is_computed_as_the_model_does(texts, precision):
    session = texts.session("eager", precision)
    for length in (1, 4, 9):
        inputs = texts.inputs(8, length)
        torch.testing.assert_close(call(session, inputs), texts.exact(inputs), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("precision", CPU)
def test_the_models_of_the_task_stay_as_they_are(tiny, precision):
    before = tiny.load_model("narrow").state_dict()
    source = Source(tiny, "narrow", "none")
    prepare(source, Config("narrow", precision=precision)).session(1, 1).layers()
    for module in (tiny.load_model("narrow"), source.module()):
        assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("precision", ["fp32", "bf16", "w8"])
def test_a_model_that_sees_its_batch_in_rows_runs(precision):
    class Viewed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.head = nn.Conv2d(1, 4, 3), nn.Linear(144, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.convolution(x).view(len(x), -1))

    assert call(session_of(Viewed(), X, precision), torch.zeros(5, 1, 8, 8)).shape == (5, 3)


def test_calibrating_a_model_that_works_in_place_leaves_the_calibration_inputs_as_they_are():
    module = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2))
    calibration = torch.linspace(-1, 1, 80).reshape(20, 4)
    session_of(module, torch.zeros(1, 4), "int8", given := calibration.clone())
    assert torch.equal(given, calibration)


def test_a_model_whose_control_flow_depends_on_data_has_no_static_int8_and_says_so():
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(Unsupported, match=r"^PyTorch's static int8 \(torch\.fx\) cannot convert this model: "):
        session_of(Branches(), torch.zeros(1, 4), "int8", torch.zeros(2, 4))


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "w4"])
def test_a_model_with_nothing_to_round_is_not_fp32_by_another_name(precision):
    with pytest.raises(Unsupported, match="none"):
        session_of(nn.Softmax(1), torch.zeros(1, 4), precision, torch.rand(8, 4))


@pytest.mark.parametrize("precision", FLOATS)
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_float_precisions_are_for_every_device_and_need_no_calibration(precision, device):
    assert eager.unsupported(Config("m", precision=precision, device=device), calibrated=False) is None


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_rounded_weights_run_in_fp32_on_every_device_and_need_no_calibration(device):
    assert eager.unsupported(Config("m", precision="w3-tensor", device=device), calibrated=False) is None


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_int8_is_for_the_cpu_and_not_for_every_accelerator(precision):
    assert eager.unsupported(Config("m", precision=precision), calibrated=True) is None
    reason = eager.unsupported(Config("m", precision=precision, device="mps"), calibrated=True)
    assert reason == f"eager PyTorch has {precision} kernels for the CPU and CUDA only, not for mps"


@pytest.mark.parametrize("device", ["cpu", "mps"])
@pytest.mark.parametrize("precision", ["fp8", "int4"])
def test_fp8_and_int4_are_for_cuda_alone(precision, device):
    reason = eager.unsupported(Config("m", precision=precision, device=device), calibrated=True)
    assert reason == f"{precision} has kernels for CUDA only, not for {device}"


def test_static_int8_needs_calibration_inputs_and_dynamic_int8_does_not():
    reason = eager.unsupported(Config("m", precision="int8"), calibrated=False)
    assert "calibration inputs, and this task has none" in reason
    assert eager.unsupported(Config("m", precision="int8-dynamic"), calibrated=False) is None


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_int8_needs_an_engine_in_the_build(monkeypatch, precision):
    monkeypatch.setattr(eager, "INT8_ENGINE", "abacus")
    reason = eager.unsupported(Config("m", precision=precision), calibrated=True)
    assert reason == "this build of PyTorch has no abacus engine, which runs int8 on a CPU"


@pytest.mark.parametrize("precision", [name for name in CPU if name not in eager.WEIGHTS])
def test_what_has_a_kernel_can_be_timed(precision):
    assert eager.untimed(Config("m", precision=precision)) is None


@pytest.mark.parametrize("precision", eager.WEIGHTS)
def test_weights_of_a_few_bits_have_an_accuracy_and_no_time(precision):
    reason = eager.untimed(Config("m", precision=precision))
    assert f"no {precision} kernel to time" in reason
    assert "accuracy is that of fp32 arithmetic" in reason


def multiplied(module: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates as PyTorch's own counter counts them: it says two operations for each."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        module(example)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("precision", "convolution", "head"), [
    ("fp32", "fp32", "fp32"), ("bf16", "bf16", "bf16"), ("fp16", "fp16", "fp16"),
    ("int8", "int8", "int8"), ("int8-dynamic", "fp32", "int8"), ("w4", "fp32", "fp32"),
])  # fmt: skip
def test_the_layers_that_multiply_are_told_with_the_type_they_run_in(images, precision, convolution, head):
    # Whether int8 is noted to be of seven bits depends on the processor.
    assert [replace(layer, note="") for layer in images.session("eager", precision).layers()] == [
        Layer("Conv2d", convolution, 36 * 36),
        Layer("Conv2d", convolution, 36 * 288),
        Layer("Linear", head, 24),
    ]


def test_the_layers_of_a_text_model_are_those_of_one_text_as_long_as_the_example(texts):
    assert texts.session("eager", "bf16").layers() == [Layer("Linear", "bf16", 64), Layer("Linear", "bf16", 24)]


def test_looking_up_rows_is_no_multiplication(texts):
    assert not any("Embedding" in layer.kind for layer in texts.session("eager", "int8-dynamic").layers())


@pytest.mark.parametrize(
    ("module", "example"),
    [
        (nn.Conv2d(4, 8, 3, stride=2, groups=2), torch.zeros(1, 4, 9, 9)),
        (nn.Conv1d(3, 5, 3, padding=1), torch.zeros(1, 3, 7)),
        (nn.Conv3d(1, 2, 2), torch.zeros(1, 1, 4, 4, 4)),
        (nn.Linear(4, 5), torch.zeros(1, 6, 4)),
        (nn.ConvTranspose2d(2, 3, 3, stride=2), torch.zeros(1, 2, 8, 8)),
        (nn.Sequential(nn.LayerNorm((4, 4)), nn.Linear(4, 2)), torch.zeros(1, 4, 4)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_multiply_accumulates_are_those_of_pytorchs_own_counter(module, example):
    layers = eager.layers_of(module.eval(), example)
    assert sum(layer.macs for layer in layers) == multiplied(module, example) > 0
    assert all(type(layer.macs) is int for layer in layers)


class Attention(nn.Module):
    """Self-attention of one head, its products written out or left to PyTorch."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.project = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(x).chunk(3, 2)
        if self.fused:
            return F.scaled_dot_product_attention(*(one.unsqueeze(1) for one in (query, key, value))).squeeze(1)
        return (query @ key.transpose(1, 2)).softmax(2) @ value


@pytest.mark.parametrize("fused", [False, True], ids=["written out", "fused"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_products_of_attention_are_counted_in_the_type_they_run_in(precision, fused):
    layers = session_of(Attention(fused), torch.zeros(1, 5, 8), precision).layers()
    assert layers == [
        Layer("Linear", precision, 5 * 8 * 24),
        Layer("products of activations", precision, 2 * 5 * 5 * 8),
    ]


def test_the_products_of_attention_stay_fp32_beside_int8_layers():
    layers = session_of(Attention(fused=False), torch.zeros(1, 5, 8), "int8-dynamic").layers()
    assert layers == [
        Layer("Linear", "int8", 5 * 8 * 24, "7-bit activations"),
        Layer("products of activations", "fp32", 2 * 5 * 5 * 8),
    ]


def test_the_arithmetic_of_pytorchs_own_attention_layer_is_counted_too():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    expected = 5 * (8 * 24 + 8 * 8 + 2 * 8 * 16) + 2 * 5 * 5 * 8
    assert sum(one.macs for one in eager.layers_of(layer, torch.zeros(1, 5, 8))) == expected


def test_a_layer_that_runs_twice_counts_twice():
    shared = nn.Linear(4, 4)
    layers = session_of(nn.Sequential(shared, nn.ReLU(), shared), torch.zeros(1, 4)).layers()
    assert layers == [Layer("Linear", "fp32", 16)] * 2


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "w4", "bf16"])
def test_a_model_that_is_a_single_layer_is_rounded_too(precision):
    torch.manual_seed(0)
    module, inputs = nn.Linear(4, 3), torch.randn(20, 4)
    session = session_of(module, inputs[:1], precision, inputs)
    with torch.inference_mode():
        expected = module(inputs)
    assert not torch.equal(call(session, inputs), expected)
    torch.testing.assert_close(call(session, inputs), expected, rtol=0, atol=0.2)
    assert [layer.precision for layer in session.layers()] == [{"w4": "fp32", "bf16": "bf16"}.get(precision, "int8")]


def test_asking_for_layers_leaves_no_hook_behind(images):
    session = images.session("eager", "fp32")
    session.layers()
    assert not any(module._forward_hooks for module in session.call.modules())
