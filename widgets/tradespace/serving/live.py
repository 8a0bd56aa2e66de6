"""Measure how long a server takes for a batch, and serve requests for real, in the measuring process."""

import math
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from tradespace.config import Config, check
from tradespace.errors import positive, whole_number
from tradespace.measuring import worker
from tradespace.measuring.engine import LIMIT_S, Engine, machine_of, measure_rounds
from tradespace.measuring.machine import now
from tradespace.measuring.measurement import Failure, Measurement, Scored
from tradespace.measuring.open_loop import Load, Ran, ladder
from tradespace.measuring.replay import NO_SERVER, NOT_RECORDED
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.stop import Stop
from tradespace.prepare import any_size, untimed
from tradespace.recording import recording
from tradespace.serving.arrivals import Arrivals, until_s
from tradespace.serving.batcher import Batcher
from tradespace.serving.pauses import after_pauses
from tradespace.serving.served import Batches, Served
from tradespace.serving.service import MS_PER_NS, ServiceTimes
from tradespace.serving.simulate import check_asked, deadline_for, saturated
from tradespace.tasks.task import Task

NS_PER_S = 1e9
# As long as a run of MLPerf lasts at least.
MOST_S = 600.0
# Full batches are timed before a run; up to so often if they seem too slow, since the machine may just have been.
FULL_S, FULL_TRIES = 0.3, 3


def service_times(
    task: Task,
    config: Config,
    *,
    max_batch: int = 32,
    max_width: float = 0.05,
    budget_s: float = 1.0,
    pauses: bool = True,
    executor: Executor | None = None,
) -> ServiceTimes:
    """Measure how long batches of 1, 2, 4, ... and `max_batch` requests take on this machine.

    They are timed one after the other, and after pauses of a tenth of a millisecond to ten: a server that waited for
    requests finds its data gone from the caches.

    Parameters
    ----------
    config : Config
        Its batch size is ignored.
    max_batch : int
        The most requests in a batch.
    max_width, budget_s : float
        As for `measure`, for each batch size. Accuracy is not measured.
    pauses : bool
        Whether to measure after pauses, too, which takes about the budget again. An interrupt ends that alone.
    executor : concurrent.futures.Executor, optional
        Where to measure; by default, a separate process on this machine.

    Returns
    -------
    ServiceTimes
        In recorded mode, of the batch sizes that were recorded; pauses were not.

    Raises
    ------
    ValueError
        Before any work, if an argument is not valid; later, if the model cannot run here, or not in such batches. The
        message says why.

    Examples
    --------
    >>> import tradespace as ts
    >>> task = ts.load_task("fashion")
    >>> service = ts.service_times(task, ts.Config("resnet8"), max_batch=8, budget_s=0.2)
    >>> service.sizes, service.mean_ms(8) < 8 * service.mean_ms(1)
    ((1, 2, 4, 8), True)
    """
    check(task, [config])
    sizes = ladder(whole_number("max_batch", max_batch, least=1))
    configs = [replace(config, batch_size=size) for size in sizes]
    rounds = measure_rounds(
        task,
        configs,
        Schedule(max_width, budget_s),
        executor=executor,
        scores={config.variant: Scored(whole=True)},
    )
    measured = {m.config.batch_size: m for m, finished in rounds if finished}
    _check_measured([measured[size] for size in sizes])
    service = ServiceTimes.of(measured.values(), padded=not any_size(config))
    if not pauses:
        return service
    try:
        for _, known in after_pauses(Engine(task, executor), service, config, budget_s):
            service = known
    except KeyboardInterrupt:
        pass  # what was measured before is not lost
    return service


def _check_measured(measured: list[Measurement]) -> None:
    """Refuse what cannot run: the model, or the largest batch. In recorded mode, some batches may be missing."""
    last, ran = measured[-1], [m.config.batch_size for m in measured if m.failure is None]
    if not ran:
        raise ValueError(f"config: wanted one that can run here; got {measured[0]}")
    if last.failure not in (None, NOT_RECORDED):
        raise ValueError(
            f"max_batch: wanted batches that can run here; got {last}. The nearest valid choice is {ran[-1]}"
        )


