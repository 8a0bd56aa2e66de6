"""The background thread: over a made-up schedule of slices, and over the real measuring process."""

import os
import signal
import threading

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.show.explorer import measurer as module
from tradespace.show.explorer.measurer import Measurer

LIMIT_S = 120
SLICES = 4


class Rounds:
    """Stands in for `measure_rounds`: a slice comes when a test lets it."""

    def __init__(self):
        self.started, self.at_work, self.go = [], threading.Semaphore(0), threading.Semaphore(0)
        self.error = self.failure = None

    def __call__(self, task, configs, schedule, *, executor):
        self.started.append(list(configs))
        for config in configs:
            for number in range(1, SLICES + 1):
                self.at_work.release()
                assert self.go.acquire(timeout=LIMIT_S)
                if self.error:
                    error, self.error = self.error, None
                    raise error
                slices = (Slice(np.full(10, 1e6), 10, 10_000_000),) * number
                yield Measurement("toy", config, slices, failure=self.failure), number == SLICES or bool(self.failure)
                if self.failure:
                    break

    def step(self, number=1):
        """Let so many slices come, each once the one before it was looked at."""
        for _ in range(number):
            assert self.at_work.acquire(timeout=LIMIT_S)
            self.go.release()


class Reports:
    """Collects what is reported, and can be waited for."""

    def __init__(self):
        self.all, self.stopped = [], []
        self.first, self.finished, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, measurement, finished):
        self.all.append(measurement)
        self.first.set()
        if finished:
            self.finished.set()

    def stop(self, why):
        self.stopped.append(why)
        self.ended.set()


@pytest.fixture
def reports():
    return Reports()


@pytest.fixture
def rounds(monkeypatch):
    one = Rounds()
    monkeypatch.setattr(module, "measure_rounds", one)
    return one


def config(batch_size):
    return ts.Config("small", threads=1, batch_size=batch_size)


def measurer(task, reports, budget_s=0.1, settle_s=0.0):
    schedule = Schedule(1e-9, budget_s)
    return Measurer(task, threading.RLock(), reports, reports.stop, schedule, settle_s=settle_s)


def wait_for_end(one):
    for thread in threading.enumerate():
        if thread.name == "tradespace-background":
            thread.join(LIMIT_S)
            assert not thread.is_alive()
    assert (one.wanted, one.filling, one._background.running) == (None, False, False)


def sizes(reports):
    return [m.config.batch_size for m in reports.all]


def test_a_request_is_reported_as_it_grows_and_the_thread_ends(task, reports, rounds):
    one = measurer(task, reports)
    one.request(config(1))
    rounds.step(SLICES)
    wait_for_end(one)
    assert [m.samples for m in reports.all] == [10, 20, 30, 40]
    assert reports.finished.is_set()
    assert reports.stopped == []


def test_a_newer_request_replaces_the_one_under_way_with_its_slice(task, reports, rounds):
    one = measurer(task, reports)
    one.request(config(1))
    rounds.step()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.request(config(2))
    rounds.go.release()
    rounds.step(SLICES)
    wait_for_end(one)
    assert sizes(reports) == [1, 2, 2, 2, 2]


def test_a_request_that_others_may_follow_waits_for_the_rest(task, reports, rounds):
    one = measurer(task, reports)
    for batch_size in (1, 2, 4):
        one.request(config(batch_size), typing=True)
    assert not rounds.at_work.acquire(timeout=0.1)
    one.rest()
    rounds.step()
    # By then it is being measured: it does not begin again.
    one.rest()
    rounds.step(SLICES - 1)
    wait_for_end(one)
    assert rounds.started == [[config(4)]]
    assert sizes(reports) == [4] * SLICES


def test_a_rest_that_never_comes_is_not_waited_for(task, reports, rounds, monkeypatch):
    monkeypatch.setattr(module, "LOST_S", 0.01)
    one = measurer(task, reports)
    one.request(config(1), typing=True)
    rounds.step(SLICES)
    wait_for_end(one)
    assert sizes(reports) == [1] * SLICES


def test_what_was_cancelled_before_the_rest_stays_so(task, reports, rounds):
    one = measurer(task, reports)
    one.request(config(1), typing=True)
    one.cancel()
    one.rest()
    wait_for_end(one)
    assert rounds.started == []


def test_the_same_request_again_changes_nothing(task, reports, rounds):
    one = measurer(task, reports)
    one.request(config(1))
    rounds.step(2)
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.request(config(1))
    rounds.go.release()
    rounds.step()
    wait_for_end(one)
    assert len(rounds.started) == 1
    assert sizes(reports) == [1] * SLICES


def test_a_request_waits_until_it_has_been_the_latest_for_a_moment(task, reports, rounds):
    one = measurer(task, reports, settle_s=LIMIT_S)
    for batch_size in (1, 2, 4):
        one.request(config(batch_size))
    one._settle_s = 0.0
    one.request(config(8))
    rounds.step(SLICES)
    wait_for_end(one)
    assert rounds.started == [[config(8)]]


@pytest.mark.parametrize("end", ["cancel", "drop_request"])
def test_cancel_ends_the_measurement_with_its_slice_and_leaves_no_thread(task, reports, rounds, end):
    one = measurer(task, reports)
    one.request(config(1))
    rounds.step()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    getattr(one, end)()
    assert one.wanted is None
    rounds.go.release()
    wait_for_end(one)
    assert sizes(reports) == [1]
    assert not reports.finished.is_set()


def test_cancel_before_anything_began_leaves_no_thread(task, reports, rounds):
    one = measurer(task, reports, settle_s=LIMIT_S)
    one.request(config(1))
    one.cancel()
    wait_for_end(one)
    assert rounds.started == []
    one.cancel()
    one.drop_request()


