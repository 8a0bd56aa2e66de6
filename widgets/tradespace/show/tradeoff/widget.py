"""The live tradeoff chart: latency against throughput and accuracy, drawn by D3 in the browser."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import anywidget
import pandas as pd
import traitlets

from tradespace.config import KNOBS
from tradespace.scale import Scale
from tradespace.show.common.assets import assets
from tradespace.show.common.json import column, number, scale
from tradespace.show.common.marks import mark
from tradespace.show.common.view import Limits, View
from tradespace.show.common.words import describe_row
from tradespace.surface.columns import scale_of, table

SENT = (
    "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p99_ms", "throughput_per_s",
    "accuracy", "accuracy_lo", "accuracy_hi", "precision", "batch_size",
)  # fmt: skip
TOLD = (*KNOBS, *SENT[:3], *SENT[4:8], "score", "flags", "status", "reason")
NO_LIMITS = Limits()


class TradeoffChart(anywidget.AnyWidget):
    """Two linked panels of one surface, which can be saved as a picture or a table.

    `selected` is the row that was last clicked.
    """

    _esm, _css = assets("tradeoff")
    data: "traitlets.Dict[str, Any]" = traitlets.Dict(
        {name: [] for name in (*SENT, "text")} | {"score": scale(Scale()), "untested": False}
    ).tag(sync=True)
    marks: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    state: "traitlets.Dict[str, Any]" = traitlets.Dict({"lines": {}}).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    selected = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._surface = table([])
        self.on_msg(self._asked)

    def show_surface(self, surface: pd.DataFrame, score: Scale | None = None, untested: bool = False) -> None:
        """Send the rows of `surface`. JSON has no NaN, so unknown values are sent as null.

        Parameters
        ----------
        surface : DataFrame
        score : Scale, optional
            How the task's scores are written; by default as the rows say.
        untested : bool
            Whether there is no test data to score.
        """
        self._surface = surface
        columns = {name: column(surface[name]) for name in SENT}
        rows = zip(*(surface[name].tolist() for name in TOLD), strict=True)
        texts = [describe_row(dict(zip(TOLD, row, strict=True)), "\n") for row in rows]
        with self.hold_sync():
            self.marks = {name: asdict(mark(name)) for name in surface["precision"].unique()}
            machine = "; ".join(surface["machine"].unique())
            about = {"score": scale(score or scale_of(surface)), "untested": untested}
            self.data = {**columns, "text": texts, "machine": machine, **about}

    def show_view(self, seen: View, limits: Limits = NO_LIMITS, pins: Sequence[int] = ()) -> None:
        """Update what depends on the selection and the limits. `pins` are rows that get a letter, or -1 for no row."""
        guess = None if seen.predicted is None else vars(seen.predicted)
        predicted = guess and {name: number(value) for name, value in guess.items()}
        self.state = vars(seen) | {"predicted": predicted} | vars(limits) | {"pins": list(pins)}

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Send the table when the browser asks for it, to save it."""
        if content == "csv":
            self.send({"csv": self._surface.to_csv(index=False)})
