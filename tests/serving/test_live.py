"""Serving for real: what the kernel asks of a fake process, of one that runs here, and of the measuring process."""

import math
import os
import signal
import sys
import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch
import tradespace as ts
from tradespace.measuring import worker
from tradespace.measuring.archive import write_measurements
from tradespace.measuring.engine import PROCESS, Engine
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.measuring.open_loop import Ran
from tradespace.measuring.replay import NO_SERVER, NOT_RECORDED, Replay
from tradespace.measuring.stop import Stop
from tradespace.serving import live
from tradespace.serving.pauses import PAUSES_MS, after_pauses
from tradespace.serving.service import ServiceTimes

# pytest imports this file under a name that the measuring process cannot import, as if it were a notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ONE = torch.zeros(1, 4)
MS, S = 1_000_000, 1_000_000_000
NARROW = ts.Config("narrow", threads=1)
SLOWLY = ts.arrivals.Poisson(50)


class Server(Executor):
    """Stands in for the measuring process: a server of which each batch takes a millisecond.

    Parameters
    ----------
    full_ms : sequence of float
        What full batches take each time they are timed; the last one from then on.
    ended : str
        How a run ends; the first `served` requests are served.
    waited_ns : int
        How long its threads waited for a core.
    failing : mapping of str to Failure
        Requests that fail.
    interrupted : bool
        Whether the kernel is interrupted while it waits for a run.
    """

    def __init__(self, full_ms=(1.0,), ended="done", served=None, waited_ns=0, failing=None, interrupted=False):
        self.full_ms, self.ended, self.served, self.waited_ns = list(full_ms), ended, served, waited_ns
        self.failing, self.interrupted = failing or {}, interrupted
        self.requests, self.loads, self.stop = [], [], None

    def submit(self, function, /, *args):
        name = function.__name__
        self.requests.append(name)
        answered = Future()
        answered.set_result(self.failing.get(name) or getattr(self, f"_{name}", lambda *_: "a fake")(*args[1:]))
        return Interrupted(answered) if name == "serve" and self.interrupted else answered

    def _make_ready(self, config):
        self.config = config
        return Facts()

    def _run_slice(self, config, seconds):
        took_ms = self.full_ms.pop(0) if len(self.full_ms) > 1 else self.full_ms[0]
        return Slice(np.full(100, round(took_ms * MS)), 100 * config.batch_size, round(100 * took_ms * MS))

    def _run_after_pauses(self, config, pauses_ms, number):
        return {ms: np.tile([5 * MS, 2 * MS], (number, 1)) for ms in pauses_ms}

    def _serve(self, config, load, stop):
        self.loads.append(load)
        self.stop = stop
        start_ns = load.arrived_ns[: self.served]
        sizes = np.ones(len(start_ns), int)
        return Ran(sizes, start_ns, start_ns, start_ns + MS, self.ended, self.waited_ns)


class Interrupted:
    """An answer; the first who waits for it is interrupted instead."""

    def __init__(self, answered):
        self.answered, self.waits = answered, 0

    def result(self, limit_s=None):
        self.waits += 1
        if self.waits == 1:
            raise KeyboardInterrupt
        return self.answered.result()


# Bad input

