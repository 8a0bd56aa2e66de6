"""What measures in the background: over steps that a test lets come one by one, and over the real measuring process."""

import os
import signal
import threading
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import tradespace as ts
from tradespace.measuring.background import Background, Ended, at_interrupt
from tradespace.measuring.engine import PROCESS, measure_rounds
from tradespace.measuring.schedule import Schedule

LIMIT_S = 60
DONE, STOPPED, INTERRUPTED = Ended("done"), Ended("stopped"), Ended("interrupted")


class Steps:
    """Stands in for what is measured: numbers, each of which comes when a test lets it."""

    def __init__(self, *numbers, error=None):
        self.numbers, self.error = numbers, error
        self.at_work, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.begun, self.closed = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        try:
            for number in self.numbers:
                self.at_work.release()
                assert self.go.acquire(timeout=LIMIT_S)
                if self.error is not None:
                    raise self.error
                yield number
        finally:
            self.closed.set()

    def wait_until_at_work(self):
        assert self.at_work.acquire(timeout=LIMIT_S)

    def let_all_come(self):
        self.go.release(100)
        return self


class Owner:
    """Has a Background, and notes what it is told."""

    def __init__(self):
        self.lock = threading.RLock()
        self.background = Background(self.lock, self.land, self.ended)
        self.landed, self.ends, self.error = [], [], None

    def land(self, step):
        assert self.lock._is_owned()
        self.landed.append(step)
        if self.error:
            raise self.error

    def ended(self, end):
        assert self.lock._is_owned()
        assert not self.background.running
        self.ends.append(end)


@pytest.fixture
def owner():
    one = Owner()
    yield one
    one.background.stop()


@pytest.fixture
def background(owner):
    return owner.background


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    for thread in threads():
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "tradespace-background"]


def test_steps_land_in_their_order_until_none_comes(owner, background):
    steps = Steps(1, 2, 3)
    background.start(steps)
    assert background.running
    assert owner.ends == []
    steps.let_all_come()
    background.wait()
    assert not background.running
    assert (owner.landed, owner.ends) == ([1, 2, 3], [DONE])
    background.start(Steps(4).let_all_come())
    background.wait()
    assert (owner.landed, owner.ends) == ([1, 2, 3, 4], [DONE, DONE])


def test_stopped_it_ends_at_once_and_its_thread_with_the_step(owner, background):
    steps = Steps(1, 2, 3)
    background.start(steps)
    steps.wait_until_at_work()
    background.stop()
    assert not background.running
    assert owner.ends == [STOPPED]
    background.wait()
    assert not steps.closed.is_set()
    steps.let_all_come()
    assert steps.closed.wait(LIMIT_S)
    background.stop()
    assert (owner.landed, owner.ends) == ([], [STOPPED])


def test_stopped_before_the_first_step_nothing_is_begun(owner, background):
    steps = Steps(1).let_all_come()
    background.start(steps, after_s=LIMIT_S)
    (thread,) = threads()
    background.stop()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert not steps.begun.is_set()
    assert (owner.landed, owner.ends) == ([], [STOPPED])


def test_started_again_it_drops_the_run_under_way_and_begins_after_its_step(owner, background):
    old, new = Steps(1, 2), Steps(10, 20).let_all_come()
    background.start(old)
    old.wait_until_at_work()
    background.start(new)
    assert owner.ends == [STOPPED]
    assert background.running
    assert not new.begun.is_set()
    old.let_all_come()
    background.wait()
    assert old.closed.is_set()
    assert (owner.landed, owner.ends) == ([10, 20], [STOPPED, DONE])


def test_of_many_that_wait_a_moment_the_last_alone_is_begun(owner, background):
    early = [Steps(number) for number in range(5)]
    for steps in early:
        background.start(steps, after_s=LIMIT_S)
    background.start(Steps(10).let_all_come(), after_s=0.001)
    background.wait()
    assert not any(steps.begun.is_set() for steps in early)
    assert (owner.landed, owner.ends) == ([10], [STOPPED] * 5 + [DONE])


