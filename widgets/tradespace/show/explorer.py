"""The Explorer: sliders, the live chart, and the measuring process behind them."""

import base64
import html
import io
import threading
from collections.abc import Iterable
from math import ceil, floor, log10
from typing import Any

import ipywidgets as ipw
import pandas as pd

from tradespace.config import PRECISIONS, PRUNINGS, RUNTIMES, Config, most_threads
from tradespace.errors import positive
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement
from tradespace.prepare import precisions
from tradespace.show.figures import plot_surface
from tradespace.show.measurer import Measurer
from tradespace.show.tradeoff_chart import TradeoffChart
from tradespace.show.view import Limits, in_words, view
from tradespace.surface.columns import COLUMNS, configs_of, row, table
from tradespace.surface.predict import rows_of
from tradespace.tasks.task import Task

BATCH_SIZES = tuple(2**power for power in range(9))
LATENCY_DECADES = (-2, 3)
WHICH_MODEL = "Which network of the family runs, the cheapest first"
WHICH_PRUNING = "What share of channels is taken out, or of weights set to zero"
WHICH_PRECISION = "The number format of weights and arithmetic"
WHICH_RUNTIME = "What runs the network"
WHICH_BATCH = "Items in one call"
WHICH_THREADS = "Threads of the processor that one call may use"


