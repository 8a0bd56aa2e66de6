"""Structures of tensors: their order, their places, and items taken out of them."""

from collections import namedtuple

import pytest
import torch
from tradespace.tasks import Task
from tradespace.tasks.inputs import filled, items_in, mapped, named, take, tensors

Pair = namedtuple("Pair", "left right")
ONE, TWO = torch.arange(6).reshape(3, 2), torch.arange(3.0)
NESTED = {"ids": ONE, "more": (None, [TWO, {"mask": ONE > 2}], 0.5), "pair": Pair(TWO, "mean")}


def test_tensors_are_found_in_order_and_by_their_places():
    assert [place for place, _ in named(NESTED)] == ["ids", "more.1.0", "more.1.1.mask", "pair.0"]
    assert [tensor.dtype for tensor in tensors(NESTED)] == [torch.int64, torch.float32, torch.bool, torch.float32]


def test_a_tensor_by_itself_has_no_place():
    assert [place for place, _ in named(ONE)] == [""]


def test_what_is_no_tensor_stays_as_it_is_and_containers_keep_their_type():
    doubled = mapped(lambda tensor: tensor * 2, NESTED)
    assert doubled["more"][0] is None
    assert doubled["more"][2] == 0.5
    assert type(doubled["more"][1]) is list
    assert type(doubled["pair"]) is Pair
    assert doubled["pair"].right == "mean"
    assert torch.equal(doubled["more"][1][0], TWO * 2)


def test_a_structure_is_filled_with_tensors_in_their_order():
    values = [torch.tensor(i) for i in range(4)]
    assert [int(tensor) for tensor in tensors(filled(NESTED, iter(values)))] == [0, 1, 2, 3]


@pytest.mark.parametrize("axis", [0, 1])
def test_items_that_are_taken_are_copies(axis):
    whole = torch.arange(9).reshape(3, 3)
    [taken] = take((whole,), torch.tensor([2, 0]), axis)
    assert torch.equal(taken, whole.index_select(axis, torch.tensor([2, 0])))
    taken.zero_()
    assert whole.sum() == 36


def test_items_are_counted_along_the_batch_axis():
    assert [items_in({"x": ONE}, axis) for axis in (0, 1)] == [3, 2]


def padded(ids, mask):
    return Task.from_model(
        Sums(), example={"ids": ids[:1], "mask": mask[:1]}, test=({"ids": ids, "mask": mask}, ids[:, 0]),
        correct=lambda outputs, labels: outputs[:, 0] > labels, trim=without_padding,
    )  # fmt: skip


class Sums(torch.nn.Module):
    def forward(self, ids, mask):
        return (ids * mask).sum(1, keepdim=True).float()


def without_padding(batch):
    longest = int(batch["mask"].sum(1).max())
    return {name: tensor[:, :longest] for name, tensor in batch.items()}


def test_all_tensors_of_a_ragged_batch_are_trimmed_to_its_longest_item():
    mask = torch.ones(4, 5, dtype=torch.bool).tril()
    task = padded(torch.ones(4, 5, dtype=torch.int64), mask)
    for numbers, length in [([0], 1), ([0, 2], 3), ([3, 1], 4)]:
        ids, kept = task.batch(torch.tensor(numbers))
        assert ids.shape == kept.shape == (len(numbers), length)
        assert ids.is_contiguous()
