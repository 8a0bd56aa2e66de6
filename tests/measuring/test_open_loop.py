"""The loop of a server against a fake device with a clock of its own: no test here reads the real time."""

import math

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring import open_loop as module
from tradespace.measuring.open_loop import Load, Ran, after_pauses_ns, ladder, open_loop, session_sizes
from tradespace.measuring.system import Usage
from tradespace.serving.arrivals import Bursty, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate

MS, S = 1_000_000, 1_000_000_000


class FakeServer:
    """A device that takes so many nanoseconds for a batch, a clock that moves by a tick when it is read, and a sleep.

    `oversleeps` is how much longer each sleep takes than it was asked to.
    """

    def __init__(self, service_ns=lambda size: MS, asynchronous=False, tick_ns=2_000, oversleeps=0):
        self.service_ns, self.asynchronous, self.tick_ns, self.oversleeps = (
            service_ns,
            asynchronous,
            tick_ns,
            oversleeps,
        )
        self.now, self.idle_at = 5 * S, 0
        self.sizes, self.slept = [], []

    def clock(self):
        self.now += self.tick_ns
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * S) + self.oversleeps

    def call(self, size):
        self.sizes.append(size)
        self.idle_at = self.now + self.service_ns(size)
        if not self.asynchronous:
            self.synchronize()

    def synchronize(self):
        self.now = max(self.now, self.idle_at)

    def serve(self, arrived_ms, max_batch=1, max_wait_ms=0.0, rate_per_s=1.0, stopped=lambda: False):
        arrived_ns = np.rint(np.asarray(arrived_ms) * MS).astype(int)
        load = Load(arrived_ns, rate_per_s, max_batch, max_wait_ms * MS)
        return open_loop(self.call, self, load, stopped, self.clock, self.sleep)


@pytest.mark.parametrize("pause_ms", [0.3, 3.0])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_after_pauses_two_calls_are_timed_and_the_first_pauses_left_out(pause_ms, asynchronous):
    server = FakeServer(lambda number: (number + 1) * MS, asynchronous)
    begun = server.now
    took_ns = after_pauses_ns(server.call, server, round(pause_ms * MS), 3, server.clock, server.sleep)
    assert in_ms(np.array(took_ns)) == [[5, 6], [7, 8], [9, 10]]
    assert in_ms(np.array([server.now - begun])) == [pytest.approx(5 * pause_ms + 55, abs=0.1)]
    # A thread that sleeps wakes up late, so it spins at the end, as a server does.
    assert sum(server.slept) == pytest.approx(5 * (pause_ms - 0.5) / 1e3 if pause_ms > 0.5 else 0)


def in_ms(times_ns):
    return np.round(times_ns / MS, 1).tolist()


def test_a_request_is_served_when_it_was_meant_to_arrive_not_before():
    ran = FakeServer().serve([10, 30, 50.5])
    assert (in_ms(ran.ready_ns), in_ms(ran.start_ns), in_ms(ran.end_ns)) == (
        [10, 30, 50.5], [10, 30, 50.5], [11, 31, 51.5],
    )  # fmt: skip
    assert ran.ended == "done"


def test_while_the_server_is_busy_requests_go_on_arriving():
    # A closed loop would have sent the second one at 30 ms, and seen no wait.
    ran = FakeServer(lambda size: 20 * MS).serve([10, 11, 12])
    assert in_ms(ran.start_ns) == [10, 30, 50]
    assert in_ms(ran.ready_ns) == [10, 11, 12]


def test_those_that_arrived_meanwhile_are_one_batch_of_at_most_as_many_as_fit():
    server = FakeServer(lambda size: 20 * MS)
    ran = server.serve([10, 11, 12, 13, 14], max_batch=3)
    assert server.sizes == ran.sizes.tolist() == [1, 3, 1]
    assert in_ms(ran.start_ns) == [10, 30, 50]


@pytest.mark.parametrize(
    ("arrived_ms", "sizes", "ready_ms"),
    [
        ([10, 12, 13, 60], [3, 1], [13, 65]),  # full before the wait is over
        ([10, 12, 40, 60], [2, 1, 1], [15, 45, 65]),  # not full
    ],
)
def test_a_batch_is_ready_once_it_is_full_or_its_oldest_request_has_waited(arrived_ms, sizes, ready_ms):
    ran = FakeServer().serve(arrived_ms, max_batch=3, max_wait_ms=5)
    assert (ran.sizes.tolist(), in_ms(ran.ready_ns), in_ms(ran.start_ns)) == (sizes, ready_ms, ready_ms)


