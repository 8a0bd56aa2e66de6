"""Export a PyTorch module to ONNX, and quantize it to int8, for both ONNX Runtime and OpenVINO."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradespace.errors import Unsupported
from tradespace.prepare.quiet import quiet

INPUT, OUTPUT = "input", "output"
MULTIPLY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Operations between the layers that multiply; they pass integers on to the next layer.
BETWEEN = ("Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean")


def to_onnx(module: nn.Module, example: Tensor, varying: tuple[int, ...]) -> bytes:
    """Export `module` to ONNX for any batch size and any length of the `varying` axes, with BatchNorm folded.

    Raises
    ------
    Unsupported
        If the exporter refuses the module; the message names a runtime that needs no export.
    """
    # Two items, since the exporter treats an axis of length 1 as a constant.
    batch = example.expand(2, *example.shape[1:]).clone()
    axes = {axis: torch.export.Dim.DYNAMIC for axis in (0, *varying)}
    try:
        with quiet() as log:
            program = torch.onnx.export(
                module,
                (batch,),
                dynamo=True,
                dynamic_shapes=(axes,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
    except Exception as error:
        reason = next((str(one).strip() for one in (error.__cause__, error) if one and str(one).strip()), repr(error))
        raise Unsupported(
            f"the model cannot be exported to ONNX for any batch size: {' '.join(reason.splitlines()[:2])} "
            f"{log.tail()} (runtime 'eager' needs no export)"
        ) from error
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model


def to_static_int8(model: bytes, calibration: tuple[Tensor, ...], reduce_range: bool = False) -> bytes:
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
    with quiet(), tempfile.TemporaryDirectory() as folder:
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
            nodes_to_exclude=_behind_maxima(nodes),
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
    with quiet(), tempfile.TemporaryDirectory() as folder:
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


class _Reader:
    """Calibration inputs in the form that ONNX Runtime's quantizer expects."""

    def __init__(self, calibration: tuple[Tensor, ...]) -> None:
        self._batches: Iterator[np.ndarray] = (batch.numpy() for batch in calibration)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
