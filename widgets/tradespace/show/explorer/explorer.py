"""The Explorer: sliders and live charts over the measuring process."""

import threading
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import pandas as pd

from tradespace.config import KNOBS, VARIANT, Config
from tradespace.errors import renamed
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import time_left_s
from tradespace.show.ahead.widget import Ahead
from tradespace.show.attainment.widget import Landscape
from tradespace.show.bar.widget import Action, Bar
from tradespace.show.batch_curve.widget import BatchCurve
from tradespace.show.common.marks import mark
from tradespace.show.common.still import Still
from tradespace.show.common.words import MEDIAN
from tradespace.show.controls.widget import Controls
from tradespace.show.explorer import settings
from tradespace.show.explorer.fill_in import FillIn, candidates, offer
from tradespace.show.explorer.history import History
from tradespace.show.explorer.lookup import foretold, saved
from tradespace.show.explorer.measurer import Measurer
from tradespace.show.explorer.rows import Rows, of_task, with_row
from tradespace.show.explorer.shown import sentence, shown
from tradespace.show.explorer.state import HERE, RECORDED, State, read
from tradespace.show.page.document import document, page_path
from tradespace.show.tiles.widget import Tiles
from tradespace.show.tradeoff.figure import plot_surface
from tradespace.show.tradeoff.widget import TradeoffChart
from tradespace.surface.columns import configs_of, table
from tradespace.surface.recorded import list_recorded, load_recorded
from tradespace.tasks import load_task
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# After the first few slices of a measurement, redraw only every so many: drawing takes a core from it.
EVERY = 4


