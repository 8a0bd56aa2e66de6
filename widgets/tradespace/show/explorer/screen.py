"""The widgets of an Explorer, and what is written into them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import ipywidgets as ipw

from tradespace.config import Config
from tradespace.scale import Scale
from tradespace.show.ahead.widget import Ahead
from tradespace.show.attainment.widget import Landscape
from tradespace.show.bar.widget import Action, Bar
from tradespace.show.batch_curve.widget import BatchCurve
from tradespace.show.common.marks import mark
from tradespace.show.common.words import MEDIAN
from tradespace.show.controls.widget import Controls
from tradespace.show.explorer.rows import Rows
from tradespace.show.explorer.shown import Shown
from tradespace.show.tiles.widget import Tiles
from tradespace.show.tradeoff.widget import TradeoffChart


class Screen:
    """All widgets of one Explorer.

    Parameters
    ----------
    actions : sequence of Action
        Those of the bar.
    busy : callable
        Whether something is being measured.

    Examples
    --------
    >>> screen = Screen([], lambda: False)
    >>> len(screen.parts), screen.tiles.here
    (6, '')
    """

    def __init__(self, actions: Sequence[Action], busy: Callable[[], bool]) -> None:
        self.tradeoff, self.batch_curve, self.landscape = TradeoffChart(), BatchCurve(), Landscape()
        self.charts = self.tradeoff, self.batch_curve, self.landscape
        self.tiles, self.controls, self.bar = Tiles(), Controls([], {}), Bar(actions)
        moved = {"controls": self.controls, "tiles": self.tiles, "tradeoff": self.tradeoff}
        moved |= {"batch-curve": self.batch_curve, "landscape": self.landscape}
        self.ahead = Ahead(moved, busy)
        for chart in self.charts:
            chart.add_class("tradespace-chart")
        self.parts: list[ipw.Widget] = [
            part.add_class(f"tradespace-at-{name}") for name, part in ({"bar": self.bar} | moved).items()
        ]

    def show_rows(self, rows: Rows, score: Scale, untested: bool, latency: str) -> None:
        """Send rows to the charts."""
        surface = rows.surface
        self.tradeoff.show_surface(surface, score, untested)
        self.batch_curve.show_surface(surface)
        self.show_landscape(rows, latency)
        precisions = surface.loc[surface[MEDIAN].notna(), "precision"].unique()
        self.bar.marks = {name: asdict(mark(name)) for name in precisions}

    def show_landscape(self, rows: Rows, latency: str) -> None:
        """Send rows to the one chart that draws them by the latency that was chosen."""
        self.landscape.show_surface(rows.surface, latency=latency)

    def show(self, seen: Shown, selection: Config, said: str) -> None:
        """Show all that depends on the state, and the sentence about the last move."""
        view, limits = seen.view, seen.limits
        with ExitStack() as together:
            # The messages go out together, so that the browser paints once.
            for widget in (self.landscape, self.tiles, self.batch_curve, self.tradeoff):
                together.enter_context(widget.hold_sync())
            self.tradeoff.show_view(view, limits, seen.pins)
            self.tradeoff.label = seen.words
            self.batch_curve.show_view(view, selection, limits.max_median_ms)
            self.landscape.show_view(view, limits.max_latency_ms, limits.min_throughput_per_s, limits.min_accuracy)
            self.tell(seen, said)

    def tell(self, seen: Shown, said: str) -> None:
        """Show the tiles, the sentence about the last move, and the best choice."""
        self.tiles.show(seen.tiles, f"{said}\n{seen.best}".strip(), seen.here, seen.flags)

    @property
    def drawn(self) -> dict[str, Any]:
        """What a saved page draws besides the numbers: words about the rows, marks, colours."""
        sent = self.tradeoff.data
        about = {name: sent[name] for name in ("score", "untested", "machine")}
        drawn = {"texts": sent["text"], "about": about, "marks": self.tradeoff.marks}
        return drawn | {"legend": self.bar.marks, "colours": self.landscape.colours}
