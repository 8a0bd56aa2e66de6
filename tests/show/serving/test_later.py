import threading

import pytest
from tradespace.show.serving.later import KEPT, Later

LIMIT_S = 60


@pytest.fixture
def later():
    found = []
    one = Later(threading.RLock(), 0.0, lambda: found.append(True))
    one.found = found
    yield one
    one.stop()


def test_what_was_asked_for_comes_and_is_kept(later):
    assert later.of("a", lambda: iter([None, 1])) is None
    later.wait()
    assert later.found == [True]
    assert later.of("a", lambda: iter([None, 2])) == 1


def test_asked_for_again_meanwhile_it_goes_on(later):
    go, begun = threading.Event(), []

    def steps():
        begun.append(True)
        go.wait(LIMIT_S)
        yield 1

    for _ in range(3):
        later.of("a", steps)
    go.set()
    later.wait()
    assert begun == [True]


def test_another_takes_its_place_and_nothing_comes_of_it(later):
    go = threading.Event()

    def steps():
        go.wait(LIMIT_S)
        yield None
        yield 1

    later.of("a", steps)
    later.of("b", lambda: iter([2]))
    go.set()
    later.wait()
    assert later.of("b", lambda: iter([3])) == 2
    assert later.found == [True]
    assert later.of("a", lambda: iter([4])) is None


def test_the_oldest_are_forgotten(later):
    for key in range(KEPT + 1):
        later.of(key, lambda key=key: iter([key + 1]))
        later.wait()
    assert later.of(KEPT, lambda: iter([])) == KEPT + 1
    assert later.of(0, lambda: iter([])) is None


def test_an_error_leaves_nothing_and_it_is_tried_again(later, caplog):
    def steps():
        raise ValueError("no")
        yield

    later.of("a", steps)
    later.wait()
    for thread in threading.enumerate():
        if thread.name == "tradespace-background":
            thread.join(LIMIT_S)
    assert "ValueError: no" in caplog.text
    later.of("a", lambda: iter([1]))
    later.wait()
    assert later.of("a", lambda: iter([2])) == 1