BAD = [
    ({"arrivals": 200}, "arrivals: wanted ts.arrivals.Poisson, Bursty, Constant or Trace; got 200"),
    ({"batcher": 16}, "batcher: wanted a ts.Batcher; got 16"),
    ({"seconds": 0}, "seconds: wanted a finite number above 0; got 0"),
    ({"seconds": -1}, "seconds: wanted a finite number above 0; got -1"),
    ({"seconds": math.nan}, "seconds: wanted a finite number above 0; got nan"),
    ({"seconds": 601}, "seconds: wanted at most 600; got 601. The nearest valid choice is 600"),
    ({"deadline_ms": 0}, "deadline_ms: wanted a finite number above 0; got 0"),
    (
        {"deadline_ms": 5, "batcher": ts.Batcher(8, max_wait_ms=5)},
        "batcher: wanted max_wait_ms below the deadline of 5 ms",
    ),
    (
        {"seconds": 2, "batcher": ts.Batcher(8, max_wait_ms=2001)},
        "batcher: wanted max_wait_ms of at most 2000, as long as the run, or infinity; got 2001",
    ),
    ({"config": ts.Config("narow", threads=1)}, "model: wanted one of narrow, wide; got 'narow'"),
    ({"config": "narrow"}, "configs: wanted Config objects"),
    ({"config": ts.Config("narrow", threads=4096)}, "threads: wanted a whole number, from 1 to"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_input_is_refused_before_any_work(tiny, inline, given, message):
    arguments = {"config": NARROW, "arrivals": SLOWLY} | given
    with pytest.raises(ValueError, match=message):
        ts.serve(tiny, **arguments, executor=inline)
    assert inline.requests == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ts.arrivals.Poisson(0), "rate_per_s: wanted a finite number above 0; got 0"),
        (lambda: ts.arrivals.Poisson(-2), "rate_per_s: wanted a finite number above 0; got -2"),
        (lambda: ts.arrivals.Bursty(math.nan), "rate_per_s: wanted a finite number above 0; got nan"),
        (lambda: ts.arrivals.Trace([]), "seconds: wanted a list of at least two arrival times"),
        (lambda: ts.arrivals.Trace([1, 3, 2]), "seconds: wanted times in ascending order"),
        (lambda: ts.arrivals.Trace([1, math.nan]), "seconds: wanted finite numbers; got nan"),
        (lambda: ts.Batcher(0), "max_batch: wanted a whole number, at least 1; got 0"),
        (lambda: ts.Batcher(8, math.nan), "max_wait_ms: wanted a number, at least 0; got nan"),
    ],
)
def test_what_is_no_load_cannot_be_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_batch": 0}, "max_batch: wanted a whole number, at least 1; got 0"),
        ({"max_batch": 2.5}, "max_batch: wanted a whole number, at least 1; got 2.5"),
        ({"budget_s": 0}, "budget_s: wanted a finite number above 0; got 0"),
        ({"config": ts.Config("other", threads=1)}, "model: wanted one of narrow, wide; got 'other'"),
    ],
)
def test_bad_input_of_service_times_is_refused_before_any_work(tiny, inline, given, message):
    with pytest.raises(ValueError, match=message):
        ts.service_times(tiny, **{"config": NARROW, **given}, executor=inline)
    assert inline.requests == []


# Service times


def test_service_times_are_those_of_the_ladder_of_batch_sizes_and_no_accuracy_is_measured(tiny, inline):
    service = ts.service_times(tiny, replace(NARROW, batch_size=7), max_batch=6, budget_s=0.02, executor=inline)
    assert service.sizes == (1, 2, 4, 6)
    assert all(len(samples) for samples in service.samples_ms.values())
    assert (service.task, service.padded, service.config.variant) == ("tiny", False, NARROW)
    asked = {"learn", "make_ready", "run_slice", "energy", "run_after_pauses", "finish"}
    assert {name for name, *_ in inline.requests} == asked


def test_service_times_are_measured_after_pauses_too_unless_they_are_not_asked_for(tiny, inline):
    service = ts.service_times(tiny, NARROW, max_batch=2, budget_s=0.02, executor=inline)
    assert service.pauses_ms == (0.0, *PAUSES_MS)
    assert {len(times) for after in service.paused_ms.values() for times in after.values()} == {8}  # two turns
    assert not service.flags or "no_pauses" not in service.flags
    last = [name for name, *_ in inline.requests[-4:]]
    assert last == ["run_after_pauses", "run_after_pauses", "finish", "finish"]
    assert not ts.service_times(tiny, NARROW, max_batch=2, budget_s=0.02, pauses=False, executor=inline).paused_ms


@pytest.mark.parametrize("failing", ["make_ready", "run_after_pauses"])
def test_a_model_that_fails_after_pauses_costs_those_and_the_answer_says_so(tiny, failing):
    service = ServiceTimes({1: [1.0], 2: [2.0]}, flags="noisy")
    server = Server(failing={failing: Failure("crashed", "it died")})
    *_, (_, known) = after_pauses(Engine(tiny, server), service, NARROW, budget_s=0.1)
    assert (known.flags, known.samples_ms, known.paused_ms) == ("noisy no_pauses", service.samples_ms, {})
    assert server.requests[-2:] == ["finish", "finish"]


