"""A layer's pruned weights, and the accuracy and latency of the whole model."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import traitlets

from tradespace.config import PRUNINGS, Config, pruned_share
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.schedule import Schedule
from tradespace.show.common.assets import assets
from tradespace.show.common.filling import Group, Row
from tradespace.show.common.layers import first_layer
from tradespace.show.common.lens import Lens
from tradespace.show.pruning.channels import channels_left_of, with_shipped
from tradespace.show.pruning.numbers import SHARES, Cut
from tradespace.show.pruning.relative import known_pairs, pruned_point, unpruned_point, where_of
from tradespace.surface.columns import table
from tradespace.tasks.parcel import pack
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEDULE = Schedule(max_width=0.02, budget_s=1.0)


class PruningLens(Lens):
    """Which weights pruning sets to zero, or which channels it removes, and what that costs and saves.

    A slider sets the share; a switch selects weights or channels. At the shares that exist as a `pruning`, accuracy and
    latency are measured in the background, in turns with the unpruned model, starting with the share that is shown. The
    pruned model is not fine-tuned, unless the task ships a fine-tuned version.

    Parameters
    ----------
    task : Task
    model : str, optional
        One of the task's models; by default the first.
    surface : DataFrame, optional
        Existing measurements. What is missing is measured, if they come from this machine.
    runtime : str
    batch_size : int
        Used to measure latency. With small batches, a small model mostly costs its call overhead, pruned or not.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.

    Raises
    ------
    ValueError
        If the task has no such model, if the model has no weights to prune, or if `surface` is not of this task and of
        one machine.

    Examples
    --------
    >>> import tradespace as ts
    >>> lens = PruningLens(ts.load_task("fashion"), "resnet8")
    >>> lens.share = 90
    >>> lens.pruning
    'weights-90'
    >>> lens.close()
    """

    _esm, _css = assets("pruning", "lens")
    kind = traitlets.Enum(tuple(SHARES), "weights").tag(sync=True)
    share = traitlets.Int(50).tag(sync=True)
    shares: "traitlets.Dict[str, Any]" = traitlets.Dict(dict(SHARES)).tag(sync=True)

    sizes: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    points: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    whole: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    where = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        task: Task,
        model: str | None = None,
        *,
        surface: pd.DataFrame | None = None,
        runtime: str = "eager",
        batch_size: int = 64,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(task, model, surface)
        self._config = Config(self._model, runtime=runtime, batch_size=batch_size)
        self._pairs = known_pairs(self._known, self._config)
        self._cut = Cut.of(task, self._model)
        self.where = where_of(self._config, self._pairs)
        self.sizes = self._cut.sizes()
        self._open([*self._cut.weights()], first_layer(self._cut.module))
        looked: Future[Any] = (executor or PROCESS).submit(channels_left_of, pack(self._cut.module), self._cut.example)
        looked.add_done_callback(self._take_channels)
        self._fill(self._missing(), SCHEDULE, executor)

    @property
    def pruning(self) -> str:
        """The pruning that is shown, such as `weights-50`. Not every share exists as a `pruning` of a Config."""
        return f"{self.kind}-{self.share}" if self.share else "none"

    @property
    def surface(self) -> pd.DataFrame:
        """The results for the model, pruned and unpruned, passed in or measured since."""
        with self._lock:
            bases = [base for _, base in self._pairs.values()][-1:]
            return table(dict(row) for row in [*bases, *(row for row, _ in self._pairs.values())])

    def _missing(self) -> list[Group]:
        """The missing results, in the order in which they will be looked at."""
        order = sorted(PRUNINGS[1:], key=self._distance)
        return [self._group(pruning) for pruning in order if pruning not in self._pairs]

    def _group(self, pruning: str) -> Group:
        whole = self._config
        return whole, Config(whole.model, pruning, runtime=whole.runtime, batch_size=whole.batch_size)

    def _distance(self, pruning: str) -> tuple[bool, int]:
        kind, percent = pruned_share(pruning)
        return kind != self.kind, abs(percent - self.share)

    def _take_channels(self, looked: "Future[Any]") -> None:
        """Show which channels are removed, as computed in the measuring process."""
        error = looked.exception()
        if error is None:
            found = with_shipped(self._task, self._model, looked.result())
        else:
            reason = f"Which channels go could not be worked out: {str(error) or type(error).__name__}"
            found = {pruning: {"reason": reason} for pruning in self._cut.found}
        with self._lock, self.hold_sync():
            self._cut = replace(self._cut, found=found)
            self._views.clear()
            self.sizes = self._cut.sizes()
            self._show_layer(None)

    def _view_of(self, layer: int) -> dict[str, Any]:
        return self._cut.layer(self.layers[layer])

    @traitlets.validate("share")
    def _check_share(self, proposal: dict[str, Any]) -> int:
        there, share = SHARES[self.kind], proposal["value"]
        if share not in there:
            wanted = f"one of {', '.join(map(str, there))} per cent of the {self.kind}"
            raise traitlets.TraitError(f"share: wanted {wanted}; got {share}. The nearest is {nearest(share, there)}")
        return int(share)

    @traitlets.observe("kind", "share")
    def _moved(self, _: object) -> None:
        self.share = nearest(self.share, SHARES[self.kind])
        if self._filling is not None:
            self._filling.first(self._group(min(PRUNINGS[1:], key=self._distance)))

    def _land(self, rows: list[Row]) -> None:
        base, row = rows
        with self._lock:
            self._pairs[str(row["pruning"])] = row, base

    def _refresh(self) -> None:
        current = self._filling.current if self._filling is not None else None
        measuring = current[-1].pruning if current else None
        self.points = {
            pruning: pruned_point(pruning, self._pairs.get(pruning), pruning == measuring) for pruning in PRUNINGS[1:]
        }
        self.whole = unpruned_point([base for _, base in self._pairs.values()][-1:])

    def _still(self) -> "Figure":
        from tradespace.show.pruning.figure import draw_pruning

        with self._lock:
            where = f"{self.where}; {self._recorded_on}" if self._recorded_on else self.where
            return draw_pruning(
                self.view, self.points, self.whole, self.kind, self.share, where, self._task.score.scale
            )


def nearest(share: int, there: Sequence[int]) -> int:
    """The member of `there` nearest to `share`.

    Examples
    --------
    >>> nearest(90, (0, 25, 50, 75))
    75
    """
    return min(there, key=lambda one: abs(one - share))
