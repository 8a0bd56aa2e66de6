"""ONNX Runtime on a tiny model of images and one of texts of any length."""

import pytest
import torch
from torch import nn
from tradespace.config import Config
from tradespace.errors import Unsupported
from tradespace.prepare import Source, eager, export, onnxruntime, prepare
from tradespace.tasks import Task

# Precision -> how far outputs of about 1 may be from those of the model.
TOLERANCE = {"fp32": 1e-5, "int8": 0.05, "int8-dynamic": 0.05}


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("items", [1, 2, 7])
def test_outputs_are_those_of_the_model_at_any_batch_size(case, precision, items):
    inputs = case.inputs(items)
    outputs = case.session("onnxruntime", precision, items).call(inputs)
    assert (outputs.dtype, outputs.shape) == (torch.float32, (items, 3))
    torch.testing.assert_close(outputs, case.exact(inputs), rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("length", [1, 2, 4, 9])
def test_texts_of_any_length_are_computed_as_the_model_does(texts, precision, length):
    session = texts.session("onnxruntime", precision)
    for items in (1, 3):
        inputs = texts.inputs(items, length)
        torch.testing.assert_close(session.call(inputs), texts.exact(inputs), rtol=0, atol=TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_int8_does_round(case, precision):
    inputs = case.inputs(7)
    rounded, exact = (case.session("onnxruntime", name).call(inputs) for name in (precision, "fp32"))
    assert not torch.equal(rounded, exact)


@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_outputs_of_one_call_are_not_overwritten_by_the_next(case, precision):
    session = case.session("onnxruntime", precision)
    first = session.call(case.inputs(4))
    kept = first.clone()
    session.call(case.inputs(8)[4:])
    assert torch.equal(first, kept)


@pytest.mark.parametrize(("precision", "convolution", "head"), [
    ("fp32", "fp32", "fp32"), ("int8", "int8", "int8"), ("int8-dynamic", "fp32", "int8"),
])  # fmt: skip
def test_the_layers_that_multiply_are_told_with_the_type_they_run_in(images, precision, convolution, head):
    layers = images.session("onnxruntime", precision).layers()
    assert [layer.precision for layer in layers] == [convolution, convolution, head]
    assert ["Conv" in layer.kind for layer in layers] == [True, True, False]


@pytest.mark.parametrize("precision", TOLERANCE)
def test_the_arithmetic_is_that_of_the_model_whatever_the_runtime_makes_of_its_filters(case, precision):
    found = [layer.macs for layer in case.session("onnxruntime", precision).layers()]
    assert found == [layer.macs for layer in case.session("eager", "fp32").layers()]


@pytest.mark.parametrize(("precision", "ran"), [("fp32", "fp32"), ("int8", "int8"), ("int8-dynamic", "int8")])
def test_the_linear_layers_of_a_text_model_run_in_the_type_they_say(texts, precision, ran):
    assert [layer.precision for layer in texts.session("onnxruntime", precision).layers()] == [ran, ran]


class Mixed(nn.Module):
    """A convolution in groups, one that enlarges, and products of activations."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(4, 8, 3, groups=2)
        self.enlarge = nn.ConvTranspose2d(8, 2, 2, stride=2)

    def forward(self, x):
        x = self.enlarge(self.grouped(x)).flatten(2)
        return (x @ x.transpose(1, 2)).flatten(1)


def test_groups_transposed_convolutions_and_products_of_activations_are_counted(images):
    model = export.to_onnx(Mixed().eval(), torch.zeros(1, 4, 6, 6), ())
    layers = onnxruntime.layers_of(model, torch.zeros(1, 4, 6, 6))
    assert sorted(layer.macs for layer in layers) == sorted([8 * 16 * 18, 8 * 16 * 2 * 4, 2 * 64 * 2])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_the_config_are_those_of_the_session(images, monkeypatch, threads):
    seen = []

    def opened(model, threads, **options):
        session = original(model, threads, **options)
        seen.append(session.get_session_options().intra_op_num_threads)
        return session

    original = onnxruntime.open_session
    monkeypatch.setattr(onnxruntime, "open_session", opened)
    config = Config("model", runtime="onnxruntime")
    prepare(images.source, config).session(threads, 1).call(images.inputs(1))
    assert seen == [threads]


def test_the_file_of_an_int8_model_is_smaller():
    torch.manual_seed(0)
    task = Task.from_model(nn.Linear(300, 300), example=torch.zeros(1, 300), calibration=torch.randn(20, 300))
    source = Source(task, "model", "none")
    sizes = {p: prepare(source, Config("model", runtime="onnxruntime", precision=p)).model_mb for p in TOLERANCE}
    assert sizes["fp32"] == pytest.approx(0.36, rel=0.05)
    assert sizes["int8"] == pytest.approx(0.09, rel=0.15)
    assert sizes["int8-dynamic"] == pytest.approx(0.09, rel=0.15)


def test_nothing_is_printed_or_warned_about(capfd, recwarn):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    task = Task.from_model(model, example=torch.zeros(1, 1, 4, 4), calibration=torch.randn(20, 1, 4, 4))
    source = Source(task, "model", "none")
    for runtime, precisions in {"onnxruntime": TOLERANCE, "openvino": ("fp32", "int8")}.items():
        for precision in precisions:
            session = prepare(source, Config("model", runtime=runtime, precision=precision)).session(1, None)
            session.call(task.calibration)
            session.layers()
    assert capfd.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn] == []


def test_dynamic_int8_without_a_matrix_product_is_unsupported():
    task = Task.from_model(nn.Conv1d(4, 2, 1), example=torch.zeros(1, 4, 3))
    config = Config("model", precision="int8-dynamic", runtime="onnxruntime")
    with pytest.raises(Unsupported, match="int8-dynamic quantizes layers that multiply by weights, and found none"):
        prepare(Source(task, "model", "none"), config)


@pytest.mark.parametrize("precision", [name for name in eager.PRECISIONS if name not in TOLERANCE])
def test_a_precision_without_kernels_is_not_supported(precision):
    reason = onnxruntime.unsupported(Config("m", precision=precision, runtime="onnxruntime"), calibrated=True)
    assert reason == f"ONNX Runtime's CPU kernels run fp32, int8, int8-dynamic, not {precision}"


def test_it_runs_on_the_cpu_alone():
    for device in ("cuda", "mps"):
        reason = onnxruntime.unsupported(Config("m", device=device, runtime="onnxruntime"), calibrated=True)
        assert reason == f"this release runs ONNX Runtime on the CPU only, not on {device}"


def test_static_int8_needs_calibration_inputs_and_nothing_else_does():
    reasons = [onnxruntime.unsupported(Config("m", precision=name), calibrated=False) for name in TOLERANCE]
    assert [reason is None for reason in reasons] == [True, False, True]
    assert "calibration inputs, and this task has none" in reasons[1]
