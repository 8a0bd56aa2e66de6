import math

import pytest
from tradespace.scale import Scale
from tradespace.show.explorer.mission import Mission
from tradespace.show.explorer.readouts import UNKNOWN, predicted_rows, tiles_of
from tradespace.surface.predict import Prediction

MEDIAN, P99 = "latency_p50_ms", "latency_p99_ms"


def row_of(surface, number=0, latency=MEDIAN, **changes):
    return Mission().of(surface.assign(**changes), latency).iloc[number].to_dict()


def by_label(tiles):
    return {tile.label: tile for tile in tiles}


def numbers(tile):
    return tile.value, tile.unit, tile.interval, tile.origin


def test_the_tiles_of_a_measured_row_have_units_and_intervals(surface):
    tiles = by_label(tiles_of(row_of(surface, 1), 1e6, MEDIAN, "measured", Scale()))
    assert numbers(tiles["latency"]) == ("1.8", "ms", "1.62 to 2.16", "measured")
    assert numbers(tiles["throughput"]) == ("4,440", "/s", "3,700 to 4,940", "measured")
    assert numbers(tiles["accuracy"]) == ("80", "%", "78 to 82", "measured")
    assert numbers(tiles["memory"]) == (UNKNOWN, "MB", "", "")
    assert (tiles["cost"].value, tiles["cost"].about) == ("0.0625", "cost of 1,000,000 items")
    assert (tiles["energy"].unit, tiles["energy"].about) == ("Wh", "energy of 1,000,000 items, assumed")
    assert tiles["safe speed"].value == "9.991"


def test_there_are_always_the_same_number_of_tiles(surface):
    known, unknown = (
        tiles_of(row_of(surface), 1e6, MEDIAN, "measured", Scale()),
        tiles_of(None, 1e6, MEDIAN, "measured", Scale()),
    )
    assert len(known) == len(unknown) == 7
    assert {(tile.value, tile.interval, tile.origin) for tile in unknown} == {(UNKNOWN, "", "")}


def test_what_could_not_be_measured_is_not_known(surface):
    tiles = tiles_of(row_of(surface, -1), 1e6, MEDIAN, "measured", Scale())
    assert {tile.label for tile in tiles if tile.value != UNKNOWN} == {"accuracy"}
    assert by_label(tiles)["energy"].about.endswith(", not known")


def test_a_prediction_has_no_intervals_and_says_so(surface):
    row = predicted_rows([Prediction(4.0, 8000.0, 0.8)], Mission(), MEDIAN).iloc[0].to_dict()
    tiles = by_label(tiles_of(row, 1e6, MEDIAN, "predicted", Scale()))
    assert numbers(tiles["latency"]) == ("4", "ms", "", "predicted")
    assert numbers(tiles["throughput"]) == ("8,000", "/s", "", "predicted")
    assert tiles["memory"].value == UNKNOWN
    assert tiles["safe speed"].origin == "predicted"


def test_of_a_prediction_the_percentile_and_the_accuracy_may_be_unknown():
    row = predicted_rows([Prediction(4.0, 8000.0, math.nan)], Mission(), P99).iloc[0].to_dict()
    tiles = by_label(tiles_of(row, 1e6, P99, "predicted", Scale()))
    assert (tiles["latency"].value, tiles["latency"].about) == (UNKNOWN, "time for one batch, 99th percentile")
    assert tiles["accuracy"].value == UNKNOWN
    assert tiles["safe speed"].value == UNKNOWN
    assert tiles["throughput"].origin == "predicted"


def test_the_percentile_is_shown_without_an_interval(surface):
    row = row_of(surface, 0, P99, latency_p99_ms=1234.5)
    tile = by_label(tiles_of(row, 1e6, P99, "measured", Scale()))["latency"]
    assert (tile.value, tile.interval) == ("1,230", "")


def test_an_interval_that_is_not_known_is_left_out(surface):
    row = row_of(surface, 0, latency_p50_lo_ms=math.nan, latency_p50_hi_ms=math.nan)
    tiles = tiles_of(row, 1e6, MEDIAN, "measured", Scale())
    assert {tile.label for tile in tiles if tile.interval} == {"accuracy"}


@pytest.mark.parametrize("items", [1, 1000, 1e6, 1e12])
def test_cost_is_that_of_the_items(surface, items):
    tiles = by_label(tiles_of(row_of(surface), items, MEDIAN, "measured", Scale()))
    assert tiles["cost"].about == f"cost of {items:,.0f} items"
    assert float(tiles["cost"].value.replace(",", "")) == pytest.approx(items / (1e3 / 1.1) / 3600, rel=0.01)


def test_large_numbers_are_written_out(surface):
    row = row_of(surface, 0, memory_mb=12345.6, throughput_per_s=1234567.0)
    tiles = by_label(tiles_of(row, 1e12, MEDIAN, "measured", Scale()))
    assert tiles["memory"].value == "12,300"
    assert not any("e+" in tile.value + tile.interval for tile in tiles.values())
