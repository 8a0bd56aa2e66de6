"""What a lens on quantization shows, against the rounding that a Config runs."""

import copy
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations
from tradespace.prepare.fold import fold
from tradespace.prepare.weights import round_weights
from tradespace.show.common.layers import BINS, first_layer, named_weights
from tradespace.show.quantization.numbers import (
    ERROR_BINS,
    WEIGHTS,
    accuracies,
    known_accuracies,
    rounded_layer,
    rounded_weights,
)
from tradespace.tasks import Task


def mine(module, **tensors):
    return Task.from_model(module, example=torch.zeros(1, 4), **tensors)


@pytest.mark.parametrize("precision", WEIGHTS)
def test_the_numbers_are_those_of_the_weights_that_a_config_runs_with(tiny, precision):
    exact = fold(tiny.load_model("wide"))
    rounded = copy.deepcopy(exact)
    round_weights(rounded, precision)
    weights, _ = rounded_weights(tiny, "wide")
    assert list(weights) == ["0", "4"]
    for name, weight in weights.items():
        before, after = (dict(module.named_modules())[name].weight.detach() for module in (exact, rounded))
        one = rounded_layer(name, weight)["rounding"][precision]
        assert one["rms"] == pytest.approx(float((after - before).norm() / before.norm()), rel=1e-4)
        assert one["zero"] == pytest.approx(float((after == 0).double().mean()))
        levels = torch.arange(-(2**7), 2**7 + 1) * one["steps"]["widest"]
        widest = after.flatten(1)[rounded_layer(name, weight)["channels"]["widest"]["place"]]
        assert (widest[:, None] - levels).abs().amin(1).max() < 1e-5


def test_the_task_keeps_its_models_as_they_are(tiny):
    before = tiny.load_model("wide").state_dict()
    rounded_weights(tiny, "wide")
    assert all(torch.equal(value, before[name]) for name, value in tiny.load_model("wide").state_dict().items())


def test_typical_narrowest_and_widest_are_told_by_the_largest_weight():
    seen = rounded_layer("a", torch.tensor([[0.0, 0.0], [0.5, 3.0], [0.1, -0.2], [1.0, -1.0]]))
    assert {kind: channel["place"] for kind, channel in seen["channels"].items()} == {
        "typical": 3, "narrowest": 2, "widest": 1,
    }  # fmt: skip
    steps = seen["rounding"]["w2"]["steps"]
    assert steps == pytest.approx({"typical": 1.0, "narrowest": 0.2, "widest": 3.0})
    assert set(seen["rounding"]["w2-tensor"]["steps"].values()) == {3.0}
    assert seen["rounding"]["w2-tensor"]["zeros"]["narrowest"] == 1
    assert "100.0% of its weights become zero" in seen["channel_words"]["narrowest"]["w2-tensor"]
    assert "a step of its own, 0.2;" in seen["channel_words"]["narrowest"]["w2"]


def test_fewer_bits_and_one_step_for_all_err_more():
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 2, 16)[:, None]
    rounding = rounded_layer("a", weight)["rounding"]
    own, shared = ([rounding[f"w{bits}{kind}"]["rms"] for bits in (8, 6, 5, 4, 3, 2)] for kind in ("", "-tensor"))
    assert own == sorted(own)
    assert all(a < b for a, b in zip(own, shared, strict=True))


matrix = st.integers(1, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=columns, max_size=columns), min_size=1, max_size=4
    )
)


@given(matrix)
def test_any_finite_matrix_can_be_shown(rows):
    seen = rounded_layer("a", torch.tensor(rows))
    json.dumps(seen, allow_nan=False)
    for shares in (seen["shares"], *(channel["shares"] for channel in seen["channels"].values())):
        assert len(shares) == BINS
        assert sum(shares) == pytest.approx(100)
    for one in seen["rounding"].values():
        assert len(one["errors"]) == ERROR_BINS
        assert 0 <= one["zero"] <= 1
        assert sum(one["errors"]) == pytest.approx(100) or not any(one["errors"])


