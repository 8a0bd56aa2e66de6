"""The work of a sweep in seconds: how much is done, and how much is left."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from tradespace.config import Config
from tradespace.measuring.forecast import beside_s, forecast_calls, warming_up_s
from tradespace.measuring.measurement import Measurement, Scored
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.statistics import FEWEST_SLICES
from tradespace.prepare.registry import RUNTIMES

# Stopping at the first narrow interval would flatter it, so stop only after at least this many slices.
STOP_FROM_SLICES = 12

# Expected seconds before anything is known, on a laptop with two cores: to export a model, which is done once for the
# runtimes that need it, and for one call. After the first few, measured seconds replace them; the first one includes an
# unknown amount of importing.
EXPORT_S = 4.0
STARTING_S = 5.0
CALL_S = 0.03


class Point(Protocol):
    """The state of a Config that is being measured."""

    @property
    def measurement(self) -> Measurement: ...
    @property
    def variant(self) -> Config: ...
    @property
    def ready(self) -> bool: ...
    @property
    def warm(self) -> bool: ...
    @property
    def timed(self) -> bool: ...


class Work:
    """Records how long each stage of measuring takes, and estimates from that how long the rest will take.

    Parameters
    ----------
    changed : callable
        Called when a stage begins and when it ends.
    """

    def __init__(self, changed: Callable[[], object] = lambda: None) -> None:
        self.doing = ""
        self._changed, self._start = changed, time.monotonic()
        self._points: list[Point] = []
        self._scores: Mapping[Config, Scored] = {}
        self._schedule, self._test_items = Schedule(), 0
        self._prepared: set[Config] = set()
        # Seconds that each stage and kind of preparing took.
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._call_s: dict[Config, float] = {}
        self._sampled: list[tuple[float, float]] = []
        self._warmed: list[tuple[float, float]] = []
        self._beside: list[tuple[float, float]] = []
        self._slices = self._undisturbed = 0

    def plan(
        self, points: Iterable[Point], scores: Mapping[Config, Scored], schedule: Schedule, test_items: int
    ) -> None:
        """Set what is to be measured; every estimate of the rest looks at `points` and `scores` again."""
        self._points, self._scores = list(points), scores
        self._schedule, self._test_items = schedule, test_items

    @contextmanager
    def stage(self, name: str, point: Point) -> Iterator[None]:
        """A stage of the work on `point`: `preparing`, `timing`, `scoring` or `finishing`."""
        config, warm = point.measurement.config, point.warm
        sampled_s = point.measurement.spent_s
        self.doing = f"{name} {config.model} {config.precision} {config.runtime}, batch {config.batch_size}"
        self._changed()
        began = time.monotonic()
        yield
        took_s, sampled_s = time.monotonic() - began, point.measurement.spent_s - sampled_s
        if name == "preparing":
            self._took[_kind(point.variant, self._prepared)].append(took_s)
            self._prepared.add(point.variant)
        elif name == "timing" and point.measurement.slices:
            self._call_s[config] = point.measurement.latency_p50_ms / 1e3
            if warm:
                self._beside.append((took_s - sampled_s, beside_s(self._call_s[config])))
            else:
                self._warmed.append((took_s - sampled_s, warming_up_s(self._call_s[config])))
        elif name == "finishing":
            self._took[name].append(took_s)
            self._end(point)
        self._changed()

    def _end(self, point: Point) -> None:
        """Keep the sums of a finished point, not the point: the samples of a thousand points would fill the memory."""
        self._points.remove(point)
        measurement = point.measurement
        if measurement.slices:
            call_s = self._call_s.get(measurement.config, measurement.latency_p50_ms / 1e3)
            self._sampled.append((measurement.spent_s, self._schedule.sampling_s(call_s)))
        self._slices += len(measurement.slices)
        self._undisturbed += measurement.undisturbed

    @property
    def done_s(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self._start

    def left_s(self) -> dict[str, float]:
        """Estimated seconds left, by stage: `preparing`, `timing` and `scoring`."""
        asked = [point.measurement.config for point in self._points]
        calls = forecast_calls(self._call_s, asked) if self._call_s else dict.fromkeys(asked, CALL_S)
        return {
            "preparing": self._preparing_s(),
            "timing": self._timing_s(calls),
            "scoring": self._scoring_s(calls) if self._test_items else 0.0,
        }

    def _preparing_s(self) -> float:
        seconds, prepared = 0.0, set(self._prepared)
        for point in self._points:
            if not point.ready:
                kind = _kind(point.variant, prepared)
                prepared.add(point.variant)
                seconds += self._usual_s(kind, _first_guess_s(kind))
        return seconds

    def _timing_s(self, call_s: Mapping[Config, float]) -> float:
        begun = [point for point in self._points if point.measurement.slices]
        slices = self._slices + sum(len(point.measurement.slices) for point in begun)
        undisturbed = self._undisturbed + sum(point.measurement.undisturbed for point in begun)
        share = undisturbed / slices if slices else 1.0
        left_s = {point.measurement.config: self._sampling_left_s(point, share) for point in begun}
        whole = [(p.measurement.spent_s + left_s[p.measurement.config], self._expected_s(p, call_s)) for p in begun]
        longer = _ratio([*self._sampled, *whole], 1.0)
        beside, warming = _ratio(self._beside, 1.0), _ratio(self._warmed, 1.0)
        seconds = len(self._points) * self._usual_s("finishing", 0.0)
        for point in self._points:
            config = point.measurement.config
            if not point.timed:
                sampling = left_s.get(config, longer * self._expected_s(point, call_s))
                number = sampling / max(call_s[config], self._schedule.slice_s)
                seconds += sampling + number * beside * beside_s(call_s[config])
                seconds += 0.0 if point.warm else warming * warming_up_s(call_s[config])
        return seconds

    def _expected_s(self, point: Point, call_s: Mapping[Config, float]) -> float:
        return self._schedule.sampling_s(call_s[point.measurement.config])

    def _sampling_left_s(self, point: Point, undisturbed: float) -> float:
        """Seconds of samples that a point still needs, in whole slices, given the share of `undisturbed` slices."""
        measurement, schedule = point.measurement, self._schedule
        if point.timed:
            return 0.0
        left_s = time_left_s(measurement, schedule)
        if measurement.undisturbed < FEWEST_SLICES:
            slices_a_budget = schedule.budget_s / schedule.slice_s
            budgets = FEWEST_SLICES / max(undisturbed * slices_a_budget, FEWEST_SLICES / schedule.most_budgets)
            expected_s = schedule.sampling_s(measurement.spent_s / len(measurement.slices))
            left_s = max(max(budgets, 1.0) * schedule.budget_s, expected_s) - measurement.spent_s
        one_s = measurement.spent_s / len(measurement.slices)
        return math.ceil(max(left_s / one_s, 1.0) - 1e-9) * one_s

    def _scoring_s(self, call_s: Mapping[Config, float]) -> float:
        """Seconds of scoring left, each variant at its measured or expected rate."""
        rates: dict[Config, float] = {}
        for point in self._points:
            config = point.measurement.config
            rates[point.variant] = max(config.batch_size / call_s[config], rates.get(point.variant, 0.0))
        seconds = 0.0
        for name, rate in rates.items():
            score = self._scores.get(name, Scored())
            if not score.done(self._schedule.score_s):
                rate = len(score.scores) / score.spent_s if len(score.scores) and score.spent_s else rate
                items = self._test_items - len(score.scores)
                seconds += min(items / rate, self._schedule.score_s - score.spent_s)
        return seconds

    def _usual_s(self, kind: str, otherwise: float) -> float:
        took = self._took.get(kind)
        if not took:
            return otherwise
        # The first of its kind also starts a process, or imports a runtime.
        return fmean(took[1:]) if len(took) > 1 else max(took[0] - STARTING_S, min(took[0], otherwise))


def _kind(variant: Config, prepared: Set[Config]) -> str:
    """What kind of work it is to prepare `variant`, when those were prepared."""
    if variant in prepared:
        return f"{variant.runtime} again"
    exported = {(one.model, one.pruning) for one in prepared if RUNTIMES[one.runtime].exports}
    new = RUNTIMES[variant.runtime].exports and (variant.model, variant.pruning) not in exported
    return "export" if new else variant.runtime


def _first_guess_s(kind: str) -> float:
    """Seconds of this kind of preparing, before any were measured."""
    runtime, again = kind.removesuffix(" again"), kind.endswith(" again")
    return EXPORT_S if kind == "export" else RUNTIMES[runtime].preparing_s[again]


def _ratio(seconds: Sequence[tuple[float, float]], otherwise: float) -> float:
    """Total seconds taken over total seconds expected."""
    taken, expected = map(sum, zip(*seconds, strict=True)) if seconds else (0.0, 0.0)
    return taken / expected if expected else otherwise


@dataclass(frozen=True)
class _Unbegun:
    """A point of which nothing is known yet."""

    measurement: Measurement
    variant: Config
    ready = warm = timed = False


def expected_s(configs: Iterable[Config], schedule: Schedule) -> float:
    """Seconds that preparing and timing `configs` may take on a laptop, before any was measured; without scoring.

    Examples
    --------
    >>> 1 < expected_s([Config("resnet8", threads=1)], Schedule(budget_s=1.0)) < 60
    True
    """
    work = Work()
    work.plan([_Unbegun(Measurement("", config), config.variant) for config in configs], {}, schedule, test_items=0)
    return sum(work.left_s().values())


def time_left_s(measurement: Measurement, schedule: Schedule) -> float:
    """About how long sampling will go on: until the interval is as narrow as asked, or the budget is spent."""
    if not measurement.slices:
        return schedule.budget_s
    left_s = schedule.budget_s - measurement.spent_s
    undisturbed = measurement.undisturbed
    if undisturbed < FEWEST_SLICES:
        return left_s if left_s > 0 else max(schedule.most_budgets * schedule.budget_s - measurement.spent_s, 0.0)
    # An interval narrows with the root of the number of slices.
    wanted = max(STOP_FROM_SLICES, undisturbed * (measurement.width / measurement.max_width) ** 2)
    more_s = max(wanted - undisturbed, 0.0) * measurement.spent_s / len(measurement.slices)
    return min(more_s, max(left_s, 0.0))


def in_words(seconds: float) -> str:
    """Format a duration, as precisely as suits an estimate.

    Examples
    --------
    >>> in_words(8.4), in_words(95), in_words(4000)
    ('8 s', '1 min 35 s', '67 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
