"""Models of any kind, from `from_model` through every runtime to rows: right ones, or the true cause why not."""

import copy

import pytest
import torch
from torch import nn
from tradespace.config import grid
from tradespace.surface.sweep import sweep
from tradespace.tasks import Task

QUICK = {"max_width": 0.9, "budget_s": 0.02, "progress": False}
RUNTIMES = ["eager", "onnxruntime", "openvino"]
X = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
IDS = torch.randint(1, 9, (30, 6), generator=torch.Generator().manual_seed(0))
STEPS = torch.randn(5, 30, 6, generator=torch.Generator().manual_seed(0))
MASK = IDS > 3


class Model(nn.Module):
    """A linear layer, and what a function makes of it and the inputs."""

    def __init__(self, function):
        super().__init__()
        self.head, self.words, self.function, self.table = nn.Linear(6, 3), nn.Embedding(9, 6), function, None

    def forward(self, *given, **named):
        return self.function(self, *given, **named)


def masked_mean(self, ids, mask, scale=1.0):
    weights = mask.unsqueeze(2).to(self.head.weight.dtype)
    return {"logits": self.head((self.words(ids) * weights).sum(1)) * scale, "weights": weights}


def filled_once(self, x):
    if self.table is None:
        self.table = torch.arange(6, dtype=x.dtype).cos()
    return self.head(x * self.table)


def never_a_class(self, x):
    return self.head(x).index_fill(1, torch.tensor([1]), -torch.inf)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent, self.head = nn.GRU(6, 4), nn.Linear(4, 3)

    def forward(self, steps):
        return self.head(self.recurrent(steps)[0][-1])


def task_of(module, inputs, axis=0, output=None, **given) -> Task:
    """Labels are those that the model itself gives to each item alone."""
    module.eval()
    example, *others = (cut(inputs, i, axis) for i in range(30))
    asked = copy.deepcopy(module)
    with torch.no_grad():
        alone = [called(asked, one) for one in (example, *others)]
    labels = torch.cat([one[output] if output else one for one in alone]).argmax(1)
    return Task.from_model(module, example=example, test=(inputs, labels), batch_axis=axis, output=output, **given)


def called(module, given):
    given = copied(given)
    return module(**given) if isinstance(given, dict) else module(*given) if isinstance(given, tuple) else module(given)


def copied(given):
    if isinstance(given, dict):
        return {name: copied(part) for name, part in given.items()}
    return tuple(map(copied, given)) if isinstance(given, tuple) else given.clone() if torch.is_tensor(given) else given


def cut(inputs, i, axis):
    if isinstance(inputs, dict):
        return {name: cut(part, i, axis) for name, part in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(cut(part, i, axis) for part in inputs)
    return inputs.narrow(axis, i, 1) if torch.is_tensor(inputs) else inputs


KINDS = {
    "keywords and a number": lambda: task_of(
        Model(masked_mean), {"ids": IDS, "mask": MASK, "scale": 2.0}, output="logits"
    ),
    "positional tensors": lambda: task_of(Model(masked_mean), (IDS, MASK), output="logits"),
    "the batch second": lambda: task_of(Recurrent(), STEPS, axis=1),
    "minus infinity": lambda: task_of(Model(never_a_class), X),
    "in place": lambda: task_of(Model(lambda self, x: self.head(x.mul_(2))), X),
    "float64": lambda: task_of(nn.Linear(6, 3).double(), X.double()),
    "bfloat16": lambda: task_of(nn.Linear(6, 3).bfloat16(), X.bfloat16()),
    "a table filled once": lambda: task_of(Model(filled_once), X),
    "a view of a larger tensor": lambda: task_of(nn.Linear(3, 3), X[:, ::2]),
    "no weights": lambda: task_of(nn.Softmax(1), X),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_any_kind_gives_its_own_labels_in_every_runtime(kind, inline):
    task = KINDS[kind]()
    surface = sweep(task, grid(task, runtime=RUNTIMES, threads=1, batch_size=[1, 8]), executor=inline, **QUICK)
    assert surface["reason"].tolist() == [""] * 6
    assert set(surface["status"]) == {"ok"}
    # In fp32, a label that rests on the rounding of bfloat16 may be another.
    assert (surface["accuracy"] >= (0.9 if kind == "bfloat16" else 1)).all()
    assert not surface["flags"].str.contains("output_mismatch").any()


def gradient(self, x):
    x = x.requires_grad_()
    return torch.autograd.grad(self.head(x).square().sum(), x)[0]


def one_at_a_time(self, x):
    return self.head(x.reshape(1, 6))


def seeded(self, x):
    torch.manual_seed(0)
    return self.head(x) + torch.randn(3)


REFUSED = {
    "gradients": (gradient, "eager", "cannot be exported to ONNX"),
    "random numbers": (seeded, "eager", "draws random numbers, and ONNX"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_runtime_cannot_do_is_unsupported_and_the_others_are_right(kind, inline):
    function, right, reason = REFUSED[kind]
    task = task_of(Model(function), X) if kind != "gradients" else with_gradients(function)
    surface = sweep(task, grid(task, runtime=RUNTIMES, threads=1), executor=inline, **QUICK).set_index("runtime")
    assert (surface.loc[right, "status"], surface.loc[right, "accuracy"]) == ("ok", 1.0)
    others = surface.drop(right)
    assert set(others["status"]) == {"unsupported"}
    assert others["reason"].str.contains(reason).all()


def with_gradients(function) -> Task:
    module = Model(function).eval()
    labels = module(X.clone()).argmax(1)
    return Task.from_model(module, example=X[:1], test=(X, labels))


def test_a_model_for_one_item_is_scored_item_by_item_and_not_run_on_more(inline):
    task = task_of(Model(one_at_a_time), X)
    surface = sweep(task, grid(task, runtime=RUNTIMES, threads=1, batch_size=[1, 8]), executor=inline, **QUICK)
    single, batches = (surface[surface["batch_size"] == size] for size in (1, 8))
    assert set(single["status"]) == {"ok"}
    assert (single["accuracy"] == 1).all()
    assert set(batches["status"]) == {"unsupported"}
    assert batches["reason"].str.contains("takes one item at a time: with a batch of 4 it fails").all()


def test_bf16_of_a_model_that_fills_a_table_once_fills_it_in_bf16(inline):
    task = task_of(Model(filled_once), X)
    surface = sweep(task, grid(task, precision="bf16", threads=1), executor=inline, **QUICK)
    assert (surface["status"].tolist(), surface["reason"].tolist()) == (["ok"], [""])
