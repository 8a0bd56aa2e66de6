"""Native sliders, number fields and menus in one widget. A drag reports every value, and its end."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NoReturn

import anywidget
import traitlets

from tradespace.errors import choose
from tradespace.show.common.assets import assets


@dataclass(frozen=True)
class Choice:
    """A slider or a menu (`menu`) of ordered options. A menu with one option is hidden."""

    name: str
    label: str
    tooltip: str
    options: tuple[Any, ...]
    texts: tuple[str, ...] = ()
    menu: bool = False

    @property
    def sent(self) -> dict[str, Any]:
        texts = self.texts or tuple(map(str, self.options))
        return asdict(self) | {"options": texts, "kind": "menu" if self.menu else "slider"}

    def index(self, value: Any) -> int:
        """The index of the option `value`."""
        if isinstance(value, bool) or value not in self.options:
            self._refuse(value)
        return self.options.index(value)

    def parsed(self, text: str) -> Any:
        """The option whose text is `text`; an empty text is None."""
        for option in self.options:
            if text == ("" if option is None else str(option)):
                return option
        return self._refuse(text)

    def _refuse(self, value: Any) -> NoReturn:
        there = [option for option in self.options if option is not None]
        if not there:
            raise ValueError(f"{self.name}: wanted none, since nothing is known to limit yet; got {value!r}")
        if isinstance(there[0], str):
            choose(self.name, value, there)
        wanted = f"{self.name}: wanted one of the {len(there)} steps from {there[0]:g} to {there[-1]:g}; got {value!r}"
        try:
            nearest = min(there, key=lambda option: abs(option - float(value)))
        except (TypeError, ValueError):
            raise ValueError(wanted) from None
        raise ValueError(f"{wanted}. The nearest valid choice is {nearest:g}")

    def heard(self, value: Any) -> int | None:
        """A value from the browser, if it is the index of an option; else None."""
        return value if isinstance(value, int) and 0 <= value < len(self.options) else None


@dataclass(frozen=True)
class Number:
    """A number field from `least` to `most`."""

    name: str
    label: str
    tooltip: str
    least: float
    most: float
    step: float
    menu: ClassVar[bool] = False
    options: ClassVar[tuple[Any, ...]] = ()

    @property
    def sent(self) -> dict[str, Any]:
        return asdict(self) | {"kind": "number"}

    def index(self, value: Any) -> float:
        """`value` itself."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if self.least <= number <= self.most:
            return number
        wanted = f"{self.name}: wanted a number from {self.least:g} to {self.most:g}; got {value!r}"
        if math.isnan(number):
            raise ValueError(wanted)
        nearest = self.least if number < self.least else self.most
        raise ValueError(f"{wanted}. The nearest valid choice is {nearest:g}")

    parsed = index

    def heard(self, value: Any) -> float | None:
        """A value from the browser, clipped to the range; None if it is not a number."""
        if not isinstance(value, int | float) or math.isnan(value):
            return None
        return min(max(float(value), self.least), self.most)


@dataclass(frozen=True)
class Group:
    """Controls under a title. If `folded`, they are hidden until the title is clicked."""

    title: str
    controls: tuple[Choice | Number, ...]
    folded: bool = False

    @property
    def sent(self) -> dict[str, Any]:
        shown = [one.sent for one in self.controls if not (one.menu and len(one.options) == 1)]
        return {"title": self.title, "folded": self.folded, "controls": shown}


class Controls(anywidget.AnyWidget):
    """Groups of controls. `values` has the index of the chosen option of each Choice and the value of each Number.

    Parameters
    ----------
    groups : sequence of Group
    start : mapping of str to object
        The option or the number that each control begins with.

    Examples
    --------
    >>> size = Choice("size", "model size", "Which network", ("small", "large"))
    >>> controls = Controls([Group("Model", (size,))], {"size": "large"})
    >>> controls["size"]
    'large'
    """

    _esm, _css = assets("controls")
    groups: "traitlets.List[Any]" = traitlets.List([]).tag(sync=True)
    values: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    disabled: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    held = traitlets.Bool(False, help="Whether the pointer holds a slider").tag(sync=True)
    typing = traitlets.Bool(False, help="Whether a key or a click may be followed by another").tag(sync=True)
    _offering = False

    def __init__(self, groups: Sequence[Group], start: Mapping[str, Any]) -> None:
        self._controls: dict[str, Choice | Number] = {}
        self._last: dict[str, Any] = {}
        super().__init__()
        self.offer(groups, start)

    def offer(self, groups: Sequence[Group], start: Mapping[str, Any]) -> None:
        """Replace the controls, without notifying observers of moves."""
        controls = {control.name: control for group in groups for control in group.controls}
        values = {name: control.index(start[name]) for name, control in controls.items()}
        self._controls, self._offering = controls, True
        try:
            with self.hold_sync():
                self.values, self.disabled, self.groups = values, {}, [group.sent for group in groups]
        finally:
            self._offering = False

    @property
    def chosen(self) -> dict[str, Any]:
        """The option or number of every control."""
        return {name: self[name] for name in self._controls}

    def options(self, name: str) -> tuple[Any, ...]:
        """The options of a Choice."""
        return self._controls[name].options

    def in_words(self, names: Container[str]) -> str:
        """The labels of these controls with what each of them says, in their order."""
        said = [
            f"{control.label} {control.sent['options'][self.values[name]]}"
            for name, control in self._controls.items()
            if name in names and isinstance(control, Choice)
        ]
        return ", ".join(said)

    def __getitem__(self, name: str) -> Any:
        control, value = self._controls[name], self.values[name]
        return control.options[value] if isinstance(control, Choice) else value

    def move(self, **values: Any) -> None:
        """Move several controls at once.

        Raises
        ------
        ValueError
            If there is no such control or option, or a number is out of range. No control is moved then.
        """
        self.values = self.values | {name: self._named(name).index(value) for name, value in values.items()}

    def parse(self, name: str, text: str) -> Any:
        """The option or number that `text` names; an empty text is None.

        Raises
        ------
        ValueError
            If there is no such control or option, or the number is invalid or out of range.
        """
        return self._named(name).parsed(text)

    def disable(self, reasons: Mapping[str, Mapping[Any, str]]) -> None:
        """Disable options: for each control, a mapping from option to reason."""
        self.disabled = {
            name: {str(self._named(name).index(option)): why for option, why in some.items()}
            for name, some in reasons.items()
        }

    def observe_moves(self, moved: Callable[[set[str]], None]) -> None:
        """Call `moved` with the names of the controls whose values changed."""

        def changed(change: Any) -> None:
            names = {name for name, value in change["new"].items() if change["old"].get(name) != value}
            if names and not self._offering:
                moved(names)

        self.observe(changed, "values")

    @traitlets.validate("values")
    def _heard(self, proposal: Any) -> dict[str, Any]:
        """Ignore invalid values: a browser may still send those of the previous controls."""
        heard = {name: control.heard(proposal["value"].get(name)) for name, control in self._controls.items()}
        # Not `self.values`, which already has what the browser sent.
        self._last = {name: self._last.get(name) if value is None else value for name, value in heard.items()}
        return self._last

    def _named(self, name: str) -> Choice | Number:
        return self._controls[choose("control", name, self._controls)]
