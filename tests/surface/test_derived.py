import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.surface.derived import (
    energy_delay,
    latency_throughput_product,
    power,
    safe_speed_m_s,
    with_cost,
    with_products,
    with_safe_speed,
)
from tradespace.surface.frontier import pareto
from tradespace.surface.objectives import at_least, at_most, maximize, minimize
from tradespace.surface.solve import solve

LATENCIES = st.floats(1e-4, 1e6)
DRONE = {"sensing_range_m": 10, "braking_m_s2": 5}


def batches(fixed, each, sizes):
    """Rows of one batch in flight that take fixed + each * size ms."""
    sizes = np.asarray(sizes, float)
    ms = fixed + each * sizes
    return pd.DataFrame(
        {"batch_size": sizes, "latency_p50_ms": ms, "throughput_per_s": 1e3 * sizes / ms, "status": "ok"}
    )


@given(ms=LATENCIES, size=st.integers(1, 4096))
def test_with_one_batch_in_flight_latency_times_throughput_is_the_batch_size(ms, size):
    surface = pd.DataFrame({"latency_p50_ms": [ms], "throughput_per_s": [size / (ms / 1e3)]})
    assert latency_throughput_product(surface).tolist() == pytest.approx([size])


@given(fixed=st.floats(0.1, 100), optimum=st.integers(2, 900))
def test_power_is_greatest_where_the_fixed_cost_equals_that_of_the_items(fixed, optimum):
    each = fixed / optimum
    surface = batches(fixed, each, range(1, 1001))
    best = surface.iloc[power(surface).argmax()]
    assert best["batch_size"] == pytest.approx(optimum, abs=1)
    [at_optimum] = batches(fixed, each, [optimum]).to_dict("records")
    peak, least = 1e3 / each, fixed
    assert at_optimum["throughput_per_s"] == pytest.approx(peak / 2)
    assert at_optimum["latency_p50_ms"] == pytest.approx(2 * least)


def test_power_is_throughput_over_latency_in_seconds():
    surface = pd.DataFrame({"latency_p50_ms": [2.0], "throughput_per_s": [4000.0]})
    assert power(surface).tolist() == [2_000_000]


def test_energy_delay_is_joules_times_seconds_and_unknown_where_energy_is():
    surface = pd.DataFrame({"latency_p50_ms": [500.0, 500.0], "energy_j_per_item": [3.0, math.nan]})
    np.testing.assert_array_equal(energy_delay(surface), [1.5, math.nan])


def test_the_products_are_added_and_nothing_else_changes(surface_of):
    surface = surface_of({"latency_p50_ms": 2.0}, {"latency_p50_ms": math.nan, "status": "failed"})
    surface.index = [5, 5]
    before = surface.copy(deep=True)
    added = with_products(surface)
    assert_frame_equal(surface, before)
    assert_frame_equal(added[surface.columns], before)
    assert added.columns.drop(surface.columns).tolist() == ["power", "latency_throughput_product", "energy_delay"]
    assert added.iloc[1][["power", "latency_throughput_product", "energy_delay"]].isna().all()


def test_products_need_no_energy_that_nobody_read():
    surface = pd.DataFrame({"latency_p50_ms": [2.0], "throughput_per_s": [4000.0], "status": "ok"})
    assert with_products(surface)["power"].tolist() == [2_000_000]


def test_the_least_product_is_always_batch_one_and_the_greatest_power_is_not():
    surface = batches(1.0, 0.1, [1, 2, 4, 8, 16, 32, 64])
    assert solve(surface, minimize("latency_throughput_product"))["batch_size"].tolist() == [1]
    # Powers at 8 and 16 are 10 / 3.24 and 10 / 4.23 of the same thing: the best is next to a / b = 10.
    assert solve(surface, maximize("power"))["batch_size"].tolist() == [8]


