"""Export a PyTorch module to ONNX, and quantize it to int8, for both ONNX Runtime and OpenVINO."""

import inspect
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from tradespace.errors import Unsupported
from tradespace.prepare.refusal import projected, refusing

OUTPUT = "output"
RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
ELSEWHERE = " (runtime 'eager' needs no export)"
MULTIPLY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Operations between the layers that multiply; they pass integers on to the next layer.
BETWEEN = ("Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")


def input_names(number: int) -> list[str]:
    """Names of the inputs of an exported model.

    Examples
    --------
    >>> input_names(2)
    ['input', 'input_1']
    """
    return ["input", *(f"input_{i}" for i in range(1, number))]


def to_onnx(
    module: nn.Module,
    batch: tuple[Tensor, ...],
    dynamic: tuple[tuple[int, ...], ...],
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (OUTPUT,),
) -> bytes:
    """Export `module` to ONNX, with BatchNorm folded, for any length of the `dynamic` axes of each input.

    By default, inputs have `input_names`, and there is one output.

    Raises
    ------
    Unsupported
        If the exporter refuses the module; the message names a runtime that needs no export.
    """
    if layer := projected(module):
        raise Unsupported(f"ONNX has no LSTM with projections (proj_size), as in layer {layer!r}{ELSEWHERE}")
    shapes = tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in dynamic)
    with refusing(f"this model cannot be exported to ONNX for any batch size{ELSEWHERE}", log=True), _operators_kept():
        program = torch.onnx.export(
            module,
            batch,
            dynamo=True,
            dynamic_shapes=_for_arguments(module, shapes),
            input_names=list(inputs) or input_names(len(batch)),
            output_names=list(outputs),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    drawn = sorted({node.op_type for node in proto.graph.node} & RANDOM)
    if drawn:
        raise Unsupported(
            f"this model draws random numbers, and ONNX ({drawn[0]}) would draw others than PyTorch{ELSEWHERE}"
        )
    model: bytes = proto.SerializeToString()
    return model


@contextmanager
def _operators_kept() -> Iterator[None]:
    """Keep the exporter's table of operators: for each export, torch makes it anew from the source of 500 functions."""
    registry, kept = _operators()
    with patch.object(registry, "from_torchlib", kept) if registry else nullcontext():
        yield


@cache
def _operators() -> tuple[Any, Any]:
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:  # another release of torch
        return None, None
    return ONNXRegistry, staticmethod(cache(ONNXRegistry.from_torchlib))


def _for_arguments(module: nn.Module, shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arrange the shapes as the arguments of `module.forward` are: those that `*args` takes are a tuple."""
    kinds = [one.kind for one in inspect.signature(module.forward).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        return shapes
    alone = kinds.index(inspect.Parameter.VAR_POSITIONAL)
    return (*shapes[:alone], shapes[alone:]) if len(shapes) > alone else shapes


def to_static_int8(model: bytes, calibration: tuple[tuple[Tensor, ...], ...], reduce_range: bool = False) -> bytes:
    """Quantize an ONNX `model` to int8 weights (one step per channel) and unsigned 8-bit activations.

    The result has pairs of QuantizeLinear and DequantizeLinear, which a runtime fuses with the layers between them.

    With `reduce_range`, weights are integers from -64 to 64, and the sum of two products fits in 16 bits.

    Sums and pools between layers are integers too, unless the model normalises them in fp32 (LayerNorm): rounding every
    sum would then cost accuracy. By default the quantizer would round everything, including masks and embeddings.
    """
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    nodes = onnx.load_from_string(model).graph.node
    normalises = any(node.op_type == "LayerNormalization" for node in nodes)
    with refusing("ONNX Runtime's quantizer cannot convert this model"), tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "quantized"))
        plain.write_bytes(model)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        q.quantize_static(
            prepared,
            quantized,
            _Reader(calibration),
            quant_format=q.QuantFormat.QDQ,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            op_types_to_quantize=[*MULTIPLY, *(() if normalises else BETWEEN)],
            nodes_to_exclude=[*_behind_maxima(nodes), *_grouped_transposed(nodes)],
            per_channel=True,
            reduce_range=reduce_range,
        )
        return _with_integers(quantized.read_bytes(), "QuantizeLinear", "int8")


def to_dynamic_int8(model: bytes) -> bytes:
    """Quantize the matrix products of an ONNX `model`: weights to int8, activations at each call.

    Raises
    ------
    Unsupported
        If the model has no matrix product with weights.
    """
    import onnx
    from onnxruntime import quantization as q

    proto = onnx.load_from_string(model)
    kinds = ["MatMul", "Gemm"]
    del proto.graph.value_info[:]  # the exporter's shapes, which the quantizer would trust even if they are stale
    with refusing("ONNX Runtime's quantizer cannot convert this model"), tempfile.TemporaryDirectory() as folder:
        plain, quantized = Path(folder) / "plain.onnx", Path(folder) / "quantized.onnx"
        onnx.save(proto, plain)
        q.quantize_dynamic(plain, quantized, op_types_to_quantize=kinds, weight_type=q.QuantType.QInt8)
        return _with_integers(quantized.read_bytes(), "MatMulInteger", "int8-dynamic")


def in_float(model: bytes) -> bytes:
    """Replace the integer products of an ONNX `model` with products of the same numbers in floating point.

    Run the result without optimisations: they would fuse the layers between QuantizeLinear and DequantizeLinear into
    integer kernels again.
    """
    import onnx

    proto = onnx.load_from_string(model)
    one, nodes = "in_float_one", []
    for node in proto.graph.node:
        if node.op_type == "MatMulInteger":
            # Operands A and B, followed by their zero points.
            floats = [f"{node.output[0]}_{side}" for side in "ab"]
            for i, name in enumerate(floats):
                integers = [node.input[i], one, *node.input[i + 2 : i + 3]]
                nodes.append(onnx.helper.make_node("DequantizeLinear", integers, [name]))
            node = onnx.helper.make_node("MatMul", floats, node.output)
        nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.append(onnx.helper.make_tensor(one, onnx.TensorProto.FLOAT, (), [1.0]))
    changed: bytes = proto.SerializeToString()
    return changed


def _with_integers(model: bytes, kind: str, precision: str) -> bytes:
    """Return `model` if it has a node of that kind; otherwise the quantizer had nothing to do and left it in fp32."""
    import onnx

    if not any(node.op_type == kind for node in onnx.load_from_string(model).graph.node):
        raise Unsupported(f"{precision} quantizes layers that multiply by weights, and found none in this model")
    return model


def _behind_maxima(nodes: Iterable[Any]) -> list[str]:
    """Names of the layers fed by a ReduceMax.

    OpenVINO 2026.4 wrongly merges the rounding between the two into the maximum, even if several maxima are joined
    between them.
    """
    maxima = {output for node in nodes if node.op_type == "ReduceMax" for output in node.output}
    for node in nodes:
        if node.op_type in ("Reshape", "Squeeze", "Flatten", "Concat") and maxima.intersection(node.input):
            maxima.update(node.output)
    return [node.name for node in nodes if node.op_type in MULTIPLY and maxima.intersection(node.input)]


def _grouped_transposed(nodes: Iterable[Any]) -> list[str]:
    """Names of the transposed convolutions in groups, for whose weights the quantizer finds the wrong channels."""
    return [
        node.name
        for node in nodes
        if node.op_type == "ConvTranspose" and any(one.name == "group" and one.i > 1 for one in node.attribute)
    ]


class _Reader:
    """Calibration inputs in the form that ONNX Runtime's quantizer expects."""

    def __init__(self, calibration: tuple[tuple[Tensor, ...], ...]) -> None:
        self._batches: Iterator[dict[str, np.ndarray]] = (as_named(batch) for batch in calibration)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def as_named(batch: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """The tensors of a batch as arrays, by the name of the input that takes them."""
    return {name: tensor.numpy() for name, tensor in zip(input_names(len(batch)), batch, strict=True)}
