"""The scores that are shipped, against what they are by hand."""

import pytest
import torch
from tradespace.tasks import scores

PLANE = torch.tensor([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0]])


def test_top_1_marks_the_items_whose_highest_output_is_at_their_label():
    assert scores.top_1(PLANE, torch.tensor([0, 0, 2])).tolist() == [True, False, True]


def test_top_k_looks_at_the_k_highest():
    assert scores.top_k(2)(PLANE, torch.tensor([1, 0, 0])).tolist() == [True, False, False]
    assert scores.top_k(2).label == "top-2 accuracy"
    assert scores.top_k(1).label == scores.top_1.label


def test_an_item_of_nan_is_wrong():
    outputs = torch.tensor([[torch.nan, 1.0, 2.0]])
    for label in range(3):
        assert not scores.top_1(outputs, torch.tensor([label]))[0]
        assert not scores.top_k(2)(outputs, torch.tensor([label]))[0]


@pytest.mark.parametrize("k", [0, -1, 2.5, "5"])
def test_k_is_a_whole_number_above_0(k):
    with pytest.raises(ValueError, match=r"^k: wanted a whole number, at least 1"):
        scores.top_k(k)


def test_top_k_of_no_more_classes_than_k_would_always_be_right():
    with pytest.raises(ValueError, match=r"^score: top-3 accuracy wants .*with 4 classes or more; got \(3, 3\)"):
        scores.top_k(3)(PLANE, torch.tensor([0, 1, 2]))


def test_token_accuracy_counts_the_tokens_that_are_labelled():
    outputs = torch.stack([PLANE, PLANE])
    labels = torch.tensor([[0, 1, -100], [1, 1, 2]])
    assert scores.token_accuracy()(outputs, labels).tolist() == pytest.approx([1, 2 / 3])
    assert scores.token_accuracy(axis=1)(outputs.transpose(1, 2), labels).tolist() == pytest.approx([1, 2 / 3])
    assert scores.token_accuracy(ignore=0)(outputs, labels.clamp(min=0)).tolist() == pytest.approx([1, 2 / 3])


def test_an_item_without_a_token_that_counts_is_refused():
    labels = torch.tensor([[0, 1, 2], [-100, -100, -100]])
    with pytest.raises(ValueError, match=r"^test: wanted a label other than -100, .*in each item; item 1 has none$"):
        scores.token_accuracy()(torch.stack([PLANE, PLANE]), labels)


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        (PLANE, torch.zeros(3, 3).long()),
        (torch.zeros(2, 3, 4), torch.zeros(2, 2).long()),
        (torch.zeros(2, 3, 1), torch.zeros(2, 3).long()),
        ([PLANE], torch.zeros(1, 3).long()),
    ],
)
def test_outputs_without_classes_for_each_token_are_refused(outputs, labels):
    with pytest.raises(ValueError, match=r"^score: wanted outputs with an axis of at least two classes"):
        scores.token_accuracy()(outputs, labels)


def test_labels_of_tokens_must_be_classes():
    with pytest.raises(ValueError, match=r"^test: wanted labels from 0 to 2, since the outputs have 3 classes; got 7"):
        scores.token_accuracy()(PLANE[None], torch.tensor([[0, 7, 1]]))


def test_masks_overlap_by_their_intersection_over_their_union():
    outputs = torch.tensor([[[1.0, 1.0], [-1.0, -1.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    targets = torch.tensor([[[1, 0], [1, 0]], [[0, 0], [0, 0]]])
    judge = scores.intersection_over_union()
    assert judge(outputs, targets).tolist() == pytest.approx([1 / 3, 1])
    assert judge(outputs[:, None], targets.bool()).tolist() == pytest.approx([1 / 3, 1])
    assert scores.intersection_over_union(threshold=0.5)(outputs.sigmoid(), targets).tolist() == pytest.approx(
        [1 / 3, 1]
    )


def test_maps_overlap_by_the_mean_over_the_classes_that_are_there():
    found = torch.tensor([[[0, 0], [1, 1]]])
    outputs = torch.nn.functional.one_hot(found, 4).permute(0, 3, 1, 2).float()
    # Class 0: 1 of 2; class 1: 2 of 3; classes 2 and 3 are nowhere.
    assert scores.intersection_over_union()(outputs, torch.tensor([[[0, 1], [1, 1]]])).tolist() == pytest.approx(
        [(1 / 2 + 2 / 3) / 2]
    )
    assert scores.intersection_over_union(ignore=255)(outputs, torch.tensor([[[0, 255], [1, 1]]])).tolist() == [1]


def test_masks_are_of_0_and_1():
    with pytest.raises(ValueError, match=r"^test: wanted masks of 0 and 1, since the outputs have their shape; got 2$"):
        scores.intersection_over_union()(torch.zeros(1, 4), torch.tensor([[0, 1, 2, 1]]))


def test_errors_are_negative_means_over_the_numbers_of_an_item():
    outputs, targets = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 4.0], [0.0, 0.0]])
    assert scores.absolute_error(outputs, targets).tolist() == [-1, 0]
    assert scores.squared_error(outputs, targets).tolist() == [-2, 0]
    assert scores.squared_error(outputs[:, :1], targets[:, 0]).tolist() == [0, 0]
    assert scores.squared_error.label == "negative squared error"


def test_errors_of_half_precision_do_not_overflow():
    assert scores.squared_error(torch.full((1, 2), 1000.0).half(), torch.zeros(1, 2)).tolist() == [-1e6]


@pytest.mark.parametrize("targets", [torch.zeros(3), torch.zeros(3, 2), torch.zeros(3, 3, dtype=torch.complex64), None])
def test_errors_are_of_numbers_of_the_same_shape(targets):
    with pytest.raises(
        ValueError, match=r"^score: wanted targets of real numbers with the outputs' shape; got outputs"
    ):
        scores.absolute_error(PLANE, targets)


def test_the_log_likelihood_is_that_of_the_label():
    expected = PLANE.double().log_softmax(1)
    labels = torch.tensor([0, 2, 1])
    assert scores.log_likelihood(PLANE, labels).tolist() == pytest.approx(expected[range(3), labels].tolist())
    assert scores.log_likelihood.label == "log-likelihood, nats"
    maps = PLANE.T[None]
    assert scores.log_likelihood(maps, labels[None])[0] == pytest.approx(expected[range(3), labels].mean().item())
    with pytest.raises(ValueError, match=r"^test: wanted labels from 0 to 2"):
        scores.log_likelihood(PLANE, torch.tensor([0, 3, 1]))


def test_tokens_may_be_trimmed_where_no_label_counts():
    labels = torch.tensor([[0, 1, -100, -100], [1, -100, -100, -100]])
    outputs = torch.stack([PLANE[:2], PLANE[:2]])
    assert scores.token_accuracy()(outputs, labels).tolist() == [1, 0]
    with pytest.raises(
        ValueError, match=r"^score: wanted an output for each labelled token; got \(2, 1, 3\) for \(2, 4\)"
    ):
        scores.token_accuracy()(outputs[:, :1], labels)
