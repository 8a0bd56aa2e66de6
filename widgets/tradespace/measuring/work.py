"""The work of a sweep in seconds: what was done, and what is left."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean
from typing import Protocol

from tradespace.config import Config
from tradespace.measuring.measurement import Measurement, Score
from tradespace.measuring.statistics import FEWEST_SLICES

# Stopping at the first narrow interval flatters it: not before it is taken over so many slices.
STOP_FROM_SLICES = 12
SLICES_A_BUDGET = 24
# Below six slices the median has no 95 % interval: a Config that is slow, or disturbed by other work on the machine,
# may take up to four budgets to get six good ones.
MOST_BUDGETS = 4

# What is expected before anything is known, in seconds on a laptop of two cores: to prepare the first Config of a model
# in a runtime and each further one, and to warm one up. After the first few, those measured here take their place.
PREPARING_S = {"eager": (0.3, 0.05), "compile": (15.0, 10.0), "onnxruntime": (3.0, 0.1), "openvino": (4.0, 0.2)}
WARMING_UP_S = 0.3
SCORED_SHARE = 0.5
# Beside its samples a slice takes the calls that are thrown away, and the way to the measuring process and back.
OVERHEAD = 1.1


class Point(Protocol):
    """What there is to know of a Config that is being measured."""

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
    @property
    def finished(self) -> bool: ...


class Work:
    """Notes how long each stage of measuring takes, and estimates from that how long the rest will take.

    Parameters
    ----------
    changed : callable
        Called when a stage begins, and when one ends.
    """

    def __init__(self, changed: Callable[[], object] = lambda: None) -> None:
        self.doing = ""
        self._changed, self._start = changed, time.monotonic()
        self._points: list[Point] = []
        self._scores: Mapping[Config, Score] = {}
        self._budget_s = self._score_s = math.nan
        self._test_items = 0
        self._prepared: set[Config] = set()
        self._took: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)
        self._wall_s = self._sampled_s = 0.0
        self._slices = self._undisturbed = 0
        self._rates: dict[Config, float] = {}

    def plan(
        self,
        points: Iterable[Point],
        scores: Mapping[Config, Score],
        *,
        budget_s: float,
        score_s: float,
        test_items: int,
    ) -> None:
        """What is to be measured: `points` and `scores` are looked at again whenever the rest is estimated."""
        self._points, self._scores = list(points), scores
        self._budget_s, self._score_s, self._test_items = budget_s, score_s, test_items

    @contextmanager
    def stage(self, name: str, point: Point) -> Iterator[None]:
        """A stage of the work on `point`: `preparing`, `timing`, `scoring` or `finishing`."""
        config, warm = point.measurement.config, point.warm
        sampled_s, new = point.measurement.spent_s, point.variant not in self._prepared
        self.doing = f"{name} {config.model} {config.precision} {config.runtime}, batch {config.batch_size}"
        self._changed()
        began = time.monotonic()
        yield
        took_s = time.monotonic() - began
        if name == "preparing":
            self._took[name, config.runtime, new].append(took_s)
            self._prepared.add(point.variant)
        elif name == "timing" and warm:
            self._wall_s += took_s
            self._sampled_s += point.measurement.spent_s - sampled_s
        elif name == "timing":
            self._took["warming up",].append(took_s - (point.measurement.spent_s - sampled_s))
        elif name == "finishing":
            self._took[name,].append(took_s)
            self._end(point)
        self._changed()

    def _end(self, point: Point) -> None:
        """Keep the sums of a finished point, not the point: the samples of a thousand would fill the memory."""
        self._points.remove(point)
        measurement = point.measurement
        if measurement.slices:
            self._took["sampling",].append(measurement.spent_s)
            self._rates[point.variant] = max(_rate(point), self._rates.get(point.variant, 0.0))
        self._slices += len(measurement.slices)
        self._undisturbed += _undisturbed(measurement)

    @property
    def done_s(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self._start

    def left_s(self) -> dict[str, float]:
        """Estimate of the seconds that are left, by stage: `preparing`, `timing` and `scoring`."""
        return {"preparing": self._preparing_s(), "timing": self._timing_s(), "scoring": self._scoring_s()}

    def _preparing_s(self) -> float:
        seconds, prepared = 0.0, set(self._prepared)
        for point in self._points:
            if not point.ready:
                new = point.variant not in prepared
                prepared.add(point.variant)
                expected = PREPARING_S[point.variant.runtime][not new]
                seconds += self._usual_s("preparing", point.variant.runtime, new, otherwise=expected)
        return seconds

    def _timing_s(self) -> float:
        begun = [point.measurement for point in self._points if point.measurement.slices]
        slices = self._slices + sum(len(one.slices) for one in begun)
        share = (self._undisturbed + sum(map(_undisturbed, begun))) / slices if slices else 1.0
        left_s = {id(point): self._sampling_left_s(point, share) for point in self._points if point.measurement.slices}
        whole_s = self._took["sampling",] + [
            point.measurement.spent_s + left_s[id(point)] for point in self._points if id(point) in left_s
        ]
        usual_s = fmean(whole_s) if whole_s else self._budget_s
        overhead = self._wall_s / self._sampled_s if self._sampled_s else OVERHEAD
        seconds = len(self._points) * self._usual_s("finishing", otherwise=0.0)
        for point in self._points:
            if not point.timed:
                seconds += overhead * left_s.get(id(point), usual_s)
                seconds += 0.0 if point.warm else self._usual_s("warming up", otherwise=WARMING_UP_S)
        return seconds

    def _sampling_left_s(self, point: Point, undisturbed: float) -> float:
        """Seconds of samples that `point` still takes, in whole slices."""
        measurement = point.measurement
        if point.timed or not measurement.slices:
            return 0.0
        left_s = time_left_s(measurement, self._budget_s)
        if _undisturbed(measurement) < FEWEST_SLICES:
            budgets = FEWEST_SLICES / max(undisturbed * SLICES_A_BUDGET, FEWEST_SLICES / MOST_BUDGETS)
            left_s = max(budgets, 1.0) * self._budget_s - measurement.spent_s
        slice_s = measurement.spent_s / len(measurement.slices)
        return math.ceil(max(left_s / slice_s, 1.0) - 1e-9) * slice_s

    def _scoring_s(self) -> float:
        """Each variant by how fast it was timed, or else by what the others take."""
        if not self._test_items:
            return 0.0
        rates = dict(self._rates)
        for point in self._points:
            rates[point.variant] = max(_rate(point), rates.get(point.variant, 0.0))
        whole = {name: min(self._test_items / rate, self._score_s) for name, rate in rates.items() if rate}
        usual_s = fmean(whole.values()) if whole else SCORED_SHARE * self._score_s
        seconds = 0.0
        for name in {point.variant for point in self._points}:
            score = self._scores.get(name)
            if score is None:
                seconds += whole.get(name, usual_s)
            elif not score.done(self._score_s):
                left = 1 - len(score.correct) / self._test_items
                rate_s = score.spent_s / max(len(score.correct), 1) * self._test_items
                seconds += min(left * rate_s, self._score_s - score.spent_s)
        return seconds

    def _usual_s(self, *stage: object, otherwise: float) -> float:
        took = self._took.get(stage)
        if not took:
            return otherwise
        # The very first also starts the measuring process.
        return fmean(took[1:] if len(took) > 1 else took)


def _undisturbed(measurement: Measurement) -> int:
    return sum(not one.disturbed for one in measurement.slices)


def _rate(point: Point) -> float:
    """Items a second; 0 where that is not known."""
    return point.measurement.throughput_per_s if point.measurement.slices else 0.0


def time_left_s(measurement: Measurement, budget_s: float) -> float:
    """About how long sampling will go on: until the interval is as narrow as asked, or the budget is spent."""
    if not measurement.slices:
        return budget_s
    spent_s = measurement.spent_s
    undisturbed = _undisturbed(measurement)
    if undisturbed < FEWEST_SLICES:
        return budget_s - spent_s if spent_s < budget_s else max(MOST_BUDGETS * budget_s - spent_s, 0.0)
    # An interval narrows with the root of the number of slices.
    wanted = max(STOP_FROM_SLICES, undisturbed * (measurement.width / measurement.ci) ** 2)
    more_s = max(wanted - undisturbed, 0.0) * spent_s / len(measurement.slices)
    return min(more_s, max(budget_s - spent_s, 0.0))


def in_words(seconds: float) -> str:
    """A duration, as precise as an estimate is.

    Examples
    --------
    >>> in_words(8.4), in_words(95), in_words(4000)
    ('8 s', '1 min 35 s', '67 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