def test_products_may_be_named_without_being_there(surface_of):
    surface = surface_of(
        {"latency_p50_ms": 1.0, "throughput_per_s": 1000.0, "energy_j_per_item": 0.1},
        {"latency_p50_ms": 4.0, "throughput_per_s": 2000.0, "energy_j_per_item": 0.01},
    )
    assert pareto(surface, [maximize("power"), minimize("energy_delay")]).index.tolist() == [0, 1]
    assert solve(surface, minimize("energy_delay")).index.tolist() == [1]
    assert solve(surface, maximize("throughput_per_s"), [at_least("power", 600_000)]).index.tolist() == [0]
    assert solve(surface, maximize("power"), [at_most("energy_delay", 5e-5)]).index.tolist() == [1]
    assert "power" not in solve(surface, maximize("power"))


def test_a_column_of_the_callers_own_is_preferred_to_a_computed_one():
    surface = batches(1.0, 0.1, [1, 8]).assign(power=[2.0, 1.0])
    assert solve(surface, maximize("power"))["batch_size"].tolist() == [1]


def test_a_product_whose_parts_are_not_there_is_not_offered():
    surface = batches(1.0, 0.1, [1, 8])
    with pytest.raises(ValueError, match=r"^column: wanted one of .*power, latency_throughput_product; got 'energy_d"):
        solve(surface, minimize("energy_delay"))


def priced(surface, **given):
    return with_cost(surface, **{"price_per_hour": 3.6} | given)


@pytest.fixture
def machine_room(surface_of):
    """A row whose energy was measured, one whose was not, and one that could not run."""
    latency = {"latency_p50_ms": 1.0, "latency_p50_lo_ms": 0.9, "latency_p50_hi_ms": 1.2, "throughput_per_s": 1000.0}
    nothing = dict.fromkeys((*latency, "energy_j_per_item"), math.nan)
    return surface_of(
        latency | {"energy_j_per_item": 0.0036},
        latency | {"energy_j_per_item": math.nan},
        nothing | {"status": "unsupported"},
    )


def test_a_million_items_cost_the_time_they_take(machine_room):
    # 1,000 s at 3.6 an hour.
    costs = priced(machine_room)[["cost_per_million_lo", "cost_per_million", "cost_per_million_hi"]]
    np.testing.assert_allclose(costs, [[0.9, 1, 1.2], [0.9, 1, 1.2], [math.nan] * 3])


def test_energy_is_the_measured_one_or_the_assumed_one_and_says_which(machine_room):
    found = priced(machine_room, watts=36)
    np.testing.assert_allclose(found["wh_per_million"], [1, 10, math.nan])
    assert found["wh_is"].tolist() == ["measured", "assumed", ""]
    np.testing.assert_allclose(found["wh_per_million_lo"], [0.9, 9, math.nan])
    np.testing.assert_allclose(found["wh_per_million_hi"], [1.2, 12, math.nan])


def test_without_watts_an_energy_that_was_not_read_is_unknown(machine_room):
    found = priced(machine_room)
    np.testing.assert_allclose(found["wh_per_million"], [1, math.nan, math.nan])
    assert found["wh_is"].tolist() == ["measured", "", ""]


def test_idle_time_is_paid_for_and_draws_the_assumed_watts_but_not_the_measured_joules(machine_room):
    found = priced(machine_room, watts=36, utilisation=0.25)
    np.testing.assert_allclose(found["cost_per_million"], [4, 4, math.nan])
    np.testing.assert_allclose(found["wh_per_million"], [1, 40, math.nan])


@given(
    ms=LATENCIES,
    below=st.floats(0.5, 1),
    above=st.floats(1, 2),
    rate=st.floats(0.1, 1e6),
    utilisation=st.floats(0.01, 1),
    joules=st.floats(1e-6, 1e3) | st.just(math.nan),
)
def test_the_intervals_are_in_order(ms, below, above, rate, utilisation, joules):
    row = {"latency_p50_ms": ms, "latency_p50_lo_ms": ms * below, "latency_p50_hi_ms": ms * above}
    row |= {"throughput_per_s": rate, "energy_j_per_item": joules}
    found = priced(pd.DataFrame([row]), watts=10, utilisation=utilisation).iloc[0]
    for name in ("cost_per_million", "wh_per_million"):
        assert 0 < found[f"{name}_lo"] <= found[name] * (1 + 1e-12)
        assert found[name] <= found[f"{name}_hi"] * (1 + 1e-12)


