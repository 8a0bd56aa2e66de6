"""int8 computes what its integers say, on every processor: held against the same integers in floating point."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx.numpy_helper import to_array
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from tradespace.config import Config
from tradespace.prepare import Source, eager, export, onnxruntime, openvino, prepare
from tradespace.tasks import Task

INTEGERS = [
    ("eager", "int8"), ("eager", "int8-dynamic"),
    ("onnxruntime", "int8"), ("onnxruntime", "int8-dynamic"),
    ("openvino", "int8"),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("runtime", "precision"), INTEGERS)
ASKED = pytest.mark.parametrize("runtime", [eager, openvino], ids=["eager", "openvino"])
# What a step that is rounded to its other neighbour may change; an overflow changes a third or more of the outputs.
CLOSE = 0.02
# What the kernels of PyTorch and OpenVINO take for an older processor.
CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def departure(outputs: Tensor, truth: Tensor) -> float:
    """Root mean square of the difference, over that of the truth."""
    return ((outputs - truth).square().mean() / truth.square().mean()).sqrt().item()


def departure_of(source: Source, runtime: str, precision: str, inputs: Tensor) -> float:
    with torch.inference_mode():
        made = prepare(source, Config("model", runtime=runtime, precision=precision))
        return departure(made.session(1, None).call(inputs.clone()), made.in_float()(inputs.clone()))


def source_of(module: nn.Module, inputs: Tensor) -> Source:
    return Source(Task.from_model(module, example=inputs[:1], calibration=inputs), "model", "none")


@pytest.fixture(scope="module")
def largest() -> tuple[Source, Tensor]:
    """A layer whose weights are nearly all as large as they get, and inputs that are: its sums overflow first."""
    layer = nn.Linear(64, 16)
    torch.manual_seed(0)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.weight[:, :4] = -torch.rand(16, 4)
    inputs = torch.ones(40, 64) - 0.1 * torch.rand(40, 64)
    inputs[:, :4] = 0
    return source_of(layer, inputs), inputs


# Static int8 of eager PyTorch refuses the model of texts: see test_eager.
@pytest.mark.parametrize(
    ("fixture", "runtime", "precision"),
    [("images", *one) for one in INTEGERS] + [("texts", *one) for one in INTEGERS[1:]],
)
def test_outputs_are_those_of_the_same_integers_in_floating_point(request, fixture, runtime, precision):
    case = request.getfixturevalue(fixture)
    assert departure_of(case.source, runtime, precision, case.inputs(20)) < CLOSE


@EVERY
def test_the_largest_sums_there_are_do_not_overflow(largest, runtime, precision):
    source, inputs = largest
    assert departure_of(source, runtime, precision, inputs) < CLOSE


@EVERY
def test_the_largest_sums_are_near_those_of_the_model(largest, runtime, precision):
    source, inputs = largest
    with torch.inference_mode():
        outputs = prepare(source, Config("model", runtime=runtime, precision=precision)).session(1, None).call(inputs)
        assert departure(outputs, source.module()(inputs)) < CLOSE


@ASKED
def test_a_runtime_that_is_asked_whether_its_sums_overflow_says_what_they_do(largest, monkeypatch, runtime):
    source, inputs = largest
    truly = runtime.overflows()
    monkeypatch.setattr(runtime, "overflows", lambda: False)  # so that all eight bits are used
    name = runtime.__name__.rpartition(".")[2]
    assert (departure_of(source, name, "int8", inputs) > 0.2) is truly


@ASKED
@pytest.mark.parametrize("overflows", [True, False])
def test_a_bit_is_left_unused_where_sums_would_overflow_and_there_alone(images, monkeypatch, runtime, overflows):
    monkeypatch.setattr(runtime, "overflows", lambda: overflows)
    name = runtime.__name__.rpartition(".")[2]
    made = prepare(images.source, Config("model", runtime=name, precision="int8"))
    note = {"eager": "7-bit activations", "openvino": "7-bit weights"}[name] if overflows else ""
    assert [(layer.precision, layer.note) for layer in made.session(1, None).layers()] == [("int8", note)] * 3


@pytest.mark.parametrize(("precision", "most"), [("int8", 127), ("int8-7bit", 64)])
def test_weights_of_seven_bits_are_that_small(images, precision, most):
    initial = onnx.load_from_string(images.source.onnx(precision)).graph.initializer
    weights = [to_array(one) for one in initial if one.name.endswith("weight_quantized")]
    assert len(weights) == 3
    assert max(abs(one.astype(int)).max() for one in weights) == most


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_floating_point_without_optimisations_is_what_the_reference_of_onnx_computes(case, precision):
    inputs, model = case.inputs(5), case.source.onnx(precision)
    [expected] = ReferenceEvaluator(onnx.load_from_string(model)).run(None, export.as_named([inputs]))
    assert departure(onnxruntime.float_call(model)(inputs), torch.from_numpy(expected)) < 1e-5


def test_in_floating_point_no_product_of_integers_is_left(texts):
    graph = onnx.load_from_string(export.in_float(texts.source.onnx("int8-dynamic"))).graph
    kinds = [node.op_type for node in graph.node]
    assert "MatMulInteger" not in kinds
    assert kinds.count("MatMul") == 2


@EVERY
def test_convolutions_and_maxima_that_are_joined_are_what_their_integers_say(runtime, precision):
    class Joined(nn.Module):
        """As in a TextCNN."""

        def __init__(self) -> None:
            super().__init__()
            self.convolutions = nn.ModuleList(nn.Conv1d(16, 8, size, padding=size // 2) for size in (1, 3))
            self.head = nn.Linear(16, 24)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.cat([one(x).relu().amax(2) for one in self.convolutions], 1))

    torch.manual_seed(0)
    inputs = torch.randn(60, 16, 20)
    assert departure_of(source_of(Joined(), inputs), runtime, precision, inputs) < CLOSE


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_are_near_the_same_weights_in_floating_point(kind):
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = kind(6, 16, 2, batch_first=True, bidirectional=True), nn.Linear(32, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x)[0][:, -1])

    torch.manual_seed(0)
    inputs = torch.randn(32, 5, 6)
    # What enters these layers is rounded to seven bits, and is not in floating point.
    assert departure_of(source_of(Last(), inputs), "eager", "int8-dynamic", inputs) < 0.05


@pytest.mark.parametrize("precision", ["fp32", "bf16", "w4"])
def test_what_has_no_integers_to_multiply_has_no_such_truth(images, precision):
    assert images.prepared("eager", precision).in_float is None


if not CAPPED.items() <= os.environ.items():

    def test_nothing_overflows_either_where_the_newer_instructions_are_hidden():
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "largest or overflow",
            __file__,
        ]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, env=os.environ | CAPPED, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]

elif platform.machine() in ("x86_64", "AMD64"):

    @ASKED
    def test_without_the_newer_instructions_sums_overflow(runtime):
        assert runtime.overflows()
