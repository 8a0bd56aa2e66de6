import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement
from tradespace.show.explorer.moves import in_a_sentence

ROW = {
    "model": "m", "pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1,
    "batch_size": 1, "status": "ok", "reason": "", "throughput_per_s": 500.0, "accuracy": 0.92, "accuracy_n": 10_000,
}  # fmt: skip
UNKNOWN = math.nan


def timed(latency, spread=0.01, **changes):
    """A row of that latency, known to within that share of it."""
    row = ROW | {
        "latency_p50_ms": latency,
        "latency_p50_lo_ms": latency * (1 - spread),
        "latency_p50_hi_ms": latency * (1 + spread),
    }
    row |= changes
    return row | {"throughput_per_s": changes.get("throughput_per_s", 1e3 * row["batch_size"] / latency)}


def failed(status="unsupported", reason="no kernel.", **changes):
    return timed(UNKNOWN, status=status, reason=reason, accuracy=UNKNOWN, **changes)


def int8(latency, spread=0.01, **changes):
    return timed(latency, spread, precision="int8", **changes)


def test_the_same_point_is_no_move():
    assert in_a_sentence(timed(2.0), timed(2.1)) == ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (timed(3.1), int8(1.0), "int8 here: 3.1 times as fast (3.06 to 3.14), as accurate."),
        (timed(1.0), int8(2.5), "int8 here: takes 2.5 times as long (2.46 to 2.54), as accurate."),
        (timed(1.0), int8(120.0), "int8 here: takes 120 times as long (118 to 122), as accurate."),
        (timed(1.0, 0.004), int8(1.0, 0.004), "int8 here: as fast as before (0.994 to 1.01), as accurate."),
        (timed(1.0, 0.1), int8(0.95, 0.1), "int8 here: as fast within the noise (0.913 to 1.21), as accurate."),
        (timed(1.0, 0.1), int8(1.05, 0.1), "int8 here: as fast within the noise (0.826 to 1.1), as accurate."),
        (timed(1.0, 0.004), int8(0.98, 0.004), "int8 here: hardly faster (1.01 to 1.03), as accurate."),
        (timed(1.0, 0.004), int8(1.02, 0.004), "int8 here: hardly slower (0.975 to 0.986), as accurate."),
        (timed(1.06, 0.004), int8(1.0, 0.004), "int8 here: 1.06 times as fast (1.05 to 1.07), as accurate."),
    ],
)
def test_speed_is_claimed_as_far_as_the_interval_goes(before, after, said):
    assert in_a_sentence(before, after) == said


def test_without_an_interval_it_says_so():
    unsure = int8(1.0, UNKNOWN)
    assert in_a_sentence(timed(2.0), unsure) == (
        "int8 here: 2.0 times as fast (too few samples to be sure), as accurate."
    )
    assert "as fast as before (too few" in in_a_sentence(timed(1.01), unsure)
    assert "takes 2.0 times as long (too few" in in_a_sentence(unsure, timed(2.0))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (timed(1.0), timed(2.0, batch_size=8), "batch 8 here: 4.0 times the throughput, for 2.0 times the latency"),
        (timed(2.0, batch_size=8), timed(1.0), "batch 1 here: 0.25 times the throughput, for 0.5 times the latency"),
        (
            timed(1.0),
            timed(1.0, batch_size=8),
            "batch 8 here: 8.0 times the throughput, at the same latency of a batch",
        ),
        (timed(1.0), timed(8.0, batch_size=8), "batch 8 here: the same throughput, for 8.0 times the latency"),
        (
            timed(1.0, 0.1),
            timed(7.8, 0.1, batch_size=8),
            "batch 8 here: the same throughput within the noise, for 7.8 times the latency",
        ),
        (
            timed(1.0, 0.1),
            timed(1.05, 0.1, batch_size=8),
            "batch 8 here: 7.6 times the throughput, at the same latency of a batch within the noise (0.911 to 1.21)",
        ),
    ],
)
def test_a_larger_batch_is_told_by_what_it_does_to_both_axes(before, after, said):
    spread = 0.004 if "noise" not in said else 0.1
    before, after = (
        row | timed(row["latency_p50_ms"], spread, batch_size=row["batch_size"]) for row in (before, after)
    )
    assert in_a_sentence(before, after).startswith(said)


