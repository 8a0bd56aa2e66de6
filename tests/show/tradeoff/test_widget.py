import io
import json
import math
from dataclasses import fields

import pandas as pd
import pytest
from tradespace.config import Config
from tradespace.show.common.view import Limits, view
from tradespace.show.tradeoff.widget import TradeoffChart
from tradespace.surface.columns import COLUMNS

HOSTILE = "<img src=x onerror=alert(1)>" * 10


def shown(surface, selection=None, limits=None, pins=()):
    chart = TradeoffChart()
    chart.show_surface(surface)
    chart.show_view(view(surface, selection, limits), limits or Limits(), pins)
    json.dumps([chart.data, chart.state, chart.marks], allow_nan=False)
    return chart


def small(**changes):
    return Config("small", **({"threads": 1} | changes))


def test_what_is_sent_has_no_nan(surface):
    chart = shown(surface, small(batch_size=32), Limits(3.0))
    assert "no calibration inputs" in chart.data["text"][-1]
    assert chart.data["latency_p50_ms"][-1] is None
    assert chart.data["latency_p99_ms"] == [None] * len(surface)
    assert chart.data["machine"] == surface["machine"].iloc[0]


def test_a_prediction_without_an_accuracy_is_sent_as_null(surface):
    chart = shown(surface.assign(accuracy=math.nan), small(batch_size=32))
    assert chart.state["predicted"] == {
        "latency_p50_ms": pytest.approx(4.2), "throughput_per_s": pytest.approx(32 / 4.2e-3), "accuracy": None,
    }  # fmt: skip


def test_the_limits_are_sent_as_asked(surface):
    limits = Limits(2.5, 0.9, 100.0, 3.0, "latency_p99_ms")
    chart = TradeoffChart()
    chart.show_view(view(surface, None), limits)
    assert {one.name: chart.state[one.name] for one in fields(limits)} == vars(limits)


def test_pins_are_row_numbers_and_minus_one_where_there_is_no_row(surface):
    assert shown(surface, small(batch_size=1), pins=[3, -1]).state["pins"] == [3, -1]
    assert shown(surface, small(batch_size=1)).state["pins"] == []


def test_an_empty_surface_can_be_shown(surface):
    chart = shown(surface[:0], small(batch_size=1))
    assert chart.data["text"] == []
    assert chart.state["choice"] is None


def test_a_hostile_name_is_text(surface):
    chart = shown(surface.assign(model=HOSTILE, machine=HOSTILE), Config(HOSTILE, threads=1))
    assert chart.data["text"][0].startswith(f"{HOSTILE}, fp32, eager, batch 1, 1 thread\n1.1 ms")
    assert chart.data["machine"] == HOSTILE


def test_each_precision_has_a_mark_known_or_not(surface):
    chart = shown(surface.assign(precision="w4"), None)
    assert set(chart.marks) == {"w4"}
    assert set(chart.marks["w4"]) == {"colour", "symbol", "marker"}


def test_a_move_sends_row_numbers_and_no_rows(surface):
    chart = shown(surface, small(batch_size=1))
    data = chart.data
    chart.show_view(view(surface, small(batch_size=8)))
    assert chart.data is data


def test_the_table_is_given_when_it_is_asked_for(surface):
    chart, sent = TradeoffChart(), []
    chart.send = sent.append
    chart._asked(chart, "csv", [])
    chart.show_surface(surface)
    chart._asked(chart, "csv", [])
    chart._asked(chart, "something else", [])
    empty, full = (pd.read_csv(io.StringIO(message["csv"]), keep_default_na=False) for message in sent)
    assert list(empty) == list(full) == list(COLUMNS)
    assert (len(empty), len(full)) == (0, len(surface))


def test_the_surface_is_left_alone(surface):
    before = surface.copy(deep=True)
    shown(surface, small(batch_size=8))
    pd.testing.assert_frame_equal(surface, before)
