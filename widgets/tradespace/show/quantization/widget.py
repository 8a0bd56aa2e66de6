"""A layer's weights and the levels of a bit width, and the accuracy of the whole model at each width."""

from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import pandas as pd
import traitlets

from tradespace.config import BITS, WEIGHTS, Config
from tradespace.measuring.schedule import Schedule
from tradespace.show.common.assets import assets
from tradespace.show.common.filling import Group, Row
from tradespace.show.common.lens import Lens
from tradespace.show.quantization.numbers import CHANNELS, accuracies, known_accuracies, rounded_layer, rounded_weights
from tradespace.surface.columns import table
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Only fp32 is timed, and its latency is not shown.
SCHEDULE = Schedule(max_width=0.05, budget_s=0.3)


class QuantizationLens(Lens):
    """Weights and the levels they are rounded to, the rounding error, and the model's accuracy at each bit width.

    A slider sets the bits per weight. Beside it, choose a layer, and one step per channel or one for the tensor. The
    weights are those that `w8` ... `w2` round. The accuracy at each width,
    with its 95 % interval (Wilson), is measured in the background, starting with the width that is shown.

    Parameters
    ----------
    task : Task
    model : str, optional
        One of the task's models; by default the first.
    surface : DataFrame, optional
        Existing measurements. What is missing is measured, if they come from this machine.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.

    Raises
    ------
    ValueError
        If the task has no such model, if the model has no weights to round, or if `surface` is not of this task and of
        one machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> lens = QuantizationLens(ts.load_task("fashion"), "resnet8")
    >>> lens.bits = 3
    >>> lens.precision
    'w3'
    >>> lens.close()
    """

    _esm, _css = assets("quantization", "lens")
    bits = traitlets.Enum(BITS, 4).tag(sync=True)
    per_channel = traitlets.Bool(True).tag(sync=True)
    channel = traitlets.Enum(tuple(CHANNELS), "typical").tag(sync=True)
    accuracy: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)

    def __init__(
        self,
        task: Task,
        model: str | None = None,
        *,
        surface: pd.DataFrame | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(task, model, surface)
        self._weights, first = rounded_weights(task, self._model)
        self._rows: dict[str, Row] = known_accuracies(self._known)
        self._open([*self._weights], first)
        groups = [] if self.untested else self._missing()
        self._fill(groups, SCHEDULE, executor)

    @property
    def precision(self) -> str:
        """The precision that is shown, as a `Config` names it."""
        return f"w{self.bits}{'' if self.per_channel else '-tensor'}"

    @property
    def surface(self) -> pd.DataFrame:
        """The results for each width, passed in or measured since."""
        with self._lock:
            return table(dict(row) for row in self._rows.values())

    def _missing(self) -> list[Group]:
        """The missing results, in the order in which they will be looked at."""
        order = ["fp32", *sorted(WEIGHTS, key=lambda name: (not name.endswith("-tensor")) != self.per_channel)]
        missing = [name for name in dict.fromkeys([self.precision, *order]) if name not in self._rows]
        return [(Config(self._model, precision=name),) for name in missing]

    def _view_of(self, layer: int) -> dict[str, Any]:
        name = self.layers[layer]
        return rounded_layer(name, self._weights[name])

    @traitlets.observe("bits", "per_channel")
    def _moved(self, _: object) -> None:
        if self._filling is not None:
            self._filling.first((Config(self._model, precision=self.precision),))

    def _land(self, rows: list[Row]) -> None:
        with self._lock:
            self._rows |= {str(row["precision"]): row for row in rows}

    def _refresh(self) -> None:
        current = self._filling.current if self._filling is not None else None
        self.accuracy = accuracies(self._rows, current[0].precision if current else None)

    def _still(self) -> "Figure":
        from tradespace.show.quantization.figure import draw_quantization

        with self._lock:
            return draw_quantization(
                self.view, self.accuracy, self.precision, self.channel, self._task.score.scale, self._recorded_on
            )
