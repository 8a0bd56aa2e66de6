"""OpenVINO on a tiny model of images and one of texts of any length."""

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from tradespace.config import Config
from tradespace.measuring.describe import describe
from tradespace.prepare import Layer, Source, eager, export, openvino, prepare
from tradespace.tasks import Task

# Precision -> how far outputs of about 1 may be from those of the model.
TOLERANCE = {"fp32": 1e-5, "bf16": 0.05, "fp16": 0.01, "int8": 0.05}


LACKING = [
    name for name in TOLERANCE if openvino.unsupported(Config("m", precision=name, runtime="openvino"), calibrated=True)
]
EVERY = pytest.mark.parametrize("precision", [name for name in TOLERANCE if name not in LACKING])


@EVERY
@pytest.mark.parametrize("items", [1, 2, 7])
def test_outputs_are_those_of_the_model_at_any_batch_size(case, precision, items):
    inputs = case.inputs(items)
    outputs = case.session("openvino", precision, items).call(inputs)
    assert (outputs.dtype, outputs.shape) == (torch.float32, (items, 3))
    torch.testing.assert_close(outputs, case.exact(inputs), rtol=0, atol=TOLERANCE[precision])


@EVERY
def test_one_session_takes_batches_of_several_sizes_if_none_is_named(case, precision):
    session = case.session("openvino", precision, None)
    for items in (5, 1, 8):
        inputs = case.inputs(items)
        torch.testing.assert_close(session.call(inputs), case.exact(inputs), rtol=0, atol=TOLERANCE[precision])


@EVERY
@pytest.mark.parametrize("length", [1, 2, 4, 9])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_texts_of_any_length_are_computed_as_the_model_does(texts, precision, length, batch_size):
    inputs = texts.inputs(3, length).contiguous()
    outputs = texts.session("openvino", precision, batch_size).call(inputs)
    torch.testing.assert_close(outputs, texts.exact(inputs), rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("length", [4, 9, 2])
def test_a_batch_that_is_a_part_of_a_larger_tensor_is_read_as_what_it_is(texts, length):
    session = texts.session("openvino", "fp32")
    for _ in range(5):  # memory that was given back may still hold the right numbers once
        inputs = texts.inputs(30)[:, :length]
        torch.testing.assert_close(session.call(inputs), texts.exact(inputs), rtol=0, atol=1e-5)


def test_fp32_is_fp32_where_openvino_left_to_itself_would_take_bf16(images):
    inputs = images.inputs(7)
    torch.testing.assert_close(
        images.session("openvino", "fp32").call(inputs), images.exact(inputs), rtol=1e-4, atol=1e-6
    )
    assert {layer.precision for layer in images.session("openvino", "fp32").layers()} == {"fp32"}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_this_processor_lacks_is_a_row_with_the_reason_and_what_it_has_is_none(images, inline, precision):
    config = Config("model", precision=precision, runtime="openvino", threads=1)
    row = describe(images.task, config, executor=inline).iloc[0]
    lacks = f"this processor has no {precision} arithmetic that OpenVINO could use"
    assert row["reason"] == (lacks if precision in LACKING else "")
    if precision in LACKING:
        assert pd.isna(row["ran_as"])
    else:
        assert row["ran_as"].startswith(f"{precision}: 3 layers, 100.0 %")


@pytest.mark.parametrize("precision", [name for name in TOLERANCE if name not in ("fp32", *LACKING)])
def test_a_lower_precision_does_round_and_runs_in_no_other_type(case, precision):
    inputs = case.inputs(7)
    session = case.session("openvino", precision)
    # A few tiny layers may be merged with what surrounds them, and are not told of then.
    assert {layer.precision for layer in session.layers()} <= {precision}
    assert not torch.equal(session.call(inputs), case.session("openvino", "fp32").call(inputs))


def test_int8_layers_are_int8(images):
    assert [layer.precision for layer in images.session("openvino", "int8").layers()] == ["int8"] * 3


@EVERY
def test_the_arithmetic_is_that_of_the_model(images, precision):
    found = [layer.macs for layer in images.session("openvino", precision).layers()]
    assert sorted(found) == sorted(layer.macs for layer in images.session("eager", "fp32").layers())


def test_layers_are_called_what_openvino_calls_them(images):
    kinds = [layer.kind for layer in images.session("openvino", "fp32").layers()]
    assert kinds == ["Convolution", "Convolution", "FullyConnected"]


def layers(module: nn.Module, example: Tensor) -> list[Layer]:
    model = export.to_onnx(module.eval(), (example,), ((),))
    return openvino.layers_of(openvino._compiled(model, [tuple(example.shape)], "f32", 1))


def test_a_convolution_in_groups_is_counted_as_what_it_multiplies():
    module = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(8, 8, 3, groups=8))
    assert [layer.macs for layer in layers(module, torch.zeros(1, 4, 8, 8))] == [8 * 36 * 18, 8 * 16 * 9]


