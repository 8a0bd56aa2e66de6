"""Latency and throughput over batch size, the fitted line and its knee, in numbers and words."""

import math
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import Config
from tradespace.measuring.machine import machine
from tradespace.show.common.json import number
from tradespace.show.common.view import View
from tradespace.show.common.words import in_brief
from tradespace.surface.columns import configs_of
from tradespace.surface.predict import BatchFit, is_ok, rows_of
from tradespace.text import between, figures, rate

LATENCY, RATE = "latency_p50_ms", "throughput_per_s"


def first_config(surface: pd.DataFrame) -> Config | None:
    """Return the knobs of the first row that was timed, or else of the first row; None if there are no rows."""
    timed = surface[((surface["status"] == "ok") & surface[LATENCY].notna()).to_numpy()]
    return next(iter(configs_of((timed if len(timed) else surface)[:1])), None)


def curve_of(surface: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return the rows that were timed at the knobs of `config`, at any precision and batch size, by batch size."""
    alike = rows_of(surface, config, apart_from=("precision", "batch_size"))
    timed = is_ok(surface) & surface[LATENCY].notna().to_numpy()
    return with_rates(surface[alike & timed].sort_values("batch_size", kind="stable"))


def with_rates(surface: pd.DataFrame) -> pd.DataFrame:
    """Return `surface` with an interval of throughput, as wide, relative to throughput, as that of latency."""
    rate, latency = surface[RATE], surface[LATENCY]
    return surface.assign(
        throughput_lo_per_s=rate * latency / surface["latency_p50_hi_ms"],
        throughput_hi_per_s=rate * latency / surface["latency_p50_lo_ms"],
    )


def knee_in_words(fit: BatchFit) -> str:
    """Format the knee as a batch size; empty if there is no knee, because it is 0 or infinite.

    Examples
    --------
    >>> knee_in_words(BatchFit(0.42, 0.031)), knee_in_words(BatchFit(0.42, 0))
    ('14', '')
    """
    if not 0 < fit.knee < math.inf:
        return ""
    return f"{fit.knee:,.0f}" if fit.knee >= 10 else f"{fit.knee:.2g}"


def error_in_words(fit: BatchFit) -> str:
    """Say how far the line is off the points."""
    if len(set(fit.batch_sizes)) == 2 and fit.largest_error < 1e-3:
        return "fitted to two batch sizes, which do not show how straight it is"
    if fit.largest_error < 1e-3:
        return "off by less than 0.1 % at the measured sizes"
    worst = fit.batch_sizes[int(np.argmax(np.abs(fit.errors)))]
    return f"off by at most {100 * fit.largest_error:.2g} % at the measured sizes (batch {worst:,})"


# If the line is further off than this at any point, it is a poor model of the points.
POOR = 0.2


def curve_state(seen: View, selection: Config, fit: BatchFit | None, max_latency_ms: float | None) -> dict[str, Any]:
    """Return what the chart draws for one move: row numbers, fit and limit. Infinite values are sent as null."""
    return {
        "lines": seen.lines,
        "precision": selection.precision,
        "batch_size": selection.batch_size,
        "current": seen.current,
        "predicted": seen.predicted is not None,
        "fit": fit_state(fit) if fit else None,
        "max_latency_ms": max_latency_ms,
    }


def fit_state(fit: BatchFit) -> dict[str, Any]:
    """Return what the chart draws of a fit."""
    return {
        "fixed_ms": fit.fixed_ms,
        "each_ms": fit.each_ms,
        "knee": number(fit.knee),
        "knee_text": knee_in_words(fit),
        "peak_per_s": fit.peak_throughput_per_s if fit.each_ms else None,
    }


def in_words(surface: pd.DataFrame, selection: Config, fit: BatchFit | None) -> str:
    """Describe the fit and what follows from it, the selected batch size, and the machine if it is not this one."""
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
        return "No knee: a batch takes the same time at any size."
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
    here = np.flatnonzero(rows_of(surface, selection))
    if not len(here):
        if fit is None:
            return f"{batch}: not measured."
        latency, throughput = (figures(of(selection.batch_size)) for of in (fit.latency_ms, fit.throughput_per_s))
        return f"{batch}: not measured; the line says {latency} ms, {throughput} items/s."
    row = surface.iloc[here[-1]]
    if row["status"] != "ok":
        return f"{batch}: {row['status'].replace('_', ' ')}: {row['reason']}"
    if math.isnan(row["latency_p50_ms"]):
        return f"{batch}: not timed."
    interval = between(row["latency_p50_lo_ms"], row["latency_p50_hi_ms"])
    doubt = f" [{row['flags']}]" if row["flags"] else ""
    return f"{batch}: {figures(row['latency_p50_ms'])} ms{interval}, {rate(row['throughput_per_s'])} items/s{doubt}."
