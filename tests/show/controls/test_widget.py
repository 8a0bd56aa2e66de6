import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.show.controls.widget import Choice, Controls, Group, Number

HOSTILE = "<img src=x onerror=alert(1)>"
SIZE = Choice("size", "model size", "Which network", ("small", "large"))
BATCH = Choice("batch", "batch size", "Items in one call", (1, 4, 16))
LIMIT = Choice("limit", "latency at most", "Hard limit", (0.5, 1.0, 2.0, None), ("0.5 ms", "1 ms", "2 ms", "none"))
PRICE = Number("price", "price", "Of an hour", 0.5, 100.0, 0.1)
START = {"size": "small", "batch": 4, "limit": None, "price": 1.0}


@pytest.fixture
def controls():
    return Controls([Group("Model", (SIZE, BATCH)), Group("Limits", (LIMIT, PRICE), folded=True)], START)


def watched(controls):
    heard = []
    controls.observe_moves(heard.append)
    return heard


def test_what_is_chosen_is_what_they_began_with(controls):
    assert controls.chosen == START
    assert controls.values == {"size": 0, "batch": 1, "limit": 3, "price": 1.0}


def test_what_is_sent_can_be_json_and_is_text(controls):
    controls.offer([Group("Model", (Choice("size", HOSTILE, HOSTILE, (HOSTILE, "b")),))], {"size": HOSTILE})
    sent = json.loads(json.dumps([controls.groups, controls.values], allow_nan=False))
    assert sent[0][0]["controls"][0]["options"] == [HOSTILE, "b"]


def test_what_is_folded_is_told(controls):
    assert [(group["title"], group["folded"]) for group in controls.groups] == [("Model", False), ("Limits", True)]
    assert [one["kind"] for one in controls.groups[1]["controls"]] == ["slider", "number"]


def test_a_menu_of_one_option_is_there_but_not_shown():
    device = Choice("device", "device", "What it runs on", ("cpu",), menu=True)
    controls = Controls([Group("Model", (device, SIZE))], {"device": "cpu", "size": "large"})
    assert [one["name"] for one in controls.groups[0]["controls"]] == ["size"]
    assert controls.chosen == {"device": "cpu", "size": "large"}


def test_several_move_at_once_and_are_told_once(controls):
    heard = watched(controls)
    controls.move(size="large", limit=1.0, price=2, batch=4)
    assert controls.chosen == {"size": "large", "batch": 4, "limit": 1.0, "price": 2.0}
    assert heard == [{"size", "limit", "price"}]


def test_a_move_to_the_same_place_is_none(controls):
    heard = watched(controls)
    controls.move(**START)
    assert heard == []


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ({"bach": 4}, r"^control: wanted one of size, batch, limit, price; got 'bach'\. Did you mean 'batch'\?"),
        ({"size": "lage"}, r"^size: wanted one of small, large; got 'lage'\. Did you mean 'large'\?"),
        ({"batch": 5}, r"^batch: wanted one of the 3 steps from 1 to 16; got 5\. The nearest valid choice is 4"),
        ({"batch": True}, r"^batch: wanted one of the 3 steps"),
        ({"batch": None}, r"^batch: wanted one of the 3 steps from 1 to 16; got None$"),
        ({"limit": 1.4}, r"^limit: wanted one of the 3 steps from 0.5 to 2; got 1.4\. The nearest valid choice is 1"),
        ({"price": 0}, r"^price: wanted a number from 0.5 to 100; got 0\. The nearest valid choice is 0.5"),
        ({"price": 1e9}, r"The nearest valid choice is 100"),
        ({"price": math.nan}, r"^price: wanted a number from 0.5 to 100; got nan$"),
        ({"price": "much"}, r"^price: wanted a number from 0.5 to 100; got 'much'$"),
        ({"price": None}, r"got None$"),
    ],
)
def test_a_move_to_nowhere_is_refused_and_moves_nothing(controls, move, message):
    with pytest.raises(ValueError, match=message):
        controls.move(**({"size": "large"} | move))
    assert controls.chosen == START


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "large", "large"),
        ("batch", "16", 16),
        ("limit", "", None),
        ("limit", "0.5", 0.5),
        ("price", "2.5", 2.5),
    ],
)
def test_text_is_read(controls, name, text, value):
    assert controls.parse(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nmae", "1", "^control: wanted one of"),
        ("size", "", "^size: wanted one of small, large; got ''"),
        ("batch", "", "^batch: wanted one of the 3 steps from 1 to 16; got ''$"),
        ("limit", "1.9", r"got '1.9'\. The nearest valid choice is 2$"),
        ("price", "inf", r"got 'inf'\. The nearest valid choice is 100$"),
        ("price", "nan", "got 'nan'$"),
        ("price", "", "got ''$"),
    ],
)
def test_text_that_means_nothing_is_refused(controls, name, text, message):
    with pytest.raises(ValueError, match=message):
        controls.parse(name, text)


