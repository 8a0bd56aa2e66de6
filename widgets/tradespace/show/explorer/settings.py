"""The controls of the Explorer, and which of their options are unavailable."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from math import ceil, floor, log10
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import DEVICES, KNOBS, PRECISIONS, PRUNINGS, RUNTIMES, VARIANT, Config, most_threads
from tradespace.prepare import unsupported
from tradespace.recording import recording
from tradespace.scale import Scale
from tradespace.show.common.words import MEDIAN, which_latency
from tradespace.show.controls.widget import Choice, Group, Number
from tradespace.show.explorer.state import GOALS, HERE, RECORDED
from tradespace.tasks import list_tasks
from tradespace.tasks.task import Task
from tradespace.text import counted, figures

BATCH_SIZES = tuple(2**power for power in range(9))
LATENCY_DECADES, RATE_DECADES = (-2, 3), (0, 5)
STEPS_A_DECADE = 12
ACCURACY_STEP = 0.005
# About how many steps of a limit on another score lie between the lowest and the highest that are known.
SCORE_STEPS = 50
COSTS = tuple(round(one * 10.0**decade, 6) for decade in range(-4, 4) for one in (1, 2, 5))
SHOWN_PRECISIONS = tuple(name for name in PRECISIONS if not name.endswith("-tensor"))
LATENCIES = (MEDIAN, "latency_p99_ms")

Why = Callable[[Config], str | None]


def cannot_run(task: Task) -> Why:
    """A function from a Config to the reason why it cannot run on this machine, or None if it can."""
    # What this machine lacks, it lacks for every model and pruning; looking for packages on the disk takes a while.
    first = Config(task.models[0])
    known = cache(lambda **knobs: unsupported(task, replace(first, **knobs)))

    def why(config: Config) -> str | None:
        if config.model not in task.models:
            return f"the task {task.name} has no model of that name"
        if config.threads > most_threads():
            return f"this machine has {counted(most_threads(), 'thread')}"
        return known(precision=config.precision, runtime=config.runtime, device=config.device)

    return why


def could_not_run(recorded: pd.DataFrame) -> Why:
    """A function from a Config to the reason why it failed where `recorded` was measured, or None."""
    failed = (recorded["status"] != "ok") & recorded["accuracy"].isna()
    variants = [tuple(knobs) for knobs in recorded[list(VARIANT)].itertuples(index=False)]
    reasons = {variant: reason for variant, no, reason in zip(variants, failed, recorded["reason"], strict=True) if no}
    for variant, no in zip(variants, failed, strict=True):
        if not no:
            reasons.pop(variant, None)
    return lambda config: reasons.get(tuple(getattr(config, knob) for knob in VARIANT))


def groups(
    task: Task, surface: pd.DataFrame, start: Config, sources: Sequence[str] = (HERE,), tasks: Sequence[str] = ()
) -> list[Group]:
    """The controls for a task, with ranges that cover `surface`.

    Parameters
    ----------
    sources : sequence of str
        The available measurements: `HERE`, `RECORDED`.
    tasks : sequence of str
        Tasks to offer besides the shipped ones.
    """
    there = {name: set(surface[name]) for name in KNOBS}
    models = [*task.models, *sorted(there["model"] - set(task.models))]
    precisions = [name for name in PRECISIONS if name in SHOWN_PRECISIONS or name in there["precision"]]
    threads = sorted({*range(1, most_threads() + 1), *there["threads"], start.threads})
    batches = sorted({*BATCH_SIZES, *there["batch_size"], start.batch_size})
    tasks = tuple(dict.fromkeys([*list_tasks(), *tasks, task.name]))
    said = {HERE: "played back" if recording() else "measured here", RECORDED: "recorded"}
    why = cannot_run(task)
    devices = [name for name in DEVICES if name in there["device"] or not why(Config(task.models[0], device=name))]
    return [
        Group("Model", (
            Choice("task", "task", "The models and their test data", tasks, menu=True),
            Choice("data", "numbers", "Whose measurements are shown",
                   tuple(sources), tuple(said[source] for source in sources), menu=True),
            Choice("model", "model size", "Which network of the family runs; cheapest first", tuple(models)),
            Choice("pruning", "pruning", "Share of channels removed, or of weights set to zero", PRUNINGS),
            Choice("precision", "precision", "The number format of weights and arithmetic", tuple(precisions)),
            Choice("runtime", "runtime", "What runs the network", tuple(RUNTIMES)),
            Choice("device", "device", "What the network runs on", tuple(devices), menu=True),
            Choice("batch_size", "batch size", "Items in one call", tuple(batches)),
            Choice("threads", "threads", "Threads of the processor that one call may use", tuple(threads)),
        )),
        Group("Limits and objective", (
            _limit("max_latency_ms", "latency at most", "Hard limit on the latency of a batch",
                   _steps(surface[MEDIAN], LATENCY_DECADES), lambda ms: f"{figures(ms)} ms"),
            Choice("latency", "latency is the", "Which latency is shown, limited and minimised",
                   LATENCIES, tuple(map(which_latency, LATENCIES)), menu=True),
            _limit(
                "min_throughput_per_s", "throughput at least", "Items per second that are required",
                _steps(surface["throughput_per_s"], RATE_DECADES), lambda rate: f"{figures(rate)} /s", least=True,
            ),
            limit_of_score(task.score.scale, surface["accuracy"]),
            _limit("max_cost", "cost at most", "Cost of all items, in the currency of the price", COSTS, "{:g}".format),
            Choice("objective", "objective", "What the best point minimises or maximises",
                   tuple(GOALS), tuple(goal.words(task.score.scale) for goal in GOALS.values()), menu=True),
        )),
        Group("Documents: what they cost", (
            Number("price_per_hour", "price per hour", "Price of the machine, in any currency", 0.001, 1000, 0.1),
            Number("watts", "watts, assumed", "Power of the machine, used where no energy was measured", 1, 10_000, 10),
            Number("items", "items", "How many items to process", 1, 1e12, 1000),
        ), folded=True),
        Group("Drone: how fast it may fly", (
            Number("sensing_range_m", "sensing range, m", "How far away it sees an obstacle", 0.1, 1000, 1),
            Number("braking_m_s2", "braking, m/s²", "How hard it brakes", 0.1, 100, 0.5),
        ), folded=True),
    ]  # fmt: skip


def unavailable(selection: Config, options: Callable[[str], Iterable[Any]], why: Why) -> dict[str, dict[Any, str]]:
    """For each knob, the options that cannot run with the other knobs as they are, with the reason.

    A knob without any option that can run is omitted: the obstacle is another knob.

    Examples
    --------
    >>> def why(config):
    ...     return "not at two" if config.runtime == "openvino" else None
    >>> unavailable(Config("m"), lambda knob: (getattr(Config("m"), knob), "openvino")[: 1 + (knob == "runtime")], why)
    {'runtime': {'openvino': 'not at two'}}
    """
    reasons: dict[str, dict[Any, str]] = {}
    alike = selection.variant
    for knob in (*VARIANT, "threads"):
        found = {option: why(replace(alike, **{knob: option})) for option in options(knob)}
        some = {option: reason for option, reason in found.items() if reason}
        if 0 < len(some) < len(found):
            reasons[knob] = some
    return reasons


def _limit(
    name: str, label: str, tooltip: str, steps: Sequence[float], text: Callable[[float], str], least: bool = False
) -> Choice:
    """A slider over `steps` that sets no limit at one end: the left for a minimum, the right for a maximum."""
    options = (None, *steps) if least else (*steps, None)
    return Choice(name, label, tooltip, options, tuple("none" if one is None else text(one) for one in options))


def limit_of_score(score: Scale, values: pd.Series, limit: float | None = None) -> Choice:
    """The slider of the least score, with steps that cover `values` and `limit`."""
    label = f"{score.name} at least"
    if score.is_accuracy:
        steps, tooltip = _shares(values), "Share of the test items that must be right"
        return _limit("min_accuracy", label, tooltip, steps, "{:.1%}".format, least=True)
    steps = tuple(sorted({*even_steps(values), *(() if limit is None else (limit,))}))
    tooltip = "Mean over the test items that is required"
    return Choice("min_accuracy", label, tooltip, (None, *steps), ("none", *map(score.write, steps)))


def with_control(groups: Iterable[Group], control: Choice) -> list[Group]:
    """`groups` with `control` in place of that of the same name."""
    return [
        replace(group, controls=tuple(control if one.name == control.name else one for one in group.controls))
        for group in groups
    ]


def even_steps(values: pd.Series) -> tuple[float, ...]:
    """Round, even steps that cover `values` and half as much on either side, for points still to be measured.

    Examples
    --------
    >>> steps = even_steps(pd.Series([-0.5, -0.1]))
    >>> steps[0], steps[1], steps[-1]
    (-0.7, -0.69, 0.1)
    """
    known = values[np.isfinite(values)]
    if known.empty:
        return ()
    low, high = float(known.min()), float(known.max())
    room = (high - low) / 2 or abs(high) / 2 or 1.0
    digits = floor(log10(2 * room / SCORE_STEPS))
    step = next(one for one in (1, 2, 5, 10) if one * 10.0**digits >= 2 * room / SCORE_STEPS)
    first, last = (floor((low - room) / 10.0**digits / step), ceil((high + room) / 10.0**digits / step))
    return tuple(float(f"{number * step}e{digits}") for number in range(first, last + 1))


def _steps(values: pd.Series, decades: tuple[int, int]) -> tuple[float, ...]:
    """Logarithmically spaced steps from a decade below `values` to a decade above, for points still to be measured.

    They are rounded so that different ranges share them.
    """
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (floor(log10(known.min())) - 1, ceil(log10(known.max())) + 1) if len(known) else decades
    numbers = range(low * STEPS_A_DECADE, max(high, low + 1) * STEPS_A_DECADE + 1)
    return tuple(float(f"{10 ** (number / STEPS_A_DECADE):.6g}") for number in numbers)


def _shares(accuracy: pd.Series) -> tuple[float, ...]:
    known = accuracy.dropna()
    least = floor(known.min() / ACCURACY_STEP) if len(known) else 0
    return tuple(round(ACCURACY_STEP * i, 4) for i in range(least, round(1 / ACCURACY_STEP) + 1))
