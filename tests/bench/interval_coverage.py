"""Do the 95 % intervals hold what they promise: on streams whose median is known, and between a point and itself?"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tradespace as ts
from report import Finding, print_table
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.stats import norm
from tradespace.config import Config
from tradespace.measuring.engine import STOP_FROM_SLICES, measure_rounds
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.measuring.schedule import SLICES_A_BUDGET, Schedule
from tradespace.measuring.statistics import proportion_interval
from tradespace.tasks import load_task
from untested import untested

COVERED, MISTAKEN = 0.93, 0.05
SAMPLES_A_SLICE = (50, 30)
CI = 0.02
CANNOT_TELL = "can't tell"
CONFIG = Config("synthetic", threads=1)
SPREAD = 0.1
DRIFT = 0.1
SLOW_MODE, SLOW_SHARE, MODE_SPREAD = 1.1, 0.3, 0.02

# (random numbers, shape: slices x samples) -> samples
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


@dataclass(frozen=True)
class Stream:
    """Samples whose median is known.

    Parameters
    ----------
    draw : callable
    truth : callable
        Number of slices taken, of `SLICES_A_BUDGET` -> the value below which half of all samples lie that the process
        could have given during that time: the median of its marginal distribution, time taken as uniform.
    """

    draw: Draw
    truth: Callable[[int], float]


def always(value: float) -> Callable[[int], float]:
    """The truth about a stream whose distribution does not change."""
    return lambda _slices: value


def lognormal(random: np.random.Generator, shape: tuple[int, int], spread: float = SPREAD) -> np.ndarray:
    return np.exp(spread * random.standard_normal(shape))


def pareto(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A floor of 1 and a tail without a variance: Lomax of shape 1.5."""
    return 1 + SPREAD * random.pareto(1.5, shape)


def autoregressive(correlation: float) -> Draw:
    """Each sample resembles the one before it, across slices too; log-normal at any one moment."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        shocks = random.standard_normal(math.prod(shape)) * math.sqrt(1 - correlation**2)
        shocks[0] /= math.sqrt(1 - correlation**2)
        return np.exp(SPREAD * lfilter([1.0], [1.0, -correlation], shocks)).reshape(shape)

    return draw


def drifting(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Slower by `DRIFT` from the first sample to the last, evenly."""
    level = 1 + DRIFT * np.linspace(0, 1, math.prod(shape)).reshape(shape)
    return level * lognormal(random, shape)


def drifting_truth(slices: int) -> float:
    levels = 1 + DRIFT * slices / SLICES_A_BUDGET * (np.arange(1_000) + 0.5) / 1_000
    return brentq(lambda x: float(norm.cdf(np.log(x / levels) / SPREAD).mean()) - 0.5, 0.5, 2.0)