def test_full_batches_only_but_for_the_last():
    ran = FakeServer().serve([10, 20, 30, 40, 50], max_batch=2, max_wait_ms=math.inf)
    assert (ran.sizes.tolist(), in_ms(ran.start_ns)) == ([2, 2, 1], [20, 40, 50])


@pytest.mark.parametrize("batcher", [Batcher(), Batcher(8), Batcher(8, 5), Batcher(8, math.inf), Batcher(3, 0.5)])
@pytest.mark.parametrize("arrivals", [Poisson(300), Bursty(200, 20)])
def test_it_decides_as_the_simulation_does(monkeypatch, arrivals, batcher):
    monkeypatch.setattr(module, "SPIN_NS", 0)  # so that no wait takes a tick too long
    service = ServiceTimes({1: np.array([2.0]), 8: np.array([5.5])})
    simulated = simulate(service, arrivals, batcher, requests=2_000)
    server = FakeServer(lambda size: round(service.mean_ms(size) * MS), tick_ns=0)
    ran = server.serve(simulated.arrived_s * 1e3, batcher.max_batch, batcher.max_wait_ms, arrivals.rate_per_s)
    assert ran.ended == "done"
    np.testing.assert_array_equal(ran.sizes, simulated.batches.sizes)
    for real, expected in ((ran.ready_ns, "ready_s"), (ran.start_ns, "start_s"), (ran.end_ns, "end_s")):
        np.testing.assert_allclose(real / S, getattr(simulated.batches, expected), atol=1e-6)


def test_work_that_was_queued_is_waited_for():
    ran = FakeServer(lambda size: 7 * MS, asynchronous=True).serve([1, 20])
    assert in_ms(ran.end_ns - ran.start_ns) == [7, 7]


def test_it_sleeps_for_most_of_a_wait_and_spins_at_the_end():
    server = FakeServer()
    ran = server.serve([50])
    assert sum(server.slept) == pytest.approx(0.0495, abs=1e-4)
    assert in_ms(ran.start_ns) == [50]


