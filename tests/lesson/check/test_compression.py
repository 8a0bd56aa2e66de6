import numpy as np
import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.lesson.check.compression import faster_pruning, fewest_bits, quantization_step, real_losses
from tradespace.prepare.weights import quantized

pytestmark = pytest.mark.usefixtures("alone")

ITEMS = 2_000


@pytest.fixture
def ladder():
    """Of the widths with a step for each channel, 4 bits are the fewest within a point."""
    known = {"fp32": 0.92, "w8": 0.92, "w6": 0.916, "w4": 0.911, "w3": 0.75, "w2": 0.1}
    known |= {"w8-tensor": 0.92, "w4-tensor": 0.8, "w3-tensor": 0.915}
    return pd.DataFrame({"precision": list(known), "accuracy": list(known.values())})


@pytest.fixture
def pruned():
    """By name: channels-50 lies below weights-90, and channels-25 overlaps with it."""
    rows = [("weights-90", 4.0, 3.8, 4.2), ("channels-50", 2.0, 1.9, 2.1), ("channels-25", 3.9, 3.7, 4.1)]
    return pd.DataFrame(rows, columns=["pruning", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms"])


def scored(wrong_ones):
    correct = np.ones(ITEMS, bool)
    correct[list(wrong_ones)] = False
    return ts.Measurement("fashion", ts.Config("resnet8"), scores=correct)


@pytest.fixture
def exact():
    return scored(range(200))


@pytest.fixture
def compressed():
    """Lower by chance; lower beyond doubt, though the intervals overlap; higher; and far below."""
    return {
        "int8": scored(range(203)),
        "w6": scored(range(220)),
        "w5": scored(range(150)),
        "w2": scored(range(1_000)),
    }


def test_what_is_not_attempted_is_not_judged(ladder, pruned, exact, compressed):
    found = quantization_step(..., 1.0, 3), fewest_bits(..., ladder), real_losses(..., exact, compressed)
    assert [one.passed for one in (*found, faster_pruning(..., pruned))] == [None] * 4


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_the_step_is_the_one_that_the_package_rounds_with(bits):
    weights = torch.linspace(-1.5, 1.2, 10_000).unsqueeze(0)
    levels = quantized(weights, bits, per_channel=True).unique()
    assert quantization_step(levels.diff().min(), 1.5, bits).passed


def test_a_step_may_be_rounded_by_hand():
    assert quantization_step(0.333, 1.0, 3).passed
    assert quantization_step(np.float32(1 / 3), 1.0, 3).passed
    assert quantization_step(2 / 6, 1.0, 3).passed


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        (1 / 6, "half a step"),
        (2 / 8, "one of them is left out"),
        (2 / 7, "fence posts"),
        (1 / 8, "two signs"),
        (1 / 7, "two signs"),
        (-1 / 3, "no sign"),
        (1.0, "above zero"),
        (0, "above zero"),
        ("a third", "wanted a number"),
        (True, "wanted a number"),
    ],
)
def test_a_wrong_step_is_told_why(step, hint):
    found = quantization_step(step, 1.0, 3)
    assert found.passed is False
    assert hint in found.words


@pytest.mark.parametrize("bits", [4, 4.0, "4", "w4", np.int64(4), ["w4"], pd.Series(["w4"])])
def test_the_fewest_bits_may_be_named_in_any_way(ladder, bits):
    assert fewest_bits(bits, ladder).passed


def test_the_fewest_bits_may_be_a_row(ladder):
    row = ladder[ladder["precision"] == "w4"]
    assert fewest_bits(row, ladder).passed
    assert fewest_bits(row.iloc[0], ladder).passed


@pytest.mark.parametrize(
    ("bits", "hint"),
    [
        (8, "so are fewer bits"),
        (6, "so are fewer bits"),
        (3, "subtract one from the other"),
        (2, "a point is 0.01"),
        ("w3-tensor", "one step for the whole tensor"),
        ("w4-tensor", "one step for the whole tensor"),
        (7, "Name a width"),
        (0.911, "wanted a number of bits"),
        ("fp32", "wanted a number of bits"),
        (["w4", "w6"], "wanted one width"),
    ],
)
def test_other_bits_are_told_why_not(ladder, bits, hint):
    found = fewest_bits(bits, ladder)
    assert found.passed is False
    assert hint in found.words


def test_where_accuracy_goes_up_and_down_both_readings_of_fewest_hold(ladder):
    ladder.loc[ladder["precision"] == "w4", "accuracy"] = 0.90
    ladder.loc[ladder["precision"] == "w3", "accuracy"] = 0.915
    assert fewest_bits(3, ladder).passed
    assert fewest_bits(6, ladder).passed
    assert not fewest_bits(4, ladder).passed


