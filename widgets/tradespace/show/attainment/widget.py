"""The attainment surface in 3D, to turn by hand: the best accuracy for each latency and throughput."""

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from tradespace.scale import Scale
from tradespace.show.attainment.numbers import ACCURACY, point, stairs, usable_rows
from tradespace.show.common.assets import assets
from tradespace.show.common.json import number as known
from tradespace.show.common.json import scale
from tradespace.show.common.marks import mark
from tradespace.show.common.still import Still
from tradespace.show.common.view import Limits, View
from tradespace.show.common.words import MEDIAN, describe_row
from tradespace.surface.columns import scale_of, table
from tradespace.surface.objectives import measured
from tradespace.surface.predict import Prediction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Matplotlib's cividis in eight even steps: importing matplotlib would take longer than everything else here.
CIVIDIS = ("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838")
NOTHING = "There is no surface yet: measure a few points."
NO_HEIGHT = "There is no surface to show: no measured point has {}, which would be its height."
NO_PERCENTILE = "There is no surface to show: no measured point has this percentile of latency. It takes more samples."


class Landscape(Still, anywidget.AnyWidget):
    """The result of `attainment` as a 3D staircase. `selected` is the last row that was clicked.

    Examples
    --------
    >>> landscape = Landscape()
    >>> landscape.label
    'There is no surface yet: measure a few points.'
    """

    _esm, _css = assets("attainment")
    data: "traitlets.Dict[str, Any]" = traitlets.Dict(
        {"grid": None, "points": [], "axis": "", "score": scale(Scale())}
    ).tag(sync=True)
    marks: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    colours = traitlets.List(list(CIVIDIS)).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"current": None, "choice": None}).tag(sync=True)
    label = traitlets.Unicode(NOTHING).tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._surface, self._usable, self._places = table([]), table([]), np.empty((0, 3))
        self._limits = Limits()

    def show_surface(self, surface: pd.DataFrame, *, latency: str = MEDIAN) -> None:
        """Send the staircase of `surface` and the points that define it.

        Parameters
        ----------
        surface : DataFrame
            Rows of one machine. If none has a latency, a throughput and an accuracy, `label` says so.
        latency : str
            The latency column to draw and limit, such as `latency_p99_ms`.

        Raises
        ------
        ValueError
            If the rows are of two machines, or there is no column `latency`.
        """
        self._surface = surface.reset_index(drop=True)
        usable, places = usable_rows(self._surface, latency)
        self._usable, self._places = self._surface[usable], places[usable]
        self._limits = replace(self._limits, latency=latency, score=str(scale_of(self._surface)))
        with self.hold_sync():
            self.data = stairs(self._surface, latency)
            self.marks = {one["precision"]: asdict(mark(one["precision"])) for one in self.data["points"]}
            self.label = self._in_words()

    def show_view(
        self,
        seen: View,
        max_latency_ms: float | None = None,
        min_throughput_per_s: float | None = None,
        min_accuracy: float | None = None,
    ) -> None:
        """Update what depends on the selection and the limits.

        Parameters
        ----------
        seen : View
            The view of the surface that is shown; only row numbers and prediction are used.
        max_latency_ms, min_throughput_per_s, min_accuracy : float, optional
            Limits; accuracy is a fraction, or in the unit of another score.
        """
        latency, score = self._limits.latency, self._limits.score
        self._limits = Limits(max_latency_ms, min_accuracy, min_throughput_per_s, latency=latency, score=score)
        current, choice = (
            None if number is None else point(self._surface.iloc[number].to_dict(), number, latency)
            for number in (seen.current, seen.choice)
        )
        with self.hold_sync():
            self.state = {
                "current": current or (self._guess(seen.predicted) if seen.predicted else None),
                "choice": choice,
                # In the order of the axes.
                "limits": [known(limit) for limit in (max_latency_ms, min_throughput_per_s, min_accuracy)],
            }
            self.label = self._in_words()

    def _guess(self, predicted: Prediction) -> dict[str, Any]:
        """A predicted point. Only the median of latency is predicted."""
        latency = predicted.latency_p50_ms if self._limits.latency == MEDIAN else None
        place = [known(value) for value in (latency, predicted.throughput_per_s, predicted.accuracy)]
        return {"row": None, "text": "predicted, not measured", "place": place}

    def _in_words(self) -> str:
        """The best accuracy within the limits, or the reason why there is none."""
        there = measured(self._surface)
        if self._usable.empty:
            lacks_accuracy = self._surface.loc[there, ACCURACY].isna().all()
            no_height = NO_HEIGHT.format(Scale.of(self._limits.score).one)
            return NOTHING if not there.any() else no_height if lacks_accuracy else NO_PERCENTILE
        asked = self._limits.max_latency_ms, self._limits.min_throughput_per_s, self._limits.min_accuracy
        most, least, exact = (
            loose if limit is None else limit for limit, loose in zip(asked, (math.inf, 0, -math.inf), strict=True)
        )
        latency, throughput, accuracy = self._places.T
        kept = (latency <= most) & (throughput >= least) & (accuracy >= exact)
        if not kept.any():
            words = self._limits.words
            return f"No measured point meets these limits: {words}. Loosen a limit, or measure other points."
        # The most accurate; of ties, the fastest.
        best = np.lexsort((latency, -accuracy, ~kept))[0]
        name = Scale.of(self._limits.score).name
        return f"Highest {name}, {self._limits.words}: {describe_row(self._usable.iloc[best].to_dict())}"

    def _still(self) -> "Figure | None":
        from tradespace.show.attainment.staircase import plot_attainment_3d

        return None if self._usable.empty else plot_attainment_3d(self._usable)
