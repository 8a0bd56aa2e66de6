"""Pruned beside unpruned: the ratio, and only what the numbers allow to be said."""

import json
import math

from tradespace.config import Config
from tradespace.show.pruning.relative import known_pairs, pruned_point, unpruned_point, where_of


def row(middle=1.0, low=None, high=None, **changes):
    low, high = (middle * 0.99 if low is None else low), (middle * 1.01 if high is None else high)
    return {
        "latency_p50_ms": middle, "latency_p50_lo_ms": low, "latency_p50_hi_ms": high, "accuracy": 0.9,
        "accuracy_lo": 0.89, "accuracy_hi": 0.91, "status": "ok", "reason": "", "flags": "", "threads": 2,
    } | changes  # fmt: skip


def test_zeros_that_save_nothing_are_explained_and_zeros_that_seem_to_are_not():
    same = pruned_point("weights-90", (row(1.01, 1.005, 1.015), row(1.0, 0.995, 1.005)), measuring=False)["words"]
    assert same == (
        "90% zeros: accuracy 90.0% (89.0% to 91.0%), unpruned 90.0% (89.0% to 91.0%); "
        "latency 1.01 times unpruned (1.00 to 1.02): a dense kernel multiplies by zero just as slowly."
    )
    faster = pruned_point("weights-90", (row(0.5), row(1.0)), measuring=False)["words"]
    assert "as slowly" not in faster
    assert "save nothing" not in faster
    assert "computes the zeros too" in faster


def test_channels_that_save_time_and_channels_that_do_not():
    say = lambda middle: pruned_point("channels-50", (row(middle), row(1.0)), measuring=False)["words"]  # noqa: E731
    assert say(0.5).endswith("(0.49 to 0.51): removed channels are not computed.")
    same = pruned_point("channels-50", (row(1.0, 0.995, 1.005), row(1.0, 0.995, 1.005)), measuring=False)["words"]
    assert same.endswith("fewer multiplications, but no less time.")
    assert say(1.0).endswith("(0.99 to 1.01): fewer multiplications, but no less time.")
    assert say(1.2).endswith("fewer multiplications, but more time.")


def test_the_verdict_is_that_of_compare():
    wide = pruned_point("weights-50", (row(1 / 1.2, 1 / 1.5, 1 / 0.91), row(1.0, 1.0, 1.0)), False)["words"]
    assert wide.endswith("(0.67 to 1.10): the interval is too wide to tell.")


def test_doubts_are_told():
    loose = pruned_point("weights-50", (row(0.8, 0.4, 1.6, flags="noisy"), row(1.0, flags="noisy contended")), False)
    assert loose["words"].endswith("[contended noisy]: the interval is too wide to tell.")
    few = pruned_point("weights-50", (row(1.0, math.nan, math.nan), row(1.0)), False)
    assert few["words"].endswith("latency 1.00 times unpruned, without an interval: too few samples.")
    assert few["ratio"] is few["ratio_low"] is None


def test_what_is_not_known_is_null_and_said(surface_of):
    untested = row(accuracy=math.nan, accuracy_lo=math.nan, accuracy_hi=math.nan)
    point = pruned_point("weights-50", (untested, untested), False)
    json.dumps(point, allow_nan=False)
    assert point["accuracy"] is None
    assert point["words"].startswith("50% zeros: latency 1.00 times")
    failed = pruned_point("channels-25", (row(status="out_of_memory", reason="<b>no room</b>"), row()), False)
    assert (failed["state"], failed["ratio"]) == ("failed", None)
    assert failed["words"] == "25% of the channels out: out of memory: <b>no room</b>."
    nowhere = dict.fromkeys(["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms"], math.nan)
    alone = pruned_point("weights-50", (row(), row(**nowhere, status="timeout")), False)
    assert alone["words"].endswith("the unpruned model is timeout: no ratio of latencies.")
    assert pruned_point("weights-50", None, True)["state"] == "measuring"


def test_the_unpruned_model_is_told_beside_them():
    assert (
        unpruned_point([row(2.0)])["words"] == "Unpruned: accuracy 90.0% (89.0% to 91.0%), latency 2 ms (1.98 to 2.02)."
    )
    assert unpruned_point([])["words"] == "Unpruned: not measured."
    assert unpruned_point([row(status="crashed", reason="it died")])["words"] == "Unpruned: it died."
    assert unpruned_point([])["accuracy"] is None


def test_pairs_have_the_same_knobs(surface_of):
    config = Config("resnet8", threads=1, batch_size=1)
    surface = surface_of(
        {"latency_p50_ms": 1.0}, {"pruning": "weights-50", "latency_p50_ms": 2.0},
        {"pruning": "weights-70", "batch_size": 64}, {"pruning": "weights-90", "precision": "bf16"},
        {"pruning": "weights-95", "threads": 2}, {"threads": 2, "latency_p50_ms": 9.0},
    )  # fmt: skip
    pairs = known_pairs(surface, config)
    assert [(name, pair[0]["latency_p50_ms"], pair[1]["latency_p50_ms"]) for name, pair in pairs.items()] == [
        ("weights-50", 2.0, 1.0)
    ]
    assert where_of(config, pairs) == "fp32, eager, batch 1, 1 thread"


def test_recorded_with_other_threads_they_are_compared_at_most_threads(surface_of):
    surface = surface_of(
        {"threads": 8}, {"threads": 8, "pruning": "weights-50"}, {"pruning": "weights-70", "threads": 4}
    )
    config = Config("resnet8", threads=1)
    pairs = known_pairs(surface, config)
    assert list(pairs) == ["weights-50"]
    assert where_of(config, pairs).endswith("8 threads")


def test_without_an_unpruned_row_there_is_no_pair(surface_of):
    assert known_pairs(surface_of({"pruning": "weights-50"}), Config("resnet8", threads=1)) == {}
    assert known_pairs(surface_of(), Config("resnet8", threads=1)) == {}
    assert known_pairs(surface_of()[:0], Config("resnet8", threads=1)) == {}