def test_calls_so_long_that_caches_do_not_matter_are_not_measured_again(tiny):
    service, server = ServiceTimes({1: [200.0], 2: [300.0]}), Server()
    *_, (_, known) = after_pauses(Engine(tiny, server), service, NARROW, budget_s=0.1)
    assert known.drawn_ms(2)(0.5, 10.0, 0.0) == (300.0, 0.0)
    assert (known.paused_ms, known.flags) == ({}, "")  # nothing is said about pauses that nobody measured
    assert not server.requests


def test_of_long_and_short_calls_only_the_short_ones_are_measured_again(tiny):
    *_, (_, known) = after_pauses(Engine(tiny, Server()), ServiceTimes({1: [1.0], 8: [40.0]}), NARROW, budget_s=0.01)
    assert {size for after in known.paused_ms.values() for size in after} == {1}
    assert "after a pause of 10 ms, 5 ms for 1;" in repr(known)
    assert known.drawn_ms(8)(0.5, 10.0, 0.0) == (40.0, 0.0)
    assert "of a batch of 8" not in ts.plot_pauses(known).axes[0].get_title(loc="left")


def test_a_model_that_would_be_compiled_again_for_long_is_not(tiny):
    server, config = Server(), replace(NARROW, runtime="compile")
    ((_, known),) = after_pauses(Engine(tiny, server), ServiceTimes({1: [1.0]}), config, budget_s=1.0)
    assert (known.flags, server.requests) == ("no_pauses", [])


def test_an_interrupt_while_pauses_are_measured_keeps_what_was_measured_before(tiny, monkeypatch, inline):
    def interrupted(engine, service, config, budget_s):
        yield 0.0, replace(service, flags="no_pauses")
        raise KeyboardInterrupt

    monkeypatch.setattr(live, "after_pauses", interrupted)
    service = ts.service_times(tiny, NARROW, max_batch=2, budget_s=0.02, executor=inline)
    assert (service.sizes, service.flags) == ((1, 2), "no_pauses")


def test_what_the_next_call_still_pays_is_the_share_of_what_the_one_after_the_pause_paid(tiny):
    *_, (_, known) = after_pauses(Engine(tiny, Server()), ServiceTimes({1: [1.0], 2: [1.0]}), NARROW, budget_s=0.01)
    assert set(known.paused_ms[10.0][1]) == {5.0}
    assert known.carried == pytest.approx((2 - 1) / (5 - 1))


def test_who_stops_measuring_after_pauses_leaves_no_session_behind(tiny):
    server = Server()
    measuring = after_pauses(Engine(tiny, server), ServiceTimes({1: [1.0]}), NARROW, budget_s=10.0)
    assert [next(measuring)[0] < 1 for _ in range(2)] == [True, True]
    measuring.close()
    assert server.requests[-1] == "finish"


def test_a_runtime_that_compiles_for_a_size_fills_batches_up(tiny, inline):
    pytest.importorskip("openvino")
    config = replace(NARROW, runtime="openvino")
    assert ts.service_times(tiny, config, max_batch=2, budget_s=0.02, executor=inline).padded


