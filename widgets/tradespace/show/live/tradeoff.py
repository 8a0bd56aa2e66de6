"""The live chart: latency against throughput and accuracy, drawn by D3 in the browser."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from tradespace.show.marks import mark
from tradespace.show.view import View, describe_row

SENT = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s",
    "accuracy", "accuracy_lo", "accuracy_hi", "precision",
)  # fmt: skip
HERE = Path(__file__).parent


class TradeoffChart(anywidget.AnyWidget):
    """Two linked panels of one surface. `selected` is the row that was last clicked."""

    _esm = HERE / "bundle" / "tradeoff_chart.js"
    _css = HERE / "tradeoff_chart.css"
    data: "traitlets.Dict[str, Any]" = traitlets.Dict({name: [] for name in (*SENT, "text")}).tag(sync=True)
    marks: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"lines": {}}).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)

    def show_surface(self, surface: pd.DataFrame) -> None:
        """Send the rows of `surface`. JSON has no NaN: what is not known goes as null."""
        columns = {name: surface[name].astype(object).where(surface[name].notna(), None).tolist() for name in SENT}
        self.marks = {name: asdict(mark(name)) for name in surface["precision"].unique()}
        self.data = {
            **columns,
            "text": [describe_row(row).replace(": ", "\n", 1) for _, row in surface.iterrows()],
        }

    def show_view(self, seen: View, max_latency_ms: float | None, min_accuracy: float | None) -> None:
        """Move what the selection and the limits move."""
        self.state = asdict(seen) | {"max_latency_ms": max_latency_ms, "min_accuracy": min_accuracy}