class Explorer(Still, ipw.Box):
    """Sliders that move one operating point over the surface, and limits that decide what is best.

    Moving a slider looks the point up, or predicts it from its neighbours. Released on a point that was not measured
    yet, it measures that point in a separate process.

    Parameters
    ----------
    task : Task
    surface : DataFrame, optional
        Existing measurements. Those of another machine are shown as recorded, separately from what is measured here.
        By default the recorded surface that ships with the task is shown.
    max_width, budget_s : float
        As for `measure`.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.
    state : str, optional
        A saved `explorer.state`, or a part of one, such as "batch_size=8&precision=int8".

    Raises
    ------
    ValueError
        If the surface is invalid, of another task, or of several machines; if the state is of another task or a newer
        version, or names a value that is unavailable.

    Examples
    --------
    >>> import tradespace as ts
    >>> explorer = ts.Explorer(ts.load_task("fashion"))
    >>> explorer.selection
    Config('resnet4', fp32, eager, cpu, threads=..., batch_size=1)
    """

    @renamed(ci="max_width")
    def __init__(
        self,
        task: Task,
        surface: pd.DataFrame | None = None,
        *,
        max_width: float = 0.05,
        budget_s: float = 1.0,
        executor: Executor | None = None,
        state: str | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._schedule, self._executor = Schedule(max_width, budget_s), executor
        self._tasks = {task.name: task}
        self._measured: dict[str, pd.DataFrame] = {}
        self._recorded: dict[str, pd.DataFrame] = {}
        self._scored: dict[str, dict[Config, Measurement]] = {}
        self._take(task, surface)
        self.charts = TradeoffChart(), BatchCurve(), Landscape()
        self.tradeoff, self.batch_curve, self.landscape = self.charts
        self.tiles, self.controls = Tiles(), Controls([], {})
        self.bar = Bar(self._actions())
        moved = {"tradeoff": self.tradeoff, "batch-curve": self.batch_curve, "landscape": self.landscape}
        self._ahead = Ahead(moved | {"controls": self.controls, "tiles": self.tiles}, lambda: self._measurer.busy)
        self._begin(task)
        self.controls.observe_moves(self._moved)
        self.controls.observe(self._let_go, "held")
        for chart in self.charts:
            chart.observe(self._clicked, "selected")
        super().__init__(self._parts())
        self.add_class("tradespace-explorer")
        if state is not None:
            self.state = state
        self._measure_if_new()

    @property
    def surface(self) -> pd.DataFrame:
        """The measurements of this machine: those passed in, and those made since."""
        return self._measured[self._task.name]

    @property
    def selection(self) -> Config:
        """The Config selected by the sliders."""
        return self._state.config

    @property
    def choice(self) -> pd.DataFrame:
        """The best row within the limits, as a DataFrame; empty if there is none."""
        with self._lock:
            best = self._seen.view.choice
            return self._rows.surface.iloc[[] if best is None else [best]]

    @property
    def state(self) -> str:
        """The values of all controls and the pins, as text to save, send or put into a URL."""
        return self._state.text

    @state.setter
    def state(self, text: str) -> None:
        with self._lock:
            state = read(text, self._state, self.controls.parse)
            self._set_pins(state.pins)
            self.controls.move(**state.values)

    def save(self, path: str | PathLike[str]) -> None:
        """Write what is shown as a page: one HTML file, which a browser opens without a kernel, a server or a network.

        The page begins with the state of now. Its sliders, limits and objectives work as here, on the points that were
        measured by now; it predicts and measures nothing. Price, power and distances stay as they are.

        Parameters
        ----------
        path : str or Path
            A name that ends in .html. A file of that name is replaced.

        Raises
        ------
        ValueError
            If the name does not end in .html, or nothing was measured yet.
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import tradespace as ts
        >>> file = Path(tempfile.mkdtemp()) / "explorer.html"
        >>> ts.Explorer(ts.load_task("fashion")).save(file)
        >>> file.read_text(encoding="utf-8")[:15]
        '<!doctype html>'
        """
        file = page_path(path)
        with self._lock:
            data = saved(self._rows, self._state, self._groups, self._task.score.scale)
            sent = self.tradeoff.data
            data |= {"texts": sent["text"], "about": {name: sent[name] for name in ("score", "untested", "machine")}}
            data |= {"marks": self.tradeoff.marks, "legend": self.bar.marks, "colours": self.landscape.colours}
        file.write_text(document(data), encoding="utf-8", newline="\n")

    def fill_in(self) -> None:
        """Measure points that may be on the frontier of this pruning, the most promising first."""
        with self._lock:
            if self._data == RECORDED:
                return
            task = self._task
            self._filling = filling = FillIn(self._could_fill()[0], self._schedule.budget_s)
            self._measurer.fill(lambda: filling.ask(self._measured[task.name]))
            self._show_progress("")

    def cancel(self) -> None:
        """Stop measuring."""
        with self._lock:
            self._measurer.cancel()
            self._show_progress("cancelled")

    def pin(self) -> None:
        """Pin the selection, beside the one that was pinned before; two pinned points are compared."""
        with self._lock:
            self._set_pins(self._state.with_pin(self.selection).pins)

    def unpin(self) -> None:
        """Forget the pinned points."""
        self._set_pins(())

    def undo(self) -> None:
        """Take back the last move of a control. A drag is one move."""
        with self._lock:
            self._go_back(self._history.undo(self._state))

    def redo(self) -> None:
        """Make the move again that was taken back last."""
        with self._lock:
            self._go_back(self._history.redo(self._state))

    def close(self) -> None:
        """Stop measuring, and remove the Explorer from the page."""
        # Called for partly constructed widgets too.
        if "_measurer" in vars(self):
            self._measurer.cancel()
            self._ahead.close()
        super().close()

    def _take(self, task: Task, surface: pd.DataFrame | None) -> None:
        """Sort the given or shipped rows into those measured here and those recorded."""
        self._measured[task.name], self._scored[task.name] = table([]), {}
        if surface is None:
            if task.name in list_recorded():
                self._recorded[task.name] = load_recorded(task.name)
            return
        surface = of_task(task, surface)
        elsewhere = set(surface["machine"]) - {machine()}
        (self._recorded if elsewhere else self._measured)[task.name] = surface

    def _begin(self, task: Task) -> None:
        """Open a task: set up its controls, measurer and surface."""
        self._task = task
        self._measurer = Measurer(
            task, self._lock, self._land, partial(self._stopped, task.name), self._schedule, self._executor
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
        self._at: Config | None = None
        self._from: Config | None = None
        # What the history has is of one task, and of the sliders that it had then.
        self._history, self._going_back = History[State](), False
        self._grabbed: State | None = None
        self._offered: tuple[tuple[str, str], tuple[list[Config], str]] = (("", ""), ([], ""))
        # Sliders cover the rows of both sources.
        everything = here if recorded is None else recorded if here.empty else pd.concat([here, recorded])
        self._state = State(task.name, data, start)
        self._groups = settings.groups(task, everything, start, sources, list(self._tasks))
        self.controls.offer(self._groups, self._state.values)
        self._show_surface()
        self._disable()
        self._refresh()

    def _actions(self) -> list[Action]:
        return [
            Action("fill_in", "Fill in", "Measure what may be on the frontier, until you cancel", "m", self.fill_in),
            Action("cancel", "Cancel", "Stop measuring", "c", self.cancel),
            Action("pin", "Pin", "Pin this point; two pinned points are compared", "p", self.pin),
            Action("unpin", "Unpin", "Forget the pinned points", "u", self.unpin),
            Action("undo", "Undo", "Take back the last move", "z", self.undo),
            Action("redo", "Redo", "Make the move again that was taken back", "Z", self.redo),
        ]

    def _parts(self) -> list[ipw.Widget]:
        """All parts, named for the layout."""
        for chart in self.charts:
            chart.add_class("tradespace-chart")
        named = {"bar": self.bar, "controls": self.controls, "tiles": self.tiles, "tradeoff": self.tradeoff}
        named |= {"batch-curve": self.batch_curve, "landscape": self.landscape}
        return [part.add_class(f"tradespace-at-{name}") for name, part in named.items()]

    @property
    def _data(self) -> str:
        return self._state.data

    def _moved(self, names: set[str]) -> None:
        with self._lock:
            if "task" in names:
                self._open(self.controls["task"])
                return
            before, self._state = self._state, self._state.with_values(self.controls.chosen)
            self._note(before)
            if "data" in names:
                self._from = self._at = None
                if self._data == RECORDED:
                    self._measurer.cancel()
            if "data" in names:
                self._show_surface()
            elif "latency" in names:
                self._show_landscape()
            if names & {*VARIANT, "data"}:
                self._disable()
            self._refresh()
            if names & {*KNOBS, "data"} and not self.controls.held:
                self._measure_if_new()

    def _let_go(self, change: dict[str, Any]) -> None:
        with self._lock:
            if not change["new"]:
                grabbed, self._grabbed = self._grabbed, None
                if grabbed is not None:
                    self._note(grabbed)
                self._tell()
                self._measure_if_new()

    def _note(self, before: State) -> None:
        """Keep the state before a move, and of a drag the one in which it began."""
        if self.controls.held:
            self._grabbed = self._grabbed or before
        elif before != self._state and not self._going_back:
            self._history.leave(before)
            self._enable()

    def _go_back(self, state: State | None) -> None:
        if state is None:
            return
        self._going_back = True
        try:
            self._set_pins(state.pins)
            self.controls.move(**state.values)
        finally:
            self._going_back = False
        self._enable()

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
            change["owner"].selected = None  # so that clicking the same point again is a change
            # The browser may still show the previous surface.
            surface = self._rows.surface
            if 0 <= clicked < len(surface):
                self.controls.move(**{name: surface[name].iloc[clicked] for name in KNOBS})

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
        """Whether `config` has a complete measurement: neither cancelled nor failed by accident."""
        here = self._rows.row(config)
        if here is None:
            return False
        return "few_samples" not in here["flags"] and here["status"] not in ("crashed", "timeout")

    def _stopped(self, task: str, why: str) -> None:
        with self._lock:
            if task == self._task.name:
                self._show_progress(why)

    def _show_progress(self, message: str, share: float | None = None) -> None:
        wanted, filling = self._measurer.wanted is not None, self._measurer.filling
        if not message and self._data == RECORDED:
            message = f"recorded on {self._rows.surface['machine'].iloc[0]}: nothing is measured now"
        elif not message and wanted:
            message, share = "waiting for the slider to rest", 0.0
        elif not message and filling:
            message, share = self._filling.words, self._filling.share
        self.bar.tell(message or self._could_fill()[1], share)
        self._enable()

    def _enable(self) -> None:
        """Let each button be pressed exactly while it does something."""
        self.bar.disable(
            {
                name
                for name, can in {
                    "fill_in": not self._measurer.filling and self._data == HERE,
                    "cancel": self._measurer.busy,
                    "unpin": bool(self._state.pins),
                    "undo": self._history.can_undo,
                    "redo": self._history.can_redo,
                }.items()
                if not can
            }
        )

    def _could_fill(self) -> tuple[list[Config], str]:
        """The candidates for filling in, and what that would take."""
        options, pruning, device = self.controls.options, self.controls["pruning"], self.controls["device"]
        if self._offered[0] != (pruning, device):
            found = candidates(self._task, pruning, device, options("precision"), options("runtime"), self._why[HERE])
            self._offered = (pruning, device), (found, offer(found, self._schedule))
        return self._offered[1]

    def _land(self, measurement: Measurement, finished: bool) -> None:
        """Handle a growing measurement; called from the measurer's thread."""
        with self._lock:
            new = finished or len(measurement.slices) < EVERY or len(measurement.slices) % EVERY == 0
            if new:
                self._keep(measurement)
            if measurement.task != self._task.name or self._data == RECORDED:
                return
            if measurement.config == self._measurer.wanted:
                self._show_measuring(measurement)
            elif finished:
                self._show_progress("" if self._measurer.filling else measurement.reason)
            if new:
                self._show_surface()
                self._widen_limit()
                self._refresh()

    def _show_measuring(self, measurement: Measurement) -> None:
        left_s, spent_s = time_left_s(measurement, self._schedule), measurement.spent_s
        disturbed = "; other work takes its cores" if "contended" in measurement.flags else ""
        words = f"measuring: {measurement.samples:,} samples, about {left_s:.1f} s left{disturbed}"
        self._show_progress(words, spent_s / (spent_s + left_s) if spent_s else 0.0)

    def _keep(self, measurement: Measurement) -> None:
        """Add its row to those of this machine."""
        if not measurement.slices and not measurement.failure:
            return
        self._measured[measurement.task] = with_row(self._measured[measurement.task], measurement)
        if measurement.scores is not None:
            # Without the samples, which would fill hundreds of megabytes.
            self._scored[measurement.task][measurement.config] = replace(measurement, slices=())

    def _show_surface(self) -> None:
        """Send the rows of the selected source to the charts."""
        name = self._task.name
        here = Rows(self._measured[name], self._scored[name])
        self._rows = Rows(self._recorded[name]) if self._data == RECORDED else here
        self._look_ahead()
        untested = self._task.test is None and bool(self._rows.surface["accuracy"].isna().all())
        self.tradeoff.show_surface(self._rows.surface, self._task.score.scale, untested)
        self.batch_curve.show_surface(self._rows.surface)
        self._show_landscape()
        timed = self._rows.surface[MEDIAN].notna()
        self.bar.marks = {name: asdict(mark(name)) for name in self._rows.surface.loc[timed, "precision"].unique()}

    def _show_landscape(self) -> None:
        """Send the rows to the one chart that draws them by the latency that was chosen."""
        self.landscape.show_surface(self._rows.surface, latency=self._state.latency)

    def _widen_limit(self) -> None:
        """Let the slider of the least score cover all that is known; that of accuracy does from the start."""
        score, known = self._task.score.scale, self._rows.surface["accuracy"].dropna()
        _, *steps = self.controls.options("min_accuracy")
        covered = steps and steps[0] <= known.min() and known.max() <= steps[-1]
        if score.is_accuracy or known.empty or covered or self.controls.held:
            return
        limit = settings.limit_of_score(score, known, self._state.min_accuracy)
        self._groups = settings.with_control(self._groups, limit)
        self.controls.offer(self._groups, self._state.values)
        self._disable()

    def _refresh(self) -> None:
        """Redraw everything that depends on the state."""
        self._look_ahead()
        self._seen = seen = shown(self._rows, self._state, self._task.score.scale)
        view, limits = seen.view, seen.limits
        with ExitStack() as together:
            # The messages go out together, so that the browser paints once.
            for widget in (self.landscape, self.tiles, self.batch_curve, self.tradeoff):
                together.enter_context(widget.hold_sync())
            self.tradeoff.show_view(view, limits, seen.pins)
            self.tradeoff.label = seen.words
            self.batch_curve.show_view(view, self.selection, limits.max_median_ms)
            self.landscape.show_view(view, limits.max_latency_ms, limits.min_throughput_per_s, limits.min_accuracy)
            self._tell()

    def _look_ahead(self) -> None:
        """Let the browser look up moves between these rows, until they change."""
        rows, state, groups = self._rows, self._state, self._groups
        make = partial(foretold, rows, state, groups, self._task.score.scale) if rows.measured else None
        self._ahead.keep((rows, state.mission, state.latency, state.pins, groups), make)

    def _tell(self) -> None:
        """Update the tiles, and describe the last move."""
        selection, held = self.selection, self.controls.held
        # While a slider is held, the move starts where it was grabbed.
        if selection != self._at and not held and self._rows.number(selection) is not None:
            self._from, self._at = self._at, selection
        seen, said = self._seen, sentence(self._rows, self._state, self._at if held else self._from)
        self.tiles.show(seen.tiles, f"{said}\n{seen.best}".strip(), seen.here, seen.flags)

    def _set_pins(self, pins: tuple[Config, ...]) -> None:
        with self._lock:
            before, self._state = self._state, replace(self._state, pins=pins)
            self._note(before)
            self._refresh()
            self._enable()

    def _still(self) -> "Figure | None":
        with self._lock:
            if self._data == HERE:
                PROCESS.start()
            surface, selection, limits = self._rows.surface, self.selection, self._state.limits
        if not ((surface["status"] == "ok") & surface[MEDIAN].notna()).any():
            return None
        return plot_surface(surface, selection, max_latency_ms=limits.max_median_ms, min_accuracy=limits.min_accuracy)
