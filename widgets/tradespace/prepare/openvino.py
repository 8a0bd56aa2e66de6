"""OpenVINO: a graph compiled for this processor and one batch size, and run without Python."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tradespace.config import Config
from tradespace.prepare.export import input_names
from tradespace.prepare.onnxruntime import float_call
from tradespace.prepare.refusal import refusing
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import UNCALIBRATED, Call, Converted, Layer, Session, noted
from tradespace.prepare.source import Source
from tradespace.spinning import OPENVINO_BINDS, how_threads_wait

# Precision -> OpenVINO's name of the type to compute in. By default, OpenVINO runs fp32 models in bf16 if the processor
# has it. In int8 models, too, the layers that stay in floating point stay fp32.
HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
PRECISIONS = tuple(HINTS)
NAMES = {"f32": "fp32", "f16": "fp16", "u8": "int8", "i8": "int8"}
MOST_COPIED = 4096
SEVEN_BITS = "7-bit weights"
KINDS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why OpenVINO cannot run `config` here, or None."""
    if config.device != "cpu":
        return f"this release runs OpenVINO on the CPU only, not on {config.device}"
    if config.precision not in PRECISIONS:
        return f"this release runs OpenVINO in {', '.join(PRECISIONS)}, not in {config.precision}"
    if config.precision in ("bf16", "fp16") and config.precision.upper() not in _capabilities():
        return f"this processor has no {config.precision} arithmetic that OpenVINO could use"
    if config.precision == "int8" and not calibrated:
        return UNCALIBRATED
    return None


def convert(source: Source, config: Config) -> Converted:
    """Export the model of `source` to ONNX, in int8 if requested, and have OpenVINO read it."""
    integers = config.precision == "int8"
    narrow = integers and overflows()
    model = source.onnx("int8-7bit" if narrow else "int8" if integers else "fp32")
    one = [tuple(tensor.shape) for tensor in source.example]

    def open_session(threads: int, batch_size: int | None) -> Session:
        with refusing(f"OpenVINO cannot run this model in {config.precision}"):
            compiled = _compiled(model, _shapes(source, batch_size), HINTS[config.precision], threads)

        def layers() -> list[Layer]:
            found = layers_of(_compiled(model, one, HINTS[config.precision], threads))
            return noted(found, SEVEN_BITS) if narrow else found

        return Session(_call(compiled), layers)

    return Converted(open_session, len(model) / 1e6, (lambda: float_call(model)) if integers else None)


def _shapes(source: Source, batch_size: int | None) -> list[tuple[int, ...]]:
    """The shape of each input for batches of a size, or of any size; -1 stands for any length."""
    shapes = []
    for tensor, varying in zip(source.example, source.varying, strict=True):
        lengths = {axis: -1 for axis in varying}
        if not source.traits.one_at_a_time:
            lengths[source.batch_axis] = batch_size or -1
        shapes.append(tuple(lengths.get(axis, length) for axis, length in enumerate(tensor.shape)))
    return shapes


def begin(config: Config) -> None:
    """Find out, once for all models, whether sums of bytes overflow."""
    if config.precision == "int8":
        overflows()


@cache
def overflows() -> bool:
    """Whether OpenVINO adds the largest products of unsigned and signed bytes incorrectly here.

    It does on x86 processors without VNNI, or if `ONEDNN_MAX_CPU_ISA` hides VNNI: pairs are then added in 16 bits.
    """
    import openvino
    from openvino import opset13 as ops

    unsigned, signed, terms = 255.0, 127, 64
    inputs = ops.parameter([1, terms], np.float32)
    rounded = ops.fake_quantize(inputs, 0.0, unsigned, 0.0, unsigned, 256)
    weights = ops.convert(ops.constant(np.full((terms, 16), signed, np.int8)), "f32")
    product = ops.matmul(rounded, ops.multiply(weights, ops.constant(np.float32(1))), False, False)
    call = _call(_core().compile_model(openvino.Model([product], [inputs]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}))
    return bool((call(torch.full((1, terms), unsigned)) < 0.99 * unsigned * signed * terms).any())


def _compiled(model: bytes, shapes: Sequence[tuple[int, ...]], hint: str, threads: int) -> Any:
    """Compile `model` for inputs of these shapes, in which -1 stands for any length."""
    read = _core().read_model(model)
    read.reshape({name: list(shape) for name, shape in zip(input_names(len(shapes)), shapes, strict=True)})
    return _core().compile_model(read, "CPU", _options(hint, threads))


def compiled_with_state(model: bytes, state: dict[str, str], threads: int) -> Any:
    """Compile `model` in fp32, for inputs of any length; `state` names inputs, and the outputs that they become."""
    from openvino._offline_transformations import apply_make_stateful_transformation

    read = _core().read_model(model)
    apply_make_stateful_transformation(read, state)
    # By default, what attention keeps is rounded to 8 bits on some processors.
    return _core().compile_model(read, "CPU", _options("f32", threads) | {"KV_CACHE_PRECISION": "f32"})


def _options(hint: str, threads: int) -> dict[str, object]:
    return {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": OPENVINO_BINDS[how_threads_wait()],
    }


def _call(compiled: Any) -> Call:
    import openvino

    request = compiled.create_infer_request()

    def call_any(*batch: Tensor) -> Tensor:
        # Named, since OpenVINO's tensors do not keep the memory that they share alive.
        arrays = [tensor.contiguous().numpy() for tensor in batch]
        for place, array in enumerate(arrays):
            request.set_input_tensor(place, openvino.Tensor(array, shared_memory=True))
        request.infer()
        # A copy, since the next call writes to the same memory.
        return torch.tensor(request.get_output_tensor(0).data)

    ports = compiled.inputs
    if any(port.get_partial_shape().is_dynamic or math.prod(port.get_shape()) > MOST_COPIED for port in ports):
        return call_any
    # Small inputs are copied into the request's own memory: passing tensors takes longer.
    with torch.inference_mode(False):  # else they could not be written to outside inference mode
        inputs = [torch.from_numpy(request.get_input_tensor(place).data) for place in range(len(ports))]
        outputs = torch.from_numpy(request.get_output_tensor(0).data)

    def call(*batch: Tensor) -> Tensor:
        for own, tensor in zip(inputs, batch, strict=True):
            own.copy_(tensor)
        request.infer()
        return outputs.clone()

    return call


def layers_of(compiled: Any) -> list[Layer]:
    """List the layers that multiply, from the graph that OpenVINO executes."""
    layers = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: node.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision")}
        if info["layerType"] in KINDS:
            precision = NAMES.get(info["runtimePrecision"], info["runtimePrecision"])
            layers.append(Layer(info["layerType"], precision, _macs(node, info["layerType"])))
    return layers


def _macs(node: Any, kind: str) -> int:
    outputs, data, weights = (list(port.get_shape()) for port in (node.output(0), *node.inputs()[:2]))
    # Filters are (out, in, height, width), after an axis of groups if there are any; transposed, (in, out, ...).
    filters = weights[len(weights) - len(data) + 1 :]
    if kind == "Deconvolution":
        return int(math.prod(data) * math.prod(filters))
    return int(math.prod(outputs) * math.prod(filters if kind == "Convolution" else data[-1:]))


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()


@cache
def _capabilities() -> tuple[str, ...]:
    return tuple(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


RUNTIME = Runtime(
    PRECISIONS,
    unsupported,
    convert,
    ("onnx", "onnxruntime", "onnxscript", "openvino"),
    begin,
    any_size=False,
    exports=True,
    preparing_s=(0.5, 0.2),
)
