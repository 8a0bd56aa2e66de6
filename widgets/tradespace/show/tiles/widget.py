"""The numbers of one point, readable from the last row."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets


@dataclass(frozen=True)
class Tile:
    """One number as displayed: label, value, unit, interval and origin."""

    label: str
    value: str
    unit: str = ""
    interval: str = ""
    origin: str = ""


class Tiles(anywidget.AnyWidget):
    """A row of tiles with a sentence below.

    Examples
    --------
    >>> tiles = Tiles()
    >>> tiles.show([Tile("latency", "1.2", "ms", "1.1 to 1.3", "measured")], "Twice as fast.")
    >>> tiles.tiles[0]["value"]
    '1.2'
    """

    _esm, _css = assets("tiles")
    tiles: "traitlets.List[Any]" = traitlets.List([]).tag(sync=True)
    sentence = traitlets.Unicode("").tag(sync=True)

    def show(self, tiles: Iterable[Tile], sentence: str) -> None:
        """Replace the tiles and the sentence."""
        with self.hold_sync():
            self.tiles, self.sentence = [asdict(tile) for tile in tiles], sentence