def test_without_an_interval_of_latency_that_of_the_cost_is_unknown(surface_of):
    row = surface_of({"latency_p50_lo_ms": math.nan, "latency_p50_hi_ms": math.nan})
    found = priced(row)
    assert found[["cost_per_million_lo", "cost_per_million_hi", "wh_per_million_lo"]].isna().all(axis=None)
    assert found[["cost_per_million", "wh_per_million"]].notna().all(axis=None)


def test_pricing_leaves_the_surface_as_it_was_and_every_column_where_it_was(machine_room):
    machine_room.index = [4, 4, 2]
    before = machine_room.copy(deep=True)
    found = priced(machine_room)
    assert_frame_equal(machine_room, before)
    assert_frame_equal(found[before.columns], before)
    assert priced(machine_room.iloc[:0]).shape == (0, found.shape[1])


def test_the_cost_may_be_an_objective_and_a_constraint(machine_room):
    dear = machine_room.assign(throughput_per_s=[1000.0, 500.0, math.nan])
    assert solve(priced(dear), minimize("cost_per_million"), [at_most("cost_per_million", 1.01)]).index.tolist() == [0]


SERVED = ["cost_per_million_served_lo", "cost_per_million_served", "cost_per_million_served_hi"]


def test_a_million_served_requests_cost_the_time_in_which_they_arrive(machine_room):
    rates = {"max_rate_per_s": [500.0, 0.0, math.nan], "max_rate_per_s_lo": [400.0, 0.0, math.nan]}
    loaded = machine_room.assign(**rates, max_rate_per_s_hi=[625.0, 0.0, math.nan])
    # 2,000 s at 3.6 an hour; the server that meets no deadline has no price.
    found = priced(loaded)
    np.testing.assert_allclose(found[SERVED], [[1.6, 2, 2.5], [math.inf] * 3, [math.nan] * 3])
    np.testing.assert_allclose(found["cost_per_million"], [1, 1, math.nan])
    # Time in which the server is idle is paid for already.
    np.testing.assert_allclose(priced(loaded, utilisation=0.5)[SERVED], found[SERVED])


def test_without_a_rate_there_is_no_cost_of_served_requests(machine_room):
    assert not set(SERVED) & set(priced(machine_room))


def test_the_cheapest_server_may_be_chosen(machine_room):
    loaded = machine_room.assign(max_rate_per_s=[500.0, 600.0, math.nan])
    loaded = loaded.assign(max_rate_per_s_lo=loaded["max_rate_per_s"], max_rate_per_s_hi=loaded["max_rate_per_s"])
    choice = solve(priced(loaded), minimize("cost_per_million_served"), [at_least("max_rate_per_s", 300)])
    assert choice.index.tolist() == [1]
    tied = solve(
        priced(loaded), [minimize("cost_per_million_served"), minimize("latency_p50_ms")],
        margin={"cost_per_million_served": 0.25},
    )  # fmt: skip
    assert tied.index.tolist() == [1]


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "3", None, True])
@pytest.mark.parametrize("argument", ["price_per_hour", "watts", "utilisation"])
def test_a_price_that_is_not_above_zero_is_refused(machine_room, argument, value):
    if argument == "watts" and value is None:
        return
    with pytest.raises(ValueError, match=rf"^{argument}: wanted a finite number above 0; got "):
        priced(machine_room, **{argument: value})


def test_more_than_all_of_the_time_is_refused(machine_room):
    with pytest.raises(ValueError, match=r"^utilisation: wanted a share of the time, at most 1; got 1\.5"):
        priced(machine_room, utilisation=1.5)


@pytest.mark.parametrize("column", ["throughput_per_s", "energy_j_per_item", "latency_p50_lo_ms"])
def test_a_surface_that_lacks_what_a_cost_needs_is_refused(machine_room, column):
    with pytest.raises(ValueError, match=column):
        priced(machine_room.drop(columns=column))