def bimodal_calls(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Each call is fast or slow, whatever the others are."""
    return np.where(random.random(shape) < SLOW_SHARE, SLOW_MODE, 1) * lognormal(random, shape, MODE_SPREAD)


def bimodal_slices(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A whole slice is fast or slow, as when memory comes to lie well or badly."""
    slow = random.random((shape[0], 1)) < SLOW_SHARE
    return np.where(slow, SLOW_MODE, 1) * lognormal(random, shape, MODE_SPREAD)


def bimodal_truth() -> float:
    def below(x: float) -> float:
        fast, slow = (float(norm.cdf(math.log(x / mode) / MODE_SPREAD)) for mode in (1, SLOW_MODE))
        return (1 - SLOW_SHARE) * fast + SLOW_SHARE * slow

    return brentq(lambda x: below(x) - 0.5, 0.5, 2.0)


STREAMS = {
    "heavy tail, log-normal": Stream(lambda random, shape: lognormal(random, shape, 0.5), always(1.0)),
    "heavy tail, Pareto": Stream(pareto, always(1 + SPREAD * (2 ** (1 / 1.5) - 1))),
    "AR(1), 0.9 a sample": Stream(autoregressive(0.9), always(1.0)),
    "AR(1), 0.99 a sample": Stream(autoregressive(0.99), always(1.0)),
    "drifting by 10 %": Stream(drifting, drifting_truth),
    "bimodal calls": Stream(bimodal_calls, always(bimodal_truth())),
    "bimodal slices": Stream(bimodal_slices, always(bimodal_truth())),
}


def run(quick: bool) -> list[Finding]:
    """Both halves."""
    return [*on_streams(100 if quick else 1_000), *on_pairs(quick)]


def on_streams(repetitions: int) -> list[Finding]:
    """How often the truth lies in the interval: of a whole budget's slices, and where the engine would have stopped."""
    rows, findings = [], []
    for samples in SAMPLES_A_SLICE:
        shares: dict[str, dict[str, float]] = {"whole budget": {}, "stopped at 2 %": {}}
        for name, stream in STREAMS.items():
            whole, stopped, taken = covered(stream, samples, repetitions)
            shares["whole budget"][name], shares["stopped at 2 %"][name] = whole, stopped
            rows.append((name, samples, f"{whole:.1%}", f"{stopped:.1%}", f"{taken:.1f}"))
        for rule, of_streams in shares.items():
            worst = min(of_streams, key=of_streams.__getitem__)
            found = f"least of {len(STREAMS)} streams: {of_streams[worst]:.1%} ({worst})"
            figure = f"slices of {samples}, {rule}"
            findings.append(Finding("coverage", figure, found, f">= {COVERED:.0%}", of_streams[worst] >= COVERED))
    print(f"share of {repetitions} repetitions whose 95 % interval covers the truth")
    print_table(("stream", "samples a slice", "whole budget", "stopped at 2 %", "slices when stopped"), rows)
    return findings


def covered(stream: Stream, samples: int, repetitions: int) -> tuple[float, float, float]:
    """Share of repetitions that cover the truth with all slices, and when stopped; and after how many slices."""
    random = np.random.default_rng(0)
    truths = {k: stream.truth(k) for k in range(STOP_FROM_SLICES, SLICES_A_BUDGET + 1)}
    whole = stopped = taken = 0
    for _ in range(repetitions):
        drawn = stream.draw(random, (SLICES_A_BUDGET, samples)) * 1e6
        slices = tuple(Slice(row, items=samples, busy_ns=int(row.sum())) for row in drawn)
        m = Measurement("bench", CONFIG, slices, max_width=CI)
        at_stop = next(as_the_engine_stops(slices))
        whole += covers(m, truths[SLICES_A_BUDGET])
        stopped += covers(at_stop, truths[len(at_stop.slices)])
        taken += len(at_stop.slices)
    return whole / repetitions, stopped / repetitions, taken / repetitions


def as_the_engine_stops(slices: tuple[Slice, ...]) -> Iterator[Measurement]:
    """The first Measurement that is as narrow as asked, or the last: looking again and again flatters the interval."""
    for k in range(STOP_FROM_SLICES, len(slices) + 1):
        m = Measurement("bench", CONFIG, slices[:k], max_width=CI)
        if m.width <= CI or k == len(slices):
            yield m


def covers(m: Measurement, truth_ms: float) -> bool:
    return m.latency_p50_lo_ms <= truth_ms <= m.latency_p50_hi_ms


def on_pairs(quick: bool) -> list[Finding]:
    """The same Config twice in one sweep: how often `compare` sees a difference that is not there."""
    task = untested(load_task("fashion"))
    models, precisions = ["resnet8", "resnet16"], ["fp32", "bf16", "int8"]
    configs = ts.grid(task, model=models, precision=precisions, threads=1, batch_size=[1, 16])
    configs, seeds, budget_s = (configs[:4], 1, 0.2) if quick else (configs, 6, 1.0)
    verdicts: Counter[str] = Counter()
    for seed in range(seeds):
        finished: dict[Config, list[Measurement]] = {config: [] for config in configs}
        for m, is_finished in measure_rounds(task, configs * 2, Schedule(CI, budget_s), seed=seed):
            if is_finished:
                finished[m.config].append(m)
        verdicts += Counter(ts.compare(*pair).verdict for pair in finished.values())
    pairs, wrong = verdicts.total(), verdicts["faster"] + verdicts["slower"]
    low, high = proportion_interval(wrong, pairs)
    print(f"{pairs} pairs of a point with itself: {dict(verdicts)}\n", flush=True)
    return [
        Finding(
            "coverage",
            f"{pairs} A/A pairs: faster or slower",
            f"{wrong / pairs:.1%} (95 % interval {low:.1%} to {high:.1%})",
            f"<= {MISTAKEN:.0%}",
            wrong / pairs <= MISTAKEN,
        ),
        Finding("coverage", "same; can't tell", f"{verdicts['same']}; {verdicts[CANNOT_TELL]}"),
    ]