class Explorer(ipw.VBox):
    """Sliders that move one operating point over the surface, and limits that decide what is best.

    Moving a slider looks the point up, or predicts it from its neighbours. Let go of it on a point that was not
    measured, and it is measured now, in a process of its own.

    Parameters
    ----------
    task : Task
    surface : DataFrame, optional
        What was measured already, on this machine. `explorer.surface` is that and what was measured since.
    ci, budget_s : float
        As for `measure`.

    Raises
    ------
    ValueError
        If the surface is of another task or another machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> explorer = ts.Explorer(ts.load_task("fashion"))
    >>> explorer.selection
    Config('resnet4', fp32, eager, cpu, threads=..., batch_size=1)
    """

    def __init__(
        self, task: Task, surface: pd.DataFrame | None = None, *, ci: float = 0.05, budget_s: float = 1.0
    ) -> None:
        self._task = task
        self.surface = _checked(task, surface)
        self._lock = threading.RLock()
        self._measurer = Measurer(task, self._land, ci=positive("ci", ci), budget_s=positive("budget_s", budget_s))
        self._make_controls()
        self.chart = TradeoffChart()
        self.chart.observe(self._clicked, "selected")
        self.chart.show_surface(self.surface)
        for control in (*self._knobs.values(), self.max_latency, self.min_accuracy):
            control.observe(self._moved, "value")
        self.cancel.on_click(lambda _: self._cancel())
        super().__init__([self._layout(), self.chart])
        self.add_class("tradespace-explorer")
        self._refresh()
        self._measure_if_new()

    @property
    def selection(self) -> Config:
        """The Config that the sliders say."""
        return Config(**{name: control.value for name, control in self._knobs.items()}, device=self._device)

    @property
    def limits(self) -> Limits:
        """The limits that the sliders say; one that is at its loose end asks nothing."""
        latency, accuracy = self.max_latency, self.min_accuracy
        return Limits(
            max_latency_ms=latency.value if latency.value < 10.0**latency.max else None,
            min_accuracy=accuracy.value / 100 if self._task.test and accuracy.value > accuracy.min else None,
        )

    def _make_controls(self) -> None:
        start = self._first_selection()
        self._device = start.device
        self._knobs = {
            "model": _slider("model size", WHICH_MODEL, self._task.models, start.model),
            "pruning": _slider("pruning", WHICH_PRUNING, PRUNINGS, start.pruning),
            "precision": _slider("precision", WHICH_PRECISION, self._precisions(), start.precision),
            "runtime": _slider("runtime", WHICH_RUNTIME, RUNTIMES, start.runtime),
            "batch_size": _slider("batch size", WHICH_BATCH, {*BATCH_SIZES, start.batch_size}, start.batch_size),
            "threads": _slider("threads", WHICH_THREADS, range(1, most_threads() + 1), start.threads),
        }
        latency, accuracy = self.surface["latency_p50_ms"].dropna(), self.surface["accuracy"].dropna()
        low, high = (log10(latency.min()), log10(latency.max())) if len(latency) else LATENCY_DECADES
        low, high = floor(low), ceil(high)
        self.max_latency = ipw.FloatLogSlider(
            value=10.0**high, base=10, min=low, max=high, step=0.02, readout_format=".3r",
            description="latency at most, ms", tooltip="Hard limit on the latency of a batch", **_wide(),
        )  # fmt: skip
        least = floor(100 * accuracy.min()) - 1 if len(accuracy) else 0
        self.min_accuracy = ipw.FloatSlider(
            value=least, min=least, max=100, step=0.1, readout_format=".1f", disabled=self._task.test is None,
            description="accuracy at least, %", tooltip="Hard limit on accuracy", **_wide(),
        )  # fmt: skip
        self.progress = ipw.HTML()
        self.cancel = ipw.Button(description="Cancel", icon="stop", disabled=True, tooltip="Stop measuring")

    def _first_selection(self) -> Config:
        measured = self.surface[self.surface["status"] == "ok"]
        if measured.empty:
            return Config(self._task.models[0])
        return configs_of(measured.iloc[[0]])[0]

    def _precisions(self) -> list[str]:
        """Those that can be timed here, and those of the surface."""
        there = {*precisions(), *self.surface["precision"]}
        return [name for name in PRECISIONS if name in there]

    def _layout(self) -> ipw.Widget:
        knobs, limits = ipw.VBox(list(self._knobs.values())), ipw.VBox([self.max_latency, self.min_accuracy])
        sliders = ipw.HBox([knobs, limits], layout=ipw.Layout(flex_flow="row wrap"))
        return ipw.VBox([sliders, ipw.HBox([self.cancel, self.progress])])

    def _moved(self, change: dict[str, Any]) -> None:
        self._refresh()
        if change["owner"] in self._knobs.values():
            self._measure_if_new()

    def _clicked(self, change: dict[str, Any]) -> None:
        if change["new"] is None:
            return
        clicked = self.surface.iloc[change["new"]]
        self.chart.selected = None  # so that clicking the same point again is news again
        for name, control in self._knobs.items():
            control.value = clicked[name]

    def _measure_if_new(self) -> None:
        with self._lock:
            if self._is_measured(self.selection):
                self._measurer.cancel()
                self._show_idle("")
            else:
                self._measurer.request(self.selection)
                self.cancel.disabled = False
                self.progress.value = "waiting for the slider to rest"

    def _is_measured(self, config: Config) -> bool:
        """Whether there is no point in measuring `config` again: neither a cancelled nor an unlucky measurement."""
        here = self.surface[rows_of(self.surface, config)]
        if here.empty:
            return False
        return "few_samples" not in here.iloc[-1]["flags"] and here.iloc[-1]["status"] not in ("crashed", "timeout")

    def _cancel(self) -> None:
        with self._lock:
            self._measurer.cancel()
            self._show_idle("cancelled")

    def _show_idle(self, message: str) -> None:
        self.cancel.disabled = True
        self.progress.value = html.escape(message)

    def _land(self, measurement: Measurement, finished: bool) -> None:
        """Take in what the measuring process has so far; called from the measurer's thread."""
        with self._lock:
            if measurement.slices or measurement.failure:
                kept = self.surface[~rows_of(self.surface, measurement.config)]
                self.surface = pd.concat([kept, table([row(measurement)])], ignore_index=True)
                self.chart.show_surface(self.surface)
            if self._measurer.wanted is not None:
                self.progress.value = f"measuring: {measurement.samples:,} samples"
            elif finished:
                self._show_idle(measurement.reason)
            self._refresh()

    def _refresh(self) -> None:
        """Redraw what depends on the sliders: a function of (surface, selection, limits)."""
        with self._lock, self.chart.hold_sync():
            limits, selection = self.limits, self.selection
            seen = view(self.surface, selection, limits)
            self.chart.show_view(seen, limits.max_latency_ms, limits.min_accuracy)
            self.chart.label = in_words(self.surface, seen, selection, limits)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, and beside it a still picture for where widgets do not live."""
        bundle = super()._repr_mimebundle_(**options)
        timed = (self.surface["status"] == "ok") & self.surface["latency_p50_ms"].notna()
        if bundle and timed.any():
            limits = self.limits
            still = io.BytesIO()
            plot_surface(
                self.surface,
                self.selection,
                max_latency_ms=limits.max_latency_ms,
                min_accuracy=limits.min_accuracy,
            ).savefig(still, format="png", dpi=80)
            bundle["image/png"] = base64.b64encode(still.getvalue()).decode()
        return bundle


def _wide() -> dict[str, Any]:
    return {"style": {"description_width": "11em"}, "layout": ipw.Layout(width="34em", max_width="100%")}


def _slider(name: str, tooltip: str, options: Iterable[Any], value: Any) -> ipw.SelectionSlider:
    ordered = sorted(options) if isinstance(options, set) else list(options)
    return ipw.SelectionSlider(description=name, tooltip=tooltip, options=ordered, value=value, **_wide())


def _checked(task: Task, surface: pd.DataFrame | None) -> pd.DataFrame:
    if surface is None:
        return table([])
    missing = [name for name in COLUMNS if name not in surface.columns]
    if missing:
        raise ValueError(f"surface: wanted what ts.sweep() returns; it lacks {', '.join(missing)}")
    for column, wanted in (("task", task.name), ("machine", machine())):
        others = sorted(set(surface[column]) - {wanted})
        if others:
            raise ValueError(f"surface: wanted rows of {column} {wanted!r}, so that none are mixed; got {others}")
    return surface[list(COLUMNS)].reset_index(drop=True)
