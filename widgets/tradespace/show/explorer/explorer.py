"""The Explorer: sliders and live charts over the measuring process."""

import threading
from concurrent.futures import Executor
from os import PathLike
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import pandas as pd

from tradespace.config import Config
from tradespace.errors import renamed
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.schedule import Schedule
from tradespace.show.bar.widget import Action
from tradespace.show.common.still import Still
from tradespace.show.common.words import MEDIAN
from tradespace.show.explorer.lookup import saved
from tradespace.show.explorer.screen import Screen
from tradespace.show.explorer.session import Session
from tradespace.show.explorer.sources import Sources
from tradespace.show.explorer.state import HERE, read
from tradespace.show.page.document import document, page_path
from tradespace.show.tradeoff.figure import plot_surface
from tradespace.tasks import load_task
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        self._sources = {task.name: Sources(task, surface)}
        self._screen = screen = Screen(self._actions(), lambda: self._session.measurer.busy)
        self.charts, self.tiles, self.controls, self.bar = screen.charts, screen.tiles, screen.controls, screen.bar
        self.tradeoff, self.batch_curve, self.landscape = screen.charts
        self._begin(task.name)
        self.controls.observe_moves(self._moved)
        self.controls.observe(self._let_go, "held")
        self.controls.observe(self._rested, "typing")
        screen.ahead.observe(self._opened, "asked")
        for chart in self.charts:
            chart.observe(self._clicked, "selected")
        super().__init__(screen.parts)
        self.add_class("tradespace-explorer")
        if state is not None:
            self.state = state
        with self._lock:
            self._session.measure_if_new()

    @property
    def surface(self) -> pd.DataFrame:
        """The measurements of this machine: those passed in, and those made since."""
        return self._session.sources.here

    @property
    def selection(self) -> Config:
        """The Config selected by the sliders."""
        return self._session.state.config

    @property
    def choice(self) -> pd.DataFrame:
        """The best row within the limits, as a DataFrame; empty if there is none."""
        with self._lock:
            best = self._session.seen.view.choice
            return self._session.rows.surface.iloc[[] if best is None else [best]]

    @property
    def state(self) -> str:
        """The values of all controls and the pins, as text to save, send or put into a URL."""
        return self._session.state.text

    @state.setter
    def state(self, text: str) -> None:
        with self._lock:
            self._session.go_to(read(text, self._session.state, self.controls.parse))

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
            now = self._session
            data = saved(now.rows, now.state, now.groups, now.scale) | self._screen.drawn
        file.write_text(document(data), encoding="utf-8", newline="\n")

    def fill_in(self) -> None:
        """Measure points that may be on the frontier of this pruning, the most promising first."""
        with self._lock:
            self._session.fill_in()

    def cancel(self) -> None:
        """Stop measuring."""
        with self._lock:
            self._session.cancel()

    def pin(self) -> None:
        """Pin the selection, beside the one that was pinned before; two pinned points are compared."""
        with self._lock:
            self._session.set_pins(self._session.state.with_pin(self.selection).pins)

    def unpin(self) -> None:
        """Forget the pinned points."""
        with self._lock:
            self._session.set_pins(())

    def undo(self) -> None:
        """Take back the last move of a control. A drag is one move."""
        with self._lock:
            self._session.undo()

    def redo(self) -> None:
        """Make the move again that was taken back last."""
        with self._lock:
            self._session.redo()

    def close(self) -> None:
        """Stop measuring, and remove the Explorer from the page."""
        # Called for partly constructed widgets too.
        if "_session" in vars(self):
            self._session.close()
            self._screen.ahead.close()
        super().close()

    def _begin(self, name: str) -> None:
        """Open a task."""
        sources, tasks = self._sources[name], list(self._sources)
        self._session = Session(sources, self._screen, self._lock, self._schedule, self._executor, tasks)

    def _actions(self) -> list[Action]:
        return [
            Action("fill_in", "Fill in", "Measure what may be on the frontier, until you cancel", "m", self.fill_in),
            Action("cancel", "Cancel", "Stop measuring", "c", self.cancel),
            Action("pin", "Pin", "Pin this point; two pinned points are compared", "p", self.pin),
            Action("unpin", "Unpin", "Forget the pinned points", "u", self.unpin),
            Action("undo", "Undo", "Take back the last move", "z", self.undo),
            Action("redo", "Redo", "Make the move again that was taken back", "Z", self.redo),
        ]

    def _moved(self, names: set[str]) -> None:
        with self._lock:
            if "task" not in names:
                self._session.moved(names)
                return
            self._session.close()
            name = self.controls["task"]
            if name not in self._sources:
                self._sources[name] = Sources(load_task(name))
            self._begin(name)
            self._session.measure_if_new()

    def _let_go(self, change: dict[str, Any]) -> None:
        if not change["new"]:
            with self._lock:
                self._session.let_go()

    def _rested(self, change: dict[str, Any]) -> None:
        if not change["new"]:
            with self._lock:
                self._session.rest()

    def _clicked(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            with self._lock:
                change["owner"].selected = None  # so that clicking the same point again is a change
                self._session.go_to_row(change["new"])

    def _opened(self, _change: dict[str, Any]) -> None:
        """A browser shows it. Only now, so that what it shows first need not share the cores."""
        if self._session.state.data == HERE and self._executor is None:
            PROCESS.start()

    def _still(self) -> "Figure | None":
        with self._lock:
            surface, selection = self._session.rows.surface, self.selection
            limits = self._session.state.limits
        if not ((surface["status"] == "ok") & surface[MEDIAN].notna()).any():
            return None
        return plot_surface(surface, selection, max_latency_ms=limits.max_median_ms, min_accuracy=limits.min_accuracy)
