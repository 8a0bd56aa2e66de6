"""The ServingExplorer: sliders over a simulated server, live charts of its responses, and real runs laid over them."""

import math
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from tradespace.config import Config, check
from tradespace.errors import positive, whole_number
from tradespace.measuring.open_loop import ladder
from tradespace.measuring.schedule import Schedule
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.show.bar.widget import Action, Bar, Entry
from tradespace.show.common.history import History
from tradespace.show.common.percentiles import LINES
from tradespace.show.common.still import Still
from tradespace.show.common.style import LIMIT
from tradespace.show.common.words import in_brief
from tradespace.show.controls.widget import Controls
from tradespace.show.explorer.settings import cannot_run, unavailable
from tradespace.show.load.figure import SHARES
from tradespace.show.load.numbers import MORE, Load, Point, load_of, simulated
from tradespace.show.load.widget import Here, LoadChart
from tradespace.show.response.figure import plot_response
from tradespace.show.response.numbers import PARTS
from tradespace.show.response.widget import ResponseChart
from tradespace.show.serving import readouts
from tradespace.show.serving.jobs import Jobs
from tradespace.show.serving.later import Later
from tradespace.show.serving.settings import CHOSEN, Setting, groups, rates_of, start_of
from tradespace.show.tiles.widget import Tiles
from tradespace.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# As many requests are simulated in some hundredths of a second, and determine p99 to some per cent at moderate loads.
# Where they do not, more follow once the sliders rest. KEPT: so many settings are known when one comes back.
REQUESTS, KEPT = 5_000, 64
CURVES_AFTER_S, LONGER_AFTER_S = 0.05, 0.3
# As `service_times` measures.
MAX_WIDTH, BUDGET_S = 0.05, 1.0
# The same for each move, so that only what was moved makes a difference.
SEED = 0
LEGEND = (
    *(Entry("area", colour, name) for name, colour in PARTS.items()),
    *(Entry("line", LINES[name], name) for name in ("p50", "p99")),
    Entry("line", SHARES["server busy"], "busy"),
    Entry("dashed", SHARES["within the deadline"], "in time"),
    Entry("dashed", LIMIT, "deadline"),
    Entry("dashed", "currentColor", "theory, of the mean"),
    Entry("dot", "currentColor", "measured"),
)
TOUR = {
    "name": "serving",
    "steps": [
        {"place": "controls", "words": "These sliders say how requests arrive, how they are batched, and what serves "
         "them. Move one: all charts follow, from a simulation with measured times."},
        {"place": "charts", "words": "On the left is how long responses take, and what they wait for. On the right is "
         "what happens at other rates: you are at the rings, and nothing gets past the capacity. Click there to go "
         "to a rate."},
        {"place": "words", "words": "What your last move did is said here. Run it for real to see how far the "
         "simulation is to be trusted. Press ? for the keys."},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class _Moved:
    """A setting, and what was served in it."""

    setting: Setting
    served: Served | None


@dataclass(frozen=True)
class _Run:
    """A real run of a setting. It has no deadline: any can be asked for afterwards."""

    setting: Setting
    served: Served
    point: Point | None


class ServingExplorer(Still, ipw.Box):
    """Sliders for the arrival of requests, their batches and the model, over a simulated server.

    At each move, requests are served in a simulation, with measured service times (`simulate`): how long responses
    take and what they wait for, the hockey stick over the arrival rate, how busy the server is, and the goodput. A
    button serves the same requests for real, in the measuring process, and lays the result over.

    Parameters
    ----------
    task : Task
    services : sequence of ServiceTimes, optional
        Service times that are known, from `service_times`. Those of other models, precisions, runtimes and threads are
        measured when they are chosen, after pauses only if some of these were; without any, those of the first model
        are measured when it opens.
    max_batch : int
        The largest batch to measure.
    seconds : float
        How long a real run takes.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default a process of its own on this machine.

    Raises
    ------
    ValueError
        If service times are of another task or have no Config, or a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> times_ms = {1: np.array([0.5, 0.6]), 8: np.array([1.5, 1.7])}
    >>> explorer = ts.ServingExplorer(task, [ts.ServiceTimes(times_ms, config=ts.Config("resnet4", threads=1))])
    >>> explorer.served.status, explorer.setting.batch
    ('ok', 8)
    """

    def __init__(
        self,
        task: Task,
        services: Iterable[ServiceTimes] | None = None,
        max_batch: int = 32,
        *,
        seconds: float = 10.0,
        executor: Executor | None = None,
    ) -> None:
        known = _checked(task, services or ())
        self._most = whole_number("max_batch", max_batch, least=1)
        self._lock = threading.RLock()
        self._services: dict[Config, ServiceTimes] = known
        # Why there are no service times.
        self._why: dict[Config, str] = {}
        self._runs: list[_Run] = []
        self._cannot = cannot_run(task)
        self._task, self._executor = task, executor
        self._simulate = lru_cache(KEPT)(self._simulated)
        self._setting = self._opening()
        self._at = self._from = _Moved(self._setting, None)
        self._history, self._going_back = History[Setting](), False
        self._grabbed: Setting | None = None
        self._dragging = False
        self._jobs = Jobs(
            task, self._lock, Schedule(MAX_WIDTH, BUDGET_S), positive("seconds", seconds), executor,
            timed=self._timed, ran=self._ran, changed=self._show_progress,
            # As those that are given, or the two would not compare.
            pauses=not known or any(times.paused_ms for times in known.values()),
        )  # fmt: skip
        self._curves = Later[Load](self._lock, CURVES_AFTER_S, self._refresh)
        self._longer = Later[Served](self._lock, LONGER_AFTER_S, self._refresh)
        self.response, self.load, self.tiles = ResponseChart(), LoadChart(), Tiles()
        self.controls = Controls(*self._offered())
        self.bar = Bar(self._actions(), LEGEND, TOUR)
        self.controls.observe_moves(self._moved)
        self.controls.observe(self._let_go, "held")
        self.load.observe(self._clicked, "selected")
        self._disable()
        self._refresh()
        super().__init__(self._parts())
        self.add_class("tradespace-explorer")
        self._measure_if_new()

    @property
    def setting(self) -> Setting:
        """What the sliders say."""
        return self._setting

    @property
    def service(self) -> ServiceTimes | None:
        """The service times of the selection, if they are known."""
        return self._services.get(self._setting.config)

    @property
    def services(self) -> list[ServiceTimes]:
        """All service times that are known by now."""
        return [*self._services.values()]

    @property
    def served(self) -> Served | None:
        """What is simulated at the selection; None while its service times are not known."""
        return self._at.served

    @property
    def runs(self) -> list[Served]:
        """The real runs by now."""
        return [run.served for run in self._runs]

    def run(self) -> None:
        """Serve the requests of this setting for real, in the background."""
        with self._lock:
            if self.service is not None and not self._jobs.busy:
                self._jobs.serve(self._setting)
                self._show_progress()

    def cancel(self) -> None:
        """Stop measuring; end a real run early, and keep what was served by then."""
        with self._lock:
            self._jobs.cancel()
            self.bar.tell("stopping" if self._jobs.busy else "cancelled", 1.0 if self._jobs.busy else None)

    def undo(self) -> None:
        """Take back the last move of a control. A drag is one move."""
        with self._lock:
            self._go_back(self._history.undo(self._setting))

    def redo(self) -> None:
        """Make the move again that was taken back last."""
        with self._lock:
            self._go_back(self._history.redo(self._setting))

    def close(self) -> None:
        """Stop all work, and remove the ServingExplorer from the page."""
        # Called for partly constructed widgets too.
        if "_jobs" in vars(self):
            self._jobs.stop()
            self._curves.stop()
            self._longer.stop()
        super().close()

    def _opening(self) -> Setting:
        """Where it begins: at the first server that is known."""
        for config, service in self._services.items():
            start = start_of(service, rates_of(self._services.values()), self._sizes())
            return Setting(config).with_values(start)
        return Setting(Config(self._task.models[0]))

    def _sizes(self) -> tuple[int, ...]:
        return tuple(sorted({*ladder(self._most), *(one.largest for one in self._services.values())}))

    def _offered(self) -> tuple[Any, dict[str, Any]]:
        """The groups of controls, and their values."""
        rates = rates_of(self._services.values())
        if self._setting.rate_per_s not in rates:
            self._setting = replace(
                self._setting, rate_per_s=min(rates, key=lambda r: abs(r - self._setting.rate_per_s))
            )
        return groups(self._task, self._setting.config, rates, self._sizes()), self._setting.values

    def _actions(self) -> list[Action]:
        return [
            Action("run", "Run it for real", "Serve these requests for real, and lay the result over", "r", self.run),
            Action("cancel", "Cancel", "Stop measuring and serving", "c", self.cancel),
            Action("undo", "Undo", "Take back the last move", "z", self.undo),
            Action("redo", "Redo", "Make the move again that was taken back", "Z", self.redo),
        ]

    def _parts(self) -> list[ipw.Widget]:
        """All parts, named for the layout."""
        for chart in (self.response, self.load):
            chart.add_class("tradespace-chart")
        charts = ipw.Box([self.response, self.load])
        named = {"bar": self.bar, "controls": self.controls, "tiles": self.tiles, "charts": charts}
        return [part.add_class(f"tradespace-at-{name}") for name, part in named.items()]

    def _simulated(self, setting: Setting, requests: int) -> Served:
        """What is served in a simulation."""
        service = self._services[setting.config]
        return simulate(service, setting.arrivals, setting.batcher, requests=requests, seed=SEED)

    def _served(self) -> Served | None:
        setting, service = self._setting, self.service
        if service is None or setting.batch > service.largest:
            self._longer.stop()
            return None
        # It is the same for any deadline.
        alike = replace(setting, deadline_ms=math.inf)
        served = replace(self._simulate(alike, REQUESTS), deadline_ms=setting.deadline_ms)
        if not len(served) or not math.isnan(served.response_at_ms(99)):
            self._longer.stop()
            return served
        longer = self._longer.of(alike, lambda: iter([self._simulated(alike, MORE * REQUESTS)]))
        return replace(longer, deadline_ms=setting.deadline_ms) if longer else served

    def _load(self, service: ServiceTimes) -> Load | None:
        """The hockey stick, if it is known by now."""
        setting = self._setting

        def steps() -> Iterator[Load | None]:
            points: list[Point] = []
            for point in simulated(service, setting.arrivals, setting.batcher, REQUESTS, SEED):
                points.append(point)
                yield None
            yield load_of(service, setting.arrivals, setting.batcher, points)

        return self._curves.of(setting.server, steps)

    # Moves

    def _moved(self, names: set[str]) -> None:
        with self._lock:
            before, self._setting = self._setting, self._setting.with_values(self.controls.chosen)
            self._note(before)
            if names & {*CHOSEN}:
                self._disable()
            self._refresh()
            if not self.controls.held:
                self._measure_if_new()

    def _let_go(self, change: dict[str, Any]) -> None:
        with self._lock:
            if not change["new"]:
                self._dragging = False
                grabbed, self._grabbed = self._grabbed, None
                if grabbed is not None:
                    self._note(grabbed)
                self._measure_if_new()

    def _note(self, before: Setting) -> None:
        """Keep the setting before a move, and of a drag the one in which it began."""
        if self.controls.held:
            self._grabbed = self._grabbed or before
        elif before != self._setting and not self._going_back:
            self._history.leave(before)
            self._enable()

    def _go_back(self, setting: Setting | None) -> None:
        if setting is None:
            return
        self._going_back = True
        try:
            self.controls.move(**setting.values)
        finally:
            self._going_back = False
        self._enable()

    def _clicked(self, change: dict[str, Any]) -> None:
        clicked = change["new"]
        if clicked is None:
            return
        with self._lock:
            self.load.selected = None  # so that clicking there again is a change
            rates = self.controls.options("rate_per_s")
            self.controls.move(rate_per_s=min(rates, key=lambda one: abs(one - clicked)))

    def _disable(self) -> None:
        options = {knob: self.controls.options(knob) for knob in CHOSEN}
        reasons = unavailable(self._setting.config, lambda knob: options.get(knob, ()), self._cannot)
        if self.service is not None:
            most = self.service.largest
            beyond = {size: f"measured up to {most}" for size in self.controls.options("batch") if size > most}
            reasons |= {"batch": beyond} if beyond else {}
        self.controls.disable(reasons)

    # The background

    def _measure_if_new(self) -> None:
        config = self._setting.config
        if self._jobs.serving is not None:
            return  # it is asked again afterwards
        why = self._cannot(config)
        if self.service is not None or config in self._why or why:
            if self._jobs.measuring is not None:
                self._jobs.stop()
            if why and config not in self._why:
                self._why[config] = f"cannot run here: {why}"
                self._refresh()
        else:
            self._jobs.measure(config, self._most)
        self._show_progress()

    def _timed(self, config: Config, found: ServiceTimes | str) -> None:
        """Service times were measured, or there are none."""
        if isinstance(found, str):
            self._why[config] = found
        else:
            first = not self._services
            self._services[config] = found
            self._widen(first)
        if config == self._setting.config:
            self._disable()
            self._refresh()

    def _widen(self, first: bool) -> None:
        """Let the sliders cover what is known now; where nothing was, begin at a good place."""
        if first:
            start = start_of(self.services[0], rates_of(self._services.values()), self._sizes())
            self._setting = self._setting.with_values(start)
        rates = self.controls.options("rate_per_s")
        wanted = rates_of(self._services.values())
        if first or not (rates[0] <= wanted[0] and wanted[-1] <= rates[-1]):
            self.controls.offer(*self._offered())
            self._disable()

    def _ran(self, setting: Setting, served: Served) -> None:
        """A real run is over."""
        self._runs.append(_Run(setting, served, Point.of(served) if len(served) else None))
        self._refresh()

    def _show_progress(self) -> None:
        jobs = self._jobs
        self.bar.tell(
            jobs.words or ("" if self.service else self._why.get(self._setting.config, "")),
            jobs.share if jobs.busy else None,
        )
        self._enable()
        if not jobs.busy and self.service is None and self._setting.config not in self._why and not jobs.words:
            self._measure_if_new()

    def _enable(self) -> None:
        """Let each button be pressed exactly while it does something."""
        can = {
            "run": self.service is not None and not self._jobs.busy,
            "cancel": self._jobs.busy,
            "undo": self._history.can_undo,
            "redo": self._history.can_redo,
        }
        self.bar.disable({name for name, enabled in can.items() if not enabled})

    # What is shown

    def _refresh(self) -> None:
        """Redraw everything."""
        served = self._served()
        self._follow(served)
        with ExitStack() as together:
            # The messages go out together, so that the browser paints once.
            for widget in (self.response, self.load, self.tiles):
                together.enter_context(widget.hold_sync())
            if served is None or self.service is None:
                self._explain(self._unknown())
            else:
                self._draw(served, self.service)

    def _follow(self, served: Served | None) -> None:
        """Note what the last move led from; while a slider is held, that is where it was grabbed."""
        setting = self._setting
        if setting != self._at.setting:
            self._from = self._from if self._dragging else self._at
            self._dragging = self.controls.held
        self._at = _Moved(setting, served)

    def _unknown(self) -> str:
        config, service = self._setting.config, self.service
        if service is not None:
            return f"Batches of {self._setting.batch} were not measured, but up to {service.largest}: move max batch."
        name = in_brief(config, batch_size=False)
        if config in self._why:
            return f"No service times of {name}: {self._why[config]}"
        return f"The service times of {name} are not known yet: they are measured first."

    def _explain(self, why: str) -> None:
        self.response.explain(why)
        self.load.explain(why)
        self.tiles.show(readouts.tiles_of(None, None), why, in_brief(self._setting.config, batch_size=False))

    def _draw(self, served: Served, service: ServiceTimes) -> None:
        setting, capacity = self._setting, service.capacity_per_s(self._setting.batch)
        alike = [run for run in self._runs if run.setting.server == setting.server]
        here = [run.served for run in alike if run.setting.arrivals == setting.arrivals]
        now = Point.of(served) if len(served) else None
        self.response.show([served, *here[-1:]])
        self.load.show(
            Here(setting.rate_per_s, capacity, setting.deadline_ms, now),
            self._load(service),
            [run.point for run in alike if run.point is not None],
        )
        words = [readouts.moved(self._from.served, served, self._what_moved()), readouts.tail(served)]
        words += [readouts.compared(here[-1], served)] if here else []
        said = "\n".join(filter(None, words))
        self.tiles.show(readouts.tiles_of(served, service), said, readouts.here(service), readouts.flags_of(served))

    def _what_moved(self) -> str:
        """The new values of the controls that the last move changed."""
        before, after = self._from.setting.values, self._setting.values
        return self.controls.in_words({name for name, value in after.items() if value != before[name]})

    def _still(self) -> "Figure | None":
        with self._lock:
            return None if self.served is None else plot_response(self.served)


def _checked(task: Task, services: Iterable[ServiceTimes]) -> dict[Config, ServiceTimes]:
    """The service times by their Config."""
    known: dict[Config, ServiceTimes] = {}
    for one in services:
        if not isinstance(one, ServiceTimes) or one.config is None:
            got = "some without a Config" if isinstance(one, ServiceTimes) else type(one).__name__
            raise ValueError(f"services: wanted what ts.service_times(task, config) returns; got {got}")
        if one.task not in ("", task.name):
            raise ValueError(f"services: wanted service times of the task {task.name!r}; got some of {one.task!r}")
        (config,) = check(task, [replace(one.config, batch_size=1)])
        known[config] = one
    return known
