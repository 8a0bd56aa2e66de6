"""Measurement: the raw samples of one Config; every statistic is derived from them."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tradespace.config import RUNTIMES, Config
from tradespace.measuring.statistics import (
    FEWEST_SLICES,
    mean_interval,
    median_interval,
    percentile,
    percentile_interval,
    proportion_interval,
)
from tradespace.scale import ACCURACY, Scale

# The thresholds behind the flags; CONTRIBUTING explains them.
NOISY_ABOVE = 0.15
DISTURBED_ABOVE, CONTENDED_ABOVE = 0.05, 0.25
ONE_TURN_NS = 4_000_000  # how long Linux runs a thread before it looks for another
DRIFT_SIGNIFICANCE = 0.01
THROTTLED_BELOW = 0.9
MISMATCH_ABOVE = 0.1
# Runtimes round in other places than the graph says, which shifts outputs by up to 2 %.
UNTRUE_ABOVE = 0.05


# `==` of arrays has no single answer, so an object with arrays is equal only to itself.
@dataclass(frozen=True, eq=False)
class Slice:
    """What the worker returns after timing one Config for a few tenths of a second.

    Parameters
    ----------
    samples_ns : ndarray
        Latency of each call, with one batch in flight, synchronised.
    items, busy_ns : int
        Items processed back to back, and the wall time that they took.
    device_ns : int
        The same period by the device's own clock; 0 if it has none.
    wall_ns, cpu_ns, waited_ns, involuntary_switches : int
        While the samples were taken: wall time, CPU time of the worker, time its threads were ready but had no core,
        and how often they lost their core.
    mhz : float
        Clock frequency of the timed device at the end, if readable.
    warm_up_ns : int
        Time until the latency was steady; 0 except in a Config's first slice.
    memory_mb : float
        Peak memory of the first calls, minus that before; known only for a Config's first slice.
    """

    samples_ns: np.ndarray
    items: int
    busy_ns: int
    device_ns: int = 0
    wall_ns: int = 0
    cpu_ns: int = 0
    waited_ns: int = 0
    involuntary_switches: int = 0
    mhz: float = math.nan
    warm_up_ns: int = 0
    memory_mb: float = math.nan

    @property
    def waited_share(self) -> float:
        """Time that its threads waited for a core, over wall time."""
        return self.waited_ns / self.wall_ns if self.wall_ns else 0.0

    @property
    def disturbed(self) -> bool:
        """Whether other work kept the worker off its cores for more than 5 % of the time, and more than one turn."""
        return self.waited_ns > max(DISTURBED_ABOVE * self.wall_ns, ONE_TURN_NS)


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of a model's outputs, as far as test items were scored.

    Parameters
    ----------
    scores : ndarray of bool or float64
        Of the first items in the order of `scoring_order`.
    spent_s : float
        Seconds that scoring them took.
    whole : bool
        Whether these are all test items.
    """

    scores: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    spent_s: float = 0.0
    whole: bool = False

    def done(self, score_s: float) -> bool:
        """Whether a budget of `score_s` seconds allows no more items."""
        return self.whole or self.spent_s >= score_s


@dataclass(frozen=True)
class Facts:
    """What is known about a prepared model, apart from its timing.

    Parameters
    ----------
    model_mb, prepare_s : float
    output_error : float
        Root mean square difference of its outputs from those of the fp32 model, over the latter's root mean square.
    truth_error : float
        The same against what its own integers stand for: the rounded model computed in floating point. NaN if it has
        no integers.
    """

    model_mb: float = math.nan
    prepare_s: float = math.nan
    output_error: float = math.nan
    truth_error: float = math.nan


@dataclass(frozen=True)
class Failure:
    """Why a Config has no numbers: one of `unsupported out_of_memory timeout crashed failed`, and a sentence."""

    status: str
    reason: str


