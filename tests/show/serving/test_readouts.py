from dataclasses import replace

import pytest
import tradespace as ts
from tradespace.measuring.measurement import Failure
from tradespace.serving.served import Served
from tradespace.show.serving import readouts


@pytest.fixture(scope="module")
def served(service):
    return ts.simulate(service, ts.arrivals.Poisson(2000), ts.Batcher(8, 1), requests=10_000, deadline_ms=2.5)


@pytest.fixture(scope="module")
def saturated(service):
    return ts.simulate(service, ts.arrivals.Poisson(1e6), ts.Batcher(8), deadline_ms=5)


def values(tiles):
    return {tile.label: tile.value for tile in tiles}


def test_all_numbers_are_there_with_their_intervals(served, service):
    tiles = readouts.tiles_of(served, service)
    assert list(values(tiles)) == [*readouts.ABOUT]
    assert all(tile.about and tile.origin == "simulated" and tile.value != readouts.UNKNOWN for tile in tiles)
    assert [bool(tile.interval) for tile in tiles] == [True, True, True, False, True, True]
    assert "nan" not in repr(tiles)


def test_past_saturation_the_server_is_busy_and_nothing_else_is_known(saturated, service):
    known = {name: value for name, value in values(readouts.tiles_of(saturated, service)).items() if value != "?"}
    assert known == {"busy": "100 %"}


def test_before_service_times_are_known_nothing_is():
    assert set(values(readouts.tiles_of(None, None)).values()) == {"?"}


def test_few_requests_leave_p99_unknown(service):
    few = ts.simulate(service, ts.arrivals.Poisson(100), requests=100)
    tiles = readouts.tiles_of(few, service)
    assert values(tiles)["p99"] == "?"
    assert tiles[1].origin == ""
    assert readouts.flags_of(few)["few_requests"] == readouts.FLAGS["few_requests"]


def test_a_move_is_told_by_what_it_changed(served, saturated, service):
    after = ts.simulate(service, ts.arrivals.Poisson(2000), ts.Batcher(8, 2), requests=10_000, deadline_ms=2.5)
    said = readouts.moved(served, after, "max wait 2 ms")
    assert said.startswith("max wait 2 ms here: p50 from ")
    assert "goodput from " in said
    assert readouts.moved(served, served, "deadline 5 ms").count("still") == 3
    for before, now, what in (
        (None, after, "x"),
        (saturated, after, "x"),
        (served, saturated, "x"),
        (served, after, ""),
    ):
        assert readouts.moved(before, now, what) == ""


def test_the_tail_is_taken_apart_or_explained(served, saturated):
    assert "ms are batch wait, " in readouts.tail(served)
    assert readouts.tail(served).endswith("ms are service.")
    assert readouts.tail(saturated) == f"{saturated.reason[:1].upper()}{saturated.reason[1:]}."


def test_a_real_run_is_set_beside_the_simulation(served):
    real = replace(served, how="measured")
    assert readouts.compared(real, served).startswith("For real, 5 s: p50 ")
    assert readouts.compared(real, served).count("simulated the same") == 2
    slower = replace(real, batches=replace(real.batches, end_s=real.batches.end_s + 0.001))
    assert "% lower." in readouts.compared(slower, served)
    noisy = replace(real, arrived_s=real.arrived_s - 3e-5)
    assert "% lower, within the noise" in readouts.compared(noisy, served)
    why = Failure("unsupported", "no server was recorded")
    refused = Served(served.arrivals, served.batcher, "measured", failure=why)
    assert readouts.compared(refused, served) == "For real: unsupported: no server was recorded."
