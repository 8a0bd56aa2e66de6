import math

import pandas as pd
import pytest
from tradespace.show.explorer.mission import Mission


def test_cost_energy_and_speed_are_columns_beside_the_others(surface):
    priced = Mission(price_per_hour=3.6, watts=50).of(surface)
    rate = surface["throughput_per_s"].iloc[0]
    assert priced["cost_per_million"].iloc[0] == pytest.approx(1e6 / rate / 1000)
    assert priced["wh_per_million"].iloc[0] == pytest.approx(1e6 / rate / 3600 * 50)
    assert priced["wh_is"].iloc[0] == "assumed"
    assert (priced["safe_speed_m_s"].dropna() < 10).all()
    assert priced[list(surface)].equals(surface)


def test_what_was_not_measured_costs_nothing_known(surface):
    last = Mission().of(surface).iloc[-1]
    assert math.isnan(last["cost_per_million"])
    assert math.isnan(last["safe_speed_m_s"])
    assert last["wh_is"] == ""


def test_measured_energy_is_used_whatever_the_watts(surface):
    priced = Mission(watts=9999).of(surface.assign(energy_j_per_item=0.0036))
    assert priced["wh_per_million"].iloc[0] == pytest.approx(1.0)
    assert priced["wh_is"].iloc[0] == "measured"


def test_the_speed_is_that_of_the_latency_which_is_asked_for(surface):
    late = surface.assign(latency_p99_ms=1000.0)
    assert Mission().of(late, "latency_p99_ms")["safe_speed_m_s"].iloc[0] == pytest.approx(6.18, abs=0.01)
    assert Mission().of(surface, "latency_p99_ms")["safe_speed_m_s"].isna().all()


def test_an_empty_surface_has_the_columns_too(surface):
    assert set(Mission().of(surface)) == set(Mission().of(surface[:0]))


def test_the_surface_is_left_alone(surface):
    before = surface.copy(deep=True)
    Mission().of(surface)
    pd.testing.assert_frame_equal(surface, before)
