"""When the browser gets its table, and when it has none."""

import threading

import pytest
from tradespace.show.ahead import widget as module
from tradespace.show.ahead.widget import Ahead


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(module, "REST_S", 0.01)


def gathered(ahead, wait_s=10):
    """Whether a table came, since this was called or before."""
    came = threading.Event()
    ahead.observe(lambda change: change["new"] and came.set(), "table")
    return ahead.table is not None or came.wait(wait_s)


def test_without_a_browser_nothing_is_gathered():
    ahead = Ahead({})
    ahead.keep("rows", lambda: pytest.fail("gathered for nobody"))
    assert not gathered(ahead, 0.1)


def test_the_browser_asks_and_gets_the_table_of_now():
    ahead = Ahead({})
    ahead.keep("old", lambda: [{"rows": 1}])
    ahead.keep("new", lambda: [{"rows": 2}])
    ahead.asked = True
    assert gathered(ahead)
    assert ahead.table == {"rows": 2}


def test_the_table_goes_as_soon_as_the_rows_change_and_stays_while_they_do_not():
    ahead = Ahead({})
    ahead.asked = True
    ahead.keep("old", lambda: [{"rows": 1}])
    assert gathered(ahead)
    ahead.keep("old", lambda: [{"rows": 1}])
    assert ahead.table == {"rows": 1}
    ahead.keep("new", None)
    assert ahead.table is None
    assert not gathered(ahead, 0.1)


def test_a_table_that_comes_too_late_is_not_shown():
    begun, end = threading.Event(), threading.Event()

    def slow():
        begun.set()
        end.wait(10)
        return [{"rows": 1}]

    ahead = Ahead({})
    ahead.asked = True
    ahead.keep("old", slow)
    assert begun.wait(10)
    ahead.keep("new", None)
    end.set()
    assert not gathered(ahead, 0.1)


def test_it_waits_while_something_is_measured():
    measuring = threading.Event()
    measuring.set()
    ahead = Ahead({}, measuring.is_set)
    ahead.asked = True
    ahead.keep("rows", lambda: [{"rows": 1}])
    assert not gathered(ahead, 0.1)
    measuring.clear()
    assert gathered(ahead)


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_between_two_parts_it_waits_for_moves_to_rest(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    ahead = Ahead({})

    def parts():
        yield {"rows": 1}
        yield {"tiles": 2}
        ahead.keep("rows", None)
        yield {"tiles": 3}

    ahead.asked = True
    ahead.keep("rows", parts)
    assert gathered(ahead)
    assert ahead.table == {"rows": 1, "tiles": 3}
    # For the move that brought the rows, and for the one in between.
    assert clock.slept == pytest.approx([module.REST_S] * 2)


def test_rows_that_change_meanwhile_end_the_gathering():
    ahead = Ahead({})

    def parts():
        yield {"rows": 1}
        ahead.keep("others", lambda: [{"rows": 2}])
        yield {"tiles": 1}
        pytest.fail("gathered on")

    ahead.asked = True
    ahead.keep("rows", parts)
    assert gathered(ahead)
    assert ahead.table == {"rows": 2}


def test_closed_it_gathers_nothing():
    ahead = Ahead({})
    ahead.asked = True
    ahead.keep("rows", lambda: pytest.fail("gathered though closed"))
    ahead.close()
    assert not gathered(ahead, 0.1)
