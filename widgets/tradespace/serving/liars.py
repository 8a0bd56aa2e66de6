"""Six famous ways to time a model wrongly, each beside the truth; all numbers are measured here."""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tradespace.config import Config, check
from tradespace.measuring import engine, worker
from tradespace.measuring.device import device
from tradespace.measuring.engine import Engine, measure_rounds
from tradespace.measuring.measurement import Failure, Measurement, Scored
from tradespace.measuring.schedule import Schedule
from tradespace.serving.arrivals import Constant, Poisson
from tradespace.serving.live import run_seconds, serve
from tradespace.serving.served import Served
from tradespace.serving.service import MS_PER_NS
from tradespace.tasks.task import Task

COLUMNS = ["mistake", "what_it_says", "claimed", "truth", "truth_lo", "truth_hi", "unit", "factor", "why"]
MANY = 32
FIRST_CALLS, FEW_CALLS = 10, 20
# Of the rate that a server could just serve, one request at a time.
LOAD = 0.7
# Requests that come now and then: so far apart, and for at most a tenth of the time.
APART_S, SELDOM = 0.05, 0.1
RETURNS_WHEN_DONE = "does not apply here: a call returns when its work is done, as on any CPU"

# A value and its 95 % interval.
Known = tuple[float, float, float]


@dataclass(frozen=True)
class Evidence:
    """All that is measured; a `Failure` where something could not be.

    Parameters
    ----------
    first_ms : ndarray or Failure
        The first calls in a new process.
    launched_ms : ndarray or Failure
        Calls without waiting for their work.
    one, many : Measurement
        Single items and batches, one call after the other.
    loaded, seldom : Served or Failure
        Single requests at random, at a high load; regular ones, with pauses between them.
    """

    first_ms: np.ndarray | Failure
    launched_ms: np.ndarray | Failure
    one: Measurement
    many: Measurement
    loaded: Served | Failure
    seldom: Served | Failure


@dataclass(frozen=True)
class Lie:
    """A mistake, and how to tell from evidence what it claims and what is true.

    Parameters
    ----------
    mistake, says, why : str
        Its name; what it calls what; why that is wrong.
    needs : tuple of str
        The evidence that it takes.
    judge : callable
        (each piece of that evidence) -> what it claims, and the truth with its 95 % interval, in milliseconds.
    """

    mistake: str
    says: str
    why: str
    needs: tuple[str, ...]
    judge: Callable[..., tuple[float, Known]]

    def row(self, evidence: Evidence) -> dict[str, object]:
        """Its row of the table. What could not be measured is NaN, and `why` says why."""
        pieces = [getattr(evidence, name) for name in self.needs]
        failure = next((failed for piece in pieces if (failed := _failure(piece))), None)
        claimed, truth = (math.nan, (math.nan,) * 3) if failure else self.judge(*pieces)
        unknown = "; the truth is not known: so few calls do not tell" if math.isnan(truth[0]) else ""
        why = failure.reason if failure else self.why + unknown
        values = self.mistake, self.says, claimed, *truth, "ms", claimed / truth[0], why
        return dict(zip(COLUMNS, values, strict=True))


def _failure(piece: object) -> Failure | None:
    if isinstance(piece, Failure):
        return piece
    failure: Failure | None = getattr(piece, "failure", None)
    return failure


def _median(m: Measurement) -> Known:
    return m.latency_p50_ms, m.latency_p50_lo_ms, m.latency_p50_hi_ms


def _p99(m: Measurement) -> Known:
    return m.latency_p99_ms, *m.latency_interval_ms(99)


def _response(served: Served, q: int) -> Known:
    return served.response_at_ms(q), *served.response_interval_ms(q)


