"""What judges outputs: what is refused before any work, and what a score of one's own becomes."""

import pickle
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn
from tradespace.tasks import Score, Task, scores
from tradespace.tasks.score import check_score

ITEMS = torch.arange(40.0).reshape(10, 4)
LABELS = torch.arange(10) % 3
NUMBERS = torch.arange(10.0)


def error(outputs, targets):
    return -(outputs - targets).abs().mean(1)


def right(outputs, labels):
    return outputs.argmax(1) == labels


def made(model=None, targets=LABELS, **given) -> Task:
    torch.manual_seed(0)
    return Task.from_model(model or nn.Linear(4, 3), example=ITEMS[:1], test=(ITEMS, targets), **given)


def test_by_default_a_task_is_scored_by_top_1_accuracy():
    assert made().score is scores.top_1
    assert made().score.label == "accuracy"


def test_a_callable_is_called_by_its_name_and_one_without_a_name_is_a_score():
    assert made(nn.Linear(4, 1), NUMBERS[:, None], score=error).score.label == "error"
    assert made(score=lambda outputs, labels: right(outputs, labels)).score.label == "score"


def test_correct_is_an_accuracy():
    judge = made(correct=right).score
    assert (judge.of, judge.label) == (right, "accuracy")


def test_a_score_keeps_its_name_and_its_unit():
    judge = replace(scores.squared_error, name="negative squared distance", unit="m²")
    assert made(nn.Linear(4, 1), NUMBERS[:, None], score=judge).score.label == "negative squared distance, m²"


def test_bools_stay_bools_and_numbers_become_float64():
    outputs, labels = torch.eye(3), torch.tensor([0, 1, 0])
    assert Score(right)(outputs, labels).dtype == bool
    found = Score(lambda outputs, labels: outputs.half().sum(1), "sum")(outputs, labels)
    assert (found.dtype, found.tolist()) == (np.float64, [1, 1, 1])
    assert Score(lambda outputs, labels: [1, 2, 3], "list")(outputs, labels).tolist() == [1, 2, 3]


@pytest.mark.parametrize("judge", [scores.top_1, scores.top_k(2), scores.token_accuracy(), Score(right)])
def test_a_score_travels_to_another_process(judge):
    if judge.of is not right:
        assert pickle.loads(pickle.dumps(judge)).label == judge.label
    assert cloudpickle.loads(cloudpickle.dumps(judge)).label == judge.label


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"of": 3}, r"^of: wanted a callable of \(outputs, targets\); got 3$"),
        ({"fits": 3}, r"^fits: wanted a callable"),
        ({"name": ""}, r"^name: wanted what charts shall call the score; got ''$"),
        ({"name": "a, b"}, r"^name: wanted text without commas"),
        ({"name": None}, r"^name: wanted text .*; got None$"),
        ({"name": "gain", "unit": "dB\n"}, r"^unit: wanted text without commas"),
        ({"unit": "m"}, r"^unit: wanted none, since an accuracy is written in per cent; got 'm'$"),
    ],
)
def test_a_score_that_cannot_be_named_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Score(**{"of": right} | given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"score": right, "correct": right}, r"^score: wanted no `score` with `correct`.*; got both"),
        ({"score": "top_1"}, r"^score: wanted a Score, such as ts\.scores\.top_k\(5\), or a callable.*; got 'top_1'$"),
        (
            {"correct": scores.top_1},
            r"^correct: wanted a callable that gives one bool per item; got Score.*Pass score=",
        ),
        ({"correct": 3}, r"^correct: wanted a callable"),
        ({"correct": lambda o, t: right(o, t).float()}, r"^correct: wanted one bool per item; got 0.*pass score="),
        (
            {"score": scores.top_k},
            r"^score: top_k cannot be computed from outputs of shape \(1, 3\) .*: top_k\(\) takes 1",
        ),
        (
            {"score": lambda o, t: o.nope},
            r"^score: score cannot be computed from outputs of shape \(1, 3\) and targets",
        ),
        ({"score": lambda o, t: o}, r"^score: wanted score to be one bool or number per item; of 1 items"),
        (
            {"score": lambda o, t: 0.5},
            r"^score: wanted score to be one bool or number per item; .* it is of shape \(\)$",
        ),
        (
            {"score": lambda o, t: o[:, 0] * torch.nan},
            r"^score: wanted score to be one bool or number per item; got nan$",
        ),
        ({"score": lambda o, t: o[:, 0] / 0}, r"^score: .*; got -?inf$"),
        ({"score": Score(lambda o, t: -o[:, 0].abs() - 2)}, r"^score: wanted an accuracy from 0 to 1; got -.*name="),
    ],
)
def test_a_score_that_cannot_judge_is_refused_before_any_work(given, message):
    with pytest.raises(ValueError, match=message):
        made(**given)


def test_targets_that_broadcast_against_every_output_are_refused():
    # (10,) against (10, 1): each output would be compared with the targets of all items.
    with pytest.raises(
        ValueError, match=r"^score: wanted the score of an item not to depend on other items; .*broadcast"
    ):
        made(nn.Linear(4, 1), NUMBERS, score=error)
    check_score(Score(error, "error"), torch.zeros(1, 1), NUMBERS[:, None])
    check_score(Score(error, "error"), torch.zeros(1, 1), torch.zeros(1, 1))


@pytest.mark.parametrize(
    ("model", "targets", "message"),
    [
        (
            nn.Linear(4, 1),
            LABELS,
            r"^score: top-1 accuracy wants outputs of shape \(items, classes\), with 2 .*got \(1, 1\)",
        ),
        (nn.Unflatten(1, (2, 2)), LABELS, r"^score: top-1 accuracy wants .*got \(1, 2, 2\)\. Pass a score= .*correct="),
        (nn.Linear(4, 2), LABELS, r"^test: wanted labels from 0 to 1, since the outputs have 2 classes; got 2"),
        (nn.Linear(4, 3), LABELS - 1, r"^test: wanted labels from 0 to 2, .*; got -1"),
        (nn.Linear(4, 3), LABELS.float(), r"^test: wanted whole numbers as labels of classes; got torch\.float32"),
        (nn.Linear(4, 3), LABELS[:, None], r"^test: top-1 accuracy wants labels of shape \(items,\); got \(10, 1\)"),
    ],
)
def test_the_default_score_refuses_what_is_no_classification(model, targets, message):
    with pytest.raises(ValueError, match=message):
        made(model, targets)
    assert made(model, targets, correct=lambda outputs, labels: outputs.flatten(1)[:, 0] > 0).score.label == "accuracy"


class Tagger(nn.Module):
    def forward(self, ids):
        return nn.functional.one_hot(ids, 5).float()


def trim(ids):
    return ids[:, : max(1, int((ids != 0).any(0).sum()))]


def test_ragged_items_are_scored_without_their_padding():
    ids = torch.tensor([[1, 2, 0, 0], [3, 4, 1, 2], [1, 0, 0, 0]])
    labels = torch.where(ids == 0, -100, ids)
    task = Task.from_model(Tagger(), example=ids[:1], test=(ids, labels), score=scores.token_accuracy(), trim=trim)
    assert task.score.label == "token accuracy"
    with pytest.raises(ValueError, match=r"^test: wanted labels from 0 to 4"):
        Task.from_model(Tagger(), example=ids[:1], test=(ids, labels + 3), score=scores.token_accuracy(-97), trim=trim)
