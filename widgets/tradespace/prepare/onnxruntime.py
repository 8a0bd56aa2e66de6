"""ONNX Runtime: a graph of fused kernels, compiled ahead of time and run without Python."""

import json
import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tradespace.config import Config
from tradespace.prepare import export
from tradespace.prepare.refusal import refusing
from tradespace.prepare.runtime import Runtime
from tradespace.prepare.session import UNCALIBRATED, Call, Converted, Layer, Session
from tradespace.prepare.source import Source
from tradespace.spinning import ONNXRUNTIME_SPIN_US, how_threads_wait

PRECISIONS = ("fp32", "int8", "int8-dynamic")
ERRORS_ONLY = 3
# Without VNNI, products of unsigned and signed bytes are added in 16 bits, which overflow. With this option, ONNX
# Runtime multiplies unsigned by unsigned bytes there: exact, but slower. It has no effect on other processors.
NO_OVERFLOW = "session.x64quantprecision", "1"


def unsupported(config: Config, calibrated: bool) -> str | None:
    """Why ONNX Runtime cannot run `config` here, or None."""
    if config.device != "cpu":
        return f"this release runs ONNX Runtime on the CPU only, not on {config.device}"
    if config.precision not in PRECISIONS:
        return f"ONNX Runtime's CPU kernels run {', '.join(PRECISIONS)}, not {config.precision}"
    if config.precision == "int8" and not calibrated:
        return UNCALIBRATED
    return None


def convert(source: Source, config: Config) -> Converted:
    """Export the model of `source` to ONNX, at the precision of `config`."""
    model = source.onnx(config.precision)

    @cache
    def with_threads(threads: int) -> Session:
        with refusing(f"ONNX Runtime cannot run this model in {config.precision}"):
            call = _call(model, threads)
            call(*source.example)
        return Session(call, lambda: layers_of(model, *source.example))

    in_float = None if config.precision == "fp32" else lambda: float_call(model)
    return Converted(lambda threads, batch_size: with_threads(threads), len(model) / 1e6, in_float)


def open_session(model: bytes, threads: int, disabled: tuple[str, ...] = (), **options: object) -> Any:
    """Open a session of an ONNX `model`, with the optimizers in `disabled` left out and further options set."""
    import onnxruntime

    wanted = onnxruntime.SessionOptions()
    wanted.intra_op_num_threads = threads
    wanted.log_severity_level = ERRORS_ONLY
    wanted.add_session_config_entry(*NO_OVERFLOW)
    spin_us = ONNXRUNTIME_SPIN_US[how_threads_wait()]
    if spin_us is not None:
        wanted.add_session_config_entry("session.intra_op.spin_duration_us", str(spin_us))
    for name, value in options.items():
        setattr(wanted, name, value)
    return onnxruntime.InferenceSession(
        model, wanted, providers=["CPUExecutionProvider"], disabled_optimizers=list(disabled)
    )


def float_call(model: bytes) -> Call:
    """Make a call that computes an int8 `model` in floating point, node by node as in the graph, nothing fused."""
    from onnxruntime import GraphOptimizationLevel

    return _call(export.in_float(model), 1, graph_optimization_level=GraphOptimizationLevel.ORT_DISABLE_ALL)


def _call(model: bytes, threads: int, **options: Any) -> Call:
    session = open_session(model, threads, **options)

    def call(*batch: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, export.as_named([tensor.contiguous() for tensor in batch]))[0])

    return call


def layers_of(model: bytes, *example: Tensor) -> list[Layer]:
    """List the layers that multiply for one item, from the runtime's profile of a call and its optimised graph."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        optimised = str(Path(folder) / "optimised.onnx")
        session = open_session(
            model,
            1,
            ("NchwcTransformer",),  # it pads channels, which would inflate the arithmetic counted
            enable_profiling=True,
            profile_file_prefix=str(Path(folder) / "profile"),
            optimized_model_filepath=optimised,
        )
        session.run(None, export.as_named(example))
        events = json.loads(Path(session.end_profiling()).read_text())
        graph = onnx.load(optimised).graph
    weights = {value.name: tuple(value.dims) for value in graph.initializer}
    inputs = {node.name: [weights.get(name, ()) for name in node.input] for node in graph.node}
    return [
        _layer(event["args"], inputs[_node(event)]) for event in events if _node(event) in inputs and _multiplies(event)
    ]


def _node(event: dict[str, Any]) -> str:
    """The node that an event of the profile timed, or an empty string; names are unique in a graph."""
    return str(event["name"]).removesuffix("_kernel_time") if event["name"].endswith("_kernel_time") else ""


def _multiplies(event: dict[str, Any]) -> bool:
    return any(word in event["args"]["op_name"] for word in ("Conv", "MatMul", "Gemm"))


def _layer(ran: dict[str, Any], weights: list[tuple[int, ...]]) -> Layer:
    """Make a Layer of one profiled call, from the shapes and types of its activations and its weights' shapes."""
    kinds = [kind for tensor in ran["input_type_shape"] for kind in tensor]
    [first] = ran["input_type_shape"][0].values()
    [outputs] = ran["output_type_shape"][0].values()
    filters = next((shape for shape in weights if len(shape) > 2), None)
    a_sum = first[-1] if filters is None else math.prod(filters[1:])
    integer = "int8" in kinds or "uint8" in kinds or "Dynamic" in ran["op_name"]
    return Layer(ran["op_name"], "int8" if integer else "fp32", math.prod(outputs[1:]) * a_sum)


RUNTIME = Runtime(
    PRECISIONS, unsupported, convert, ("onnx", "onnxruntime", "onnxscript"), exports=True, preparing_s=(0.5, 0.05)
)