class UpTo(torch.nn.Module):
    """Has no memory for more items than so many."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, x):
        if len(x) > self.most:
            raise MemoryError(f"out of memory for {len(x)} items")
        return x


def test_a_batch_that_does_not_fit_is_refused_with_its_reason(inline):
    task = ts.Task.from_model(UpTo(10), example=ONE)
    with pytest.raises(ValueError, match=r"max_batch: wanted .* got .*batch_size=16.*The nearest valid choice is 8"):
        ts.service_times(task, ts.Config("model", threads=1), max_batch=16, budget_s=0.02, executor=inline)


def test_a_model_that_cannot_run_is_refused_with_its_reason(tiny, inline):
    config = replace(NARROW, precision="fp8")
    with pytest.raises(ValueError, match=r"config: wanted one that can run here; got .*fp8 has kernels for CUDA only"):
        ts.service_times(tiny, config, max_batch=4, executor=inline)


def played(batch_size):
    timed = Slice(np.full(50, batch_size * MS), 50 * batch_size, 50 * batch_size * MS, wall_ns=50 * batch_size * MS)
    return Measurement("tiny", replace(NARROW, batch_size=batch_size), (timed,) * 8, machine="another")


@pytest.fixture
def replay(tmp_path):
    write_measurements(tmp_path / "some.zip", [played(1), played(4)])
    return Replay(tmp_path / "some.zip", PROCESS, faster=1e9)


def test_in_recorded_mode_service_times_are_those_of_the_batches_that_were_recorded(tiny, replay):
    service = ts.service_times(tiny, NARROW, max_batch=8, executor=replay)
    assert (service.sizes, service.mean_ms(4), service.flags) == ((1, 4), 4.0, "no_pauses")
    with pytest.raises(ValueError, match="wanted batches of at most 4, the largest that was measured"):
        ts.simulate(service, SLOWLY, ts.Batcher(8))
    with pytest.raises(ValueError, match=r"config: wanted one that can run here; got .* was not measured"):
        ts.service_times(tiny, replace(NARROW, model="wide"), max_batch=8, executor=replay)


def test_in_recorded_mode_nothing_is_served(tiny, replay):
    assert ts.serve(tiny, NARROW, SLOWLY, ts.Batcher(4), executor=replay).failure == NO_SERVER
    assert ts.serve(tiny, NARROW, SLOWLY, ts.Batcher(8), executor=replay).failure == NOT_RECORDED


# What becomes of a run


def test_the_arrivals_are_drawn_before_and_the_same_seed_draws_the_same(tiny):
    server = Server()
    for seed in (1, 1, 2):
        ts.serve(tiny, NARROW, SLOWLY, ts.Batcher(8, max_wait_ms=5), seconds=4, seed=seed, executor=server)
    first, again, other = (load.arrived_ns for load in server.loads)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:50], other[:50])
    assert 100 < len(first) < 300
    assert first[-1] < 4 * S
    load = server.loads[0]
    assert (load.rate_per_s, load.max_batch, load.max_wait_ns) == (50, 8, 5 * MS)
    assert server.config.batch_size == 8, "full batches were tried first"


def test_what_was_served_says_that_it_was_measured_and_where(tiny):
    server = Server()
    served = ts.serve(tiny, NARROW, SLOWLY, seconds=30, deadline_ms=2, executor=server)
    assert (served.how, served.status, served.task, served.config) == ("measured", "ok", "tiny", NARROW)
    assert (served.machine, served.deadline_ms, len(served.measured_at) > 0) == ("a fake", 2, True)
    assert len(served) == len(server.loads[0].arrived_ns) == len(served.arrived_s)
    np.testing.assert_allclose(served.response_ms, 1.0)
    assert served.flags == ""


@pytest.mark.parametrize("rate_per_s", [1_000, 1e12])
def test_more_requests_than_full_batches_serve_are_an_answer_before_the_run(tiny, rate_per_s):
    server = Server(full_ms=[8.0])
    served = ts.serve(tiny, NARROW, ts.arrivals.Poisson(rate_per_s), ts.Batcher(8), seconds=600, executor=server)
    assert served.status == "saturated"
    assert served.reason.endswith("and full batches of 8 serve 1,000/s: the queue would grow forever")
    assert (server.loads, len(served)) == ([], 0)
    assert math.isnan(served.response_at_ms(50))
    assert server.requests.count("run_slice") == live.FULL_TRIES
    assert server.requests[-1] == "finish"


def test_a_machine_that_was_slow_for_a_moment_is_not_taken_for_too_slow(tiny):
    server = Server(full_ms=[30.0, 1.0])
    assert ts.serve(tiny, NARROW, SLOWLY, seconds=4, executor=server).status == "ok"


@pytest.mark.parametrize(("waited_ns", "why"), [(0, ""), (20 * S, "; other work on this machine took")])
def test_a_queue_that_grew_in_the_run_has_no_numbers_and_says_how_fast_the_server_was(tiny, waited_ns, why):
    # Timed before, a batch took half a millisecond; in the run, a whole one.
    server = Server(full_ms=[0.5], ended="saturated", waited_ns=waited_ns)
    served = ts.serve(tiny, NARROW, ts.arrivals.Poisson(1_500), seconds=4, executor=server)
    assert served.status == "saturated"
    assert "1,500 requests/s arrive, and one at a time serve 1,000/s: the queue would grow forever" in served.reason
    assert why in served.reason
    assert len(served) == 0


def test_of_a_run_that_was_stopped_there_is_what_was_served(tiny):
    served = ts.serve(tiny, NARROW, SLOWLY, seconds=60, executor=Server(ended="stopped", served=700))
    assert (len(served), len(served.arrived_s), served.status) == (700, 700, "ok")
    assert "stopped" in served.flags.split()
    assert served.goodput_per_s == pytest.approx(700 / served.arrived_s[-1])


def test_of_one_that_was_stopped_before_the_first_request_there_is_nothing(tiny):
    served = ts.serve(tiny, NARROW, SLOWLY, executor=Server(ended="stopped", served=0))
    assert (len(served), str(served).endswith("no request was served")) == (0, True)


def test_an_interrupt_of_the_kernel_stops_the_run_and_keeps_what_was_served(tiny):
    server, stop = Server(ended="stopped", served=10, interrupted=True), Stop()
    served = ts.serve(tiny, NARROW, SLOWLY, executor=server, stop=stop)
    assert (len(served), served.stopped) == (10, True)
    assert server.stop == stop.path
    assert stop.path.exists()


def test_other_work_that_took_the_cores_is_said(tiny):
    served = ts.serve(tiny, NARROW, SLOWLY, seconds=60, executor=Server(waited_ns=S))
    assert "contended" in served.flags.split()


@pytest.mark.parametrize("name", ["make_ready", "run_slice", "serve"])
@pytest.mark.parametrize("failure", [Failure("out_of_memory", "no room"), Failure("crashed", "it died"), NO_SERVER])
def test_what_fails_is_a_status_and_a_reason(tiny, name, failure):
    served = ts.serve(tiny, NARROW, SLOWLY, executor=Server(failing={name: failure}))
    assert (served.failure, len(served)) == (failure, 0)
    assert failure.reason in str(served)


def test_what_has_no_kernel_to_time_is_not_served(tiny, inline):
    served = ts.serve(tiny, replace(NARROW, precision="w4"), SLOWLY, executor=inline)
    assert (served.status, "no w4 kernel to time" in served.reason, inline.requests) == ("unsupported", True, [])
    with pytest.raises(ValueError, match=r"config: wanted one that can run here; got .* no w4 kernel to time"):
        ts.service_times(tiny, replace(NARROW, precision="w4"), max_batch=2, executor=inline)


def test_if_nobody_comes_nobody_is_served(tiny):
    served = ts.serve(tiny, NARROW, ts.arrivals.Poisson(0.001), seconds=1, executor=Server())
    assert (len(served), served.status) == (0, "ok")


def test_the_file_that_stops_a_run_is_gone_with_its_owner():
    stop = Stop()
    folder = stop.path.parent
    stop()
    stop()
    del stop
    assert not folder.exists()


# A run in this process


@pytest.mark.parametrize("batcher", [ts.Batcher(), ts.Batcher(4), ts.Batcher(3, max_wait_ms=10)])
@pytest.mark.parametrize("runtime", ["eager", "openvino"])
def test_every_request_is_served_once_and_none_before_it_arrives(tiny, inline, runtime, batcher):
    if runtime != "eager":
        pytest.importorskip(runtime)
    arrivals = ts.arrivals.Trace([0.0, 0.01, 0.011, 0.012, 0.013, 0.08, 0.2])
    served = ts.serve(tiny, replace(NARROW, runtime=runtime), arrivals, batcher, seconds=0.1, executor=inline)
    np.testing.assert_allclose(served.arrived_s, [0.0, 0.01, 0.011, 0.012, 0.013, 0.08])
    assert len(served) == 6
    assert served.batches.sizes.max() <= batcher.max_batch
    assert (served.queue_ms >= 0).all()
    assert (served.service_ms > 0).all()
    parts = served.batch_wait_ms + served.queue_ms + served.service_ms
    np.testing.assert_allclose(parts, served.response_ms, atol=1e-6)
    keys = {request[1] for request in inline.requests}
    assert not any(key in keys for key, _ in worker._running), "its sessions are let go of"


@pytest.fixture
def ran(monkeypatch, inline):
    """(whether any size is taken) -> in a run, the number of items that the model got each time, and that were served.

    Otherwise there are sessions for 2 and for 4 items.
    """

    def served_by(any_size):
        monkeypatch.setattr(worker, "session_sizes", lambda config, most: range(1, most + 1) if any_size else (2, 4))
        got, proper = [], worker._rotating

        def noting(call, batches):
            run = proper(call, batches)
            return lambda turn: (got.append({len(batch) for (batch,) in batches}), run(turn))

        monkeypatch.setattr(worker, "_rotating", noting)
        task = ts.Task.from_model(torch.nn.Linear(4, 2), example=ONE, calibration=torch.rand(20, 4))
        arrivals = ts.arrivals.Trace([0.0, 0.02, 0.02, 0.02, 0.04, 0.04, 0.06])
        batcher = ts.Batcher(4, max_wait_ms=5)
        served = ts.serve(task, ts.Config("model", threads=1), arrivals, batcher, seconds=0.05, executor=inline)
        return got[-len(served.batches.sizes) :], served.batches.sizes.tolist()

    return served_by


# Which batches these are depends on the clock: on a busy machine, more requests are there when one starts.
def test_a_runtime_that_takes_any_size_runs_batches_of_just_that_size(ran):
    got, sizes = ran(any_size=True)
    assert sum(sizes) == 6
    assert got == [{size} for size in sizes]


def test_others_run_the_smallest_session_that_takes_them(ran):
    got, sizes = ran(any_size=False)
    assert sum(sizes) == 6
    assert got == [{2 if size <= 2 else 4} for size in sizes]


def test_texts_of_a_batch_are_as_long_as_its_longest():
    ids = torch.ones(40, 6, dtype=torch.int64) * (torch.arange(6) <= torch.arange(40)[:, None] % 6)
    model = torch.nn.Sequential(torch.nn.EmbeddingBag(2, 2, padding_idx=0))
    task = replace(
        ts.Task.from_model(model, example=ids[5:6], calibration=ids),
        trim=lambda batch: batch[:, : int((batch != 0).any(0).sum())],
    )
    one, largest = ts.Config("model", threads=1), ts.Config("model", threads=1, batch_size=8)
    batches = worker._smaller(task, one, worker._batches(task, largest))
    assert {batch.shape for (batch,) in batches} == {(1, length) for length in range(1, 7)}


def test_smaller_batches_of_items_that_are_alike_are_the_first_items_of_larger_ones(tiny):
    largest = worker._batches(tiny, replace(NARROW, batch_size=8))
    smaller = worker._smaller(tiny, replace(NARROW, batch_size=3), largest)
    assert len(smaller) == worker.ROTATED_BATCHES
    for (few,), (many,) in zip(smaller, largest, strict=True):
        assert torch.equal(few, many[:3])
        assert few.is_contiguous()


# The measuring process


class After(torch.nn.Module):
    """Does what it is told to at its 200th call: by then it was warmed up and timed, and a run is under way."""

    def __init__(self, deed):
        super().__init__()
        self.deed, self.calls = deed, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == 200:
            self.deed()
        time.sleep(0.01)
        return x


def complain():
    raise RuntimeError("this is too much for me")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("deed", "status", "reason"),
    [(complain, "failed", "RuntimeError: this is too much for me"), (die, "crashed", "died of SIGKILL(-9)")],
)
def test_a_model_that_fails_under_load_costs_that_run(deed, status, reason):
    modules = {"sound": torch.nn.Linear(4, 2), "broken": After(deed)}
    task = ts.Task.from_model(modules, example=ONE)
    served = ts.serve(task, ts.Config("broken", threads=1), ts.arrivals.Constant(80), seconds=60)
    assert served.status == status
    assert reason in served.reason
    assert ts.serve(task, ts.Config("sound", threads=1), SLOWLY, seconds=0.5).status == "ok"


def pid():
    return PROCESS.submit(os.getpid).result()


@pytest.fixture
def interruptible():
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("who", ["kernel", "process", "both", "button"])
def test_a_run_that_is_interrupted_gives_what_was_served_and_leaves_the_process(tmp_path, interruptible, who):
    under_way, stop, before = tmp_path / "under way", Stop(), pid()
    task = ts.Task.from_model(After(under_way.touch), example=ONE)
    config, arrivals = ts.Config("model", threads=1), ts.arrivals.Constant(80)

    def interrupt():
        while not under_way.exists():
            time.sleep(0.01)
        if who == "button":
            stop()
        if who in ("process", "both"):
            os.kill(before, signal.SIGINT)
        if who in ("kernel", "both"):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    served = ts.serve(task, config, arrivals, seconds=600, stop=stop)
    assert (served.status, served.stopped) == ("ok", True)
    assert 0 < len(served) == len(served.arrived_s) < 10_000
    assert pid() == before
    assert not ts.serve(task, config, arrivals, seconds=0.5).stopped
