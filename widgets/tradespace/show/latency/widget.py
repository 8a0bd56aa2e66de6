"""A live histogram of the latencies of one Config, while it is measured."""

import math
from collections.abc import Generator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from tradespace.config import Config, check
from tradespace.errors import renamed
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.measurement import Measurement, Scored
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import time_left_s
from tradespace.show.common.assets import assets
from tradespace.show.common.json import number
from tradespace.show.common.measuring import MeasuringWidget
from tradespace.show.common.percentiles import MEANING, TOO_FEW, Percentile, percentiles
from tradespace.show.common.words import in_brief
from tradespace.show.latency.figure import plot_latency
from tradespace.show.latency.numbers import histogram
from tradespace.tasks.task import Task
from tradespace.text import counted, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LatencyMeter(MeasuringWidget):
    """A histogram that grows while a Config is measured, with its percentiles.

    Measuring starts when the meter is displayed, while the notebook goes on. `wait()` waits for the end, as in
    `meter.wait().measurement`; `start()` and `stop()` do what the buttons do. Only times are measured: for accuracy,
    use `measure` or `Verdict`.

    Parameters
    ----------
    task : Task
    config : Config
    max_width, budget_s : float
        As for `measure`.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.
    start : bool
        Whether measuring starts when the widget is displayed.

    Attributes
    ----------
    measurement : Measurement
        The measurement so far.

    Raises
    ------
    ValueError
        If the Config names another task's model or more threads than the machine has.

    Examples
    --------
    >>> import tradespace as ts
    >>> meter = LatencyMeter(ts.load_task("fashion"), ts.Config("resnet8", batch_size=8), budget_s=0.2)
    >>> meter.wait().measurement.status
    'ok'
    """

    _esm, _css = assets("latency", "measuring")
    measurement: Measurement

    @renamed(ci="max_width")
    def __init__(
        self,
        task: Task,
        config: Config,
        *,
        max_width: float = 0.02,
        budget_s: float = 3.0,
        executor: Executor | None = None,
        start: bool = True,
    ) -> None:
        super().__init__(task, check(task, [config]), Schedule(max_width, budget_s), executor, start)

    def _steps(self) -> Generator[Measurement, None, None]:
        # Accuracy is marked as known, and empty: scoring would stall the histogram for seconds.
        scores = {config.variant: Scored(whole=True) for config in self._configs}
        for measurement, _ in measure_rounds(
            self._task, self._configs, self._schedule, executor=self._executor, scores=scores
        ):
            yield measurement

    def _land(self, step: Measurement) -> None:
        self.measurement = step

    def _shown(self) -> dict[str, Any]:
        left_s = time_left_s(self.measurement, self._schedule) if self.running else 0.0
        lines = percentiles(self.measurement)
        return chart(self.measurement, lines, self.running) | {
            "title": in_brief(self.measurement.config),
            "progress": progress(self.measurement, left_s) if self.running else "",
            "status": in_words(self.measurement, lines, self.running, self._cut_short),
        }

    def _still(self) -> "Figure":
        return plot_latency(self.measurement)


def chart(measurement: Measurement, lines: list[Percentile], running: bool) -> dict[str, Any]:
    """Bins, lines and doubts of a measurement, as JSON; unknown values are None.

    While measuring, too few samples are not yet a doubt.
    """
    bins = histogram(measurement)
    flags = [flag for flag in measurement.flags.split() if not (running and flag in TOO_FEW)]
    return {
        "edges_ms": bins.edges_ms.tolist(),
        "kept": bins.kept.tolist(),
        "left_out": bins.left_out.tolist(),
        "log": bins.log,
        "slower": f"{counted(bins.slower, 'call')} slower, up to {bins.slowest_ms:.3g} ms" if bins.slower else "",
        "percentiles": [_line(one) for one in lines],
        "doubts": [{"flag": flag, "meaning": MEANING[flag]} for flag in flags],
    }


def _line(one: Percentile) -> dict[str, Any]:
    places = {"value_ms": one.value_ms, "low_ms": one.low_ms, "high_ms": one.high_ms}
    return {"name": one.name, "colour": one.colour, "text": one.text} | {name: number(v) for name, v in places.items()}


def progress(measurement: Measurement, left_s: float) -> str:
    """The progress of a measurement under way."""
    if not measurement.slices:
        return "preparing the model"
    return f"{_amount(measurement)}, about {math.ceil(left_s)} s left"


def in_words(measurement: Measurement, lines: list[Percentile], running: bool, cut_short: str) -> str:
    """The words for a screen reader, which change only when there is news, not with each slice."""
    known = [one for one in lines if not math.isnan(one.value_ms)]
    if running and not known:
        return f"Preparing {in_brief(measurement.config)}."
    if running:
        return f"Measuring {in_brief(measurement.config)}. Known so far: {', '.join(one.name for one in known)}."
    if measurement.failure:
        again = "" if measurement.status == "unsupported" else " Start tries again."
        return sentence(f"{measurement.status.replace('_', ' ')}: {measurement.reason}") + again
    end = f"{sentence(cut_short)} " if cut_short else ""
    return end + (_told(measurement, known) if known else "Not measured yet; Start measures it.")


def _told(measurement: Measurement, known: list[Percentile]) -> str:
    shares = {"p50": "half of the calls took", "p90": "nine in ten", "p99": "99 in 100"}
    parts = [f"{shares[one.name]} at most {one.value_ms:.3g} ms" for one in known if one.name in shares]
    return sentence(f"{', '.join(parts)}: {_amount(measurement)}")


def _amount(measurement: Measurement) -> str:
    return f"{counted(measurement.samples, 'sample')} in {counted(len(measurement.slices), 'slice')}"
