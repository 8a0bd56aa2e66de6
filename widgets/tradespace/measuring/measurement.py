"""Measurement: the raw samples of one Config; every statistic is derived from them."""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tradespace.config import Config
from tradespace.measuring.statistics import median_interval, percentile, proportion_interval

NOISY_ABOVE = 0.15


@dataclass(frozen=True)
class Slice:
    """What the worker brings back from a few tenths of a second of one Config.

    Parameters
    ----------
    samples_ns : ndarray
        Latency of each call: one batch in flight, synchronised.
    items, busy_ns : int
        Items processed back to back, and the wall time that took.
    cpu_ns, involuntary_switches : int
        CPU time of the worker, and how often it lost its core, while the samples were taken.
    """

    samples_ns: np.ndarray
    items: int
    busy_ns: int
    cpu_ns: int = 0
    involuntary_switches: int = 0


@dataclass(frozen=True)
class Facts:
    """What is known of a prepared model apart from its timing."""

    model_mb: float = math.nan
    prepare_s: float = math.nan


@dataclass(frozen=True)
class Failure:
    """Why a Config gave no number: `unsupported out_of_memory timeout crashed failed`, and a sentence."""

    status: str
    reason: str


@dataclass(frozen=True)
class Measurement:
    """The timing samples and the test results of one Config on one machine.

    Its properties carry the names of the surface's columns; latencies are in milliseconds and `samples_ns` holds the
    raw ones. Accuracy is a fraction between 0 and 1. What is not known is NaN.

    Parameters
    ----------
    task : str
    config : Config
    slices : tuple of Slice
    correct : ndarray of bool, optional
        Per test item, whether it was classified right.
    facts : Facts
    ci : float
        Asked width of the 95 % interval of the median latency, as a fraction of the median.
    failure : Failure, optional
    machine, measured_at : str
        What it was measured on, and when (ISO 8601, UTC).
    """

    task: str
    config: Config
    slices: tuple[Slice, ...] = ()
    correct: np.ndarray | None = field(default=None, repr=False)
    facts: Facts = Facts()
    ci: float = 0.02
    failure: Failure | None = None
    machine: str = ""
    measured_at: str = ""

    @cached_property
    def samples_ns(self) -> np.ndarray:
        """Every latency sample, in the order taken."""
        return np.concatenate([s.samples_ns for s in self.slices]) if self.slices else np.empty(0)

    @property
    def samples(self) -> int:
        """Number of latency samples."""
        return len(self.samples_ns)

    @property
    def latency_p50_ms(self) -> float:
        """Median latency of one call."""
        return float(np.median(self.samples_ns)) / 1e6 if self.samples else math.nan

    @cached_property
    def _interval_ms(self) -> tuple[float, float]:
        # Taken over slices, not samples: drift from one slice to the next is then inside it, and neighbouring
        # samples, which resemble each other, do not pass for independent ones.
        medians = np.array([np.median(s.samples_ns) for s in self.slices]) / 1e6
        low, high = median_interval(medians)
        return (low, high) if math.isnan(low) else (min(low, self.latency_p50_ms), max(high, self.latency_p50_ms))

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
        return percentile(self.samples_ns, 90) / 1e6

    @property
    def latency_p99_ms(self) -> float:
        """99th percentile; NaN below 662 samples."""
        return percentile(self.samples_ns, 99) / 1e6

    @property
    def throughput_per_s(self) -> float:
        """Items a second, sustained back to back."""
        busy_ns = sum(s.busy_ns for s in self.slices)
        return sum(s.items for s in self.slices) / busy_ns * 1e9 if busy_ns else math.nan

    @property
    def accuracy(self) -> float:
        """Fraction of the test set classified right."""
        return float(self.correct.mean()) if self.correct is not None else math.nan

    @cached_property
    def _accuracy_interval(self) -> tuple[float, float]:
        if self.correct is None:
            return math.nan, math.nan
        return proportion_interval(int(self.correct.sum()), len(self.correct))

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
        return 0 if self.correct is None else len(self.correct)

    @property
    def model_mb(self) -> float:
        """Size of the saved weights, in 10^6 bytes."""
        return self.facts.model_mb

    @property
    def memory_mb(self) -> float:
        """Memory at run time: not measured yet, hence NaN."""
        return math.nan

    @property
    def energy_j_per_item(self) -> float:
        """Energy: not measured yet, hence NaN."""
        return math.nan

    @property
    def prepare_s(self) -> float:
        """Seconds that loading and converting the model took."""
        return self.facts.prepare_s

    @property
    def noise(self) -> float:
        """Spread of the samples: their interquartile range over their median."""
        if not self.samples:
            return math.nan
        q1, q2, q3 = np.percentile(self.samples_ns, [25, 50, 75])
        return float((q3 - q1) / q2)

    @property
    def width(self) -> float:
        """Width of the median's 95 % interval, as a fraction of the median; NaN below six slices."""
        return (self.latency_p50_hi_ms - self.latency_p50_lo_ms) / self.latency_p50_ms

    @property
    def flags(self) -> str:
        """Fixed words, separated by spaces: `few_samples unconverged noisy`; empty if there is nothing to say."""
        if self.failure or not self.samples:
            return ""
        raised = {
            "few_samples": math.isnan(self.width),
            "unconverged": not self.width <= self.ci,
            "noisy": self.noise > NOISY_ABOVE,
        }
        return " ".join(word for word, is_raised in raised.items() if is_raised)

    @property
    def status(self) -> str:
        """`ok`, or the kind of failure."""
        return self.failure.status if self.failure else "ok"

    @property
    def reason(self) -> str:
        """Why there is no number, in a sentence; empty if there is one."""
        return self.failure.reason if self.failure else ""

    def __repr__(self) -> str:
        if self.failure:
            return f"{self.config}: {self.status}: {self.reason}"
        if not self.samples:
            return f"{self.config}: not measured yet"
        return f"{self.config}: {self._numbers()}\n{self._trust()}"

    def _numbers(self) -> str:
        lo, hi = self.latency_p50_lo_ms, self.latency_p50_hi_ms
        interval = "" if math.isnan(lo) else f" ({lo:.3g} to {hi:.3g})"
        text = f"latency {self.latency_p50_ms:.3g} ms{interval}, throughput {self.throughput_per_s:,.0f} items/s"
        if self.correct is None:
            return text + ", accuracy not known"
        return text + f", accuracy {self.accuracy:.1%} ({self.accuracy_lo:.1%} to {self.accuracy_hi:.1%})"

    def _trust(self) -> str:
        if not self.flags:
            return f"To be trusted to {self.ci:.0%}: {self.samples:,} samples in {len(self.slices)} slices."
        doubts = {
            "few_samples": "too few slices for an interval",
            "unconverged": f"its interval is still wider than the {self.ci:.0%} asked",
            "noisy": f"half of its samples spread over {self.noise:.0%} of the median",
        }
        return "With caution: " + "; ".join(doubts[word] for word in self.flags.split()) + "."
