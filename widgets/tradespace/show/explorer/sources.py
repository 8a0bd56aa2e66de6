"""Where the rows of a task come from: measured by this Explorer, or recorded elsewhere."""

from dataclasses import replace

import pandas as pd

from tradespace.config import Config
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement
from tradespace.show.explorer.rows import Rows, of_task, with_row
from tradespace.show.explorer.settings import Why, cannot_run, could_not_run
from tradespace.show.explorer.state import HERE, RECORDED
from tradespace.surface.columns import configs_of, table
from tradespace.surface.recorded import list_recorded, load_recorded
from tradespace.tasks.task import Task


class Sources:
    """The rows of one task: those of this machine, which grow, and those of another, which do not.

    Parameters
    ----------
    task : Task
    surface : DataFrame, optional
        By default the recorded surface that ships with the task.

    Raises
    ------
    ValueError
        If the surface is invalid, of another task, or of several machines.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet4", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> sources = Sources(task, surface)
    >>> sources.names, sources.first, len(sources.here)
    (('here',), 'here', 2)
    """

    def __init__(self, task: Task, surface: pd.DataFrame | None = None) -> None:
        self.task, self.here = task, table([])
        self._recorded: pd.DataFrame | None = None
        self._scored: dict[Config, Measurement] = {}
        if surface is None:
            self._recorded = load_recorded(task.name) if task.name in list_recorded() else None
        elif set((surface := of_task(task, surface))["machine"]) - {machine()}:
            self._recorded = surface
        else:
            self.here = surface

    @property
    def names(self) -> tuple[str, ...]:
        """The sources that there are."""
        return (HERE,) if self._recorded is None else (HERE, RECORDED)

    @property
    def first(self) -> str:
        """The source to begin with: this machine, if it has rows."""
        return HERE if self._recorded is None or len(self.here) else RECORDED

    @property
    def start(self) -> Config:
        """The Config to begin with: the first one that was timed."""
        known = self.rows(self.first).surface
        timed = known[known["status"] == "ok"]
        return configs_of(timed.iloc[[0]])[0] if len(timed) else Config(self.task.models[0])

    @property
    def everything(self) -> pd.DataFrame:
        """The rows of both sources, one after the other."""
        parts = [one for one in (self.here, self._recorded) if one is not None and len(one)]
        return pd.concat(parts) if len(parts) > 1 else parts[0] if parts else self.here

    def why(self) -> dict[str, Why]:
        """For each source the function from a Config to the reason why it cannot run, or could not, or None."""
        recorded = self.here if self._recorded is None else self._recorded
        return {HERE: cannot_run(self.task), RECORDED: could_not_run(recorded)}

    def rows(self, name: str) -> Rows:
        """The rows of a source as they are now."""
        if name == RECORDED and self._recorded is not None:
            return Rows(self._recorded)
        return Rows(self.here, self._scored)

    def keep(self, measurement: Measurement) -> None:
        """Add the row of a measurement to those of this machine, unless nothing is known yet."""
        if not measurement.slices and not measurement.failure:
            return
        self.here = with_row(self.here, measurement)
        if measurement.scores is not None:
            # Without the samples, which would fill hundreds of megabytes.
            self._scored[measurement.config] = replace(measurement, slices=())
