"""The numbers of one point, readable from the last row."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets


@dataclass(frozen=True)
class Tile:
    """One number as displayed: a short label, value, unit, interval, origin, and what the label stands for."""

    label: str
    value: str
    unit: str = ""
    interval: str = ""
    origin: str = ""
    about: str = ""


class Tiles(anywidget.AnyWidget):
    """A row of tiles; below it where they are from, with marks for their flags, and a sentence.

    Examples
    --------
    >>> tiles = Tiles()
    >>> tiles.show([Tile("latency", "1.2", "ms", "1.1 to 1.3", "measured")], "Twice as fast.", "resnet8: measured")
    >>> tiles.tiles[0]["value"]
    '1.2'
    """

    _esm, _css = assets("tiles")
    tiles: "traitlets.List[Any]" = traitlets.List([]).tag(sync=True)
    here = traitlets.Unicode("").tag(sync=True)
    flags: "traitlets.Dict[str, str]" = traitlets.Dict({}).tag(sync=True)
    sentence = traitlets.Unicode("").tag(sync=True)

    def show(
        self, tiles: Iterable[Tile], sentence: str, here: str = "", flags: Mapping[str, str] | None = None
    ) -> None:
        """Replace the tiles, the line about where they are from, its flags (name and meaning), and the sentence."""
        with self.hold_sync():
            self.tiles, self.here = [asdict(tile) for tile in tiles], here
            self.flags, self.sentence = dict(flags or {}), sentence
