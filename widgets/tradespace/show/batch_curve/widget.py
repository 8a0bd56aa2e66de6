"""The live batch curve: latency and throughput over batch size, the fitted line and its knee, drawn by D3."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import anywidget
import pandas as pd
import traitlets

from tradespace.config import Config
from tradespace.show.batch_curve.figure import plot_batch_curve
from tradespace.show.batch_curve.numbers import curve_of, curve_state, first_config, in_words, with_rates
from tradespace.show.common.assets import assets
from tradespace.show.common.json import column
from tradespace.show.common.marks import mark
from tradespace.show.common.still import Still
from tradespace.show.common.view import View, view
from tradespace.surface.columns import checked, configs_of, table
from tradespace.surface.predict import fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SENT = (
    "batch_size", "precision", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms",
    "throughput_per_s", "throughput_lo_per_s", "throughput_hi_per_s", "flags",
)  # fmt: skip
NOTHING = "Nothing has been measured yet, so there is no curve."


class BatchCurve(Still, anywidget.AnyWidget):
    """Latency and throughput over batch size, with the fitted line t(B) = a + b * B and its knee a / b.

    Measured points are solid and have 95 % intervals; what the line predicts is dashed. Click a point to go there, or
    move along the measured batch sizes with the arrow keys.

    Parameters
    ----------
    surface : DataFrame, optional
        As returned by `sweep`, for one task and one machine. If None, another widget controls the chart: it calls
        `show_surface` and `show_view`, and reacts to `selected`, the row that was last clicked.
    config : Config, optional
        The starting point. By default, the first row that was timed. All precisions at its other knobs are shown.

    Raises
    ------
    ValueError
        If `surface` lacks columns, or its rows are of several tasks or machines.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> surface = ts.sweep(task, ts.grid(task, model="resnet4", batch_size=[1, 8]), budget_s=0.2, progress=False)
    >>> curve = ts.BatchCurve(surface)
    >>> curve.selection.batch_size
    1
    >>> print(curve.label)
    resnet4, fp32, eager, ...
    """

    _esm, _css = assets("batch_curve")
    data: "traitlets.Dict[str, Any]" = traitlets.Dict({name: [] for name in SENT}).tag(sync=True)
    marks: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"lines": {}}).tag(sync=True)
    label = traitlets.Unicode(NOTHING).tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self, surface: pd.DataFrame | None = None, config: Config | None = None) -> None:
        super().__init__()
        self._surface = table([])
        self.selection = config
        if surface is None:
            return
        surface = checked(surface, "surface")
        self.show_surface(surface)
        self.selection = config or first_config(surface)
        self._refresh()
        self.observe(self._clicked, "selected")

    def show_surface(self, surface: pd.DataFrame) -> None:
        """Send the rows of `surface`. JSON has no NaN, so unknown values are sent as null."""
        self._surface = surface.reset_index(drop=True)
        rows = with_rates(self._surface)
        with self.hold_sync():
            self.marks = {name: asdict(mark(name)) for name in rows["precision"].unique()}
            self.data = {name: column(rows[name]) for name in SENT}

    def show_view(self, seen: View, selection: Config, max_latency_ms: float | None = None) -> None:
        """Update what depends on the selection and the limit. `seen` is the `view` of the surface at `selection`."""
        self.selection = selection
        fit = fitted(self._surface, selection)
        with self.hold_sync():
            self.state = curve_state(seen, selection, fit, max_latency_ms)
            self.label = in_words(self._surface, selection, fit)

    def _clicked(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            self.selected = None  # so that another click on the same point counts too
            self.selection = configs_of(self._surface.iloc[[change["new"]]])[0]
            self._refresh()

    def _refresh(self) -> None:
        if self.selection is not None:
            self.show_view(view(self._surface, self.selection), self.selection)

    def _still(self) -> "Figure | None":
        if self.selection is None or curve_of(self._surface, self.selection).empty:
            return None
        return plot_batch_curve(self._surface, self.selection, max_latency_ms=self.state.get("max_latency_ms"))
