"""The Explorer: sliders, live charts, and the measuring process behind them."""

import html
import threading
from contextlib import ExitStack
from dataclasses import astuple, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import ipywidgets as ipw
import pandas as pd

from tradespace.config import DEVICES, KNOBS, PRECISIONS, PRUNINGS, RUNTIMES, Config
from tradespace.errors import choose, positive
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.work import time_left_s
from tradespace.recording import recording
from tradespace.show.attainment.widget import Landscape
from tradespace.show.batch_curve.widget import BatchCurve
from tradespace.show.common.still import Still
from tradespace.show.common.view import Limits, in_words, view, within
from tradespace.show.controls.widget import Controls
from tradespace.show.explorer import settings
from tradespace.show.explorer.fill_in import FillIn, candidates
from tradespace.show.explorer.measurer import Measurer
from tradespace.show.explorer.moves import Row, in_a_sentence
from tradespace.show.explorer.readouts import predicted_row, tiles_of
from tradespace.show.explorer.settings import DECIDING, HERE, RECORDED
from tradespace.show.tiles.widget import Tiles
from tradespace.show.tradeoff.figure import plot_surface
from tradespace.show.tradeoff.widget import TradeoffChart
from tradespace.surface.columns import STATUSES, TYPES, checked, configs_of, row, table
from tradespace.surface.recorded import list_recorded, load_recorded
from tradespace.tasks import load_task
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PINS = 2
# Of a growing measurement so many slices are drawn at once, after the first few: drawing takes a core from it.
EVERY = 4


