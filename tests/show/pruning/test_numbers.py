"""What a lens on pruning shows, against the pruning that a Config runs."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from tradespace.prepare.eager import layers_of
from tradespace.prepare.pruning import prune
from tradespace.show.common.layers import BINS
from tradespace.show.pruning.channels import PRUNINGS, channels_left, kept_of, size_of, with_shipped
from tradespace.show.pruning.numbers import MOST_CELLS, MOST_ROWS, SHARES, Cut
from tradespace.tasks import Task


@pytest.fixture
def cut(tiny):
    return Cut.of(tiny, "wide")


def mine(module, example=None):
    return Task.from_model(module, example=torch.zeros(1, 4) if example is None else example)


@pytest.mark.parametrize("percent", [50, 70, 90, 95])
def test_the_zeros_are_those_of_the_pruning(tiny, cut, percent):
    pruned = prune(tiny.load_model("wide"), f"weights-{percent}", None, tiny.example)
    place = SHARES["weights"].index(percent)
    for name, stays in cut.stays.items():
        assert torch.equal(stays > place, dict(pruned.named_modules())[name].weight != 0)
    left = sum(int(parameter.count_nonzero()) for parameter in pruned.parameters())
    assert cut.zeros[place]["parameters"] == left
    sizes = {name: weight.detach().abs() for name, weight in cut.weights().items()}
    largest = max(float(size[cut.stays[name] <= place].max()) for name, size in sizes.items())
    assert cut.cut_offs[place] == largest


def test_the_multiply_accumulates_are_those_of_the_layers_and_fall_with_their_zeros(tiny, cut):
    layers = layers_of(tiny.load_model("wide"), tiny.example)
    assert cut.zeros[0]["macs"] == sum(layer.macs for layer in layers)
    place = SHARES["weights"].index(70)
    shares = [float((stays > place).double().mean()) for stays in cut.stays.values()]
    expected = sum(share * layer.macs for share, layer in zip(shares, layers, strict=True))
    assert cut.zeros[place]["macs"] == pytest.approx(expected, abs=1)


def test_a_view_tells_each_share_of_a_layer(cut):
    seen = cut.layer("4")
    json.dumps(seen, allow_nan=False)
    assert (seen["rows"], seen["columns"]) == (3, 144)
    for place, kept in enumerate(seen["kept"]["weights"]):
        assert len(kept) == BINS
        assert sum(kept) == pytest.approx(100 * (1 - seen["zero"]["weights"][place]))
    assert seen["zero"]["weights"] == sorted(seen["zero"]["weights"])
    assert np.array(seen["cells"]).shape == (3, 144)
    assert len(seen["words"]["weights"]) == len(SHARES["weights"])
    assert seen["words"]["weights"][0] == "Nothing is pruned; 0.0% of 4 is zero."


def test_until_it_is_known_which_channels_go_there_is_no_picture(cut):
    seen = cut.layer("0")
    assert seen["zero"]["channels"] == [0.0, None, None, None]
    assert seen["lines"]["50"] is None
    assert seen["words"]["channels"][2] == "Which channels of 0 are left is not known."
    assert [size["parameters"] for size in cut.sizes()["channels"]][1:] == [None] * 3


def test_channels_are_rows_here_and_columns_of_the_next_layer(tiny, cut):
    found = channels_left(cut.module, cut.example)
    cut = replace(cut, found=found)
    convolution, head = cut.layer("0")["lines"]["50"], cut.layer("4")["lines"]["50"]
    assert sum(convolution["rows"]) == 2
    assert all(convolution["columns"])
    assert all(head["rows"])
    assert np.array(head["columns"]).reshape(4, 36).all(1).tolist() == convolution["rows"]
    norms = tiny.load_model("wide")[0].weight.detach().flatten(1).norm(dim=1)
    assert cut.layer("0")["zero"]["channels"] == pytest.approx([0, 0.25, 0.5, 0.75])
    pruned = prune(tiny.load_model("wide"), "channels-50", None, tiny.example)
    assert found["channels-50"]["parameters"] == sum(p.numel() for p in pruned.parameters() if p.any())
    assert found["channels-50"]["macs"] == sum(layer.macs for layer in layers_of(pruned, tiny.example))
    assert len(norms) == 4
    assert "2 of 4 rows and 9 of 9 columns" in cut.layer("0")["words"]["channels"][2]


def test_what_cannot_lose_channels_says_why():
    cut = Cut.of(mine(nn.Linear(4, 3)), "model")
    cut = replace(cut, found=channels_left(cut.module, cut.example))
    words = cut.sizes()["channels"][1]["words"]
    assert words == (
        "No channel can be taken out: this model has no channels but those of its inputs and outputs, "
        "and these must stay."
    )
    assert cut.layer("weight")["lines"]["25"] is None


def test_a_version_that_ships_gives_the_sizes_and_says_that_it_was_trained_on(fashion):
    module = fashion.load_model("resnet4")
    found = with_shipped(fashion, "resnet4", channels_left(module, fashion.example))
    assert [found[pruning]["parameters"] for pruning in PRUNINGS] == [2965, 1384, 399]
    assert found["channels-25"]["kept"]["stages.2.conv2"] is not None
    cut = replace(Cut.of(fashion, "resnet4"), found=found)
    assert cut.sizes()["channels"][1]["words"].endswith("was fine-tuned after pruning.")
    words = cut.sizes()["weights"][0]["words"]
    assert words.startswith("5,142 of 5,142 parameters are other than zero, and 0.605 million of 0.605 million")


def test_of_a_version_of_other_shapes_it_is_not_known_which_channels_went(tiny):
    found = channels_left(tiny.load_model("wide"), tiny.example)
    other = replace(tiny, load_pruned=lambda model, pruning: tiny.load_model("narrow"))
    merged = with_shipped(other, "wide", found)
    assert merged["channels-25"]["kept"] == {}
    assert merged["channels-25"]["parameters"] == size_of(tiny.load_model("narrow"), tiny.example)["parameters"]


@given(st.data())
def test_rows_and_columns_that_were_kept_are_found_again(data):
    rows, inputs, kernel = (data.draw(st.integers(1, 6)) for _ in range(3))
    whole = torch.randn(rows, inputs, kernel, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    kept = [data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any)) for n in (rows, inputs)]
    smaller = whole[torch.tensor(kept[0])][:, torch.tensor(kept[1])]
    assert kept_of(whole, smaller) == tuple(kept)
    assert kept_of(whole, smaller + 1) is None


def test_another_kernel_is_no_part():
    assert kept_of(torch.zeros(2, 2, 3), torch.zeros(1, 1, 2)) is None


def test_a_large_layer_shows_its_upper_left_part():
    seen = Cut.of(mine(nn.Linear(4, 4000)), "model").layer("weight")
    assert np.array(seen["cells"]).shape == (MOST_ROWS, 4)
    wide = Cut.of(mine(nn.Linear(2 * MOST_CELLS, 2), torch.zeros(1, 2 * MOST_CELLS)), "model").layer("weight")
    assert np.array(wide["cells"]).shape == (2, MOST_CELLS // 2)
    assert wide["columns"] == 2 * MOST_CELLS


def test_weights_that_are_zero_from_the_start_are_counted_as_what_they_are():
    module = nn.Linear(10, 10, bias=False)
    module.weight.data[:3] = 0
    cut = Cut.of(mine(module, torch.zeros(1, 10)), "model")
    assert [size["parameters"] for size in cut.zeros[:8]] == [70] * 7 + [65]
    assert [size["macs"] for size in cut.zeros[:8]] == [70] * 7 + [65]
    assert cut.cut_offs[:7] == [0.0] * 7
    blank = nn.Linear(4, 2)
    nn.init.zeros_(blank.weight)
    json.dumps(Cut.of(mine(blank), "model").layer("weight"), allow_nan=False)


@pytest.mark.parametrize(
    ("module", "example"),
    [
        (nn.Sequential(nn.LSTM(4, 6, batch_first=True)), torch.zeros(1, 5, 4)),
        (nn.Sequential(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)), torch.zeros(1, 5, 4)),
    ],
)
def test_recurrent_and_attention_layers_are_cut_too(module, example):
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            outputs = self.inner(x)
            return outputs[0] if isinstance(outputs, tuple) else outputs

    cut = Cut.of(mine(First().eval(), example), "model")
    macs = [size["macs"] for size in cut.zeros]
    assert macs == sorted(macs, reverse=True)
    for name in cut.weights():
        json.dumps(cut.layer(name), allow_nan=False)
    json.dumps(cut.sizes(), allow_nan=False)


def test_a_model_that_cannot_be_pruned_is_refused():
    with pytest.raises(ValueError, match=r"^model: 'model' cannot be pruned: it has no convolution"):
        Cut.of(mine(nn.Softmax(1)), "model")
    broken = nn.Linear(4, 2)
    broken.weight.data[0, 0] = math.inf
    with pytest.raises(ValueError, match="wanted finite weights"):
        Cut.of(mine(broken), "model")


def test_a_model_that_is_refused_leaves_the_choice_of_the_others():
    both = Task.from_model({"a": nn.Softmax(1), "b": nn.Linear(4, 2)}, example=torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"no linear layer\. The task's other models are b$"):
        Cut.of(both, "a")
