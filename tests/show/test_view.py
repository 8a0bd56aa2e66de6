import json
import math
from dataclasses import asdict

import pytest
from tradespace.config import Config
from tradespace.show.view import Limits, describe_row, in_words, view


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
    assert "Nothing measured so far has at most 0.01 ms and at least 99.0%" in words


def test_the_words_give_the_reason_of_what_cannot_run(surface):
    chosen = config(precision="int8")
    assert "unsupported: no calibration inputs" in in_words(surface, view(surface, chosen), chosen, Limits())


def test_unknown_accuracy_and_doubts_are_said(surface):
    row = surface.iloc[0].copy()
    row["accuracy"], row["flags"], row["latency_p50_lo_ms"] = math.nan, "noisy", math.nan
    assert describe_row(row).endswith("1.1 ms, 909 items/s, accuracy not known [noisy]")