def test_a_layer_of_nothing_but_zeros_says_so():
    seen = rounded_layer("a", torch.zeros(2, 3))
    assert seen["rounding"]["w4"]["rms"] is None
    assert seen["words"]["w4"].endswith("all weights of a are zero, and stay zero.")


def test_attention_recurrent_and_shared_weights_have_a_name_each():
    module = nn.ModuleDict({"a": nn.MultiheadAttention(4, 2), "r": nn.LSTM(4, 4), "e": nn.Embedding(9, 4)})
    module["head"] = nn.Linear(4, 9)
    module["head"].weight = module["e"].weight
    kinds = (nn.Linear, nn.MultiheadAttention, nn.LSTM, nn.Embedding)
    assert sorted(named_weights(module, kinds)) == [
        "a.in_proj_weight", "a.out_proj", "e", "r.weight_hh_l0", "r.weight_ih_l0",
    ]  # fmt: skip


def test_the_first_layer_is_the_largest_that_multiplies():
    assert first_layer(nn.Sequential(nn.Embedding(1000, 4), nn.Linear(4, 8), nn.Linear(8, 2))) == "1"
    assert first_layer(nn.Sequential(nn.Embedding(9, 4))) is None
    looked_up = Task.from_model(nn.Sequential(nn.Embedding(9, 4), nn.Flatten()), example=torch.zeros(1, 3).long())
    assert rounded_weights(looked_up, "model")[1] == "0"


def test_a_model_that_cannot_be_rounded_is_refused():
    with pytest.raises(ValueError, match=r"^model: 'model' cannot be rounded: .* this model has none$"):
        rounded_weights(mine(nn.Softmax(1)), "model")
    with pytest.raises(ValueError, match=r"computed from others \(a parametrization\)"):
        rounded_weights(mine(parametrizations.weight_norm(nn.Linear(4, 2))), "model")
    broken = nn.Linear(4, 2)
    broken.weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match="wanted finite weights; those of weight contain NaN"):
        rounded_weights(mine(broken), "model")


def test_half_precision_weights_are_shown_in_fp32():
    weights, _ = rounded_weights(mine(nn.Sequential(nn.Linear(4, 2).double())[:0].append(nn.Linear(4, 2))), "model")
    assert weights["0"].dtype == torch.float32


def test_accuracies_say_what_is_known_measured_and_failed(surface_of):
    rows = surface_of(
        {"precision": "fp32", "accuracy": 0.9, "accuracy_lo": 0.88, "accuracy_hi": 0.92, "accuracy_n": 1000},
        {"precision": "w4", "status": "crashed", "reason": "it died", "accuracy": math.nan},
        {"precision": "w3", "accuracy": 0.8, "accuracy_lo": math.nan, "accuracy_hi": math.nan},
    )
    told = accuracies({row["precision"]: row for _, row in rows.iterrows()}, "w2")
    json.dumps(told, allow_nan=False)
    assert list(told) == ["fp32", *WEIGHTS]
    assert told["fp32"]["words"] == "fp32: 90.0% (88.0% to 92.0%) of 1,000 test items right."
    assert told["w4"]["words"] == "w4: crashed: it died."
    assert told["w3"]["words"] == "w3: 80.0% of 1 test items right."
    states = {name: one["state"] for name, one in told.items()}
    assert (states["fp32"], states["w4"], states["w3"], states["w2"]) == ("known", "failed", "known", "measuring")
    assert states["w8"] == "missing"


def test_the_accuracy_at_a_width_is_that_of_the_unpruned_model_in_eager_pytorch(surface_of):
    rows = surface_of(
        {"precision": "w4", "status": "unsupported", "accuracy": 0.7},
        {"precision": "w4", "pruning": "channels-50", "accuracy": 0.1},
        {"precision": "fp32", "runtime": "openvino"},
        {"precision": "w3", "accuracy": math.nan},
        {"precision": "int8"},
    )
    known = known_accuracies(rows)
    assert list(known) == ["w4"]
    assert known["w4"]["accuracy"] == 0.7