def test_a_failure_is_reported_and_the_next_request_is_measured(task, reports, rounds):
    one = measurer(task, reports)
    rounds.failure = Failure("crashed", "it died")
    one.request(config(1))
    rounds.step()
    wait_for_end(one)
    assert reports.all[-1].status == "crashed"
    rounds.failure = None
    one.request(config(1))
    rounds.step(SLICES)
    wait_for_end(one)
    assert reports.all[-1].status == "ok"


def test_an_interrupt_that_comes_back_ends_all_and_the_next_request_is_measured(task, reports, rounds):
    one = measurer(task, reports)
    one.fill(lambda: [config(9)])
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.request(config(1))
    rounds.go.release()
    rounds.error = None
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    rounds.error = KeyboardInterrupt()
    rounds.go.release()
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert reports.stopped == ["interrupted"]
    one.request(config(1))
    rounds.step(SLICES)
    wait_for_end(one)
    assert sizes(reports) == [1] * SLICES


def test_an_error_of_the_program_is_told_and_raised(task, reports, rounds):
    one = measurer(task, reports)
    rounds.error = TypeError("cannot pickle that")
    one.request(config(1))
    rounds.step()
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert reports.stopped == ["TypeError: cannot pickle that"]


def test_what_fills_in_is_asked_again_until_it_names_nothing(task, reports, rounds):
    one, left = measurer(task, reports), [[config(1), config(2)], [config(4)]]
    one.fill(lambda: left.pop(0) if left else [])
    rounds.step(3 * SLICES)
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    # The finished ones alone.
    assert sizes(reports) == [1, 2, 4]
    assert [m.samples for m in reports.all] == [40] * 3
    assert reports.stopped == ["filled in"]


def test_a_request_interrupts_the_filling_in_which_goes_on_afterwards(task, reports, rounds):
    asked, one = [], measurer(task, reports)

    def ask():
        asked.append(True)
        return [config(1)] if config(1) not in [m.config for m in reports.all] else []

    one.fill(ask)
    rounds.step(2)
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.request(config(64))
    rounds.go.release()
    rounds.step(2 * SLICES)
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert rounds.started[:3] == [[config(1)], [config(64)], [config(1)]]
    assert sizes(reports) == [64] * SLICES + [1]
    assert len(asked) == 3


def test_a_dropped_request_leaves_the_filling_in(task, reports, rounds):
    one, left = measurer(task, reports), [[config(1)]]
    one.fill(lambda: left.pop() if left else [])
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.drop_request()
    assert one.filling
    rounds.go.release()
    rounds.step(SLICES - 1)
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert sizes(reports) == [1]


def test_cancel_ends_the_filling_in(task, reports, rounds):
    one = measurer(task, reports)
    one.fill(lambda: [config(1)])
    rounds.step()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.cancel()
    assert not one.filling
    rounds.go.release()
    wait_for_end(one)
    assert (reports.all, reports.stopped) == ([], [])


def test_who_fills_in_anew_takes_the_place_of_the_one_before(task, reports, rounds):
    one, left = measurer(task, reports), [[config(2)]]
    one.fill(lambda: [config(1)])
    rounds.step()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.cancel()
    one.fill(lambda: left.pop() if left else [])
    rounds.go.release()
    rounds.step(SLICES)
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert sizes(reports) == [2]


def test_who_fills_in_and_fails_is_not_asked_for_ever(task, reports, rounds):
    one = measurer(task, reports)

    def ask():
        raise ValueError("no idea")

    one.fill(ask)
    assert reports.ended.wait(LIMIT_S)
    wait_for_end(one)
    assert reports.stopped == ["ValueError: no idea"]


def test_many_threads_may_ask_at_once(task, reports, rounds):
    one = measurer(task, reports)
    rounds.go = threading.Semaphore(10**6)
    barrier = threading.Barrier(4)

    def ask(number):
        barrier.wait(LIMIT_S)
        for batch_size in range(1, 50):
            one.request(config(number * 50 + batch_size))
            if batch_size % 7 == 0:
                one.cancel()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    wait_for_end(one)
    one.request(config(1000))
    wait_for_end(one)
    assert reports.all[-1].config == config(1000)
    assert reports.stopped == []


# What follows measures in the real process.


def test_a_killed_process_is_reported_and_the_next_request_is_measured(task, reports):
    pid = PROCESS.submit(os.getpid).result()
    one = measurer(task, reports, budget_s=60)
    one.request(config(1))
    assert reports.first.wait(LIMIT_S)
    os.kill(pid, signal.SIGKILL)
    assert reports.finished.wait(LIMIT_S)
    assert reports.all[-1].status == "crashed"
    wait_for_end(one)

    reports.finished.clear()
    one._schedule = Schedule(1e-9, 0.1)
    one.request(config(1))
    assert reports.finished.wait(LIMIT_S)
    assert reports.all[-1].status == "ok"
    wait_for_end(one)


def test_an_interrupt_of_the_measuring_process_ends_the_measurement_and_leaves_the_next_alone(task, reports):
    one = measurer(task, reports, budget_s=60)
    one.request(config(1))
    assert reports.first.wait(LIMIT_S)
    (pid,) = PROCESS._executor._processes
    # One that comes between two slices finds nothing to end.
    for _ in range(LIMIT_S):
        os.kill(pid, signal.SIGINT)
        if reports.ended.wait(1.0):
            break
    wait_for_end(one)
    assert reports.stopped == ["interrupted"]
    assert [*PROCESS._executor._processes] == [pid]

    reports.finished.clear()
    one._schedule = Schedule(1e-9, 0.1)
    one.request(config(2))
    assert reports.finished.wait(LIMIT_S)
    assert reports.all[-1].config == config(2)
    assert reports.all[-1].status == "ok"
    wait_for_end(one)
