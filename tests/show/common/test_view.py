import json
import math
from dataclasses import asdict

import pytest
from tradespace.config import Config
from tradespace.show.common.view import THROUGHPUT, Limits, in_words, view
from tradespace.show.common.words import describe_row
from tradespace.surface.columns import table
from tradespace.surface.objectives import at_most, maximize, minimize
from tradespace.surface.solve import solve

NOTHING_ASKED = Limits()


def config(model="small", precision="fp32", batch_size=8, threads=1):
    return Config(model, precision=precision, batch_size=batch_size, threads=threads)


def knobs(surface, rows):
    return [tuple(surface.loc[row, ["model", "precision", "batch_size"]]) for row in rows]


def test_there_is_one_line_a_precision_in_the_order_of_batch_sizes(surface):
    seen = view(surface.sample(frac=1, random_state=0).reset_index(drop=True), config())
    shuffled = surface.sample(frac=1, random_state=0).reset_index(drop=True)
    assert set(seen.lines) == {"fp32", "bf16"}
    assert knobs(shuffled, seen.lines["bf16"]) == [("small", "bf16", b) for b in (1, 8, 64)]


def test_a_measured_selection_is_current_and_needs_no_prediction(surface):
    seen = view(surface, config("large", "bf16", 64))
    assert knobs(surface, [seen.current]) == [("large", "bf16", 64)]
    assert seen.predicted is None


def test_an_unmeasured_batch_size_is_predicted_from_its_neighbours(surface):
    seen = view(surface, config(batch_size=32))
    assert seen.current is None
    assert seen.predicted.latency_p50_ms == pytest.approx(1 + 0.1 * 32)
    assert seen.predicted.accuracy == 0.80


def test_a_selection_far_from_anything_measured_is_neither(surface):
    seen = view(surface, config(threads=3))
    assert (seen.current, seen.predicted, seen.lines) == (None, None, {})


def test_a_selection_that_cannot_run_is_not_current_and_not_predicted(surface):
    seen = view(surface, config(precision="int8"))
    assert (seen.current, seen.predicted) == (None, None)


def test_the_best_choice_has_the_highest_throughput_within_the_limits(surface):
    everything = view(surface, config(), Limits())
    fast = view(surface, config(), Limits(max_latency_ms=1.0))
    accurate = view(surface, config(), Limits(max_latency_ms=3.0, min_accuracy=0.85))
    assert knobs(surface, [everything.choice]) == [("small", "bf16", 64)]
    assert knobs(surface, [fast.choice]) == [("small", "bf16", 8)]
    assert knobs(surface, [accurate.choice]) == [("large", "bf16", 8)]


def test_limits_that_nothing_meets_leave_no_choice_and_no_frontier(surface):
    seen = view(surface, config(), Limits(max_latency_ms=0.01))
    assert seen.choice is None
    assert seen.feasible == seen.throughput_frontier == seen.accuracy_frontier == []


def test_the_frontiers_are_those_of_what_each_panel_shows(surface):
    seen = view(surface, config())
    assert knobs(surface, seen.throughput_frontier) == [("small", "bf16", b) for b in (1, 8, 64)]
    assert knobs(surface, seen.accuracy_frontier) == [("small", "bf16", 1), ("large", "bf16", 1)]


def test_a_view_is_rows_and_numbers_that_json_can_carry(surface):
    assert json.loads(json.dumps(asdict(view(surface, config(batch_size=32))), allow_nan=False))


def test_a_view_leaves_its_surface_alone(surface):
    before = surface.copy(deep=True)
    view(surface, config(), Limits(1.0, 0.5))
    assert surface.equals(before)


def test_the_words_give_the_numbers_with_their_intervals(surface):
    words = in_words(surface, view(surface, config()), config(), Limits())
    assert words.splitlines()[0] == (
        "small, fp32, eager, batch 8, 1 thread: 1.8 ms (1.62 to 2.16), 4,444 items/s, accuracy 80.0% (78.0% to 82.0%)"
    )


def test_the_words_say_what_is_predicted_and_what_is_unknown(surface):
    predicted, unknown = config(batch_size=32), config(threads=3)
    assert "predicted 4.2 ms" in in_words(surface, view(surface, predicted), predicted, Limits())
    assert "not measured yet" in in_words(surface, view(surface, unknown), unknown, Limits())


def test_the_words_say_that_nothing_meets_the_limits(surface):
    limits = Limits(0.01, 0.99)
    words = in_words(surface, view(surface, config(), limits), config(), limits)
    assert "No measured point meets these limits: at most 0.01 ms and at least 99.0%" in words


def test_the_words_give_the_reason_of_what_cannot_run(surface):
    chosen = config(precision="int8")
    assert "unsupported: no calibration inputs" in in_words(surface, view(surface, chosen), chosen, Limits())


def test_unknown_accuracy_and_doubts_are_said(surface):
    row = surface.iloc[0].copy()
    row["accuracy"], row["flags"], row["latency_p50_lo_ms"] = math.nan, "noisy", math.nan
    assert describe_row(row).endswith("1.1 ms, 909 items/s, accuracy not known [noisy]")


@pytest.mark.parametrize("number", range(8))
def test_a_view_is_that_of_row_numbers_whatever_the_index(surface, number):
    limits = Limits(*[value if i == number % 3 else None for i, value in enumerate((2.0, 0.85, 1000.0))])
    odd = surface.set_index(surface.index[::-1] * 3)
    assert view(odd, config(), limits) == view(surface, config(), limits)