class Explorer(Still, ipw.VBox):
    """Sliders that move one operating point over the surface, and limits that decide what is best.

    Moving a slider looks the point up, or predicts it from its neighbours. Let go of it on a point that was not
    measured, and it is measured now, in a process of its own.

    Parameters
    ----------
    task : Task
    surface : DataFrame, optional
        What was measured already. If that was on another machine it is shown as recorded, beside what is measured
        here; without one, the recorded surface that ships with the task is. `explorer.surface` is what was measured
        on this machine, before and since.
    ci, budget_s : float
        As for `measure`.
    state : str, optional
        Where the controls stand: what `explorer.state` was.

    Raises
    ------
    ValueError
        If the surface is of another task or of several machines, or holds what no surface does; if the state is of
        another task, or names what is not there.

    Examples
    --------
    >>> import tradespace as ts
    >>> explorer = ts.Explorer(ts.load_task("fashion"))
    >>> explorer.selection
    Config('resnet4', fp32, eager, cpu, threads=..., batch_size=1)
    """

    def __init__(
        self,
        task: Task,
        surface: pd.DataFrame | None = None,
        *,
        ci: float = 0.05,
        budget_s: float = 1.0,
        state: str | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._ci, self._budget_s = positive("ci", ci), positive("budget_s", budget_s)
        self._tasks = {task.name: task}
        self._measured: dict[str, pd.DataFrame] = {}
        self._recorded: dict[str, pd.DataFrame] = {}
        self._correct: dict[tuple[str, Config], Measurement] = {}
        self._take(task, surface)
        self.charts = TradeoffChart(), BatchCurve(), Landscape()
        self.tradeoff, self.batch_curve, self.landscape = self.charts
        self.tiles, self.controls = Tiles(), Controls({}, {})
        self._make_buttons()
        self._begin(task)
        self.controls.observe_moves(self._moved)
        self.controls.observe(self._let_go, "held")
        for chart in self.charts:
            chart.observe(self._clicked, "selected")
        super().__init__(self._layout())
        self.add_class("tradespace-explorer")
        if state is not None:
            self.state = state
        self._measure_if_new()

    @property
    def surface(self) -> pd.DataFrame:
        """What was measured on this machine, before the Explorer was opened and since."""
        return self._measured[self._task.name]

    @property
    def selection(self) -> Config:
        """The Config that the sliders say."""
        return Config(**{name: self.controls[name] for name in KNOBS})

    @property
    def choice(self) -> pd.DataFrame:
        """The best row within the limits; empty if there is none."""
        with self._lock:
            best = self._seen.choice
            return self._shown.iloc[[] if best is None else [best]]

    @property
    def state(self) -> str:
        """Where all controls stand, as text that may be kept, sent, or put into an address."""
        return urlencode({name: "" if value is None else value for name, value in self.controls.chosen.items()})

    @state.setter
    def state(self, text: str) -> None:
        if not isinstance(text, str):
            raise ValueError(f"state: wanted the text that explorer.state was; got {text!r}")
        said = dict(parse_qsl(text.removeprefix("?"), keep_blank_values=True))
        for name in said:
            choose("state", name, self.controls.chosen)
        if said.get("task", self._task.name) != self._task.name:
            raise ValueError(f"state: wanted one of the task {self._task.name!r}; got one of {said['task']!r}")
        self.controls.move(**{name: self.controls.parse(name, value) for name, value in said.items()})

    def close(self) -> None:
        """Measure nothing any more, and take the Explorer off the page."""
        # Python closes what could not be made, too.
        if "_measurer" in vars(self):
            self._measurer.cancel()
        super().close()

    def _take(self, task: Task, surface: pd.DataFrame | None) -> None:
        """Sort what is given, and what ships, into measured here and recorded."""
        self._measured[task.name] = table([])
        if surface is None:
            if task.name in list_recorded():
                self._recorded[task.name] = load_recorded(task.name)
            return
        surface = _checked(surface, task)
        elsewhere = set(surface["machine"]) - {machine()}
        (self._recorded if elsewhere else self._measured)[task.name] = surface

    def _begin(self, task: Task) -> None:
        """Open a task: its controls, its measurer, its surface."""
        self._task = task
        self._measurer = Measurer(
            task, self._land, ci=self._ci, budget_s=self._budget_s, stopped=partial(self._stopped, task.name)
        )
        recorded, here = self._recorded.get(task.name), self.surface
        data = HERE if recorded is None or len(here) else RECORDED
        sources = (HERE,) if recorded is None else (HERE, RECORDED)
        known = here if data == HERE or recorded is None else recorded
        timed = known[known["status"] == "ok"]
        start = configs_of(timed.iloc[[0]])[0] if len(timed) else Config(task.models[0])
        self._why = {
            HERE: settings.cannot_run(task),
            RECORDED: settings.could_not_run(here if recorded is None else recorded),
        }
        self._pins: list[Config] = []
        self._at: Config | None = None
        self._from: Config | None = None
        self.unpin.disabled = True
        # All sliders reach all rows, whichever are shown.
        everything = here if recorded is None else recorded if here.empty else pd.concat([here, recorded])
        self.controls.offer(
            settings.groups(task, everything, start, sources, list(self._tasks)),
            settings.start_values(task, start, data),
        )
        self._show_surface()
        self._disable()
        self._refresh()

    def _make_buttons(self) -> None:
        def button(text: str, icon: str, tooltip: str, act: Any) -> ipw.Button:
            made = ipw.Button(description=text, icon=icon, tooltip=tooltip)
            made.on_click(lambda _: act())
            return made

        self.fill = button("Fill in", "magic", "Measure what may be on the frontier, until you cancel", self._fill)
        self.cancel = button("Cancel", "stop", "Stop measuring", self._cancel)
        self.pin = button("Pin", "thumb-tack", "Pin this point; two pinned points are compared", self._pin)
        self.unpin = button("Unpin", "eraser", "Forget the pinned points", self._unpin)
        self.cancel.disabled = self.unpin.disabled = True
        self.projector = ipw.ToggleButton(description="Projector", icon="desktop", tooltip="Large type, for a room")
        self.projector.observe(lambda _: self._resize(), "value")
        self.progress = ipw.HTML()
        self.progress.add_class("tradespace-progress")

    def _layout(self) -> list[ipw.Widget]:
        buttons = ipw.HBox([self.fill, self.cancel, self.pin, self.unpin, self.projector, self.progress])
        buttons.layout.flex_flow = "row wrap"
        beside = ipw.HBox([self.batch_curve, self.landscape]).add_class("tradespace-beside")
        charts = ipw.VBox([self.tiles, self.tradeoff, beside]).add_class("tradespace-charts")
        panels = ipw.HBox([self.controls, charts]).add_class("tradespace-panels")
        return [buttons, panels]

    @property
    def _data(self) -> str:
        return str(self.controls["data"])

    @property
    def _shown(self) -> pd.DataFrame:
        """The rows that the charts show: of this machine, or recorded."""
        return self._recorded[self._task.name] if self._data == RECORDED else self.surface

    def _moved(self, names: set[str]) -> None:
        with self._lock:
            if "task" in names:
                self._open(self.controls["task"])
                return
            if "data" in names:
                self._from = self._at = None
                if self._data == RECORDED:
                    self._measurer.cancel()
            if names & {"data", "latency"}:
                self._show_surface()
            elif names & {*vars(self._mission)}:
                self._price()
            if names & {*DECIDING, "data"}:
                self._disable()
            self._refresh()
            if names & {*KNOBS, "data"} and not self.controls.held:
                self._measure_if_new()

    def _let_go(self, change: dict[str, Any]) -> None:
        with self._lock:
            if not change["new"]:
                self._read_out()
                self._measure_if_new()

    def _open(self, name: str) -> None:
        self._measurer.cancel()
        if name not in self._tasks:
            self._tasks[name] = load_task(name)
            self._take(self._tasks[name], None)
        self._begin(self._tasks[name])
        self._measure_if_new()

    def _clicked(self, change: dict[str, Any]) -> None:
        clicked = change["new"]
        if clicked is None:
            return
        with self._lock:
            change["owner"].selected = None  # so that clicking the same point again is news again
            # A browser may still show the surface before this one.
            if 0 <= clicked < len(self._shown):
                self.controls.move(**{name: self._shown[name].iloc[clicked] for name in KNOBS})

    def _disable(self) -> None:
        self.controls.disable(settings.unavailable(self.selection, self.controls.options, self._why[self._data]))

    def _measure_if_new(self) -> None:
        with self._lock:
            config = self.selection
            cannot = self._why[self._data](config)
            if self._data == RECORDED or self._is_measured(config) or cannot:
                self._measurer.drop_request()
            else:
                self._measurer.request(config)
            self._show_progress(f"cannot run here: {cannot}" if cannot and self._data == HERE else "")

    def _is_measured(self, config: Config) -> bool:
        """Whether there is no point in measuring `config` again: neither a cancelled nor an unlucky measurement."""
        here = self._row_of(config)
        if here is None:
            return False
        return "few_samples" not in here["flags"] and here["status"] not in ("crashed", "timeout")

    def _cancel(self) -> None:
        with self._lock:
            self._measurer.cancel()
            self._show_progress("cancelled")

    def _stopped(self, task: str, why: str) -> None:
        with self._lock:
            if task == self._task.name:
                self._show_progress(why)

    def _show_progress(self, message: str) -> None:
        wanted, filling = self._measurer.wanted is not None, self._measurer.filling
        self.cancel.disabled, self.fill.disabled = not (wanted or filling), filling or self._data == RECORDED
        if not message and self._data == RECORDED:
            message = f"recorded on {self._shown['machine'].iloc[0]}: nothing is measured now"
        elif not message and (wanted or filling):
            message = "waiting for the slider to rest" if wanted else self._filling.words
        self.progress.value = html.escape(message)

    def _fill(self) -> None:
        """Measure in the background what may be on the frontier of this pruning, the best bets first."""
        with self._lock:
            if self._data == RECORDED:
                return
            options, task = self.controls.options, self._task
            precisions, runtimes = options("precision"), options("runtime")
            configs = candidates(
                task, self.controls["pruning"], self.controls["device"], precisions, runtimes, self._why[HERE]
            )
            self._filling = filling = FillIn(configs, self._budget_s)
            self._measurer.fill(lambda: filling.ask(self._measured[task.name]))
            self._show_progress("")

    def _land(self, measurement: Measurement, finished: bool) -> None:
        """Take in what the measuring process has so far; called from the measurer's thread."""
        with self._lock:
            new = finished or len(measurement.slices) < EVERY or len(measurement.slices) % EVERY == 0
            if new:
                self._keep(measurement)
            if measurement.task != self._task.name or self._data == RECORDED:
                return
            if measurement.config == self._measurer.wanted:
                left_s = time_left_s(measurement, self._budget_s)
                self._show_progress(f"measuring: {measurement.samples:,} samples, about {left_s:.1f} s left")
            elif finished:
                self._show_progress("" if self._measurer.filling else measurement.reason)
            if new:
                self._show_surface()
                self._refresh()

    def _keep(self, measurement: Measurement) -> None:
        """Put the row in the place of that before, so that the others keep their numbers; else at the end."""
        if not measurement.slices and not measurement.failure:
            return
        surface, new = self._measured[measurement.task], table([row(measurement)])
        there = _numbers(surface).get(astuple(measurement.config), len(surface))
        parts = [surface.iloc[:there], new, surface.iloc[there + 1 :]]
        self._measured[measurement.task] = pd.concat([one for one in parts if len(one)], ignore_index=True)
        if measurement.correct is not None:
            # Without the samples: of a surface that was filled in, they are hundreds of megabytes.
            self._correct[measurement.task, measurement.config] = replace(measurement, slices=())

    def _show_surface(self) -> None:
        """Send the rows, when they have changed."""
        self._number = _numbers(self._shown)
        self.tradeoff.show_surface(self._shown)
        self.batch_curve.show_surface(self._shown)
        self.landscape.show_surface(self._shown, latency=self.controls["latency"])
        self._price()

    def _price(self) -> None:
        """Say what the rows are worth, when they or the mission have changed."""
        self._mission = settings.mission_of(self.controls.chosen)
        self._priced = self._mission.of(self._shown, self.controls["latency"])
        self._within = cache(partial(within, self._priced))

    def _refresh(self) -> None:
        """Redraw what depends on the controls: a function of (surface, selection, limits, objective)."""
        chosen, selection = self.controls.chosen, self.selection
        limits, objective = settings.limits_of(chosen), settings.objective_of(chosen)
        self._seen = seen = view(self._priced, selection, decided=self._within(limits, objective))
        unknown = "not measured yet" if self._data == HERE else "not among the recorded points"
        with ExitStack() as together:
            # Their messages go out one right after the other, so that the browser paints once.
            for widget in (self.landscape, self.tiles, self.batch_curve, self.tradeoff):
                together.enter_context(widget.hold_sync())
            self.tradeoff.show_view(seen, limits, [self._number.get(astuple(pin), -1) for pin in self._pins])
            self.tradeoff.label = in_words(
                self._priced, seen, selection, limits, chosen["objective"], objective, unknown
            )
            self.batch_curve.show_view(seen, selection, _median_limit(limits))
            self.landscape.show_view(seen, limits.max_latency_ms, limits.min_throughput_per_s, limits.min_accuracy)
            self._read_out()

    def _read_out(self) -> None:
        """The tiles of the selection, and what the last move and the pins say."""
        selection, chosen, predicted = self.selection, self.controls.chosen, self._seen.predicted
        here = self._row_of(selection)
        shown, origin = here, "recorded" if self._data == RECORDED or recording() else "measured"
        if here is None and predicted is not None:
            shown, origin = predicted_row(predicted, self._mission, chosen["latency"]), "predicted"
        tiles = tiles_of(shown, chosen["items"], chosen["latency"], origin)
        # While a slider is held, the move began where it was taken.
        if here is not None and selection != self._at and not self.controls.held:
            self._from, self._at = self._at, selection
        before = self._at if self.controls.held else self._from
        lines = [self._compared(before, selection), self._about_pins()]
        self.tiles.show(tiles, "\n".join(line for line in lines if line))

    def _row_of(self, config: Config) -> Row | None:
        number = self._number.get(astuple(config))
        return None if number is None else {str(name): one for name, one in self._priced.iloc[number].items()}

    def _compared(self, before: Config | None, after: Config) -> str:
        """What `in_a_sentence` says of two Configs that both have a row; nothing of others."""
        rows = [self._row_of(one) for one in (before, after) if one is not None]
        if len(rows) < 2 or rows[0] is None or rows[1] is None:
            return ""
        a, b = (self._correct.get((self._task.name, one)) for one in (before, after) if one is not None)
        return in_a_sentence(rows[0], rows[1], (a, b) if self._data == HERE and a and b else None)

    def _about_pins(self) -> str:
        if len(self._pins) < PINS:
            return ""
        said = self._compared(*self._pins) or "nothing to compare, as one of them was not timed."
        return f"From pin A to pin B: {said}"

    def _pin(self) -> None:
        with self._lock:
            if self.selection not in self._pins:
                self._pins = [*self._pins, self.selection][-PINS:]
            self.unpin.disabled = False
            self._refresh()

    def _unpin(self) -> None:
        with self._lock:
            self._pins = []
            self.unpin.disabled = True
            self._refresh()

    def _resize(self) -> None:
        (self.add_class if self.projector.value else self.remove_class)("tradespace-projector")

    def _still(self) -> "Figure | None":
        with self._lock:
            if self._data == HERE:
                PROCESS.start()
            shown, limits = self._shown, settings.limits_of(self.controls.chosen)
        if not ((shown["status"] == "ok") & shown["latency_p50_ms"].notna()).any():
            return None
        return plot_surface(
            shown, self.selection, max_latency_ms=_median_limit(limits), min_accuracy=limits.min_accuracy
        )


def _checked(surface: pd.DataFrame, task: Task) -> pd.DataFrame:
    """`surface`, if all its rows are of `task` and of one machine, and are such as `sweep` makes."""
    surface = checked(surface, "surface").reset_index(drop=True)
    for column in ("task", "machine"):
        several = sorted(surface[column].unique())
        if len(several) > 1:
            raise ValueError(f"surface: wanted rows of one {column}; got {several}")
    if set(surface["task"]) - {task.name}:
        raise ValueError(f"surface: wanted rows of the task {task.name!r}; got those of {surface['task'].iloc[0]!r}")
    valid = {"pruning": PRUNINGS, "precision": PRECISIONS, "runtime": RUNTIMES, "device": DEVICES, "status": STATUSES}
    for column, names in valid.items():
        for name in surface[column].unique():
            choose(f"surface: {column}", name, names)
    try:
        return surface.astype(TYPES)
    except (TypeError, ValueError) as error:
        raise ValueError(f"surface: a column of numbers holds something else: {error}") from error


def _numbers(surface: pd.DataFrame) -> dict[tuple[Any, ...], int]:
    """The number of the row of each Config, the last one where there are several."""
    return {knobs: i for i, knobs in enumerate(zip(*(surface[knob].tolist() for knob in KNOBS), strict=True))}


def _median_limit(limits: Limits) -> float | None:
    """The limit on latency, for what shows the median alone."""
    return limits.max_latency_ms if limits.latency == "latency_p50_ms" else None
