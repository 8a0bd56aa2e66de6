import queue
import threading
from dataclasses import replace

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.serving.served import Served
from tradespace.show.serving import jobs as module
from tradespace.show.serving.jobs import Jobs, times_of
from tradespace.show.serving.settings import Setting

SMALL = ts.Config("small", threads=1)
LIMIT_S = 60


def measured(size, failure=None):
    samples = np.full(10, 1e6 * (1 + 0.1 * size))
    slices = () if failure else (Slice(samples, 10 * size, int(samples.sum())),) * 6
    return Measurement("toy", ts.Config("small", threads=1, batch_size=size), slices, failure=failure)


class Owner:
    """Hears what comes, and waits for it."""

    def __init__(self, task, **options):
        self.said, self.came = [], queue.Queue()
        self.jobs = Jobs(
            task, threading.RLock(), Schedule(), 5.0, None,
            timed=lambda *found: self.came.put(found), ran=lambda *found: self.came.put(found), changed=self.hear,
            **options,
        )  # fmt: skip

    def hear(self):
        self.said.append((self.jobs.words, self.jobs.share))
        if not self.jobs.busy:
            self.came.put("over")

    def next(self):
        return self.came.get(timeout=LIMIT_S)


@pytest.fixture
def owner(task, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    monkeypatch.setattr(module, "TICK_S", 0.01)
    one = Owner(task)
    yield one
    one.jobs.stop()


@pytest.fixture
def rounds(monkeypatch):
    """What measuring yields; the sizes that were asked for."""
    asked = []

    def measure_rounds(task, configs, schedule, *, executor, scores, work):
        asked.extend(config.batch_size for config in configs)
        assert all(one.done(60.0) for one in scores.values()), "accuracy would hold it up"
        for config in configs:
            yield measured(config.batch_size), True

    def after_pauses(engine, service, config, budget_s):
        for share in (0.5, 1.0):
            yield share, replace(service, paused_ms={10.0: service.samples_ms})

    monkeypatch.setattr(module, "measure_rounds", measure_rounds)
    monkeypatch.setattr(module, "after_pauses", after_pauses)
    return asked


@pytest.fixture
def server(monkeypatch):
    """A server that serves until it is told how that was, or to stop."""
    told = queue.Queue()

    def serve(task, config, arrivals, batcher, *, seconds, executor, stop):
        while not stop.path.exists():
            try:
                end = told.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(end, Exception):
                raise end
            return end
        return Served(arrivals, batcher, "measured", stopped=True)

    monkeypatch.setattr(module, "serve", serve)
    return told


def test_a_ladder_of_batch_sizes_is_measured(owner, rounds):
    owner.jobs.measure(SMALL, 6)
    config, service = owner.next()
    assert (config, service.config, service.sizes) == (SMALL, SMALL, (1, 2, 4, 6))
    assert service.pauses_ms == (0.0, 10.0)
    assert owner.next() == "over"
    assert rounds == [1, 2, 4, 6]
    words, shares = zip(*owner.said, strict=True)
    assert words[0] == "measuring service times of small, fp32, eager, 1 thread: preparing the model"
    assert words[-1] == ""
    assert list(shares[:-1]) == sorted(shares[:-1])
    assert all(0 <= share <= 1 for share in shares)


def test_without_pauses_only_calls_in_a_loop_are_timed(task, rounds, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    owner = Owner(task, pauses=False)
    owner.jobs.measure(SMALL, 2)
    _, service = owner.next()
    assert service.pauses_ms == (0.0,)
    assert owner.next() == "over"
    assert not [words for words, _ in owner.said if "pauses" in words]


def test_what_cannot_be_timed_says_why():
    no = Failure("out_of_memory", "it did not fit")
    assert times_of([measured(1, no), measured(2, no)]) == "out of memory: it did not fit"
    assert times_of([measured(1), measured(2, no)]).sizes == (1,)


def test_the_same_again_begins_nothing_and_another_replaces_it(owner, monkeypatch):
    began, go = [], threading.Event()

    def measure_rounds(task, configs, schedule, **options):
        began.append(configs[0].model)
        go.wait(LIMIT_S)
        yield measured(1), True

    monkeypatch.setattr(module, "measure_rounds", measure_rounds)
    for model in ("small", "small", "large"):
        owner.jobs.measure(ts.Config(model, threads=1), 1)
    go.set()
    while (came := owner.next()) == "over":
        pass
    assert came[0].model == "large"
    assert began[-1] == "large"
    assert len(began) <= 2


def test_a_real_run_says_how_far_it_is_and_what_came_of_it(owner, server):
    setting = Setting(SMALL)
    owner.jobs.serve(setting)
    assert owner.jobs.serving == setting
    served = Served(setting.arrivals, setting.batcher, "measured")
    server.put(served)
    assert owner.next() == (setting, served)
    assert owner.next() == "over"
    assert any(words.startswith("serving for real") for words, _ in owner.said)


def test_cancelled_it_ends_early_and_what_was_served_counts(owner, server):
    owner.jobs.serve(Setting(SMALL))
    while owner.jobs._run is None:
        threading.Event().wait(0.01)
    owner.jobs.cancel()
    _, served = owner.next()
    assert served.stopped
    assert owner.next() == "over"


def test_an_error_of_a_run_is_told(owner, server):
    owner.jobs.serve(Setting(SMALL))
    server.put(ValueError("no such server"))
    assert owner.next() == "over"
    assert owner.jobs.words == "ValueError: no such server"


def test_dropped_it_is_told_to_stop_and_nothing_comes_of_it(owner, server):
    owner.jobs.serve(Setting(SMALL))
    while owner.jobs._run is None:
        threading.Event().wait(0.01)
    run = owner.jobs._run
    owner.jobs.stop()
    assert owner.next() == "over"
    run.wait(LIMIT_S)
    assert run.done
    assert owner.came.empty()