def test_a_sleep_that_is_too_long_by_less_than_it_spins_delays_nothing():
    assert in_ms(FakeServer(oversleeps=MS // 3).serve([50]).start_ns) == [50]
    late = FakeServer(oversleeps=10 * MS).serve([50])
    assert (in_ms(late.start_ns), in_ms(late.ready_ns)) == ([59.5], [50])


def test_a_batch_that_starts_late_takes_those_along_that_have_arrived_by_then():
    ran = FakeServer(oversleeps=10 * MS).serve([50, 57, 62], max_batch=4)
    assert ran.sizes.tolist() == [2, 1]


def test_nothing_is_run_once_it_is_to_stop():
    server = FakeServer()
    ran = server.serve([10, 500, 900], stopped=lambda: server.now > 5.6 * S)
    assert (ran.ended, ran.sizes.tolist(), in_ms(ran.start_ns)) == ("stopped", [1, 1], [10, 500])
    assert server.now < 5.8 * S, "a long wait does not delay it"


def test_it_may_be_stopped_before_the_first_request():
    ran = FakeServer().serve([10], stopped=lambda: True)
    assert (ran.ended, len(ran.sizes), len(ran.end_ns)) == ("stopped", 0, 0)


@pytest.mark.parametrize("where", ["call", "sleep"])
def test_an_interrupt_ends_it_with_what_was_served(where):
    server = FakeServer()

    def interrupted(*_):
        if len(server.sizes) == 2:
            raise KeyboardInterrupt
        return proper(*_)

    proper = getattr(server, where)
    setattr(server, where, interrupted)
    ran = server.serve([100, 200, 300, 400])
    assert (ran.ended, ran.sizes.tolist()) == ("stopped", [1, 1])


def test_what_a_model_raises_is_passed_on():
    def fail(size):
        raise MemoryError("no room for a batch")

    with pytest.raises(MemoryError, match="no room"):
        open_loop(fail, FakeServer(), Load(np.array([0]), 1.0), clock=iter(range(10**6)).__next__)


def arrivals_ms(arrivals, seconds):
    return arrivals.times_s(round(arrivals.rate_per_s * seconds), seed=3) * 1e3


def test_a_queue_that_grows_ends_it():
    # 1,250 arrive in a second, and 1,000 are served: a request waits for a second after five.
    ran = FakeServer(tick_ns=20_000).serve(arrivals_ms(Poisson(1250), 60), rate_per_s=1250)
    assert ran.ended == "saturated"
    assert 4 * S < ran.end_ns[-1] < 6.5 * S


def test_full_batches_decide_whether_it_grows_not_single_requests():
    # One at a time a server would be overloaded twice.
    server = FakeServer(lambda size: 2 * MS + size * MS // 8, tick_ns=20_000)
    ran = server.serve(arrivals_ms(Poisson(1_000), 5), max_batch=16, rate_per_s=1_000)
    assert ran.ended == "done"
    assert (ran.sizes > 1).mean() > 0.5


def test_a_run_that_is_over_before_the_queue_is_long_is_saturated_too():
    ran = FakeServer(tick_ns=20_000).serve(arrivals_ms(Poisson(1_050), 4), rate_per_s=1_050)
    assert (ran.ended, ran.sizes.sum()) == ("saturated", 4_200)


@pytest.mark.parametrize("seed", range(5))
def test_a_burst_at_load_0_9_is_no_saturation(seed):
    # Seconds of waiting, and all of it is work off again.
    arrivals = Bursty(900, dispersion=600, share_on=0.2)
    server = FakeServer(tick_ns=20_000)
    ran = server.serve(arrivals.times_s(30_000, seed) * 1e3, rate_per_s=900)
    assert (ran.start_ns - ran.ready_ns).max() > S
    assert (ran.ended, len(ran.sizes)) == ("done", 30_000)


def test_neither_is_a_batch_that_takes_seconds():
    calls = iter([MS] * 500 + [3 * S] + [MS] * 10_000)
    ran = FakeServer(lambda size: next(calls), tick_ns=20_000).serve(arrivals_ms(Poisson(500), 8), rate_per_s=500)
    assert (ran.start_ns - ran.ready_ns).max() > S
    assert ran.ended == "done"


def test_nor_are_times_of_which_most_are_above_the_mean():
    # The mean is 1 ms, at a load of 0.9 a request comes every 1.11 ms, and 70 % take 1.2 ms.
    times = np.where(np.random.default_rng(0).random(10_000) < 0.7, 1.2, 0.533) * MS
    calls = iter(times.astype(int).tolist())
    ran = FakeServer(lambda size: next(calls), tick_ns=20_000).serve(arrivals_ms(Poisson(900), 10), rate_per_s=900)
    assert ran.ended == "done"


def test_the_time_that_threads_waited_for_a_core_is_held_against_that_in_which_batches_ran(monkeypatch):
    for waited_ns, contended in ((0, False), (4 * MS, False), (6 * MS, True)):
        counted = iter([Usage(0, 7 * MS, 0), Usage(0, 7 * MS + waited_ns, 0)])
        monkeypatch.setattr(module, "usage", lambda counted=counted: next(counted))
        # A hundred milliseconds of work in a second.
        ran = FakeServer().serve(np.arange(100) * 10.0)
        assert (ran.waited_ns, ran.contended) == (waited_ns, contended)


def test_a_server_that_ran_nothing_is_not_contended():
    nothing = np.empty(0, int)
    assert not Ran(nothing, nothing, nothing, nothing, "stopped", 0).contended


@pytest.mark.parametrize(("most", "sizes"), [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])])
def test_a_ladder_ends_with_the_largest_batch(most, sizes):
    assert ladder(most) == sizes


@pytest.mark.parametrize(
    ("runtime", "sizes"),
    [("eager", [1, 2, 3, 4, 5]), ("fused", [1, 2, 3, 4, 5]), ("onnxruntime", [1, 2, 3, 4, 5]),
     ("openvino", [1, 2, 4, 5]), ("compile", [1, 2, 4, 5])],
)  # fmt: skip
def test_a_runtime_that_compiles_for_a_size_runs_the_sizes_of_the_ladder(runtime, sizes):
    assert list(session_sizes(Config("model", runtime=runtime, threads=1), 5)) == sizes