def test_an_accuracy_that_is_not_known_is_left_out(ladder):
    ladder.loc[ladder["precision"] == "w4", "accuracy"] = np.nan
    assert fewest_bits(6, ladder).passed


def test_a_point_exactly_is_within_a_point(ladder):
    ladder.loc[ladder["precision"] == "w4", "accuracy"] = 0.92 - 0.01
    assert fewest_bits(4, ladder).passed


def test_what_floating_point_says_of_a_point_exactly_is_right_too(ladder):
    ladder.loc[ladder["precision"] == "fp32", "accuracy"] = 0.92
    ladder.loc[ladder["precision"] == "w4", "accuracy"] = 0.91
    assert 0.92 - 0.91 > 0.01
    assert fewest_bits(4, ladder).passed
    assert fewest_bits(6, ladder).passed


@pytest.mark.parametrize("task", ["fashion", "glosses"])
def test_on_recorded_tables_there_is_one_answer(task):
    recorded = ts.load_recorded(task).query("runtime == 'eager' and pruning == 'none'")
    for model in recorded.loc[recorded["precision"] == "w4", "model"].unique():
        ladder = recorded[recorded["model"] == model]
        accuracy = ladder.groupby("precision")["accuracy"].first()
        kept = [bits for bits in (8, 6, 5, 4, 3, 2) if accuracy["fp32"] - accuracy[f"w{bits}"] <= 0.01]
        assert fewest_bits(min(kept), ladder).passed, model
        assert not fewest_bits(2, ladder).passed, model


@pytest.mark.parametrize("names", [["w6", "w2"], {"w2", "w6"}, ("w6", "w2"), np.array(["w6", "w2"])])
def test_the_losses_that_are_real_may_be_listed_in_any_way(exact, compressed, names):
    assert real_losses(names, exact, compressed).passed
    assert real_losses({name: name in names for name in compressed}, exact, compressed).passed


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["int8", "w6", "w2"], "A lower figure is not enough"),
        (["w2"], "Overlapping intervals"),
        ("w2", "Overlapping intervals"),
        (["w6"], "but not all of them"),
        ([], "but not all of them"),
        (["w6", "w2", "w5"], "better than the baseline"),
        (["int8"], "which verdict"),
        (["fp32"], "Wanted names"),
        (3, "wanted a list"),
    ],
)
def test_other_losses_are_told_why_not(exact, compressed, names, hint):
    found = real_losses(names, exact, compressed)
    assert found.passed is False
    assert hint in found.words


def test_where_nothing_was_lost_the_list_is_empty(exact):
    alike = {"int8": scored(range(203)), "w8": scored(range(200))}
    assert real_losses([], exact, alike).passed
    assert not real_losses(["int8"], exact, alike).passed


def test_a_pruning_is_faster_whose_interval_lies_below(pruned):
    assert faster_pruning("channels-50", pruned).passed
    assert faster_pruning("channels-25", pruned, second="channels-25").passed is False
    for words in ("can't tell", " Can't tell ", "cannot tell"):
        assert faster_pruning(words, pruned, second="channels-25").passed, words


@pytest.mark.parametrize(
    ("choice", "second", "hint"),
    [
        ("weights-90", "channels-50", "most weights"),
        ("can't tell", "channels-50", "in both"),
        ("channels-25", "channels-25", "overlap"),
        ("weights-90", "channels-25", "overlap"),
        ("none", "channels-50", "Wanted one of"),
        (2.0, "channels-50", "in quotes"),
    ],
)
def test_another_pruning_is_told_why_not(pruned, choice, second, hint):
    found = faster_pruning(choice, pruned, second=second)
    assert found.passed is False
    assert hint in found.words


def test_where_zeros_were_faster_they_are_the_answer(pruned):
    pruned.iloc[0, 1:] = 1.0, 0.9, 1.1
    assert faster_pruning("weights-90", pruned).passed
    assert not faster_pruning("channels-50", pruned).passed


def test_without_an_interval_nothing_right_is_refused(pruned):
    pruned.loc[0, ["latency_p50_lo_ms", "latency_p50_hi_ms"]] = np.nan
    assert faster_pruning("can't tell", pruned).passed
    assert faster_pruning("channels-50", pruned).passed
    assert not faster_pruning("weights-90", pruned).passed


def test_the_answer_follows_the_second_hint(pruned):
    assert "the intervals do not overlap" not in faster_pruning("weights-90", pruned).words
    assert "the intervals do not overlap" in faster_pruning("weights-90", pruned).words
