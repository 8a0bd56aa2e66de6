"""Weights rounded to a few bits: the levels, the error, the size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from tradespace.config import PRECISIONS, WEIGHTS
from tradespace.errors import Unsupported
from tradespace.prepare.weights import quantized, round_weights

BITS = st.integers(2, 8)


@st.composite
def matrices(draw) -> Tensor:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    # Neither so small that a step would be subnormal, nor all of one size.
    number = st.floats(-1e6, 1e6, width=32).map(lambda x: 0.0 if abs(x) < 1e-6 else x)
    return torch.tensor(draw(st.lists(number, min_size=rows * columns, max_size=rows * columns))).view(rows, columns)


@given(matrices(), BITS, st.booleans())
def test_no_weight_moves_by_more_than_half_a_step(weight, bits, per_channel):
    largest = weight.abs().amax(1, keepdim=True) if per_channel else weight.abs().max()
    half = largest / (2 ** (bits - 1) - 1) / 2
    assert ((quantized(weight, bits, per_channel) - weight).abs() <= half * (1 + 1e-5)).all()


@given(matrices(), BITS)
def test_a_channel_has_at_most_two_to_the_bits_less_one_levels(weight, bits):
    assert all(len(row.unique()) <= 2**bits - 1 for row in quantized(weight, bits, per_channel=True))
    assert len(quantized(weight, bits, per_channel=False).unique()) <= 2**bits - 1


@given(matrices(), BITS, st.booleans())
def test_the_largest_weight_and_every_zero_stay(weight, bits, per_channel):
    rounded = quantized(weight, bits, per_channel)
    largest = weight.abs() == (weight.abs().amax(1, keepdim=True) if per_channel else weight.abs().max())
    torch.testing.assert_close(rounded[largest], weight[largest], rtol=1e-6, atol=0)
    assert (rounded[weight == 0] == 0).all()


@given(matrices(), BITS, st.booleans())
def test_rounding_is_symmetric_and_rounding_again_changes_nothing(weight, bits, per_channel):
    rounded = quantized(weight, bits, per_channel)
    torch.testing.assert_close(quantized(-weight, bits, per_channel), -rounded)
    torch.testing.assert_close(quantized(rounded, bits, per_channel), rounded)


def test_a_small_channel_beside_a_large_one_keeps_its_weights_only_with_a_step_of_its_own():
    weight = torch.tensor([[100.0, -50.0], [0.1, -0.05]])
    assert (quantized(weight, 4, per_channel=False)[1] == 0).all()
    assert (quantized(weight, 4, per_channel=True)[1] != 0).all()


def test_a_channel_of_zeros_stays_zero_and_its_neighbours_are_rounded():
    weight = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.4, -1.0]])
    assert quantized(weight, 2, per_channel=True).tolist() == [[0, 0, 0], [0, 0, -1]]
    assert quantized(torch.zeros(2, 2), 2, per_channel=False).tolist() == [[0, 0], [0, 0]]


def test_a_filter_is_a_channel():
    weight = torch.randn(3, 2, 5, 5)
    rounded = quantized(weight, 3, per_channel=True)
    for one, own in zip(rounded, weight, strict=True):
        torch.testing.assert_close(one, quantized(own.flatten()[None], 3, per_channel=True).view_as(own))


def test_the_precisions_of_weights_alone_are_known_by_their_name():
    assert list(WEIGHTS) == [name for name in PRECISIONS if name.startswith("w")]
    assert (WEIGHTS["w3"], WEIGHTS["w8-tensor"]) == ((3, True), (8, False))


@pytest.mark.parametrize("precision", ["w3", "w3-tensor"])
def test_linear_convolution_and_embedding_layers_are_rounded_and_nothing_else(precision):
    module = nn.ModuleList([nn.Linear(9, 4), nn.Conv1d(3, 4, 3), nn.Conv2d(1, 4, 3), nn.Embedding(4, 9)])
    module.append(nn.BatchNorm2d(4)).append(nn.LayerNorm(40))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    round_weights(module, precision)
    changed = [name for name, value in module.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["0.weight", "1.weight", "2.weight", "3.weight"]
    for name in changed:
        weight = module.state_dict()[name]
        assert len(weight.unique()) <= (7 if precision == "w3-tensor" else 7 * len(weight))
        torch.testing.assert_close(weight, quantized(before[name], 3, precision == "w3"))


def test_a_packed_layer_takes_its_bits_a_step_for_each_channel_and_an_fp32_bias():
    layer = nn.Linear(100, 10)
    assert 1e6 * round_weights(layer, "w3") == pytest.approx(1000 * 3 / 8 + 10 * 4 + 10 * 4)
    assert 1e6 * round_weights(layer, "w4-tensor") == pytest.approx(1000 * 4 / 8 + 1 * 4 + 10 * 4)


def test_what_is_not_rounded_takes_what_it_took():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    norm = sum(value.numel() * value.element_size() for value in module[1].state_dict().values())
    assert 1e6 * round_weights(module, "w8") == pytest.approx(36 + 4 * 4 + 4 * 4 + norm)


def tied() -> nn.Module:
    module = nn.Sequential(nn.Embedding(10, 6), nn.Linear(6, 10, bias=False))
    module[1].weight = module[0].weight
    return module


def test_a_weight_that_two_layers_share_is_rounded_once_counted_once_and_stays_shared():
    module = tied()
    expected = quantized(module[0].weight.detach(), 4, per_channel=True)
    size_mb = round_weights(module, "w4")
    assert module[0].weight is module[1].weight
    assert torch.equal(module[0].weight, expected)
    assert 1e6 * size_mb == pytest.approx(60 * 4 / 8 + 10 * 4)


@pytest.mark.parametrize("bits", [8, 6, 5, 4, 3, 2])
def test_fewer_bits_make_a_smaller_file(bits):
    layer = nn.Linear(400, 40)
    assert 1e6 * round_weights(layer, f"w{bits}") == pytest.approx(bits / 32 * 4 * 16_000, rel=0.1)


def test_the_weights_of_attention_and_of_recurrent_layers_are_rounded_as_they_are_pruned():
    attention, recurrent = nn.MultiheadAttention(8, 2), nn.LSTM(4, 4)
    round_weights(nn.ModuleList([attention, recurrent]), "w2-tensor")
    assert len(attention.in_proj_weight.unique()) <= 3
    assert len(recurrent.weight_ih_l0.unique()) <= 3


def test_weights_that_are_computed_from_others_cannot_be_rounded_and_are_not_passed_off_as_rounded():
    with pytest.raises(Unsupported, match="parametrization"):
        round_weights(parametrizations.weight_norm(nn.Linear(8, 8)), "w2")


def test_a_model_without_weights_to_round_is_not_fp32_by_another_name():
    with pytest.raises(Unsupported, match="none"):
        round_weights(nn.LayerNorm(4), "w2")
