import numpy as np
import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.lesson.check.compression import faster_pruning, fewest_bits, quantization_step, real_losses
from tradespace.measuring.measurement import Failure
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
    columns = ["pruning", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms"]
    return pd.DataFrame(rows, columns=columns).assign(status="ok", reason="")


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


# Latencies of weights-90 and channels-50 with the half width of their intervals, and what ts.compare says of them.
TIMES = [
    ((4.0, 0.05), (2.0, 0.05), "channels-50"),
    ((2.0, 0.05), (4.0, 0.05), "weights-90"),
    # The intervals overlap, and still the ratio is known well enough.
    ((1.2, 0.1), (1.0, 0.1), "channels-50"),
    # They do not overlap, and the difference may be within the margin of 2 %.
    ((1.04, 0.018), (1.0, 0.018), "can't tell"),
    ((1.0, 0.2), (0.9, 0.2), "can't tell"),
    ((1.0, 0.005), (1.0, 0.005), "same"),
    ((4.0, np.nan), (2.0, 0.05), "can't tell"),
]


@pytest.mark.parametrize(("zeros", "channels", "verdict"), TIMES)
def test_the_faster_pruning_is_the_one_that_compare_names_and_no_other(zeros, channels, verdict):
    rows = [(name, ms, ms * (1 - half), ms * (1 + half)) for name, (ms, half) in
            (("weights-90", zeros), ("channels-50", channels))]  # fmt: skip
    columns = ["pruning", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms"]
    table = pd.DataFrame(rows, columns=columns).assign(status="ok", reason="")
    said = ts.compare(table.iloc[[0]], table.iloc[[1]]).verdict
    assert {"faster": "channels-50", "slower": "weights-90"}.get(said, said) == verdict
    answers = ["weights-90", "channels-50", "same", "can't tell"]
    assert [one for one in answers if faster_pruning(one, table).passed] == [verdict]
    assert "times as fast as weights-90" in faster_pruning(verdict, table).words


@pytest.mark.parametrize("answer", [" Channels-50 ", "channels-50"])
def test_the_faster_pruning_may_be_written_in_any_case_or_given_as_a_row(pruned, answer):
    assert faster_pruning(answer, pruned).passed
    assert faster_pruning(pruned.iloc[[1]], pruned).passed


@pytest.mark.parametrize(
    ("choice", "second", "hint"),
    [
        ("weights-90", "channels-50", "most weights"),
        ("can't tell", "channels-50", "one side of 1"),
        ("same", "channels-50", "one side of 1"),
        ("channels-25", "channels-25", "reaches from slower to faster"),
        ("weights-90", "channels-25", "reaches from slower to faster"),
        ("none", "channels-50", "Wanted one of"),
        ("faster", "channels-50", "Wanted one of"),
        (2.0, "channels-50", "in quotes"),
    ],
)
def test_another_pruning_is_told_why_not(pruned, choice, second, hint):
    found = faster_pruning(choice, pruned, second=second)
    assert found.passed is False
    assert hint in found.words


def test_a_pruning_that_was_not_measured_is_not_judged(pruned):
    pruned.loc[1, "status"] = "unsupported"
    for table in (pruned, pruned.drop(index=1)):
        found = faster_pruning("channels-50", table)
        assert found.passed is None
        assert found.words.startswith("Not measured here:")


def test_the_answer_follows_the_second_hint(pruned):
    assert "times as fast" not in faster_pruning("weights-90", pruned).words
    assert "channels-50 is 2.00 times as fast as weights-90" in faster_pruning("weights-90", pruned).words


@pytest.fixture
def steep(ladder):
    """No width is within a point of fp32, as may be if few items were scored."""
    ladder.loc[ladder["precision"] != "fp32", "accuracy"] -= 0.02
    return ladder


@pytest.mark.parametrize(("bits", "passed"), [(None, True), (8, False), (4, False), ("w8", False), (2, False)])
def test_where_no_width_is_within_a_point_the_answer_is_none(steep, bits, passed):
    found = fewest_bits(bits, steep)
    assert found.passed is passed
    if passed:
        assert "The nearest is w8, and it is 2.00 points below fp32" in found.words


def test_where_one_is_none_is_wrong(ladder):
    assert "At least one width" in fewest_bits(None, ladder).words


@pytest.mark.parametrize("lacking", ["fp32", "w"])
def test_without_fp32_or_any_width_nothing_is_judged(ladder, lacking):
    assert fewest_bits(4, ladder[~ladder["precision"].str.startswith(lacking)]).passed is None


def test_what_was_not_measured_has_no_loss_that_is_known(exact, compressed):
    compressed["int8"] = ts.Measurement(
        "fashion", ts.Config("resnet8"), failure=Failure("unsupported", "no kernel for int8")
    )
    found = real_losses(["w6", "w2"], exact, compressed)
    assert found.passed
    assert "int8: not measured here" in found.words
    assert "Nothing is known of int8" in real_losses(["int8", "w6", "w2"], exact, compressed).words
    assert real_losses([], exact, {"int8": compressed["int8"]}).passed is None
