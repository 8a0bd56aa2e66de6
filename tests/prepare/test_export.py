"""Modules as ONNX models, and what the exporter refuses."""

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.onnx._internal.exporter._registration import ONNXRegistry
from tradespace.errors import Unsupported
from tradespace.prepare import export
from tradespace.tasks import Task

EXAMPLE = torch.ones(1, 4)


class Model(nn.Module):
    """A linear layer, which a subclass feeds as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)


def exported(module: nn.Module) -> bytes:
    """The module for any number of rows of four."""
    return export.to_onnx(module.eval(), (torch.cat([EXAMPLE, EXAMPLE]),), ((0,),))


class Branches(Model):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) if x.sum() > 0 else self.head(-x)


class TakesOne(Model):
    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise ValueError("one at a time, please")
        return self.head(x)


class WrittenForOne(Model):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.reshape(1, -1))


def test_torchs_table_of_operators_is_made_once_and_no_other_use_of_torch_gets_it(monkeypatch):
    original = ONNXRegistry.from_torchlib
    exported(nn.Linear(4, 2))
    monkeypatch.setattr(ONNXRegistry, "_register", None)  # to make the table again would fail
    exported(nn.Linear(4, 3))
    assert ONNXRegistry.from_torchlib == original


@pytest.mark.parametrize(
    ("module", "cause"),
    [(Branches, "(?i)data.dependent"), (TakesOne, "one at a time, please"), (WrittenForOne, r"Eq\(\w+, 1\)")],
)
def test_a_model_that_cannot_be_exported_for_any_batch_is_refused_with_the_cause_and_a_way_out(module, cause):
    with pytest.raises(Unsupported, match=cause) as refused:
        exported(module())
    message = str(refused.value)
    assert message.startswith(
        "this model cannot be exported to ONNX for any batch size (runtime 'eager' needs no export): "
    )
    assert "\n" not in message


def test_what_the_exporter_printed_before_it_failed_is_part_of_the_reason(monkeypatch, capfd):
    def fails(*args, **kwargs):
        print("[exporter] no ONNX function for aten.mystery")
        raise RuntimeError("conversion failed")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(Unsupported, match=r"conversion failed.*no ONNX function for aten\.mystery"):
        exported(Branches())
    assert capfd.readouterr() == ("", "")


def axes(value: onnx.ValueInfoProto) -> list[str | int]:
    """The length of each axis of an input or output: a number, or a name where it varies."""
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def test_the_batch_of_images_varies_and_no_other_axis(images):
    graph = onnx.load_from_string(images.source.onnx("fp32")).graph
    assert [axes(one) for one in (*graph.input, *graph.output)] == [[AnyName(), 1, 8, 8], [AnyName(), 3]]


def test_batch_and_length_of_texts_vary_apart(texts):
    graph = onnx.load_from_string(texts.source.onnx("fp32")).graph
    batch, length = axes(graph.input[0])
    assert isinstance(batch, str)
    assert isinstance(length, str)
    assert batch != length


class AnyName:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)


def kinds(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


def test_batchnorm_is_folded(images):
    assert "BatchNormalization" not in kinds(images.source.onnx("fp32"))
    assert kinds(images.source.onnx("fp32")).count("Conv") == 2


def test_the_module_is_as_it_was_after_its_export(images):
    images.source.onnx("fp32")
    original = images.task.load_model("model").state_dict()
    exported = images.source.module().state_dict()
    assert all(torch.equal(original[name], value) for name, value in exported.items())


def test_static_int8_has_a_step_for_each_channel_of_a_weight(images):
    graph = onnx.load_from_string(images.source.onnx("int8")).graph
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    weights = [node.input for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in values]
    filters = [(values[name], values[step]) for name, step, _ in weights if values[name].ndim == 4]
    assert sorted((weight.dtype.name, step.shape) for weight, step in filters) == [("int8", (4,)), ("int8", (8,))]


def test_dynamic_int8_rounds_matrix_products_and_no_convolution(images):
    found = kinds(images.source.onnx("int8-dynamic"))
    assert found.count("Conv") == 2
    assert "MatMulInteger" in found
    assert not {"MatMul", "Gemm"} & set(found)


class Product(nn.Module):
    """A matrix product of activations, without weights."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) @ x.unsqueeze(2)).flatten(1)


class Norm(nn.Module):
    """Nothing that multiplies by weights at all."""

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(1)


@pytest.fixture(scope="module", params=[Product, Norm])
def weightless(request) -> bytes:
    return exported(request.param())


def test_a_model_without_weights_in_a_matrix_product_has_no_dynamic_int8(weightless):
    with pytest.raises(Unsupported, match="int8-dynamic quantizes layers that multiply by weights, and found none"):
        export.to_dynamic_int8(weightless)


def test_static_int8_of_a_model_with_nothing_to_round_is_not_fp32_by_another_name():
    model = exported(Norm())
    with pytest.raises(Unsupported, match="none"):
        export.to_static_int8(model, ((torch.rand(8, 4),),))


def test_calibration_inputs_of_another_shape_are_refused_before_any_work():
    with pytest.raises(ValueError, match=r"^calibration: wanted shape \(n, 4\), as in the example; got \(8, 5\)$"):
        Task.from_model(Branches(), example=EXAMPLE, calibration=torch.zeros(8, 5))
