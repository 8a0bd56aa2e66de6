"""Accuracy by class, on results that are planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn
from tradespace.config import Config
from tradespace.measuring.classes import accuracy_by_class
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.statistics import proportion_interval
from tradespace.tasks import Task
from tradespace.tasks.task import scoring_order

LABELS = torch.arange(400) % 4  # a hundred items of each of four classes, in turn


def task(labels=LABELS, correct=None, classes=()) -> Task:
    inputs = torch.zeros(len(labels), 4)
    own = Task.from_model(
        nn.Linear(4, 4), example=inputs[:1], test=(inputs, labels), correct=correct or (lambda outputs, own: own == own)
    )
    return replace(own, classes=classes)


def items_of(label: int) -> np.ndarray:
    """Where in the order of scoring the items of a class are."""
    return np.flatnonzero(LABELS.numpy()[scoring_order(len(LABELS))] == label)


def result(*wrong: tuple[int, int], items: int = 400) -> Measurement:
    """Everything right but, of each (class, number), the first so many items that were scored."""
    correct = np.ones(items, bool)
    for label, number in wrong:
        correct[items_of(label)[:number]] = False
    return Measurement("t", Config("m", threads=1), scores=correct)


def test_one_row_a_class_with_its_accuracy_and_interval():
    table = accuracy_by_class(task(), result((1, 20), (3, 5)))
    assert table.columns.tolist() == ["label", "items", "accuracy", "accuracy_lo", "accuracy_hi", "score"]
    assert table["label"].tolist() == ["0", "1", "2", "3"]
    assert table["items"].tolist() == [100] * 4
    assert table["accuracy"].tolist() == [1.0, 0.8, 1.0, 0.95]
    assert (table["accuracy_lo"][1], table["accuracy_hi"][1]) == proportion_interval(80, 100)


def test_the_names_of_the_classes_are_the_tasks_own():
    table = accuracy_by_class(task(classes=("coat", "shirt", "bag", "sandal")), result())
    assert table["label"].tolist() == ["coat", "shirt", "bag", "sandal"]


def test_the_class_that_lost_most_comes_first():
    table = accuracy_by_class(task(), result((2, 30), (0, 10), (3, 1)), result((3, 1)))
    assert table["label"].tolist() == ["2", "0", "1", "3"]
    assert table["lost"].tolist() == [30, 10, 0, 0]
    assert table["gained"].tolist() == [0, 0, 0, 0]
    assert table["baseline_accuracy"].tolist() == [1.0, 1.0, 1.0, 0.99]


def test_what_was_gained_is_set_against_what_was_lost():
    # Class 0 loses its first 10 items, class 1 its first 20 while it gains 20 others.
    before, after = result(), result((0, 10), (1, 20))
    before.scores[items_of(1)[50:70]] = False
    table = accuracy_by_class(task(), after, before).set_index("label")
    assert table.index[0] == "0"
    assert table.loc["1", ["lost", "gained"]].tolist() == [20, 20]
    assert table.loc["1", "accuracy"] == table.loc["1", "baseline_accuracy"] == 0.8


def test_the_p_value_is_the_exact_test_of_that_class_alone():
    before, after = result(), result((2, 12))
    before.scores[items_of(2)[90:93]] = False
    table = accuracy_by_class(task(), after, before).set_index("label")
    assert table.loc["2", "p_value"] == pytest.approx(binomtest(3, 15).pvalue)
    assert table.loc["0", "p_value"] == 1.0


def test_nothing_lost_is_no_evidence():
    table = accuracy_by_class(task(), result((1, 7)), result((1, 7)))
    assert table["lost"].sum() == table["gained"].sum() == 0
    assert (table["p_value"] == 1).all()


def test_classes_may_be_of_different_sizes_and_leave_numbers_out():
    labels = torch.tensor([7, 7, 7, 2, 9, 9])
    right = np.array([1, 0, 1, 1, 0, 0], bool)[scoring_order(6)]
    one = Measurement("t", Config("m", threads=1), scores=right)
    table = accuracy_by_class(task(labels), one)
    assert table["label"].tolist() == ["2", "7", "9"]
    assert table["items"].tolist() == [1, 3, 2]
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3, 0])


def test_the_items_that_were_scored_are_counted_with_a_baseline_those_of_both():
    labels = LABELS.numpy()[scoring_order(len(LABELS))]
    part = replace(result((1, 5)), scores=result((1, 5)).scores[:120])
    assert accuracy_by_class(task(), part)["items"].tolist() == np.bincount(labels[:120]).tolist()
    table = accuracy_by_class(task(), part, result()).set_index("label")
    assert table["items"].sum() == 120
    assert table.loc["1", "lost"] == 5


@pytest.mark.parametrize("argument", ["measurement", "baseline"])
@pytest.mark.parametrize(
    "bad",
    [Measurement("t", Config("m", threads=1), scores=np.ones(401, bool)), Measurement("t", Config("m", threads=1))],
    ids=["too many", "none"],
)
def test_a_result_that_is_not_of_this_test_set_is_named(argument, bad):
    given = {"measurement": result(), "baseline": result()} | {argument: bad}
    message = rf"^{argument}: wanted results on the task's 400 test items; got {bad.accuracy_n}$"
    with pytest.raises(ValueError, match=message):
        accuracy_by_class(task(), **given)


@pytest.mark.parametrize(
    "labels", [torch.rand(400), torch.zeros(400, 3, dtype=torch.int64)], ids=["numbers", "several an item"]
)
def test_a_task_whose_labels_are_no_classes_is_refused(labels):
    own = task(labels, correct=lambda outputs, labels: torch.ones(len(labels), dtype=torch.bool))
    with pytest.raises(ValueError, match=r"^task: wanted one with a class as the label of each test item; 'mine' has"):
        accuracy_by_class(own, result())


def test_a_task_without_a_test_set_is_refused():
    own = Task.from_model(nn.Linear(4, 4), example=torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"^task: wanted one with a class"):
        accuracy_by_class(own, result())
