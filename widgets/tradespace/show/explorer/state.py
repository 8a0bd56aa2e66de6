"""The state of the Explorer, as ids and numbers. The words are made where they are displayed."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tradespace.config import KNOBS, Config
from tradespace.errors import choose
from tradespace.scale import Scale
from tradespace.show.common.view import Limits
from tradespace.show.common.words import MEDIAN
from tradespace.show.explorer.mission import MILLION, Mission
from tradespace.surface.objectives import Objective, maximize, minimize

# The source of the rows: measured (or played back) by this Explorer, or recorded on another machine.
HERE, RECORDED = "here", "recorded"
PINS = 2
# Version of the saved text. Raise it if older texts would change their meaning.
VERSION = 1


@dataclass(frozen=True)
class Goal:
    """An objective and its name in words, with a gap for that of the score."""

    template: str
    objective: Objective

    def words(self, score: Scale) -> str:
        """The name in words.

        Examples
        --------
        >>> GOALS["accuracy"].words(Scale()), GOALS["accuracy"].words(Scale("gain", "dB"))
        ('highest accuracy', 'highest gain')
        """
        return self.template.format(score.name)


GOALS = {
    "throughput": Goal("highest throughput", maximize("throughput_per_s")),
    "latency": Goal("lowest latency", minimize(MEDIAN)),
    "accuracy": Goal("highest {}", maximize("accuracy")),
    "power": Goal("highest power (throughput / latency)", maximize("power")),
    "latency_throughput": Goal("lowest latency x throughput", minimize("latency_throughput_product")),
    "energy_delay": Goal("lowest energy x delay", minimize("energy_delay")),
    "cost": Goal("lowest cost", minimize("cost_per_million")),
    "safe_speed": Goal("highest safe speed", maximize("safe_speed_m_s")),
}


@dataclass(frozen=True)
class State:
    """The values of the controls, and the pins. Projector mode is not part of it, since it depends on the room.

    Parameters
    ----------
    data : str
        `HERE` or `RECORDED`.
    max_cost : float, optional
        Limit on the cost of all items of the mission.
    latency : str
        The latency column that is shown, limited and minimised.
    objective : str
        A key of `GOALS`.
    pins : tuple of Config
        At most `PINS`, oldest first.
    """

    task: str
    data: str
    config: Config
    max_latency_ms: float | None = None
    min_throughput_per_s: float | None = None
    min_accuracy: float | None = None
    max_cost: float | None = None
    latency: str = MEDIAN
    objective: str = "throughput"
    mission: Mission = field(default_factory=Mission)
    pins: tuple[Config, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """All values except the pins, by the name of their control."""
        flat = vars(self) | vars(self.config) | vars(self.mission)
        return {name: value for name, value in flat.items() if name not in ("config", "mission", "pins")}

    def with_values(self, values: Mapping[str, Any]) -> "State":
        """A copy with other values for the named controls.

        Examples
        --------
        >>> state = State("fashion", HERE, Config("resnet4", threads=1))
        >>> state.with_values({"batch_size": 8, "items": 1000.0}).config
        Config('resnet4', fp32, eager, cpu, threads=1, batch_size=8)
        """
        flat = {**self.values, **values}
        config = Config(**{name: flat.pop(name) for name in KNOBS})
        mission = Mission(**{name: flat.pop(name) for name in vars(self.mission)})
        return State(**flat, config=config, mission=mission, pins=self.pins)

    def with_pin(self, config: Config) -> "State":
        """A copy with `config` pinned, replacing the oldest pin if there are too many."""
        return self if config in self.pins else replace(self, pins=(*self.pins, config)[-PINS:])

    @property
    def limits(self) -> Limits:
        """The limits, with the cost per million items."""
        return Limits(
            max_latency_ms=self.max_latency_ms,
            min_accuracy=self.min_accuracy,
            min_throughput_per_s=self.min_throughput_per_s,
            max_cost_per_million=None if self.max_cost is None else self.max_cost * MILLION / self.mission.items,
            latency=self.latency,
        )

    @property
    def goal(self) -> Goal:
        """The objective. The latency to minimise is the one that is shown."""
        goal = GOALS[self.objective]
        return replace(goal, objective=minimize(self.latency)) if self.objective == "latency" else goal

    @property
    def text(self) -> str:
        """The state as text to save, send or put into a URL; `read` reads it.

        Examples
        --------
        >>> State("fashion", HERE, Config("resnet4", threads=1)).with_pin(Config("resnet8", threads=2)).text
        'v=1&task=fashion&data=here&...&batch_size=1&...&pin=resnet8,none,fp32,eager,cpu,2,1'
        """
        said: list[tuple[str, Any]] = [("v", VERSION), *self.values.items()]
        said += [("pin", ",".join(map(str, astuple(pin)))) for pin in self.pins] or [("pin", "")]
        return urlencode([(name, "" if value is None else value) for name, value in said], safe=",")


def read(text: str, state: State, parse: Callable[[str, str], Any]) -> State:
    """A copy of `state` with the values in `text`: a `State.text`, or a part such as "batch_size=8&precision=int8".

    A text without a version, such as one typed by hand, is read as the current version. Values that are unavailable
    here, such as more threads than this machine has, are refused rather than replaced.

    Parameters
    ----------
    parse : callable
        Maps the name of a control and a text to the option or number that the text names.

    Raises
    ------
    ValueError
        If the text is of another version or task, or names a value that is unavailable.
    """
    if not isinstance(text, str):
        raise ValueError(f"state: wanted the text that explorer.state was; got {text!r}")
    pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True)
    said = dict(pairs)
    version = said.pop("v", str(VERSION))
    if version != str(VERSION):
        newer = ", which a newer tradespace wrote" if version.lstrip("0").isdecimal() else ""
        raise ValueError(f"state: wanted version {VERSION}; got {version!r}{newer}")
    for name in said:
        choose("state", name, (*state.values, "pin"))
    if said.get("task", state.task) != state.task:
        raise ValueError(f"state: wanted one of the task {state.task!r}; got one of {said['task']!r}")
    if said.pop("pin", None) is not None:
        state = replace(state, pins=())
        for pin in (value for name, value in pairs if name == "pin" and value):
            state = state.with_pin(_pin(pin, parse))
    return state.with_values({name: parse(name, value) for name, value in said.items()})


def _pin(text: str, parse: Callable[[str, str], Any]) -> Config:
    # The model comes first, since its name may contain commas.
    values = text.rsplit(",", len(KNOBS) - 1)
    if len(values) < len(KNOBS):
        raise ValueError(f"pin: wanted {','.join(KNOBS)}; got {text!r}")
    try:
        return Config(*(parse(knob, value) for knob, value in zip(KNOBS, values, strict=True)))
    except ValueError as error:
        raise ValueError(f"pin: {error}") from None