def test_a_transposed_convolution_is_counted():
    assert sum(layer.macs for layer in layers(nn.ConvTranspose2d(2, 3, 3), torch.zeros(1, 2, 8, 8))) == 2 * 64 * 27


class Maximum(nn.Module):
    """The largest activation of each filter over a text, as in a TextCNN."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.convolution, self.head = nn.Embedding(50, 16), nn.Conv1d(16, 8, 3, padding=1), nn.Linear(8, 24)

    def forward(self, ids: Tensor) -> Tensor:
        features = self.convolution(self.words(ids).transpose(1, 2)).relu()
        return self.head(features.masked_fill((ids == 0).unsqueeze(1), 0).amax(2))


def test_a_maximum_before_the_head_costs_int8_no_accuracy():
    torch.manual_seed(0)
    ids = torch.randint(1, 50, (100, 20))
    model = Maximum().eval()
    source = Source(Task.from_model(model, example=ids[:1], calibration=ids), "model", "none")
    with torch.inference_mode():
        expected = model(ids)
        outputs = prepare(source, Config("model", runtime="openvino", precision="int8")).session(1, 100).call(ids)
    assert (outputs - expected).square().mean() < 0.05**2 * expected.square().mean()


@EVERY
def test_the_outputs_of_one_call_are_not_overwritten_by_the_next(case, precision):
    session = case.session("openvino", precision, 4)
    first = session.call(case.inputs(4))
    kept = first.clone()
    session.call(case.inputs(8)[4:])
    assert torch.equal(first, kept)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_the_config_are_those_of_the_session(images, monkeypatch, threads):
    seen = []

    def compiled(*args):
        model = original(*args)
        seen.append((model.get_property("INFERENCE_NUM_THREADS"), model.get_property("NUM_STREAMS")))
        return model

    original = openvino._compiled
    monkeypatch.setattr(openvino, "_compiled", compiled)
    images.prepared("openvino", "fp32").session(threads, 1)
    assert seen == [(threads, 1)]


@pytest.mark.parametrize("precision", [name for name in eager.PRECISIONS if name not in TOLERANCE])
def test_a_precision_it_lacks_is_not_supported(precision):
    reason = openvino.unsupported(Config("m", precision=precision, runtime="openvino"), calibrated=True)
    assert reason == f"this release runs OpenVINO in fp32, bf16, fp16, int8, not in {precision}"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_short_float_is_for_processors_that_have_it(monkeypatch, precision):
    config = Config("m", precision=precision, runtime="openvino")
    monkeypatch.setattr(openvino, "_capabilities", lambda: ("FP32", "INT8"))
    reason = openvino.unsupported(config, calibrated=False)
    assert reason == f"this processor has no {precision} arithmetic that OpenVINO could use"
    monkeypatch.setattr(openvino, "_capabilities", lambda: ("FP32", "FP16", "BF16"))
    assert openvino.unsupported(config, calibrated=False) is None


def test_it_runs_on_the_cpu_alone():
    reason = openvino.unsupported(Config("m", device="cuda", runtime="openvino"), calibrated=True)
    assert reason == "this release runs OpenVINO on the CPU only, not on cuda"


def test_static_int8_needs_calibration_inputs_and_fp32_does_not():
    reason = openvino.unsupported(Config("m", precision="int8", runtime="openvino"), calibrated=False)
    assert "calibration inputs, and this task has none" in reason
    assert openvino.unsupported(Config("m", runtime="openvino"), calibrated=False) is None
