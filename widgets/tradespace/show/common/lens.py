"""The base of the lenses: widgets that show a layer of a model while they measure the model."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import anywidget
import pandas as pd
import traitlets

from tradespace.measuring.schedule import Schedule
from tradespace.show.common.filling import Filling, Group, Row, recorded_on, rows_of_model
from tradespace.show.common.json import scale
from tradespace.show.common.still import Still
from tradespace.tasks.task import Task

UNTESTED = "This task has no test set, so its {} is not known."


class Lens(Still, anywidget.AnyWidget):
    """A widget about one model. The browser handles every control except the layer, which the kernel sends.

    Attributes
    ----------
    layer : int
        The index in `layers` of the layer that is shown.
    measuring : bool
        Whether missing results are being measured; set it to stop and to resume.
    unfinished : bool
        Whether anything is left to measure.
    """

    layers: "traitlets.List[str]" = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    view: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    measuring = traitlets.Bool(False).tag(sync=True)
    unfinished = traitlets.Bool(False).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    untested = traitlets.Unicode("").tag(sync=True)
    score: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)

    _filling: Filling | None = None

    def __init__(self, task: Task, model: str | None, surface: pd.DataFrame | None) -> None:
        self._task = task
        self._model = task.models[0] if model is None else model
        self._known = rows_of_model(task, self._model, surface)
        self._recorded_on = recorded_on(self._known)
        self._lock = threading.RLock()
        self._views: dict[int, dict[str, Any]] = {}
        super().__init__()
        self.untested = UNTESTED.format(task.score.name) if task.test is None else ""
        self.score = scale(task.score.scale)

    def close(self) -> None:
        """Stop measuring, and remove the widget from the page."""
        if self._filling is not None:
            self._filling.stop()
        super().close()

    def _view_of(self, layer: int) -> dict[str, Any]:
        raise NotImplementedError

    def _refresh(self) -> None:
        """Send the results for the whole model."""
        raise NotImplementedError

    def _land(self, rows: list[Row]) -> None:
        """Add the rows of a finished group."""
        raise NotImplementedError

    @traitlets.validate("layer")
    def _check_layer(self, proposal: dict[str, Any]) -> int:
        place: int = proposal["value"]
        if not 0 <= place < len(self.layers):
            last = len(self.layers) - 1
            raise traitlets.TraitError(f"layer: wanted a whole number from 0 to {last}, a place in layers; got {place}")
        return place

    @traitlets.observe("layer")
    def _show_layer(self, _: object) -> None:
        with self._lock:
            if self.layer not in self._views:
                self._views[self.layer] = self._view_of(self.layer)
            self.view = self._views[self.layer]

    def _open(self, names: Sequence[str], first: str | None) -> None:
        """Show the layer `first`."""
        self.layers = list(names)
        self.layer = 0 if first is None else self.layers.index(first)
        self._show_layer(None)

    def _fill(self, groups: Sequence[Group], schedule: Schedule, executor: Executor | None) -> None:
        """Start to measure `groups`, unless the rows come from another machine: two machines are never mixed."""
        groups = [] if self._recorded_on else groups
        self._filling = Filling(self._task, groups, self._lock, self._land, self._changed, schedule, executor)
        self._groups = len(groups)
        self.observe(self._switched, "measuring")
        self._changed()
        self.measuring = bool(groups)

    def _switched(self, change: dict[str, Any]) -> None:
        assert self._filling is not None
        if change["new"]:
            self._filling.start()
        else:
            self._filling.stop()
        self._changed()

    def _changed(self) -> None:
        filling = self._filling
        assert filling is not None
        with self._lock, self.hold_sync():
            self.measuring, self.unfinished = filling.running, filling.left > 0
            done = f"{self._groups - filling.left} of {self._groups} measured"
            under_way = "" if filling.current is None else f" {_name(filling.current)}"
            if self._recorded_on:
                self.note = f"Recorded on {self._recorded_on}; nothing is measured here."
            elif not filling.left:
                self.note = ""
            else:
                stopped = f"Stopped by {filling.error}" if filling.error else "Stopped"
                self.note = f"Measuring{under_way}: {done}" if filling.running else f"{stopped}: {done}"
            self._refresh()


def _name(group: Group) -> str:
    """The name of a group: the pruning or precision of its last Config."""
    config = group[-1]
    return config.pruning if config.pruning != "none" else config.precision