def test_throughput_and_cost_are_limited_too(surface):
    priced = surface.assign(cost_per_million=[*range(12), math.nan])
    assert view(priced, None, Limits(max_cost_per_million=2)).feasible == [0, 1, 2]
    assert all(surface["throughput_per_s"][view(surface, None, Limits(min_throughput_per_s=5000)).feasible] >= 5000)


def test_the_frontiers_are_those_of_the_latency_which_is_limited(surface):
    late = surface.assign(latency_p99_ms=surface["latency_p50_ms"].to_numpy()[::-1])
    seen = view(late, None, Limits(latency="latency_p99_ms"))
    on = late.iloc[seen.throughput_frontier]
    assert on["latency_p99_ms"].is_monotonic_increasing
    assert on["throughput_per_s"].is_monotonic_increasing
    assert seen.throughput_frontier != view(late, None).throughput_frontier


def test_a_percentile_that_nobody_knows_has_no_frontier_and_meets_no_limit(surface):
    seen = view(surface, config(), Limits(latency="latency_p99_ms"))
    assert (seen.throughput_frontier, seen.accuracy_frontier) == ([], [])
    assert seen.choice is not None
    limits = Limits(5.0, latency="latency_p99_ms")
    words = in_words(surface, view(surface, config(), limits), config(), limits)
    assert words.splitlines()[1] == (
        "Highest throughput, at most 5 ms at the 99th percentile: none, since the 99th percentile of latency is not "
        "known for any point, which takes 662 samples of a point."
    )


def best(surface, objective, goal, limits=NOTHING_ASKED):
    seen = view(surface, config(), limits, objective)
    return seen, in_words(surface, seen, config(), limits, goal, objective).splitlines()[1]


def test_an_objective_that_no_point_has_has_no_best_and_says_why(surface):
    seen, words = best(surface, minimize("energy_delay"), "lowest energy x delay")
    assert seen.choice is None
    assert len(seen.feasible) == 12
    assert words == (
        "Lowest energy x delay, without limits: none, since energy x delay is not known for any point, which takes an "
        "energy counter."
    )
    _, words = best(surface.assign(accuracy=math.nan), maximize("accuracy"), "highest accuracy")
    assert words.endswith("none, since accuracy is not known for any point, which takes labelled test data.")


def test_an_objective_that_only_points_beyond_the_limits_have_says_so(surface):
    counted = surface.assign(energy_j_per_item=[math.nan] * 11 + [1.0, math.nan])
    seen, words = best(counted, minimize("energy_delay"), "lowest energy x delay", Limits(1.0))
    assert seen.choice is None
    assert words.endswith("none, since energy x delay is not known for any point within the limits.")


def test_a_limit_on_what_no_point_has_is_no_fault_of_the_limit(surface):
    _, words = best(surface.assign(accuracy=math.nan), THROUGHPUT, "highest throughput", Limits(min_accuracy=0.1))
    assert "Loosen" not in words
    assert "accuracy is not known for any point" in words


def test_an_empty_surface_has_no_best(surface):
    for none in (surface[:0], surface[-1:]):
        seen, words = best(none, THROUGHPUT, "highest throughput")
        assert (seen.choice, seen.current, seen.lines) == (None, None, {})
        assert words == "Highest throughput, without limits: nothing was measured so far."


def test_the_best_by_each_objective_is_that_of_solve(surface):
    for objective in (minimize("latency_p50_ms"), maximize("accuracy"), maximize("power")):
        chosen = solve(surface, objective, [at_most("latency_p50_ms", 3)])
        assert view(surface, None, Limits(3.0), objective).choice == chosen.index[0]


def test_all_limits_are_said(surface):
    limits = Limits(1234.5, 0.9, 12345.6, 1e6, "latency_p90_ms")
    assert limits.words == (
        "at most 1,230 ms at the 90th percentile and at least 90.0% and at least 12,300 items/s and a cost of at most "
        "1,000,000 for a million items"
    )
    assert Limits().words == "without limits"


def test_slow_and_large_numbers_are_written_out(surface):
    row = surface.iloc[0].to_dict() | {
        "latency_p50_ms": 12345.6, "latency_p50_lo_ms": 12000.0, "latency_p50_hi_ms": 13000.0,
        "throughput_per_s": 0.081,
    }  # fmt: skip
    assert "12,300 ms (12,000 to 13,000), 0.081 items/s" in describe_row(row)


def test_another_device_than_the_processor_is_named(surface):
    assert describe_row(surface.iloc[0].to_dict() | {"device": "cuda"}).startswith(
        "small, fp32, eager on cuda, batch 1"
    )


def test_of_several_rows_of_one_config_the_last_counts(surface):
    twice = table([*surface.to_dict("records"), surface.iloc[0].to_dict() | {"latency_p50_ms": 9.0}])
    one = config(batch_size=1)
    seen = view(twice, one)
    assert seen.current == len(surface)
    assert "9 ms" in in_words(twice, seen, one, Limits()).splitlines()[0]


def test_the_words_can_be_parted_whatever_a_model_is_called(surface):
    row = surface.iloc[0].to_dict() | {"model": "a: b"}
    for told in (row, row | {"status": "failed", "reason": "it died: of what?"}):
        assert describe_row(told, "\n").split("\n")[0] == "a: b, fp32, eager, batch 1, 1 thread"
    assert describe_row(row).startswith("a: b, fp32, eager, batch 1, 1 thread: 1.1 ms")


def test_for_what_shows_the_median_alone_a_percentile_is_not_limited():
    assert Limits(3.0).max_median_ms == 3.0
    assert Limits(3.0, latency="latency_p99_ms").max_median_ms is None
    assert Limits().max_median_ms is None