def serve(
    task: Task,
    config: Config,
    arrivals: Arrivals,
    batcher: Batcher | None = None,
    *,
    seconds: float = 10.0,
    deadline_ms: float = math.inf,
    seed: int = 0,
    executor: Executor | None = None,
    stop: Stop | None = None,
) -> Served:
    """Serve requests for real for about `seconds`, in the measuring process of this machine: an open loop.

    When requests arrive is decided beforehand: a server that falls behind gets no fewer. Each response counts from when
    its request was meant to arrive.

    You may interrupt it at any time: what was served until then is returned, and flagged `stopped`.

    Parameters
    ----------
    config : Config
        Its batch size is ignored.
    arrivals : Poisson, Bursty, Constant or Trace
        Of a trace, its first `seconds`.
    batcher : Batcher, optional
        By default, one request at a time.
    seconds : float
        For how long requests arrive, at most 600.
    deadline_ms : float
        A response that takes longer is late.
    seed : int
        The same seed gives the same arrivals.
    executor : concurrent.futures.Executor, optional
        Where to serve; by default, a separate process on this machine.
    stop : Stop, optional
        Ends the run when it is called, for instance by a button.

    Returns
    -------
    Served
        If the model cannot run here or fails under load, or if more requests arrive than full batches serve, it has no
        numbers, but a `status` and a `reason`.

    Raises
    ------
    ValueError
        Before any work, if an argument is not valid.

    Examples
    --------
    >>> import tradespace as ts
    >>> task, config = ts.load_task("fashion"), ts.Config("resnet8")
    >>> served = ts.serve(task, config, ts.arrivals.Poisson(100), ts.Batcher(8, max_wait_ms=5), deadline_ms=20)
    >>> served.status, served.reason  # these examples are played back
    ('unsupported', 'recorded mode: no server was recorded; ts.simulate serves from the times that were')
    """
    check(task, [config])
    check_asked(arrivals, batcher := Batcher() if batcher is None else batcher)
    seconds, seed = run_seconds(seconds), whole_number("seed", seed, least=0)
    if 1e3 * seconds < batcher.max_wait_ms < math.inf:
        raise ValueError(
            f"batcher: wanted max_wait_ms of at most {1e3 * seconds:g}, as long as the run, or infinity; got "
            f"{batcher.max_wait_ms:g}"
        )
    served = Served(
        arrivals,
        batcher,
        "measured",
        deadline_for(batcher, deadline_ms),
        config=config,
        task=task.name,
        machine=machine_of(executor),
    )
    if executor is None and recording():
        return replace(served, failure=NO_SERVER)
    served = _served(Engine(task, executor), config, served, seconds, seed, stop or Stop())
    return replace(served, measured_at=now())


def _served(engine: Engine, config: Config, served: Served, seconds: float, seed: int, stop: Stop) -> Served:
    batcher = served.batcher
    if failure := _refused(engine, replace(config, batch_size=batcher.max_batch), served):
        return replace(served, failure=failure)
    arrived_ns = np.rint(until_s(served.arrivals, seconds, seed) * NS_PER_S).astype(np.int64)
    load = Load(arrived_ns, served.arrivals.rate_per_s, batcher.max_batch, batcher.max_wait_ms / MS_PER_NS)
    ran = engine.request(worker.serve, config, load, stop.path, limit_s=2 * seconds + LIMIT_S, stop=stop)
    if isinstance(ran, Failure):
        return replace(served, failure=ran)
    if ran.ended == "saturated":
        return replace(served, failure=_saturated(ran, served), contended=ran.contended)
    # Those that were still waiting when it was stopped have no response.
    arrived_ns = arrived_ns[: ran.sizes.sum()] if ran.ended == "stopped" else arrived_ns
    return _with(served, ran, arrived_ns)


def _refused(engine: Engine, full: Config, served: Served) -> Failure | None:
    """Why full batches cannot run here, or not as fast as requests arrive."""
    if reason := untimed(full):
        return Failure("unsupported", reason)
    answer = engine.request(worker.make_ready, full)
    if isinstance(answer, Failure):
        return answer
    reason = ""
    for _ in range(FULL_TRIES):
        timed = engine.request(worker.run_slice, full, FULL_S)
        if isinstance(timed, Failure):
            return timed
        reason = _too_fast(served, timed.samples_ns)
        if not reason:
            return None
    engine.request(worker.finish, full)
    return Failure("saturated", reason)


def _too_fast(served: Served, full_ns: np.ndarray) -> str:
    """Why a queue would grow without end if full batches took so long; empty if it would not."""
    service = ServiceTimes({served.batcher.max_batch: full_ns * MS_PER_NS})
    return saturated(service, served.arrivals, served.batcher)


def _saturated(ran: Ran, served: Served) -> Failure:
    full = ran.sizes == served.batcher.max_batch
    contended = "; other work on this machine took the server's cores" if ran.contended else ""
    return Failure("saturated", _too_fast(served, (ran.end_ns - ran.start_ns)[full]) + contended)


def _with(served: Served, ran: Ran, arrived_ns: np.ndarray) -> Served:
    batches = Batches(ran.sizes, ran.ready_ns / NS_PER_S, ran.start_ns / NS_PER_S, ran.end_ns / NS_PER_S)
    return replace(
        served,
        arrived_s=arrived_ns / NS_PER_S,
        batches=batches,
        contended=ran.contended,
        stopped=ran.ended == "stopped",
    )


def run_seconds(seconds: float) -> float:
    """The seconds of a run, if there may be so many."""
    if positive("seconds", seconds) > MOST_S:
        raise ValueError(f"seconds: wanted at most {MOST_S:g}; got {seconds!r}. The nearest valid choice is {MOST_S:g}")
    return float(seconds)
