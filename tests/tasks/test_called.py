"""Modules of any signature as functions of tensors, and the output that is scored."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from tradespace.tasks import Task
from tradespace.tasks.called import Called, chosen, listed

X, IDS, MASK = torch.randn(5, 4), torch.arange(20).reshape(5, 4), torch.ones(5, 4, dtype=torch.bool)
LOGITS, STATE = torch.ones(5, 3), torch.zeros(5, 8)
Named = namedtuple("Named", "logits state")


@dataclass
class Output:
    logits: Tensor
    state: Tensor


@dataclass
class Outer:
    inner: Output
    number: int


class HasFields:
    def __init__(self):
        self.logits, self.state = LOGITS, STATE


class Sum(nn.Module):
    """Adds up all that it gets, however it is called, each number once an item."""

    def forward(self, *given, bias=0.0, **named):
        return self._sum((given, named)) + bias

    def _sum(self, part):
        if isinstance(part, Tensor):
            return part.float().sum(1, keepdim=True)
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, tuple | list) else ()
        return sum(map(self._sum, parts)) + (part if isinstance(part, int | float) else 0)


SUM = X.sum(1, keepdim=True) + IDS.sum(1, keepdim=True) + MASK.sum(1, keepdim=True)


@pytest.mark.parametrize(
    "given",
    [
        (X, IDS, MASK),
        (X, (IDS, [MASK])),
        {"x": X, "ids": IDS, "mask": MASK},
        {"x": {"deep": (X, {"deeper": IDS})}, "mask": MASK},
        [X, IDS, MASK],
        (X, None, IDS, "mean", MASK),
        (X, IDS, MASK, 0),
    ],
    ids=["positional", "nested tuples", "keywords", "nested dicts", "a list", "None and text", "a number"],
)
def test_tensors_go_to_their_places_among_the_arguments(given):
    one = Called(Sum(), given)
    torch.testing.assert_close(one(X, IDS, MASK), SUM)


def test_numbers_and_flags_are_passed_on_each_time():
    one = Called(Sum(), {"x": X, "bias": 2.0, "more": [1, None]})
    torch.testing.assert_close(one(X), X.sum(1, keepdim=True) + 3)


@pytest.mark.parametrize(
    ("example", "given"),
    [
        ((torch.zeros(1, 4), torch.zeros(1, 4)), (X, X)),
        ({"ids": IDS[:1], "mask": MASK[:1]}, {"ids": IDS, "mask": MASK}),
        ({"a": {"b": X[:1]}, "n": 1, "none": None}, {"a": {"b": X}, "n": 1, "none": None}),
        ([X[:1], IDS[:1]], [X, IDS]),
    ],
    ids=["a tuple", "keywords", "nested", "a list"],
)
def test_a_task_of_several_tensors_runs_as_the_module_itself_does(example, given):
    task = Task.from_model(Sum(), example=example, test=(given, torch.zeros(5)), correct=lambda o, y: o[:, 0] > y)
    direct = Sum()(**given) if isinstance(given, dict) else Sum()(*given) if isinstance(given, tuple) else Sum()(given)
    torch.testing.assert_close(task.load_model("model")(*task.batch(torch.arange(5))), direct)


@pytest.mark.parametrize(
    ("outputs", "output"),
    [
        (LOGITS, None),
        (LOGITS, "whatever"),
        ([LOGITS], None),
        ({"logits": LOGITS, "ids": IDS}, None),
        ((LOGITS, STATE), 0),
        ((STATE, LOGITS), -1),
        ({"logits": LOGITS, "state": STATE}, "logits"),
        (OrderedDict(logits=LOGITS, state=STATE), "logits"),
        ({1: LOGITS, 2: STATE}, 1),
        (Named(LOGITS, STATE), "logits"),
        (Named(LOGITS, STATE), 0),
        (Output(LOGITS, STATE), "logits"),
        (HasFields(), "logits"),
        (Outer(Output(LOGITS, STATE), 3), lambda outputs: outputs.inner.logits),
        ((STATE, (IDS, {"deep": LOGITS})), lambda outputs: outputs[1][1]["deep"]),
    ],
)
def test_the_output_that_is_asked_for_is_found(outputs, output):
    assert torch.equal(chosen(outputs, output), LOGITS)


@pytest.mark.parametrize(
    ("outputs", "output", "there"),
    [
        ({"logits": LOGITS, "state": STATE}, "logit", r"'logits' \(5, 3\), 'state' \(5, 8\); got 'logit'"),
        ((LOGITS, STATE), 2, r"0 \(5, 3\), 1 \(5, 8\); got 2"),
        ((LOGITS, STATE), None, r"0 \(5, 3\), 1 \(5, 8\); got none"),
        (Output(LOGITS, STATE), "scores", r"'logits' \(5, 3\), 'state' \(5, 8\); got 'scores'"),
        ({"logits": LOGITS, "n": 5}, "n", r"'logits' \(5, 3\); got 'n'"),
        ({"a": {"b": LOGITS, "c": STATE}}, None, r"'a'\.'b' \(5, 3\), 'a'\.'c' \(5, 8\); got none"),
        (3.0, None, "no tensor in a float"),
    ],
)
def test_an_output_that_is_not_there_is_answered_with_those_there_are(outputs, output, there):
    with pytest.raises(ValueError, match=f"^output: wanted .*{there}"):
        chosen(outputs, output)


def test_the_outputs_that_there_are_are_listed_with_their_shapes():
    assert listed(Outer(Output(LOGITS, STATE), 3)) == "'inner'.'logits' (5, 3), 'inner'.'state' (5, 8)"


def recurrent(module: nn.Module, output) -> Task:
    """20 items of 7 steps, the batch in the second axis."""
    steps = torch.randn(7, 20, 4)
    return Task.from_model(
        module, example=steps[:, :1], test=(steps, torch.zeros(20)), output=output, batch_axis=1,
        correct=lambda outputs, labels: outputs.flatten(1)[:, 0] > labels,
    )  # fmt: skip


@pytest.mark.parametrize("output", [0, lambda outputs: outputs[0][-1]], ids=["of all steps", "of the last step"])
def test_the_batch_may_be_the_second_axis_of_the_inputs_and_either_of_the_output(output):
    module = nn.LSTM(4, 3)
    task = recurrent(module, output)
    [steps] = task.batch(torch.arange(6))
    assert steps.shape == (7, 6, 4)
    with torch.inference_mode():
        found, expected = task.load_model("model")(steps), chosen(module(steps), output)
    torch.testing.assert_close(found, expected.movedim(1, 0) if expected.ndim == 3 else expected)
    assert len(found) == 6