@given(st.sampled_from(LIMIT.options), st.floats(PRICE.least, PRICE.most))
def test_what_is_chosen_can_be_written_and_read(limit, price):
    controls = Controls([Group("", (LIMIT, PRICE))], {"limit": limit, "price": price})
    assert controls.parse("limit", "" if limit is None else str(limit)) == limit
    assert controls.parse("price", str(price)) == price


def test_options_that_cannot_be_had_go_by_their_numbers(controls):
    controls.disable({"size": {"large": "no memory"}, "batch": {1: "why", 16: "not"}})
    assert controls.disabled == {"size": {"1": "no memory"}, "batch": {"0": "why", "2": "not"}}


def test_new_controls_take_the_place_of_the_old_and_nobody_moved(controls):
    heard = watched(controls)
    controls.disable({"size": {"large": "no memory"}})
    controls.offer([Group("", (Choice("size", "", "", ("a", "b", "c")),))], {"size": "c"})
    assert (controls.chosen, controls.disabled, heard) == ({"size": "c"}, {}, [])
    controls.move(size="a")
    assert heard == [{"size"}]


def test_new_controls_that_cannot_begin_so_leave_the_old(controls):
    with pytest.raises(ValueError, match="size: wanted one of a, b"):
        controls.offer([Group("", (Choice("size", "", "", ("a", "b")),))], {"size": "c"})
    assert controls.chosen == START


@pytest.mark.parametrize(
    "said",
    [
        {"size": 2, "batch": 1, "limit": 3, "price": 1.0},
        {"size": -1, "batch": 1, "limit": 3, "price": 1.0},
        {"size": None, "batch": "1", "limit": 3, "price": None},
        {"size": 0.5, "batch": 1, "limit": 3, "price": "1"},
        {"of": 1, "another": 7, "task": 0},
        {},
    ],
)
def test_a_browser_that_speaks_of_other_controls_is_not_heard(controls, said):
    heard = watched(controls)
    controls.set_state({"values": said})
    assert (controls.chosen, heard) == (START, [])


def test_a_browser_moves_and_lets_go_in_one_message(controls):
    held = []
    controls.set_state({"held": True})
    controls.observe_moves(lambda names: held.append((names, controls.held)))
    controls.set_state({"values": controls.values | {"batch": 2, "price": 1e9}, "held": False})
    assert held == [({"batch", "price"}, False)]
    assert (controls["batch"], controls["price"]) == (16, 100.0)


def test_names_may_be_anything():
    names = (HOSTILE, "", "x" * 5000, "größe & co = 100%")
    controls = Controls([Group("", (Choice("size", "", "", names),))], {"size": names[-1]})
    assert [controls.parse("size", name) for name in names] == list(names)


def test_numbers_offer_no_options(controls):
    assert controls.options("price") == ()
    assert controls.options("limit") == (0.5, 1.0, 2.0, None)
