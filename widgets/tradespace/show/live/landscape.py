"""The tradeoff surface itself, to turn by hand: the best accuracy within a latency and at a throughput."""

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import anywidget
import numpy as np
import pandas as pd
import traitlets

from tradespace.show.figures.attainment import extent
from tradespace.show.live.assets import assets
from tradespace.show.marks import mark
from tradespace.show.view import Limits, View
from tradespace.show.words import describe_row
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import table
from tradespace.surface.frontier import nondominated
from tradespace.surface.objectives import maximize, measured, minimize, numbers
from tradespace.surface.predict import Prediction

MEDIAN, THROUGHPUT, ACCURACY = "latency_p50_ms", "throughput_per_s", "accuracy"
CELLS = 24
# Room below the least accuracy, as a share of the range; half of the least range, so that one accuracy makes a scale.
BELOW, LEAST_HALF = 0.15, 0.005
# Matplotlib's cividis in eight even steps: to import matplotlib takes longer than all else here.
CIVIDIS = ("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838")
NOTHING = "There is no surface yet: nothing has been measured."
NO_HEIGHT = "There is no surface to show: no measured point has an accuracy, which would be its height."
NO_PERCENTILE = "There is no surface to show: no measured point has this percentile of latency. It takes more samples."


class Landscape(anywidget.AnyWidget):
    """What `attainment` tells, as a staircase in three dimensions. `selected` is the row that was last clicked.

    Examples
    --------
    >>> landscape = Landscape()
    >>> landscape.label
    'There is no surface yet: nothing has been measured.'
    """

    _esm, _css = assets("landscape")
    data: "traitlets.Dict[str, Any]" = traitlets.Dict({"grid": None, "points": [], "axis": ""}).tag(sync=True)
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
        """Send the staircase of `surface` and the points that carry it.

        Parameters
        ----------
        surface : DataFrame
            Of one machine. Where no row has a latency, a throughput and an accuracy, `label` says so instead.
        latency : str
            The latency that is drawn and limited, such as `latency_p99_ms`.

        Raises
        ------
        ValueError
            If rows are of two machines, or there is no column `latency`.
        """
        self._surface = surface.reset_index(drop=True)
        places = np.column_stack([numbers(self._surface, name) for name in (latency, THROUGHPUT, ACCURACY)])
        # The first two axes are logarithmic.
        usable = measured(self._surface) & np.isfinite(places).all(axis=1) & (places[:, :2] > 0).all(axis=1)
        self._usable, self._places = self._surface[usable], places[usable]
        self._limits = Limits(**{**asdict(self._limits), "latency": latency})
        carriers = nondominated(self._usable, (minimize(latency), maximize(THROUGHPUT), maximize(ACCURACY)))
        points = self._usable[carriers].sort_values(latency)
        percentile = "" if latency == MEDIAN else f"{latency[9:11]}th percentile of "
        with self.hold_sync():
            self.marks = {name: asdict(mark(name)) for name in points["precision"].unique()}
            self.data = {
                "grid": None if points.empty else terraces(self._usable, points, latency),
                "points": [
                    self._point(row, number)
                    for number, row in zip(points.index, points.to_dict("records"), strict=True)
                ],
                "axis": f"{percentile}latency at most, ms",
            }
            self.label = self._in_words()

    def show_view(
        self,
        seen: View,
        max_latency_ms: float | None = None,
        min_throughput_per_s: float | None = None,
        min_accuracy: float | None = None,
    ) -> None:
        """Move what the selection and the limits move.

        Parameters
        ----------
        seen : View
            Of the surface that was shown last; only its row numbers and its prediction are read.
        max_latency_ms, min_throughput_per_s, min_accuracy : float, optional
            Limits; accuracy is a fraction.
        """
        self._limits = Limits(max_latency_ms, min_accuracy, min_throughput_per_s, latency=self._limits.latency)
        current, choice = (
            None if number is None else self._point(self._surface.iloc[number].to_dict(), number)
            for number in (seen.current, seen.choice)
        )
        with self.hold_sync():
            self.state = {
                "current": current or (self._guess(seen.predicted) if seen.predicted else None),
                "choice": choice,
                # In the order of the axes.
                "limits": [_number(limit) for limit in (max_latency_ms, min_throughput_per_s, min_accuracy)],
            }
            self.label = self._in_words()

    def _point(self, row: Mapping[Any, Any], number: int) -> dict[str, Any]:
        """A measured point: its place on the axes, with the ends of its intervals, and its words."""
        low, high = ("latency_p50_lo_ms", "latency_p50_hi_ms") if self._limits.latency == MEDIAN else (None, None)
        return {
            "row": int(number),
            "precision": row["precision"],
            "text": describe_row(row).replace(": ", "\n", 1),
            "place": [_number(row[name]) for name in (self._limits.latency, THROUGHPUT, ACCURACY)],
            "latency_ends": [_number(row[name]) if name else None for name in (low, high)],
            "accuracy_ends": [_number(row[name]) for name in ("accuracy_lo", "accuracy_hi")],
        }

    def _guess(self, predicted: Prediction) -> dict[str, Any]:
        """A point that nobody has measured: of its latency, the median alone is predicted."""
        latency = predicted.latency_p50_ms if self._limits.latency == MEDIAN else None
        place = [_number(value) for value in (latency, predicted.throughput_per_s, predicted.accuracy)]
        return {"row": None, "text": "predicted, not measured", "place": place}

    def _in_words(self) -> str:
        """The best accuracy within the limits, or why there is none."""
        there = measured(self._surface)
        if self._usable.empty:
            lacks_accuracy = self._surface.loc[there, ACCURACY].isna().all()
            return NOTHING if not there.any() else NO_HEIGHT if lacks_accuracy else NO_PERCENTILE
        asked = self._limits.max_latency_ms, self._limits.min_throughput_per_s, self._limits.min_accuracy
        most, least, exact = (
            loose if limit is None else limit for limit, loose in zip(asked, (math.inf, 0, 0), strict=True)
        )
        latency, throughput, accuracy = self._places.T
        kept = (latency <= most) & (throughput >= least) & (accuracy >= exact)
        if not kept.any():
            return f"Nothing measured so far has {self._limits.words}. Loosen a limit, or measure other points."
        # The most accurate, and of those that tie the fastest.
        best = np.lexsort((latency, -accuracy, ~kept))[0]
        return f"Highest accuracy, {self._limits.words}: {describe_row(self._usable.iloc[best].to_dict())}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, and beside it a still picture for where widgets do not live."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle and not self._usable.empty:
            from tradespace.show.figures import plot_attainment_3d

            still = io.BytesIO()
            plot_attainment_3d(self._usable).savefig(still, format="png", dpi=80)
            bundle[0]["image/png"] = base64.b64encode(still.getvalue()).decode()
        return bundle