def test_threads_and_batch_sizes_do_not_touch_accuracy():
    assert "accura" not in in_a_sentence(timed(2.0), timed(1.0, threads=2, accuracy=0.5))
    assert in_a_sentence(timed(1.0), timed(2.0, threads=2)).startswith("2 threads here: takes 2.0 times as long")
    assert in_a_sentence(timed(1.0, threads=2), timed(2.0)).startswith("1 thread here: ")


def test_several_knobs_are_all_named():
    after = timed(1.0, model="big", pruning="channels-50", device="cuda", batch_size=2)
    assert in_a_sentence(timed(2.0), after).startswith("big, pruning channels-50, on cuda, batch 2 here: ")


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (0.92, "as accurate"),
        (0.919, "0.1 points lost (not significant)"),
        (0.9199, "0.01 points lost (not significant)"),
        (0.90, "2.0 points lost."),
        (0.95, "3.0 points gained."),
    ],
)
def test_accuracy_is_told_in_points_and_whether_that_is_chance(accuracy, said):
    assert said in in_a_sentence(timed(2.0), int8(1.0, accuracy=accuracy))


def test_accuracy_that_is_not_known_is_not_told():
    for before, after in ((UNKNOWN, 0.9), (0.9, UNKNOWN), (UNKNOWN, UNKNOWN)):
        said = in_a_sentence(timed(2.0, accuracy=before), int8(1.0, accuracy=after))
        assert re.fullmatch(r"int8 here: 2\.0 times as fast \([\d.]+ to [\d.]+\)\.", said)


def test_the_same_items_compared_in_pairs_see_more():
    right = np.ones(1000, dtype=bool)
    wrong = right.copy()
    wrong[:10] = False
    a, b = (Measurement("toy", Config("m", threads=1), scores=correct) for correct in (right, wrong))
    before, after = timed(1.0, accuracy=1.0, accuracy_n=1000), int8(1.0, accuracy=0.99, accuracy_n=1000)
    assert in_a_sentence(before, after, (a, b)).endswith("1.0 points lost.")
    lost = int8(1.0, accuracy=0.995, accuracy_n=1000)
    assert in_a_sentence(before, lost).endswith("0.5 points lost.")
    assert in_a_sentence(timed(1.0, accuracy_n=100), int8(1.0, accuracy=0.91, accuracy_n=100)).endswith(
        "1.0 points lost (not significant)."
    )


def test_without_items_nothing_is_significant():
    assert "(not significant)" in in_a_sentence(timed(1.0, accuracy_n=0), int8(1.0, accuracy=0.5, accuracy_n=0))


def test_what_gives_no_number_gives_the_reason():
    assert in_a_sentence(timed(1.0), failed(precision="int8")) == "int8 gives no number: no kernel."
    died = failed("crashed", "the measuring process died", model="big")
    assert in_a_sentence(timed(1.0), died) == "big gives no number: the measuring process died."


def test_from_what_gives_no_number_there_is_nothing_to_say():
    assert in_a_sentence(failed(precision="int8"), timed(1.0)) == ""


def test_what_is_not_timed_may_have_an_accuracy():
    w4 = failed(precision="w4") | {"accuracy": 0.9}
    assert in_a_sentence(timed(1.0), w4) == "w4 here: 2.0 points lost; its time is not known."
    assert in_a_sentence(w4, timed(1.0)) == "fp32 here: 2.0 points gained."


@given(
    st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.floats(0, 0.9), st.floats(0, 0.9),
    st.sampled_from([1, 8, 256]), st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_nothing_is_claimed_that_the_interval_does_not_hold(a, b, spread_a, spread_b, batch, right_a, right_b):
    before = timed(a, spread_a, accuracy=right_a)
    after = timed(b, spread_b, precision="int8", batch_size=batch, accuracy=right_b)
    said = in_a_sentence(before, after)
    assert "nan" not in said
    assert "e+" not in said
    overlap = max(before["latency_p50_lo_ms"], after["latency_p50_lo_ms"]) <= min(a, b) and min(
        before["latency_p50_hi_ms"], after["latency_p50_hi_ms"]
    ) >= max(a, b)
    if batch == 1 and overlap:
        assert "times as" not in said
    if batch == 1 and "times as fast" in said:
        assert b < a
    if batch == 1 and "times as long" in said:
        assert b > a