def test_a_step_may_stop_it(owner, background):
    background._land = lambda step: owner.landed.append(step) or background.stop()
    steps = Steps(1, 2).let_all_come()
    background.start(steps)
    assert steps.closed.wait(LIMIT_S)
    assert (owner.landed, owner.ends) == ([1], [STOPPED])


def test_with_nothing_started_there_is_nothing_to_wait_for_or_to_stop(owner, background):
    background.wait()
    background.stop()
    assert not background.running
    assert owner.ends == []


def test_whoever_waits_is_woken_by_a_stop(background):
    steps, waited = Steps(1), threading.Event()
    background.start(steps)
    waiting = threading.Thread(target=lambda: background.wait() or waited.set())
    waiting.start()
    steps.wait_until_at_work()
    background.stop()
    assert waited.wait(LIMIT_S)
    steps.let_all_come()
    waiting.join(LIMIT_S)


# What goes wrong


def test_an_error_of_the_steps_is_told_and_raised(owner, background):
    steps = Steps(1, error=TypeError("cannot pickle that")).let_all_come()
    background.start(steps)
    background.wait()
    assert (owner.landed, owner.ends) == ([], [Ended("failed", "TypeError: cannot pickle that")])


def test_an_error_of_whoever_takes_a_step_in_ends_the_run_and_the_next_one_is_taken(owner, background):
    owner.error = KeyError("gone")
    steps = Steps(1, 2).let_all_come()
    background.start(steps)
    background.wait()
    assert steps.closed.wait(LIMIT_S)
    assert (owner.landed, owner.ends) == ([1], [Ended("failed", "KeyError: 'gone'")])
    owner.error = None
    background.start(Steps(3).let_all_come())
    background.wait()
    assert (owner.landed, owner.ends[1:]) == ([1, 3], [DONE])


def test_an_error_of_a_run_that_was_dropped_is_not_that_of_the_next(owner, background):
    old = Steps(1, error=ValueError("old"))
    background.start(old)
    old.wait_until_at_work()
    background.start(Steps(2).let_all_come())
    old.let_all_come()
    background.wait()
    assert (owner.landed, owner.ends) == ([2], [STOPPED, DONE])


def test_when_the_interpreter_ends_it_stops_and_says_nothing(owner, background):
    error = RuntimeError("cannot schedule new futures after interpreter shutdown")
    background.start(Steps(1, error=error).let_all_come())
    background.wait()
    assert owner.ends == [STOPPED]


def test_a_thread_that_cannot_be_started_is_an_error_and_no_run(owner, background, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            background.start(Steps(1))
    assert not background.running
    assert owner.ends == [Ended("failed", "RuntimeError: can't start new thread")]


# An interrupt of the kernel


class Events(dict):
    """Stands in for the events of IPython."""

    def register(self, name, function):
        self.setdefault(name, []).append(function)

    def unregister(self, name, function):
        self[name].remove(function)

    def end_cell(self, error=None):
        for function in [*self.get("post_run_cell", [])]:
            function(SimpleNamespace(error_in_exec=error))


@pytest.fixture
def cells(monkeypatch):
    events = Events()
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: SimpleNamespace(events=events))
    return events


@pytest.mark.parametrize(("error", "calls"), [(KeyboardInterrupt(), 1), (ValueError(), 0), (None, 0)])
def test_an_interrupted_cell_stops_it(cells, error, calls):
    stopped = []
    forget = at_interrupt(lambda: stopped.append(1))
    cells.end_cell(error)
    assert len(stopped) == calls
    forget()
    assert cells == {"post_run_cell": []}


def test_without_a_notebook_there_is_nothing_to_watch():
    at_interrupt(pytest.fail)()


def test_it_ends_with_a_cell_that_is_interrupted_between_two_steps(owner, background, cells):
    steps = Steps(1, 2)
    background.start(steps)
    steps.wait_until_at_work()
    cells.end_cell()
    cells.end_cell(ValueError())
    assert background.running
    cells.end_cell(KeyboardInterrupt())
    assert owner.ends == [INTERRUPTED]
    steps.let_all_come()
    assert steps.closed.wait(LIMIT_S)
    assert owner.landed == []