def terraces(usable: pd.DataFrame, carriers: pd.DataFrame, latency: str = MEDIAN) -> dict[str, Any]:
    """`attainment` in at most `CELLS` by `CELLS` cells; all of a cell is attainable at its height.

    Parameters
    ----------
    usable : DataFrame
        Rows that have a latency, a throughput and an accuracy: at least one.
    carriers : DataFrame
        Those of them that no other beats.
    latency : str
        The column of latency.

    Returns
    -------
    dict
        `latency` (ms) and `throughput` (items/s): edges, ascending. `accuracy`: a fraction, [throughput][latency], None
        where nothing will do. `low`, `high`: its least and its most. `floor`: the accuracy at the foot of the box.

    Examples
    --------
    >>> points = pd.DataFrame({"latency_p50_ms": [1.0, 10.0], "throughput_per_s": [1000.0, 3000.0],
    ...                        "accuracy": [0.8, 0.9], "status": "ok"})
    >>> terraces(points, points)["accuracy"]
    [[None, 0.8, 0.9], [None, None, 0.9], [None, None, None]]
    """
    allowed = _edges(carriers[latency], extent(pd.Index(np.sort(usable[latency]))), "max")
    asked = _edges(carriers[THROUGHPUT], extent(pd.Index(np.sort(usable[THROUGHPUT]))), "min")
    # A cell has what its most demanding corner has: the least latency at the highest throughput.
    heights = attainment(usable, allowed, asked, latency_column=latency).to_numpy()[1:, :-1]
    worst, best = np.nanmin(heights), np.nanmax(heights)
    half = max((best - worst) / 2, LEAST_HALF)
    low, high = float((worst + best) / 2 - half), float((worst + best) / 2 + half)
    return {
        "latency": allowed.tolist(),
        "throughput": asked.tolist(),
        "accuracy": [[_number(height) for height in line] for line in heights.tolist()],
        "low": low,
        "high": high,
        "floor": low - BELOW * (high - low),
    }


def _edges(values: pd.Series, ends: tuple[float, float], worst: str) -> np.ndarray:
    """`ends`, and `values` between them; where they are too many, the worst in each of some even logarithmic steps.

    The worst, so that all of the step reach the cell beside it: no point's accuracy is lost.
    """
    low, high = np.log(ends)
    step = np.floor((np.log(values) - low) / (high - low) * (CELLS - 1))
    return np.unique([*ends, *(values if values.nunique() < CELLS else values.groupby(step).agg(worst))])


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity: what is not known goes as null."""
    return float(value) if value is not None and math.isfinite(value) else None
