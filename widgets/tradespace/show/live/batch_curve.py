"""The live batch curve: latency and throughput over batch size, the fitted line and its knee, drawn by D3."""

import base64
import io
import math
from dataclasses import asdict
from typing import Any

import anywidget
import pandas as pd
import traitlets

from tradespace.config import Config
from tradespace.measuring.machine import machine
from tradespace.show.figures.batch_curve import (
    curve_of,
    error_in_words,
    first_config,
    knee_in_words,
    plot_batch_curve,
    with_rates,
)
from tradespace.show.live.assets import assets
from tradespace.show.marks import mark
from tradespace.show.view import View, view
from tradespace.show.words import figures, in_brief
from tradespace.surface.columns import checked, configs_of, table
from tradespace.surface.predict import BatchFit, fit_batches, rows_of

SENT = (
    "batch_size", "precision", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms",
    "throughput_per_s", "throughput_lo_per_s", "throughput_hi_per_s", "flags",
)  # fmt: skip
# Where the line is further off than this at some point, it is a poor model of the points.
POOR = 0.2
NOTHING = "Nothing was measured yet, so there is no curve."


class BatchCurve(anywidget.AnyWidget):
    """Latency and throughput over batch size, with the line t(B) = a + b * B fitted to them, and its knee a / b.

    Measured points are solid and have 95 % intervals; what the line says is dashed. Click a point to go there, or
    move along the measured batch sizes with the arrow keys.

    Parameters
    ----------
    surface : DataFrame, optional
        As `sweep` returns it, of one task and one machine. Left out, the chart is somebody else's display: it waits for
        `show_surface` and `show_view`, and `selected` is the row that was last clicked, for them to act on.
    config : Config, optional
        Where to start; by default at the first row that was timed. All precisions at its other knobs are shown.

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
        self.show_surface(checked(surface, "surface"))
        self.selection = config or first_config(surface)
        self._refresh()
        self.observe(self._clicked, "selected")

    def show_surface(self, surface: pd.DataFrame) -> None:
        """Send the rows of `surface`. JSON has no NaN: what is not known goes as null."""
        self._surface = surface.reset_index(drop=True)
        rows = with_rates(self._surface)
        with self.hold_sync():
            self.marks = {name: asdict(mark(name)) for name in rows["precision"].unique()}
            self.data = {name: rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in SENT}

    def show_view(self, seen: View, selection: Config, max_latency_ms: float | None = None) -> None:
        """Move what the selection and the limit move. `seen` is `view` of the surface shown, at `selection`."""
        self.selection = selection
        fit = fit_batches(self._surface, selection)
        with self.hold_sync():
            self.state = curve_state(seen, selection, fit, max_latency_ms)
            self.label = in_words(self._surface, selection, fit)

    def _clicked(self, change: dict[str, Any]) -> None:
        if change["new"] is not None:
            self.selected = None  # so that clicking the same point again is news again
            self.selection = configs_of(self._surface.iloc[[change["new"]]])[0]
            self._refresh()

    def _refresh(self) -> None:
        if self.selection is not None:
            self.show_view(view(self._surface, self.selection), self.selection)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live widget, and beside it a still picture for where widgets do not live."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle and self.selection is not None and len(curve_of(self._surface, self.selection)):
            still = io.BytesIO()
            figure = plot_batch_curve(self._surface, self.selection, max_latency_ms=self.state.get("max_latency_ms"))
            figure.savefig(still, format="png", dpi=80)
            bundle[0]["image/png"] = base64.b64encode(still.getvalue()).decode()
        return bundle


def curve_state(seen: View, selection: Config, fit: BatchFit | None, max_latency_ms: float | None) -> dict[str, Any]:
    """What the chart draws at one move: row numbers, the fit and the limit. What is infinite goes as null."""
    return {
        "lines": seen.lines,
        "precision": selection.precision,
        "batch_size": selection.batch_size,
        "current": seen.current,
        "predicted": seen.predicted is not None,
        "fit": _sent(fit) if fit else None,
        "max_latency_ms": max_latency_ms,
    }


def _sent(fit: BatchFit) -> dict[str, Any]:
    return {
        "fixed_ms": fit.fixed_ms,
        "each_ms": fit.each_ms,
        "knee": fit.knee if math.isfinite(fit.knee) else None,
        "knee_text": knee_in_words(fit),
        "peak_per_s": fit.peak_throughput_per_s if fit.each_ms else None,
    }


def in_words(surface: pd.DataFrame, selection: Config, fit: BatchFit | None) -> str:
    """The fit and what follows from it; the selected batch size; and the machine, if it is another than this."""
    lines = [
        f"{in_brief(selection, batch_size=False)}: {_curve(surface, selection, fit)}",
        _point(surface, selection, fit),
    ]
    elsewhere = [name for name in surface["machine"].unique() if name != machine()]
    return "\n".join([*lines, *(f"Recorded on: {name}." for name in elsewhere)])


def _curve(surface: pd.DataFrame, selection: Config, fit: BatchFit | None) -> str:
    if fit is None:
        curve = curve_of(surface, selection)
        timed = curve[curve["precision"] == selection.precision]
        return "one batch size was timed, and a line needs two." if len(timed) else "no batch size was timed."
    poor = " The line fits badly: trust the points." if fit.largest_error > POOR else ""
    return f"{fit}, {error_in_words(fit)}.{poor} {_knee(fit)}"


def _knee(fit: BatchFit) -> str:
    peak = f"{figures(fit.peak_throughput_per_s)} items/s"
    if not fit.each_ms:
        return "No knee: a batch takes as long whatever its size."
    if not fit.fixed_ms:
        return f"No knee: time grows in step with the batch, so throughput is {peak} at any size."
    if fit.knee < 1:
        return f"Knee below batch 1: one item at a time already gives more than half the peak of {peak}."
    measured = min(fit.batch_sizes) <= fit.knee <= max(fit.batch_sizes)
    where = "" if measured else ", outside the measured sizes"
    return (
        f"Knee at batch {knee_in_words(fit)}{where}: half the peak of {peak}, at twice the fixed {fit.fixed_ms:.3g} ms."
    )


def _point(surface: pd.DataFrame, selection: Config, fit: BatchFit | None) -> str:
    batch = f"Batch {selection.batch_size:,}"
    here = surface[rows_of(surface, selection)]
    if here.empty:
        if fit is None:
            return f"{batch}: not measured."
        latency, rate = (figures(of(selection.batch_size)) for of in (fit.latency_ms, fit.throughput_per_s))
        return f"{batch}: not measured; the line says {latency} ms, {rate} items/s."
    row = here.iloc[-1]
    if row["status"] != "ok":
        return f"{batch}: {row['status'].replace('_', ' ')}: {row['reason']}"
    if math.isnan(row["latency_p50_ms"]):
        return f"{batch}: not timed."
    known = not math.isnan(row["latency_p50_lo_ms"])
    between = f" ({row['latency_p50_lo_ms']:.3g} to {row['latency_p50_hi_ms']:.3g})" if known else ""
    doubt = f" [{row['flags']}]" if row["flags"] else ""
    return f"{batch}: {row['latency_p50_ms']:.3g} ms{between}, {row['throughput_per_s']:,.0f} items/s{doubt}."