@dataclass(frozen=True, eq=False)
class Measurement:
    """The timing samples and test results of one Config on one machine.

    Its properties have the names of the surface's columns. Latencies are in milliseconds; `samples_ns` has the raw
    ones. `accuracy` is the mean of `scores`: a fraction between 0 and 1, or in the unit that `score` names. Unknown
    values are NaN.

    Statistics use the slices that other work on the machine did not disturb, or the six least disturbed. The waiting
    time that the operating system reports decides which, never the samples themselves.

    A Measurement is equal only to itself, so it may be an element of a set or a key of a dict; `compare` shows how two
    differ.

    Parameters
    ----------
    task : str
    config : Config
    slices : tuple of Slice
    scores : ndarray of bool or float64, optional
        The score of each of the first `accuracy_n` test items; bools are right answers. Every model is scored in the
        same shuffled order (`tasks.scoring_order`), so two Measurements share the items of the shorter one.
    facts : Facts
    energy_j_per_item : float
        NaN if no counter can be read.
    max_width : float
        Requested width of the 95 % interval of the median latency, as a fraction of the median.
    failure : Failure, optional
    data : str
        The task's `data_fingerprint`, which tells tasks with the same name apart; empty if unknown.
    scored_by : str
        Hash of the task's score: test results of two scores have nothing to do with each other. Empty if unknown.
    score : str
        Name and unit of the score (`Score.label`).
    machine, measured_at : str
        On which machine and when it was measured (ISO 8601, UTC).

    Examples
    --------
    >>> one = Slice(np.array([2_000_000, 2_100_000, 1_900_000]), items=3, busy_ns=6_000_000)
    >>> m = Measurement("mine", Config("resnet8", threads=1), slices=(one,) * 6)
    >>> m.latency_p50_ms, m.throughput_per_s, m.samples
    (2.0, 500.0, 18)
    >>> m in {m}
    True
    """

    task: str
    config: Config
    slices: tuple[Slice, ...] = ()
    scores: np.ndarray | None = field(default=None, repr=False)
    facts: Facts = Facts()
    energy_j_per_item: float = math.nan
    max_width: float = 0.02
    failure: Failure | None = None
    data: str = ""
    scored_by: str = ""
    score: str = ACCURACY
    machine: str = ""
    measured_at: str = ""

    @cached_property
    def samples_ns(self) -> np.ndarray:
        """Every latency sample, disturbed or not, in the order of measurement."""
        return _joined(self.slices)

    @cached_property
    def kept(self) -> tuple[Slice, ...]:
        """The slices that statistics use."""
        undisturbed = tuple(s for s in self.slices if not s.disturbed)
        if len(undisturbed) >= FEWEST_SLICES:
            return undisturbed
        by_waiting = sorted(range(len(self.slices)), key=lambda i: self.slices[i].waited_share)
        return tuple(self.slices[i] for i in sorted(by_waiting[:FEWEST_SLICES]))

    @cached_property
    def _kept_ns(self) -> np.ndarray:
        return _joined(self.kept)

    @cached_property
    def undisturbed(self) -> int:
        """Number of slices that other work did not disturb."""
        return sum(not one.disturbed for one in self.slices)

    @cached_property
    def spent_s(self) -> float:
        """Total seconds that the samples took."""
        return sum(int(one.samples_ns.sum()) for one in self.slices) / 1e9

    @property
    def samples(self) -> int:
        """Number of latency samples."""
        return len(self.samples_ns)

    @property
    def latency_p50_ms(self) -> float:
        """Median latency of one call."""
        return float(np.median(self._kept_ns)) / 1e6 if self.samples else math.nan

    @cached_property
    def slice_medians_ms(self) -> np.ndarray:
        """Median latency of each slice that statistics use."""
        return np.array([np.median(s.samples_ns) for s in self.kept]) / 1e6

    @cached_property
    def _interval_ms(self) -> tuple[float, float]:
        low, high = median_interval([s.samples_ns for s in self.kept])
        return low / 1e6, high / 1e6

    @property
    def latency_p50_lo_ms(self) -> float:
        """Lower end of the 95 % interval of the median."""
        return self._interval_ms[0]

    @property
    def latency_p50_hi_ms(self) -> float:
        """Upper end of the 95 % interval of the median."""
        return self._interval_ms[1]

    @property
    def latency_p90_ms(self) -> float:
        """90th percentile; NaN below 64 samples."""
        return percentile(self._kept_ns, 90) / 1e6

    @property
    def latency_p99_ms(self) -> float:
        """99th percentile; NaN below 662 samples."""
        return percentile(self._kept_ns, 99) / 1e6

    def latency_interval_ms(self, q: int) -> tuple[float, float]:
        """95 % interval of the 90th or 99th percentile; NaN below its minimum number of samples."""
        low, high = percentile_interval(self._kept_ns, q)
        return low / 1e6, high / 1e6

    @property
    def throughput_per_s(self) -> float:
        """Items per second, sustained back to back."""
        busy_ns = sum(s.busy_ns for s in self.kept)
        return sum(s.items for s in self.kept) / busy_ns * 1e9 if busy_ns else math.nan

    @property
    def warm_up_s(self) -> float:
        """Seconds until the latency was steady, in the last warm-up."""
        return next(
            (s.warm_up_ns / 1e9 for s in reversed(self.slices) if s.warm_up_ns), 0.0 if self.slices else math.nan
        )

    @property
    def accuracy(self) -> float:
        """Mean score of the test items; of right answers, their fraction."""
        return float(self.scores.mean()) if self.scores is not None else math.nan

    @cached_property
    def _accuracy_interval(self) -> tuple[float, float]:
        if self.scores is None:
            return math.nan, math.nan
        if self.scores.dtype == bool:
            return proportion_interval(int(self.scores.sum()), len(self.scores))
        return mean_interval(self.scores)

    @property
    def accuracy_lo(self) -> float:
        """Lower end of the 95 % interval of accuracy."""
        return self._accuracy_interval[0]

    @property
    def accuracy_hi(self) -> float:
        """Upper end of the 95 % interval of accuracy."""
        return self._accuracy_interval[1]

    @property
    def accuracy_n(self) -> int:
        """Number of test items that were scored."""
        return 0 if self.scores is None else len(self.scores)

    @property
    def model_mb(self) -> float:
        """Size of the saved weights, in 10^6 bytes."""
        return self.facts.model_mb

    @property
    def memory_mb(self) -> float:
        """Peak memory of a call, minus that before, plus the weights."""
        peaks = [s.memory_mb for s in self.slices if not math.isnan(s.memory_mb)]
        return max(peaks) + self.model_mb if peaks else math.nan

    @property
    def prepare_s(self) -> float:
        """Seconds that loading and converting the model took."""
        return self.facts.prepare_s

    @property
    def noise(self) -> float:
        """Spread of the samples: their interquartile range over their median."""
        if not self.samples:
            return math.nan
        q1, q2, q3 = np.percentile(self._kept_ns, [25, 50, 75])
        return float((q3 - q1) / q2)

    @property
    def width(self) -> float:
        """Width of the median's 95 % interval, as a fraction of the median; NaN with fewer than six slices."""
        return (self.latency_p50_hi_ms - self.latency_p50_lo_ms) / self.latency_p50_ms

    @property
    def disturbed(self) -> float:
        """Share of slices in which other work kept the worker off its cores."""
        return 1 - self.undisturbed / len(self.slices) if self.slices else math.nan

    @property
    def drift(self) -> float:
        """Relative change of latency from the first slice to the last if there is a trend, else 0.

        There is a trend if Kendall's rank correlation of time and slice median is significant at 1 %. Its size is the
        Theil-Sen slope.
        """
        from scipy import stats

        medians = self.slice_medians_ms
        if len(medians) < FEWEST_SLICES or np.ptp(medians) == 0:
            return 0.0
        order = np.arange(len(medians))
        if stats.kendalltau(order, medians).pvalue >= DRIFT_SIGNIFICANCE:
            return 0.0
        return float(stats.theilslopes(medians, order)[0] * (len(medians) - 1) / np.median(medians))

    @property
    def throttled(self) -> bool:
        """Whether the median clock of the timed device was more than a tenth below its best in this measurement."""
        mhz = np.array([s.mhz for s in self.slices])
        mhz = mhz[~np.isnan(mhz)]
        return bool(len(mhz)) and float(np.median(mhz)) < THROTTLED_BELOW * float(mhz.max())

    @cached_property
    def flags(self) -> str:
        """Fixed words, separated by spaces; empty if there are none. CONTRIBUTING describes the test behind each."""
        if self.failure or not self.samples:
            return ""
        raised = {
            "few_samples": math.isnan(self.width),
            "unconverged": not self.width <= self.max_width,
            "noisy": self.noise > NOISY_ABOVE,
            "drifting": abs(self.drift) > self.max_width,
            "contended": self.disturbed > CONTENDED_ABOVE,
            "throttled": self.throttled,
            "output_mismatch": self.facts.output_error > MISMATCH_ABOVE or self.untrue,
        }
        return " ".join(word for word, is_raised in raised.items() if is_raised)

    @property
    def status(self) -> str:
        """`ok`, or the kind of failure."""
        return self.failure.status if self.failure else "ok"

    @property
    def untrue(self) -> bool:
        """Whether the runtime does not compute what its integers stand for."""
        return self.facts.truth_error > UNTRUE_ABOVE

    @property
    def reason(self) -> str:
        """Why there are no numbers, or why the outputs are wrong, as a sentence; otherwise empty."""
        if self.failure:
            return self.failure.reason
        if not self.untrue:
            return ""
        runtime = RUNTIMES[self.config.runtime]
        cause = "" if "VNNI" in self.machine else ", as when sums of 8-bit products overflow"
        return (
            f"{runtime} computes this {self.config.precision} model wrongly on this processor: its outputs differ by "
            f"{self.facts.truth_error:.0%} from those of the same integers in floating point{cause}"
        )

    def __repr__(self) -> str:
        if self.failure:
            known = f" ({self._accuracy})" if self.scores is not None else ""
            return f"{self.config}: {self.status}{known}: {self.reason}"
        if not self.samples:
            return f"{self.config}: not measured yet"
        return f"{self.config}:\n{self._numbers()}\n{self._trust()}"

    def _numbers(self) -> str:
        lo, hi = self.latency_p50_lo_ms, self.latency_p50_hi_ms
        interval = "" if math.isnan(lo) else f" ({lo:.3g} to {hi:.3g})"
        text = f"latency {self.latency_p50_ms:.3g} ms{interval}, throughput {self.throughput_per_s:,.0f} items/s"
        if self.scores is None:
            return f"{text}, {Scale.of(self.score).name} not known"
        return f"{text}, {self._accuracy}"

    @property
    def _accuracy(self) -> str:
        scale = Scale.of(self.score)
        return f"{scale.name} {scale.write_between(self.accuracy, *self._accuracy_interval)}"

    def _trust(self) -> str:
        if not self.flags:
            return f"Reliable to {self.max_width:.0%}: {self.samples:,} samples in {len(self.slices)} slices."
        doubts = {
            "few_samples": "too few slices for an interval",
            "unconverged": f"its interval is still wider than the requested {self.max_width:.0%}",
            "noisy": f"the middle half of its samples spans {self.noise:.0%} of the median",
            "drifting": f"latency changed by {self.drift:+.0%} while it was measured",
            "contended": f"other work or a quota took its cores in {self.disturbed:.0%} of the slices",
            "throttled": "the clock of its device slowed down",
            "output_mismatch": self.reason or f"its outputs differ from those of fp32 by {self.facts.output_error:.0%}",
        }
        return "Use with caution: " + "; ".join(doubts[word] for word in self.flags.split()) + "."


def _joined(slices: tuple[Slice, ...]) -> np.ndarray:
    return np.concatenate([s.samples_ns for s in slices]) if slices else np.empty(0)
