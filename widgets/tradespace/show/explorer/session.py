"""One task in an Explorer: its state and its rows, what a move changes, and what is measured."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

from tradespace.config import KNOBS, VARIANT, Config
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import time_left_s
from tradespace.show.common.history import History
from tradespace.show.explorer import settings
from tradespace.show.explorer.fill_in import FillIn, candidates, offer
from tradespace.show.explorer.lookup import foretold
from tradespace.show.explorer.measurer import Measurer
from tradespace.show.explorer.screen import Screen
from tradespace.show.explorer.shown import sentence, shown
from tradespace.show.explorer.sources import Sources
from tradespace.show.explorer.state import HERE, RECORDED, State

# After the first few slices of a measurement, redraw only every so many: drawing takes a core from it.
EVERY = 4


class Session:
    """What an Explorer does with one task, until it is closed. Its owner holds the lock during each call.

    Parameters
    ----------
    sources : Sources
    screen : Screen
        The widgets that it writes into.
    lock : threading.RLock
        Moves and measurements come from several threads.
    schedule : Schedule
    executor : Executor, optional
        Where to measure.
    tasks : sequence of str
        The tasks to offer besides the shipped ones.
    """

    def __init__(
        self,
        sources: Sources,
        screen: Screen,
        lock: "threading.RLock",
        schedule: Schedule,
        executor: Executor | None,
        tasks: Sequence[str],
    ) -> None:
        self.sources, self._screen, self._controls, self._schedule = sources, screen, screen.controls, schedule
        self.task, self.scale, self.why = sources.task, sources.task.score.scale, sources.why()
        self.measurer = Measurer(self.task, lock, self._land, self._show_progress, schedule, executor)
        self._closed = False
        # Where the last move came from, and where it led to.
        self._from: Config | None = None
        self._at: Config | None = None
        self._history = History[State]()
        self._offered: tuple[tuple[str, str], tuple[list[Config], str]] = (("", ""), ([], ""))
        self.state = State(self.task.name, sources.first, sources.start)
        # Sliders cover the rows of all sources.
        self.groups = settings.groups(self.task, sources.everything, self.state.config, sources.names, tasks)
        self._controls.offer(self.groups, self.state.values)
        self._show_rows()
        self._disable()
        self._refresh()

    def close(self) -> None:
        """Stop measuring, and show nothing any more."""
        self._closed = True
        self.measurer.cancel()

    def moved(self, names: set[str]) -> None:
        """Follow the controls of these names."""
        self._change(self.state.with_values(self._controls.chosen))
        if "data" in names:
            self._from = self._at = None
            if self.state.data == RECORDED:
                self.measurer.cancel()
            self._show_rows()
        elif "latency" in names:
            self._screen.show_landscape(self.rows, self.state.latency)
        if names & {*VARIANT, "data"}:
            self._disable()
        self._refresh()
        if names & {*KNOBS, "data"} and not self._controls.held:
            self.measure_if_new()

    def let_go(self) -> None:
        """A slider was let go of."""
        self._history.let_go(self.state)
        self._screen.tell(self.seen, self._said())
        self.measure_if_new()

    def rest(self) -> None:
        """No other move follows for now."""
        # One that came in the same message is still to be followed.
        if self.state == self.state.with_values(self._controls.chosen):
            self.measurer.rest()

    def go_to_row(self, number: int) -> None:
        """Select a row of the charts; the browser may still show those of before."""
        surface = self.rows.surface
        if 0 <= number < len(surface):
            self._controls.move(**{name: surface[name].iloc[number] for name in KNOBS})

    def go_to(self, state: State) -> None:
        """Move all controls, and set the pins."""
        self.set_pins(state.pins)
        self._controls.move(**state.values)

    def set_pins(self, pins: tuple[Config, ...]) -> None:
        """Pin these Configs and no others."""
        self._change(replace(self.state, pins=pins))
        self._refresh()

    def undo(self) -> None:
        """Take back the last move of a control. A drag is one move."""
        self._go_back(self._history.undo(self.state))

    def redo(self) -> None:
        """Make the move again that was taken back last."""
        self._go_back(self._history.redo(self.state))

    def fill_in(self) -> None:
        """Measure what may be on the frontier of this pruning; not while recorded rows are shown."""
        if self.state.data == RECORDED:
            return
        self._filling = filling = FillIn(self._could_fill()[0], self._schedule.budget_s)
        self.measurer.fill(lambda: filling.ask(self.sources.here))
        self._show_progress("")

    def cancel(self) -> None:
        """Stop measuring."""
        self.measurer.cancel()
        self._show_progress("cancelled")

    def measure_if_new(self) -> None:
        """Measure the selection, if it was not measured yet and can be."""
        config, here = self.state.config, self.state.data == HERE
        cannot = self.why[self.state.data](config)
        if not here or cannot or self._is_measured(config):
            self.measurer.drop_request()
        else:
            self.measurer.request(config, typing=self._controls.typing)
        self._show_progress(f"cannot run here: {cannot}" if cannot and here else "")

    def _is_measured(self, config: Config) -> bool:
        """Whether `config` has a complete measurement: neither cancelled nor failed by accident."""
        here = self.rows.row(config)
        if here is None:
            return False
        return "few_samples" not in here["flags"] and here["status"] not in ("crashed", "timeout")

    def _change(self, state: State) -> None:
        """Go to another state, which can be undone."""
        before, self.state = self.state, state
        self._history.moved(before, state, self._controls.held)
        self._enable()

    def _go_back(self, state: State | None) -> None:
        if state is not None:
            with self._history.paused():
                self.go_to(state)
            self._enable()

    def _land(self, measurement: Measurement, finished: bool) -> None:
        """Handle a growing measurement; called from the measurer's thread."""
        new = finished or len(measurement.slices) < EVERY or len(measurement.slices) % EVERY == 0
        if new:
            self.sources.keep(measurement)
        if self._closed or self.state.data == RECORDED:
            return
        if measurement.config == self.measurer.wanted:
            self._show_measuring(measurement)
        elif finished:
            self._show_progress("" if self.measurer.filling else measurement.reason)
        if new:
            self._show_rows()
            self._widen_limit()
            self._refresh()

    def _show_measuring(self, measurement: Measurement) -> None:
        left_s, spent_s = time_left_s(measurement, self._schedule), measurement.spent_s
        disturbed = "; other work takes its cores" if "contended" in measurement.flags else ""
        words = f"measuring: {measurement.samples:,} samples, about {left_s:.1f} s left{disturbed}"
        self._show_progress(words, spent_s / (spent_s + left_s) if spent_s else 0.0)

    def _show_progress(self, message: str, share: float | None = None) -> None:
        if self._closed:
            return
        wanted, filling = self.measurer.wanted is not None, self.measurer.filling
        if not message and self.state.data == RECORDED:
            message = f"recorded on {self.rows.surface['machine'].iloc[0]}: nothing is measured now"
        elif not message and wanted:
            message, share = "waiting for the slider to rest", 0.0
        elif not message and filling:
            message, share = self._filling.words, self._filling.share
        self._screen.bar.tell(message or self._could_fill()[1], share)
        self._enable()

    def _could_fill(self) -> tuple[list[Config], str]:
        """The candidates for filling in, and what that would take."""
        options, pruning, device = self._controls.options, self._controls["pruning"], self._controls["device"]
        if self._offered[0] != (pruning, device):
            found = candidates(self.task, pruning, device, options("precision"), options("runtime"), self.why[HERE])
            self._offered = (pruning, device), (found, offer(found, self._schedule))
        return self._offered[1]

    def _enable(self) -> None:
        """Let each button be pressed exactly while it does something."""
        can = {
            "fill_in": not self.measurer.filling and self.state.data == HERE,
            "cancel": self.measurer.busy,
            "unpin": bool(self.state.pins),
            "undo": self._history.can_undo,
            "redo": self._history.can_redo,
        }
        self._screen.bar.disable({name for name, does in can.items() if not does})

    def _disable(self) -> None:
        """Let no option be chosen that cannot run, or could not."""
        options, why = self._controls.options, self.why[self.state.data]
        self._controls.disable(settings.unavailable(self.state.config, options, why))

    def _widen_limit(self) -> None:
        """Let the slider of the least score cover all that is known; that of accuracy does from the start."""
        known, (_, *steps) = self.rows.surface["accuracy"].dropna(), self._controls.options("min_accuracy")
        covered = steps and steps[0] <= known.min() and known.max() <= steps[-1]
        if self.scale.is_accuracy or known.empty or covered or self._controls.held:
            return
        limit = settings.limit_of_score(self.scale, known, self.state.min_accuracy)
        self.groups = settings.with_control(self.groups, limit)
        self._controls.offer(self.groups, self.state.values)
        self._disable()

    def _show_rows(self) -> None:
        """Send the rows of the selected source to the charts."""
        self.rows = self.sources.rows(self.state.data)
        # In this order: to know of the test data is to load it.
        untested = bool(self.rows.surface["accuracy"].isna().all()) and self.task.test is None
        self._screen.show_rows(self.rows, self.scale, untested, self.state.latency)

    def _refresh(self) -> None:
        """Redraw everything that depends on the state."""
        rows, state, groups = self.rows, self.state, self.groups
        make = partial(foretold, rows, state, groups, self.scale) if rows.measured else None
        # The browser looks moves up between these rows, until they change.
        self._screen.ahead.keep((rows, state.mission, state.latency, state.pins, groups), make)
        self.seen = shown(rows, state, self.scale)
        self._screen.show(self.seen, state.config, self._said())

    def _said(self) -> str:
        """The sentence about the last move."""
        selection, held = self.state.config, self._controls.held
        # While a slider is held, the move starts where it was grabbed.
        if selection != self._at and not held and self.rows.number(selection) is not None:
            self._from, self._at = self._at, selection
        return sentence(self.rows, self.state, self._at if held else self._from)