LIES = (
    Lie(
        "no warm-up",
        f"the mean of the first {FIRST_CALLS} calls is the latency",
        "the first calls load code, reserve memory and choose kernels, which no later call does",
        ("first_ms", "one"),
        lambda first_ms, one: (float(first_ms.mean()), _median(one)),
    ),
    Lie(
        "no synchronisation",
        f"the median time until a call of {MANY} items returns is its latency",
        "the device has only been told what to do: the clock stops before the work is done",
        ("launched_ms", "many"),
        lambda launched_ms, many: (float(np.median(launched_ms)), _median(many)),
    ),
    Lie(
        "a hot loop called service",
        "the median of one call right after the other is what a request takes",
        "in a loop, caches are full and cores awake; a request that comes after a pause finds neither",
        ("one", "seldom"),
        lambda one, seldom: (one.latency_p50_ms, _response(seldom, 50)),
    ),
    Lie(
        "a mean called p99",
        f"the mean of {FEW_CALLS} calls is what 99 in 100 stay below",
        f"a mean says nothing about the slowest calls, and {FEW_CALLS} calls hardly ever have one of them",
        ("one",),
        # On the same quiet machine as the truth.
        lambda one: (float(one.kept[0].samples_ns[:FEW_CALLS].mean()) * MS_PER_NS, _p99(one)),
    ),
    Lie(
        "1 / throughput called latency",
        f"in batches of {MANY}, the time per item is the latency",
        "every item waits for the whole batch, so its latency is that of the batch",
        ("many",),
        lambda many: (1e3 / many.throughput_per_s, _median(many)),
    ),
    Lie(
        "a closed loop called load",
        f"p99 at {LOAD:.0%} of what can be served, each request sent once the one before is done",
        "while the server is slow nothing is sent, so the requests that would have waited are left out",
        ("loaded",),
        lambda loaded: (float(np.percentile(loaded.uncorrected_ms, 99)), _response(loaded, 99)),
    ),
    Lie(
        "the best of many",
        "the fastest of all calls is the latency",
        "it is luck that nobody has twice; and the more calls there are, the faster the fastest one is",
        ("one",),
        lambda one: (float(one.samples_ns.min()) * MS_PER_NS, _median(one)),
    ),
)


def liars(
    task: Task,
    config: Config,
    *,
    seconds: float = 10.0,
    budget_s: float = 3.0,
    seed: int = 0,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Time one model by famous mistakes, each beside the truth. It takes about half a minute.

    Parameters
    ----------
    config : Config
        Its batch size is ignored.
    seconds : float
        For how long requests arrive, in each of two runs of a server.
    budget_s : float
        As for `measure`, for single items and for batches.
    seed : int
        Of the requests.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine, and a new one for the first calls.

    Returns
    -------
    DataFrame
        One row per mistake: its name, what it says, the number that it claims, the truth with its 95 % interval, their
        unit, the claim over the truth (`factor`), and why it is wrong. Where something could not be measured or does
        not apply, numbers are NaN and `why` says why. On a device that queues work, a call without synchronisation is
        timed, too.

    Raises
    ------
    ValueError
        Before any work, if an argument is not valid.

    Examples
    --------
    >>> import tradespace as ts
    >>> table = ts.liars(ts.load_task("fashion"), ts.Config("resnet8"))  # in recorded mode
    >>> table.dropna()["mistake"].tolist()
    ['a mean called p99', '1 / throughput called latency', 'the best of many']
    """
    check(task, [config])
    seconds, schedule = run_seconds(seconds), Schedule(budget_s=budget_s)
    single, batch = (replace(config, batch_size=size) for size in (1, MANY))
    first_ms = _first_calls(task, single, executor)
    one, many = _measured(task, [single, batch], schedule, executor)
    evidence = Evidence(
        first_ms,
        _launched(task, batch, executor),
        one,
        many,
        *_served(task, one, seconds, seed, executor),
    )
    return pd.DataFrame([lie.row(evidence) for lie in LIES], columns=COLUMNS)


def _first_calls(task: Task, config: Config, executor: Executor | None) -> np.ndarray | Failure:
    with nullcontext(executor) if executor else engine.new_process() as process:
        return _in_ms(Engine(task, process).request(worker.time_calls, config, FIRST_CALLS, True))


def _launched(task: Task, config: Config, executor: Executor | None) -> np.ndarray | Failure:
    if not device(config.device).asynchronous:
        return Failure("unsupported", RETURNS_WHEN_DONE)
    asked = Engine(task, executor)
    asked.request(worker.time_calls, config, FIRST_CALLS, True)
    launched = _in_ms(asked.request(worker.time_calls, config, FIRST_CALLS, False))
    asked.request(worker.finish, config)
    return launched


def _in_ms(samples_ns: np.ndarray | Failure) -> np.ndarray | Failure:
    return samples_ns if isinstance(samples_ns, Failure) else samples_ns * MS_PER_NS


def _measured(task: Task, configs: list[Config], schedule: Schedule, executor: Executor | None) -> list[Measurement]:
    known = {config.variant: Scored(whole=True) for config in configs}
    rounds = measure_rounds(task, configs, schedule, executor=executor, scores=known)
    found = {m.config: m for m, finished in rounds if finished}
    return [found[config] for config in configs]


def _served(
    task: Task, one: Measurement, seconds: float, seed: int, executor: Executor | None
) -> tuple[Served | Failure, Served | Failure]:
    if one.failure:
        return one.failure, one.failure
    mean_s = float(np.concatenate([s.samples_ns for s in one.kept]).mean()) / 1e9
    at_random, seldom = Poisson(LOAD / mean_s), Constant(1 / max(APART_S, mean_s / SELDOM))
    loaded, alone = (
        serve(task, one.config, arrivals, seconds=seconds, seed=seed, executor=executor)
        for arrivals in (at_random, seldom)
    )
    return loaded, alone
