"""What the lenses share: a layer of a model that is looked at, and what is measured of the model meanwhile."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import anywidget
import pandas as pd
import traitlets

from tradespace.measuring.schedule import Schedule
from tradespace.show.common.filling import Filling, Group, Row, recorded_on, rows_of_model
from tradespace.show.common.still import Still
from tradespace.tasks.task import Task


class Lens(Still, anywidget.AnyWidget):
    """A widget of one model. The browser moves what was sent; only another layer comes from the kernel.

    Attributes
    ----------
    layer : int
        The place in `layers` of the one that is shown.
    measuring : bool
        Whether what is not known yet is being measured; set it to stop and to go on.
    unfinished : bool
        Whether anything is left to measure here.
    """

    layers: "traitlets.List[str]" = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    view: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    measuring = traitlets.Bool(False).tag(sync=True)
    unfinished = traitlets.Bool(False).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    _filling: Filling | None = None

    def __init__(self, task: Task, model: str | None, surface: pd.DataFrame | None) -> None:
        self._task = task
        self._model = task.models[0] if model is None else model
        self._known = rows_of_model(task, self._model, surface)
        self._recorded_on = recorded_on(self._known)
        self._lock = threading.RLock()
        self._views: dict[int, dict[str, Any]] = {}
        super().__init__()

    def close(self) -> None:
        """Stop measuring, and take the widget off the page."""
        if self._filling is not None:
            self._filling.stop()
        super().close()

    def _view_of(self, layer: int) -> dict[str, Any]:
        raise NotImplementedError

    def _refresh(self) -> None:
        """Send what is known of the whole model."""
        raise NotImplementedError

    def _land(self, rows: list[Row]) -> None:
        """Take in the rows of a finished group."""
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
        """Measure `groups` from now on, unless what is shown was recorded on another machine: that is never mixed."""
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
    """What is measured of a group, whose last Config is what it is about."""
    config = group[-1]
    return config.pruning if config.pruning != "none" else config.precision