def test_cells_are_watched_only_while_it_runs(owner, background, cells):
    for steps in (Steps(1), Steps(2)):
        background.start(steps)
        assert len(cells["post_run_cell"]) == 1
        steps.let_all_come()
        background.wait()
        assert cells["post_run_cell"] == []
    background.start(Steps(3).let_all_come(), after_s=LIMIT_S)
    background.start(Steps(4).let_all_come())
    background.wait()
    assert cells["post_run_cell"] == []
    cells.end_cell(KeyboardInterrupt())
    assert owner.ends == [DONE, DONE, STOPPED, DONE]


def test_one_that_comes_back_from_the_measuring_process_ends_it(owner, background):
    steps = Steps(1, error=KeyboardInterrupt()).let_all_come()
    background.start(steps)
    background.wait()
    assert (owner.landed, owner.ends) == ([], [INTERRUPTED])


def test_one_that_comes_back_by_the_last_step_of_a_dropped_run_ends_the_next(owner, background):
    old, new = Steps(1, error=KeyboardInterrupt()), Steps(2).let_all_come()
    background.start(old)
    old.wait_until_at_work()
    background.start(new)
    old.let_all_come()
    background.wait()
    assert owner.ends == [STOPPED, INTERRUPTED]
    assert owner.landed == []
    assert not new.begun.is_set()


def test_one_that_comes_while_it_starts_ends_it(owner, background, monkeypatch):
    steps, start = Steps(1), threading.Thread.start

    def interrupted(thread):
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            background.start(steps)
    assert not background.running
    assert owner.ends == [INTERRUPTED]
    for thread in threads():
        thread.join(LIMIT_S)
    assert not steps.begun.is_set()


def test_one_that_comes_to_whoever_waits_ends_it_and_is_raised_again(owner, background, monkeypatch):
    steps = Steps(1)
    background.start(steps)
    steps.wait_until_at_work()

    def wait(_seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(background._changed, "wait", wait)
        with pytest.raises(KeyboardInterrupt):
            background.wait()
    assert owner.ends == [INTERRUPTED]
    steps.let_all_come()
    assert steps.closed.wait(LIMIT_S)
    assert owner.landed == []


def test_one_that_comes_in_a_guarded_block_ends_it(owner, background):
    steps = Steps(1)

    def begin():
        with background.guarded():
            background.start(steps)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    steps.let_all_come()
    assert owner.ends == [INTERRUPTED]


def test_whoever_comes_from_many_threads_at_once_is_told_of_each_run_once(owner, background):
    barrier = threading.Barrier(4)

    def begin():
        barrier.wait(LIMIT_S)
        for number in range(25):
            background.start(Steps(number).let_all_come())
            if number % 5 == 0:
                background.stop()

    asking = [threading.Thread(target=begin) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(LIMIT_S)
    background.wait()
    assert len(owner.ends) == 100
    assert {end.how for end in owner.ends} <= {"done", "stopped"}


# What follows measures in the real process.


def test_when_the_process_dies_that_is_a_step_and_another_run_can_be_started(owner, background):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=torch.zeros(1, 4))
    landed = threading.Event()
    land, background._land = background._land, lambda step: land(step) or (step[0].slices and landed.set())
    steps = partial(measure_rounds, task, [ts.Config("model", threads=1)])
    pid = PROCESS.submit(os.getpid).result()
    background.start(partial(steps, Schedule(1e-9, 60)))
    assert landed.wait(LIMIT_S)
    os.kill(pid, signal.SIGKILL)
    background.wait()
    assert owner.landed[-1][0].status == "crashed"
    background.start(partial(steps, Schedule(1e-9, 0.1)))
    background.wait()
    assert owner.landed[-1][0].status == "ok"
    assert owner.ends == [DONE, DONE]
