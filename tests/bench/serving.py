"""Simulated serving against real serving of the same requests, and how late the server's own loop is."""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import tradespace as ts
from report import Finding, print_table
from tradespace.serving.served import Served
from tradespace.serving.service import ServiceTimes
from tradespace.tasks import Task, load_task
from untested import untested

MODELS = {"fashion": "resnet8", "glosses": "textcnn"}
RUNTIMES = ("onnxruntime", "eager")
BATCHER = ts.Batcher(8)
LOADS = (0.3, 0.6, 0.85)
# How far the simulation may be off, by percentile.
WITHIN = {50: 0.10, 99: 0.20}
LATE_RATE_PER_S, LATE_BELOW_MS = 1_000.0, 1.0
# A run in which other work took the core is run again, so often at most. The times that it took decide nothing.
TRIES = 3


def run(quick: bool) -> list[Finding]:
    """Every pair of a simulated and a real run, in turns; findings are medians over rounds."""
    rounds, seconds, budget_s = (1, 0.5, 0.1) if quick else (5, 5.0, 1.0)
    ratios: dict[tuple[str, str, float, int], list[float]] = {}
    late_ms: list[float] = []
    for turn in range(rounds):
        for name, model in MODELS.items():
            task = untested(load_task(name))
            for runtime in RUNTIMES:
                config = ts.Config(model, runtime=runtime, threads=1)
                for load, simulated, real in compared(task, config, seconds, budget_s, seed=turn):
                    for q in WITHIN:
                        ratio = simulated.response_at_ms(q) / real.response_at_ms(q)
                        ratios.setdefault((name, runtime, load, q), []).append(ratio)
        late_ms.append(lateness_ms(seconds, seed=turn))
    return [*(finding(where, found) for where, found in ratios.items()), late(late_ms)]


def compared(
    task: Task, config: ts.Config, seconds: float, budget_s: float, seed: int
) -> Iterator[tuple[float, Served, Served]]:
    """Load, and the same requests simulated and real. Batches are timed before and after the real runs."""
    before = ts.service_times(task, config, max_batch=BATCHER.max_batch, budget_s=budget_s)
    capacity = before.capacity_per_s(BATCHER.max_batch)
    rates = {load: ts.arrivals.Poisson(load * capacity) for load in LOADS}
    reals = {load: served(task, config, arrivals, seconds, seed) for load, arrivals in rates.items()}
    after = ts.service_times(task, config, max_batch=BATCHER.max_batch, budget_s=budget_s)
    pooled = both(before, after)
    rows = []
    for load, real in reals.items():
        if real.status != "ok":
            rows.append((f"{load:.0%}", *[""] * 2 * len(COLUMNS), real.flags, f"{real.status}: {real.reason}"))
            continue
        simulated = ts.simulate(pooled, rates[load], BATCHER, requests=len(real), seed=seed)
        rows.append((f"{load:.0%}", *described(real), *described(simulated), real.flags, ""))
        yield load, simulated, real
    print(f"{config}: full batches serve {capacity:,.0f}/s, and {after.capacity_per_s(BATCHER.max_batch):,.0f} after")
    print_table(("load", *(f"{how} {x}" for how in ("real", "simulated") for x in COLUMNS), "flags", "status"), rows)


COLUMNS = ("p50, ms", "p99, ms", "busy", "batch")


def described(one: Served) -> tuple[str, ...]:
    percentiles = (f"{one.response_at_ms(q):.3f}" for q in WITHIN)
    return *percentiles, f"{one.busy:.0%}", f"{one.mean_batch:.2f}"


def served(task: Task, config: ts.Config, arrivals: ts.arrivals.Poisson, seconds: float, seed: int) -> Served:
    """A real run, and another one if other work disturbed it."""
    for _ in range(TRIES):
        real = ts.serve(task, config, arrivals, BATCHER, seconds=seconds, seed=seed)
        if real.status == "ok" and not real.contended:
            break
    return real


def both(one: ServiceTimes, other: ServiceTimes) -> ServiceTimes:
    """The same number of samples of both for each batch size."""
    paused_ms = {ms: alike(one.paused_ms[ms], other.paused_ms[ms]) for ms in one.paused_ms}
    carried = (one.carried + other.carried) / 2
    return replace(one, samples_ms=alike(one.samples_ms, other.samples_ms), paused_ms=paused_ms, carried=carried)


def alike(one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    numbers = {size: min(len(one[size]), len(other[size])) for size in one}
    return {size: np.concatenate([one[size][:number], other[size][:number]]) for size, number in numbers.items()}


def lateness_ms(seconds: float, seed: int) -> float:
    task = untested(load_task("fashion"))
    config = ts.Config("resnet8", runtime="onnxruntime", threads=1)
    return served(task, config, ts.arrivals.Poisson(LATE_RATE_PER_S), seconds, seed).late_p99_ms


def finding(where: tuple[str, str, float, int], ratios: list[float]) -> Finding:
    name, runtime, load, q = where
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    figure = f"{name}, {runtime}, {load:.0%} of capacity: simulated p{q} over real"
    if not known:
        return Finding("serving", figure, "not known")
    middle = statistics.median(known)
    spread = f"{middle:.2f} ({min(known):.2f} to {max(known):.2f})"
    return Finding("serving", figure, spread, f"within {WITHIN[q]:.0%}", abs(middle - 1) <= WITHIN[q])


def late(late_ms: list[float]) -> Finding:
    """Of all rounds, so that a miss is not lost in a median."""
    figure = f"lateness at {LATE_RATE_PER_S:,.0f} requests/s, 99th percentile"
    worst = max(late_ms)
    return Finding("serving", figure, f"{worst:.3f} ms", f"< {LATE_BELOW_MS:g} ms", worst < LATE_BELOW_MS)
