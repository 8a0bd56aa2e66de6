"""The bar of an Explorer: its buttons and keys, what the machine is doing, the legend, and the layout of the screen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets


@dataclass(frozen=True)
class Action:
    """A button, the key that does the same, and what both do."""

    name: str
    text: str
    tooltip: str
    key: str
    act: Callable[[], None] = field(repr=False)

    @property
    def sent(self) -> dict[str, str]:
        return {"name": self.name, "text": self.text, "tooltip": self.tooltip, "key": self.key}


@dataclass(frozen=True)
class Entry:
    """An entry of a legend: an `area`, a `line`, a `dashed` one or a `dot` in a colour, and its words."""

    kind: str
    colour: str
    text: str


class Bar(anywidget.AnyWidget):
    """Buttons, a line that says what the machine is doing, tabs for the charts, and one legend for all of them.

    In the browser it lays out the Explorer that it is part of: what is side by side, and how tall all of it is.

    Parameters
    ----------
    actions : sequence of Action
    entries : sequence of Entry, optional
        The legend where the charts are not those of a surface: then all of them are always in view.
    tour : dict, optional
        Its `name` and its `steps`, each with a `place` and `words`; by default that of the Explorer.

    Examples
    --------
    >>> bar = Bar([Action("undo", "Undo", "Take back the last move", "z", lambda: print("back"))])
    >>> bar.press("undo")
    back
    >>> bar.disable({"undo"})
    >>> bar.press("undo")
    """

    _esm, _css = assets("bar")
    actions: "traitlets.List[Any]" = traitlets.List([]).tag(sync=True)
    disabled: "traitlets.List[str]" = traitlets.List([]).tag(sync=True)
    doing = traitlets.Unicode("").tag(sync=True)
    # How much of it is done, from 0 to 1; None if nothing is under way, or nobody knows.
    share = traitlets.Float(None, allow_none=True).tag(sync=True)
    marks: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    large = traitlets.Bool(False, help="Large type, for a room").tag(sync=True)
    # None: those of the Explorer of a surface. A List or a Dict would make it an empty one.
    views = traitlets.Any(None).tag(sync=True)
    entries = traitlets.Any(None).tag(sync=True)
    tour = traitlets.Any(None).tag(sync=True)

    def __init__(
        self, actions: Sequence[Action], entries: Sequence[Entry] | None = None, tour: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(actions=[action.sent for action in actions])
        if entries is not None:
            self.views, self.entries = [], [asdict(entry) for entry in entries]
        if tour is not None:
            self.tour = dict(tour)
        self._acts = {action.name: action.act for action in actions}
        self.on_msg(self._heard)

    def disable(self, names: set[str]) -> None:
        """Let these buttons and their keys do nothing, and all others something."""
        self.disabled = sorted(names)

    def tell(self, doing: str, share: float | None = None) -> None:
        """Say what the machine is doing, and how much of it is done."""
        with self.hold_sync():
            self.doing, self.share = doing, share

    def press(self, name: str) -> None:
        """Do what the button of that name does, if it is enabled."""
        if name in self._acts and name not in self.disabled:
            self._acts[name]()

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict):
            self.press(str(content.get("press")))
