import json
import threading
from dataclasses import asdict, replace

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement
from tradespace.scale import Scale
from tradespace.show.common.view import view
from tradespace.show.explorer import rows as module
from tradespace.show.explorer.mission import Mission
from tradespace.show.explorer.rows import Rows, with_row
from tradespace.show.explorer.shown import sentence
from tradespace.show.explorer.shown import shown as shown_of
from tradespace.show.explorer.state import HERE, RECORDED, State
from tradespace.surface.columns import table

START = Config("small", threads=1)
STATE = State("toy", HERE, START)
FAR = replace(START, batch_size=64)
NOWHERE = replace(START, threads=3)


def shown(rows, state):
    return shown_of(rows, state, Scale())


def at(**knobs):
    return replace(STATE, config=replace(START, **knobs))


def test_what_is_shown_of_a_measured_point(surface):
    seen = shown(Rows(surface), STATE)
    assert seen.view == view(surface, START)
    assert seen.pins == []
    assert seen.words.splitlines()[0].startswith("small, fp32, eager, batch 1, 1 thread: 1.1 ms")
    assert seen.words.splitlines()[1].startswith("Highest throughput, without limits: small, bf16, eager, batch 64,")
    assert {tile.origin for tile in seen.tiles} == {"measured", ""}


def test_it_can_be_sent_and_comes_out_the_same_every_time(surface):
    before, rows, state = surface.copy(deep=True), Rows(surface), at(batch_size=32).with_pin(FAR).with_pin(NOWHERE)
    seen = shown(rows, state)
    assert json.loads(json.dumps(asdict(seen), allow_nan=False))
    assert seen == shown(rows, state) == shown(Rows(surface), state)
    assert seen.pins == [2, -1]
    assert surface.equals(before)


def test_the_state_decides_limits_goal_and_what_is_said_of_unknown_points(surface):
    rows, state = Rows(surface), at(threads=3)
    assert shown(rows, state).words.splitlines()[0].endswith("not measured yet")
    assert shown(rows, replace(state, data=RECORDED)).words.splitlines()[0].endswith("not among the recorded points")
    best = shown(rows, replace(state, objective="accuracy", max_latency_ms=1.5)).words.splitlines()[1]
    assert best.startswith("Highest accuracy, at most 1.5 ms: large, bf16, eager, batch 1,")


@pytest.mark.parametrize(
    ("state", "origin"),
    [(STATE, "measured"), (replace(STATE, data=RECORDED), "recorded"), (at(batch_size=32), "predicted")],
)
def test_the_tiles_say_where_their_numbers_come_from(surface, state, origin):
    assert shown(Rows(surface), state).tiles[0].origin == origin


def test_of_what_is_neither_measured_nor_predicted_nothing_is_known(surface):
    assert {tile.value for tile in shown(Rows(surface), at(threads=3)).tiles} == {"?"}


def test_rows_are_priced_and_limits_decided_once_for_many_moves(surface, monkeypatch):
    calls, here = [], threading.get_ident()

    def counted(name, function):
        # An Explorer of an earlier test may still be measuring, in a thread of its own.
        return lambda *given: (threading.get_ident() == here and calls.append(name), function(*given))[1]

    monkeypatch.setattr(module, "within", counted("within", module.within))
    monkeypatch.setattr(Mission, "of", counted("of", Mission.of))
    rows = Rows(surface)
    for size in (1, 2, 8, 64):
        shown(rows, at(batch_size=size, precision="bf16" if size > 1 else "fp32"))
    predicted = calls.count("of") - 1
    assert (calls.count("within"), predicted) == (1, 1)
    shown(rows, replace(STATE, min_accuracy=0.8))
    shown(rows, STATE)
    assert (calls.count("within"), calls.count("of") - predicted) == (2, 1)
    shown(rows, replace(STATE, mission=Mission(price_per_hour=2.0)))
    assert (calls.count("within"), calls.count("of") - predicted) == (3, 2)


def test_a_sentence_needs_a_row_at_both_ends(surface):
    rows = Rows(surface)
    assert sentence(rows, at(precision="bf16"), START).startswith("bf16 here: 2.0 times as fast")
    assert sentence(rows, at(precision="bf16")) == sentence(rows, STATE, START) == ""
    assert sentence(rows, at(batch_size=32), START) == sentence(rows, STATE, NOWHERE) == ""


def test_two_pins_are_compared_and_one_is_not(surface):
    rows, one = Rows(surface), STATE.with_pin(START)
    assert sentence(rows, one) == ""
    assert sentence(rows, one.with_pin(FAR)).startswith("From pin A to pin B: batch 64 here: ")
    both = sentence(rows, replace(one.with_pin(FAR), config=FAR), START)
    assert [line.split(":")[0] for line in both.splitlines()] == ["batch 64 here", "From pin A to pin B"]
    assert "nothing to compare" in sentence(rows, one.with_pin(NOWHERE))


def test_raw_results_are_compared_in_pairs_where_both_are_at_hand(surface):
    right = np.ones(100, dtype=bool)
    wrong = right & (np.arange(100) >= 6)
    bf16 = replace(START, precision="bf16")
    correct = {START: Measurement("toy", START, scores=right), bf16: Measurement("toy", bf16, scores=wrong)}
    worse = surface.assign(accuracy=np.where(surface["precision"] == "bf16", 0.77, surface["accuracy"]))
    state = replace(STATE, config=bf16)
    assert sentence(Rows(worse), state, START).endswith("points lost (not significant).")
    assert sentence(Rows(worse, correct), state, START).endswith("points lost.")


# Rows


def test_the_last_of_several_rows_of_a_config_is_its_row(surface):
    rows = Rows(table([*surface.to_dict("records"), surface.iloc[0].to_dict() | {"latency_p50_ms": 9.0}]))
    assert rows.number(START) == len(surface)
    assert rows.row(START)["latency_p50_ms"] == 9.0
    assert (rows.number(NOWHERE), rows.row(NOWHERE)) == (None, None)


def test_a_new_row_takes_the_place_of_the_old_one_or_the_end(surface):
    for config, place in ((replace(START, batch_size=8), 1), (NOWHERE, len(surface))):
        longer = with_row(surface, Measurement("toy", config))
        assert len(longer) == max(len(surface), place + 1)
        assert Rows(longer).number(config) == place
        rest = [number for number in range(len(surface)) if number != place]
        assert longer["latency_p50_ms"].iloc[rest].equals(surface["latency_p50_ms"].iloc[rest])
    assert len(with_row(surface[:0], Measurement("toy", START))) == 1
