"""What a Config really is: its size, its arithmetic, and the types in which the arithmetic runs."""

import math
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import asdict

import pandas as pd

from tradespace.config import Config, check
from tradespace.measuring import worker
from tradespace.measuring.engine import Engine
from tradespace.measuring.measurement import Failure
from tradespace.prepare import Layer, load, untimed
from tradespace.prepare.eager import layers_of
from tradespace.prepare.types import FLOATS
from tradespace.tasks.task import Task
from tradespace.text import counted

NEGLIGIBLE = 0.001
KNOBS = ("model", "pruning", "precision", "runtime")
TYPES = dict.fromkeys(("parameters", "nonzero", "macs", "layers", "quantized_layers"), "Int64") | {"ran_as": "str"}
FACTS = (
    "parameters", "nonzero", "macs", "model_mb", "prepare_s", "layers", "quantized_layers", "quantized_macs",
    "ran_as", "reason",
)  # fmt: skip


def describe(task: Task, config: Config | Iterable[Config], *, executor: Executor | None = None) -> pd.DataFrame:
    """Describe each Config: how large it is, how long it takes to prepare, and what was really quantized.

    The layers are read from the compiled model: from PyTorch's modules, from the profile that ONNX Runtime keeps, or
    from the graph that OpenVINO executes. This answers the question "int8 of what?".

    Returns
    -------
    DataFrame
        One row per Config. Columns `model pruning precision runtime`; `parameters`, and `nonzero`, the number that are
        not zero; `macs`, the multiply-accumulates per item; `model_mb` on disk; `prepare_s`; `layers`, the number that
        multiply; `quantized_layers`, the number that multiply in integers or fp8, and `quantized_macs`, their share of
        the arithmetic; `ran_as`, all types in words; `reason`, why the row is empty or the Config has no time. In
        `ran_as`, int8 notes the bits that are used where its sums could overflow (`int8 (7-bit weights)`), and `?`
        stands for layers that the runtime merged and does not report. Recurrent layers are not counted.

    Raises
    ------
    ValueError
        If a Config names a model that the task lacks, or more threads than the machine has.

    Examples
    --------
    >>> import tradespace as ts
    >>> table = ts.describe(ts.load_task("fashion"), ts.Config("resnet8", precision="int8-dynamic"))
    >>> table["ran_as"][0]
    'fp32: 9 layers, 100.0 % of the arithmetic; int8 (7-bit activations): 1 layer, 0.01 %'
    """
    configs = check(task, [config] if isinstance(config, Config) else config)
    engine = Engine(task, executor)
    table = pd.DataFrame([_row(engine, task, one) for one in configs], columns=[*KNOBS, *FACTS])
    return table.astype(TYPES)


def _row(engine: Engine, task: Task, config: Config) -> dict[str, object]:
    knobs = {name: value for name, value in asdict(config).items() if name in KNOBS}
    facts = engine.request(worker.make_ready, config)
    layers = facts if isinstance(facts, Failure) else engine.request(worker.layers, config)
    engine.request(worker.finish, config)
    if isinstance(layers, Failure):
        return {**knobs, "reason": layers.reason}
    module = load(task, config.model, config.pruning)
    weights = list(module.parameters())
    macs = sum(layer.macs for layer in layers_of(module, *task.fed(task.example)))
    layers = _with_rest(layers, macs)
    quantized = [layer for layer in layers if layer.precision not in (*FLOATS, "?")]
    return {
        **knobs,
        "parameters": sum(values.numel() for values in weights),
        "nonzero": sum(int(values.count_nonzero()) for values in weights),
        "macs": macs,
        "model_mb": facts.model_mb,
        "prepare_s": facts.prepare_s,
        "layers": len(layers),
        "quantized_layers": len(quantized),
        "quantized_macs": sum(layer.macs for layer in quantized) / macs if macs else math.nan,
        "ran_as": _in_words(layers, macs),
        "reason": untimed(config) or "",
    }


def _with_rest(layers: list[Layer], macs: int) -> list[Layer]:
    """Add one layer of type `?` for arithmetic that the runtime merged with other work and does not report."""
    rest = macs - sum(layer.macs for layer in layers)
    return [*layers, Layer("merged", "?", rest)] if rest > NEGLIGIBLE * macs else layers


def _in_words(layers: list[Layer], macs: int) -> str:
    """List the types, starting with those that do most of the arithmetic."""
    of_type: dict[str, list[Layer]] = {}
    for layer in layers:
        of_type.setdefault(f"{layer.precision} ({layer.note})" if layer.note else layer.precision, []).append(layer)
    done = {name: sum(layer.macs for layer in of_type[name]) / macs for name in of_type}
    parts = []
    for name in sorted(of_type, key=lambda name: (-done[name], name)):
        number, share = len(of_type[name]), 100 * done[name]
        digits = 1 if share >= 1 else 2
        parts.append(f"{name}: {counted(number, 'layer')}, {share:.{digits}f} %")
    if parts:
        parts[0] += " of the arithmetic"
    return "; ".join(parts)
