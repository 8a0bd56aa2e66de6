"""The live hockey stick: responses over the rate of arrivals, and what the server and the deadline make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets
from tradespace.show.common.json import number
from tradespace.show.common.percentiles import LINES
from tradespace.show.load.figure import SHARES
from tradespace.show.load.numbers import Load, Point
from tradespace.text import figures, rate

COLOURS = {
    **{f"{name}_ms": LINES[name] for name in ("p50", "p99")},
    "busy": SHARES["server busy"],
    "in_time": SHARES["within the deadline"],
}
ENDS = tuple(f"{name}_{end}_ms" for name in ("p50", "p99") for end in ("lo", "hi"))
NOTHING: dict[str, Any] = {
    name: [] for name in ("rates_per_s", "p50_ms", "p99_ms", *ENDS, "mean_ms", "theory_ms", "busy")
}


@dataclass(frozen=True)
class Here:
    """Where one is on the hockey stick.

    Parameters
    ----------
    rate_per_s, capacity_per_s, deadline_ms : float
    now : Point, optional
        What is simulated there; None past saturation.
    """

    rate_per_s: float
    capacity_per_s: float
    deadline_ms: float
    now: Point | None


class LoadChart(anywidget.AnyWidget):
    """The hockey stick of one server, where one is on it, and runs that were measured.

    It may be shown before its curves are known. `selected` is the rate that was last clicked.

    Examples
    --------
    >>> chart = LoadChart()
    >>> chart.show(Here(rate_per_s=200.0, capacity_per_s=500.0, deadline_ms=20.0, now=None), None, [])
    >>> chart.state["label"]
    '200 requests/s of a capacity of 500/s'
    """

    _esm, _css = assets("load")
    colours: "traitlets.Dict[str, str]" = traitlets.Dict(COLOURS).tag(sync=True)
    load: "traitlets.Dict[str, Any]" = traitlets.Dict(NOTHING).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"why": "", "label": ""}).tag(sync=True)
    selected = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._drawn: Load | None = None

    def show(self, here: Here, load: Load | None, runs: Sequence[Point]) -> None:
        """Draw where one is, on these curves; those of another server stay, faint, while they are not known."""
        with self.hold_sync():
            if load is not None and load is not self._drawn:
                self._drawn, self.load = load, _columns(load)
            drawn = self._drawn
            self.state = {
                "rate_per_s": here.rate_per_s,
                "capacity_per_s": here.capacity_per_s,
                "deadline_ms": number(here.deadline_ms),
                "in_time": [point.in_time(here.deadline_ms) for point in drawn.points] if drawn else [],
                "now": here.now and _row(here.now, here.deadline_ms),
                "runs": [_row(point, here.deadline_ms) for point in runs],
                "stale": load is None,
                "why": "",
                "label": _label(here),
            }

    def explain(self, why: str) -> None:
        """Say why there is nothing to draw."""
        with self.hold_sync():
            self._drawn, self.load = None, NOTHING
            self.state = {"why": why, "label": why}


def _columns(load: Load) -> dict[str, Any]:
    rows = [_row(point, 0.0) for point in load.points]
    columns = {name: [row[name] for row in rows] for name in NOTHING if name not in ("rates_per_s", "theory_ms")}
    return {**columns, "rates_per_s": load.rates_per_s, "theory_ms": [number(mean) for mean in load.means_ms]}


def _row(point: Point, deadline_ms: float) -> dict[str, Any]:
    (p50_lo, p50_hi), (p99_lo, p99_hi) = point.p50_interval_ms, point.p99_interval_ms
    values = {
        "rate_per_s": point.rate_per_s,
        **{"p50_ms": point.p50_ms, "p50_lo_ms": p50_lo, "p50_hi_ms": p50_hi},
        **{"p99_ms": point.p99_ms, "p99_lo_ms": p99_lo, "p99_hi_ms": p99_hi},
        **{"mean_ms": point.mean_ms, "busy": point.busy, "in_time": point.in_time(deadline_ms)},
    }
    return {name: number(value) for name, value in values.items()}


def _label(here: Here) -> str:
    said = f"{rate(here.rate_per_s)} requests/s of a capacity of {rate(here.capacity_per_s)}/s"
    if here.now is None:
        return said
    return f"{said}: p50 {figures(here.now.p50_ms)} ms, p99 {figures(here.now.p99_ms)} ms, busy {here.now.busy:.0%}"