@given(ms=st.floats(0, 1e7), distance=st.floats(1e-3, 1e4), braking=st.floats(1e-2, 1e3))
def test_flying_on_and_braking_take_up_the_sensing_range(ms, distance, braking):
    v = safe_speed_m_s(ms, sensing_range_m=distance, braking_m_s2=braking)
    assert v * ms / 1e3 + v**2 / (2 * braking) == pytest.approx(distance, rel=1e-9)
    assert v > 0


@given(
    ms=st.lists(st.floats(0, 1e5), min_size=2, max_size=2), distance=st.floats(0.1, 100), braking=st.floats(0.1, 100)
)
def test_a_slower_answer_never_allows_a_higher_speed(ms, distance, braking):
    fast, slow = (safe_speed_m_s(one, sensing_range_m=distance, braking_m_s2=braking) for one in sorted(ms))
    assert fast >= slow


def test_an_answer_at_once_leaves_the_braking_alone_and_a_late_one_the_waiting_alone():
    assert safe_speed_m_s(0, **DRONE) == pytest.approx(math.sqrt(2 * 5 * 10))
    assert safe_speed_m_s(1e12, **DRONE) == pytest.approx(10 / 1e9)
    assert safe_speed_m_s(math.inf, **DRONE) == 0


@pytest.mark.parametrize("ms", [1e150, 1e170, 1e300])
def test_a_latency_beyond_all_reason_gives_no_warning(ms):
    assert safe_speed_m_s(ms, **DRONE) == pytest.approx(0)


def test_an_unknown_latency_gives_an_unknown_speed():
    assert math.isnan(safe_speed_m_s(math.nan, **DRONE))
    surface = pd.DataFrame({"latency_p50_ms": [math.nan, 0.0]})
    np.testing.assert_allclose(with_safe_speed(surface, **DRONE)["safe_speed_m_s"], [math.nan, 10])


@given(ms=st.lists(st.floats(0, 1e6), max_size=5))
def test_a_row_is_as_fast_as_its_latency_alone(ms):
    surface = pd.DataFrame({"latency_p99_ms": np.array(ms, float)}, index=[3] * len(ms))
    before = surface.copy(deep=True)
    found = with_safe_speed(surface, **DRONE, latency="latency_p99_ms")
    assert found["safe_speed_m_s"].tolist() == [safe_speed_m_s(one, **DRONE) for one in ms]
    assert_frame_equal(surface, before)


@pytest.mark.parametrize("ms", [-1, -math.inf, -1e-9])
def test_a_negative_latency_is_refused(ms):
    with pytest.raises(ValueError, match=r"^latency_ms: wanted zero or more; got -"):
        safe_speed_m_s(ms, **DRONE)
    with pytest.raises(ValueError, match="latency"):
        with_safe_speed(pd.DataFrame({"latency_p50_ms": [1.0, ms]}), **DRONE)


@pytest.mark.parametrize("ms", ["5", None])
def test_a_latency_that_is_no_number_is_refused(ms):
    with pytest.raises(ValueError, match=r"^latency_ms: wanted "):
        safe_speed_m_s(ms, **DRONE)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "5", None, True])
@pytest.mark.parametrize("argument", ["sensing_range_m", "braking_m_s2"])
def test_a_range_or_braking_that_is_not_above_zero_is_refused(argument, value):
    message = rf"^{argument}: wanted a finite number above 0; got "
    with pytest.raises(ValueError, match=message):
        safe_speed_m_s(1, **DRONE | {argument: value})
    with pytest.raises(ValueError, match=message):
        with_safe_speed(pd.DataFrame({"latency_p50_ms": [1.0]}), **DRONE | {argument: value})


def test_an_unknown_latency_column_is_refused_with_the_nearest(surface_of):
    with pytest.raises(ValueError, match=r"got 'latency_p98_ms'\. Did you mean 'latency_p9\d_ms'"):
        with_safe_speed(surface_of({}), **DRONE, latency="latency_p98_ms")
