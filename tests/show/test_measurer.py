"""The background thread, over the real measuring process."""

import os
import signal
import threading

import pytest
import tradespace as ts
from tradespace.measuring.engine import PROCESS
from tradespace.show.measurer import Measurer

LIMIT_S = 120


class Reports:
    """Collects what is reported, and can be waited for."""

    def __init__(self):
        self.all = []
        self.first, self.finished = threading.Event(), threading.Event()

    def __call__(self, measurement, finished):
        self.all.append(measurement)
        self.first.set()
        if finished:
            self.finished.set()


@pytest.fixture
def reports():
    return Reports()


def config(batch_size):
    return ts.Config("small", threads=1, batch_size=batch_size)


def measurer(task, reports, budget_s=0.1):
    return Measurer(task, reports, ci=1e-9, budget_s=budget_s, settle_s=0.05)


def wait_for_end(one):
    thread = one._thread
    if thread is not None:
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def test_a_request_is_measured_and_reported_as_it_grows(task, reports):
    one = measurer(task, reports)
    one.request(config(1))
    assert reports.finished.wait(LIMIT_S)
    wait_for_end(one)
    samples = [m.samples for m in reports.all]
    assert samples == sorted(samples)
    assert len(samples) > 3
    assert one.wanted is None


def test_of_many_quick_requests_the_last_alone_is_measured(task, reports):
    one = measurer(task, reports)
    for batch_size in (1, 2, 4, 8, 16):
        one.request(config(batch_size))
    assert reports.finished.wait(LIMIT_S)
    wait_for_end(one)
    assert {m.config.batch_size for m in reports.all} == {16}


def test_a_newer_request_replaces_the_one_under_way(task, reports):
    one = measurer(task, reports, budget_s=60)
    one.request(config(1))
    assert reports.first.wait(LIMIT_S)
    one._budget_s = 0.1
    one.request(config(2))
    assert reports.finished.wait(LIMIT_S)
    wait_for_end(one)
    assert reports.all[-1].config.batch_size == 2


def test_cancel_ends_the_measurement_and_the_thread(task, reports):
    one = measurer(task, reports, budget_s=60)
    one.request(config(1))
    assert reports.first.wait(LIMIT_S)
    one.cancel()
    wait_for_end(one)
    assert not reports.finished.is_set()
    assert one.wanted is None


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
    one._budget_s = 0.1
    one.request(config(1))
    assert reports.finished.wait(LIMIT_S)
    assert reports.all[-1].status == "ok"
