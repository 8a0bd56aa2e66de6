"""The background thread, over a fake measuring process that a test lets go on slice by slice."""

import threading

import pytest
from tradespace.config import Config
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Failure, Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.show.common import filling
from tradespace.show.common.filling import Filling, recorded_on, rows_of_model

LIMIT_S = 30
A, B, C = ((Config("narrow", precision=name, threads=1),) for name in ("fp32", "w4", "w2"))


class Rounds:
    """Stands in for `measure_rounds`: each Config takes two slices, and each slice waits until it is let go."""

    def __init__(self, monkeypatch):
        self.started, self.go = [], threading.Semaphore(0)
        self.at_work = threading.Semaphore(0)
        self.error = None
        monkeypatch.setattr(filling, "measure_rounds", self)

    def __call__(self, task, configs, schedule, **options):
        self.started.append(tuple(configs))
        for config in configs:
            for finished in (False, True):
                self.at_work.release()
                assert self.go.acquire(timeout=LIMIT_S)
                if self.error is not None:
                    raise self.error
                failure = Failure("unsupported", "a fake") if finished else None
                yield Measurement("tiny", config, failure=failure), finished


@pytest.fixture
def rounds(monkeypatch):
    return Rounds(monkeypatch)


@pytest.fixture
def landed():
    return []


@pytest.fixture
def ended():
    return threading.Event()


@pytest.fixture
def one(tiny, rounds, landed, ended):
    return filling_of(tiny, [A, B, C], landed.extend, ended)


def filling_of(task, groups, land, ended):
    lock = threading.RLock()
    one = Filling(task, groups, lock, land, lambda: one.running or ended.set(), Schedule(0.1, 0.1))
    return one


def finish(one, rounds, ended):
    rounds.go.release(100)
    assert ended.wait(LIMIT_S)
    assert not one.running
    assert one.current is None


def precisions(rows):
    return [row["precision"] for row in rows]


def test_groups_are_measured_in_their_order_and_land_as_rows(one, rounds, landed, ended):
    assert not one.running
    one.start()
    finish(one, rounds, ended)
    assert precisions(landed) == ["fp32", "w4", "w2"]
    assert one.left == 0


def test_a_group_lands_together_in_its_order(tiny, rounds, ended):
    landed = []
    one = filling_of(tiny, [(*C, *A)], landed.append, ended)
    one.start()
    finish(one, rounds, ended)
    assert [precisions(rows) for rows in landed] == [["w2", "fp32"]]


def test_what_is_wanted_first_is_measured_next(one, rounds, ended):
    one.start()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.first(C)
    one.first((Config("wide"),))  # which was not asked for
    finish(one, rounds, ended)
    assert rounds.started == [A, C, B]


def test_stopped_it_ends_with_the_slice_and_goes_on_with_the_same_group(one, rounds, landed, ended):
    one.start()
    assert rounds.at_work.acquire(timeout=LIMIT_S)
    one.stop()
    finish(one, rounds, ended)
    assert landed == []
    assert one.left == 3
    ended.clear()
    one.start()
    finish(one, rounds, ended)
    assert rounds.started == [A, A, B, C]
    assert precisions(landed) == ["fp32", "w4", "w2"]


def test_started_twice_it_measures_once_and_with_nothing_left_not_at_all(one, rounds, landed, ended):
    one.start()
    one.start()
    finish(one, rounds, ended)
    one.start()
    assert not one.running
    assert precisions(landed) == ["fp32", "w4", "w2"]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("cannot schedule new futures after interpreter shutdown")]
)
def test_an_interrupt_of_the_kernel_and_its_end_are_the_end_and_no_error(one, rounds, landed, ended, error):
    rounds.error = error
    one.start()
    finish(one, rounds, ended)
    assert (landed, one.left) == ([], 3)


def test_an_error_is_kept_until_it_goes_on(one, rounds, landed, ended):
    rounds.error = TypeError("cannot pickle that")
    one.start()
    finish(one, rounds, ended)
    assert (one.error, one.left, landed) == ("TypeError: cannot pickle that", 3, [])
    rounds.error = None
    ended.clear()
    one.start()
    assert one.error == ""
    finish(one, rounds, ended)
    assert (one.error, one.left) == ("", 0)


def test_rows_of_the_model_alone_are_taken(tiny, surface_of):
    surface = surface_of({"task": "tiny", "model": "wide"}, {"task": "tiny", "model": "narrow"})
    assert rows_of_model(tiny, "narrow", surface)["model"].tolist() == ["narrow"]
    assert rows_of_model(tiny, "narrow", None).empty


def test_a_model_or_a_surface_of_elsewhere_is_refused(tiny, surface_of):
    with pytest.raises(ValueError, match="Did you mean 'wide'"):
        rows_of_model(tiny, "wid", None)
    with pytest.raises(ValueError, match=r"surface: wanted rows of task 'tiny'.*\['fashion'\]"):
        rows_of_model(tiny, "wide", surface_of({"model": "wide"}))
    two = surface_of({"task": "tiny", "machine": "one"}, {"task": "tiny", "machine": "two"})
    with pytest.raises(ValueError, match=r"rows of one machine.*\['one', 'two'\]"):
        rows_of_model(tiny, "wide", two)
    with pytest.raises(ValueError, match="wanted the columns of a surface"):
        rows_of_model(tiny, "wide", two[["model"]])


def test_rows_of_another_machine_are_told_by_its_name(surface_of):
    assert recorded_on(surface_of({"machine": "another one"})) == "another one"
    assert recorded_on(surface_of({"machine": machine()})) == recorded_on(surface_of()) == ""
