"""What each layer does, against numbers worked out by hand."""

import pytest
import torch
from torch import nn
from tradespace.config import Config
from tradespace.prepare.operations import operations_of
from tradespace.prepare.registry import prepare
from tradespace.prepare.source import Source


def only(module, *batch):
    [one] = operations_of(module.eval(), *batch)
    return one


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_convolution(batch_size):
    one = only(nn.Conv2d(2, 4, 3, bias=False), torch.zeros(batch_size, 2, 8, 8))
    assert (one.kind, one.precision) == ("convolution", "fp32")
    assert one.macs == batch_size * 4 * 6 * 6 * (2 * 3 * 3)
    assert one.operations == 2 * one.macs
    assert one.weight_bytes == 4 * (4 * 2 * 3 * 3)
    assert one.data_bytes == 4 * batch_size * (2 * 8 * 8 + 4 * 6 * 6)


def test_a_convolution_in_groups_multiplies_by_the_channels_of_its_group():
    assert only(nn.Conv1d(6, 6, 3, groups=6), torch.zeros(1, 6, 10)).macs == 6 * 8 * 3


def test_a_transposed_convolution_spreads_each_input_over_its_weights():
    one = only(nn.ConvTranspose2d(2, 4, 3, bias=False), torch.zeros(1, 2, 5, 5))
    assert one.macs == 2 * 5 * 5 * 4 * 3 * 3


def test_a_linear_layer():
    one = only(nn.Linear(5, 3), torch.zeros(2, 5))
    assert (one.kind, one.macs, one.weight_bytes, one.data_bytes) == ("linear", 2 * 15, 4 * 18, 4 * (10 + 6))


def test_an_embedding_reads_only_the_rows_that_it_looks_up():
    one = only(nn.Embedding(1000, 8), torch.zeros(2, 3, dtype=torch.long))
    assert (one.kind, one.macs, one.operations, one.weight_bytes) == ("embedding", 0, 0, 0)
    assert one.data_bytes == 8 * 6 + 4 * (2 * 6 * 8)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("both", [False, True])
def test_a_recurrent_layer_multiplies_at_each_step(kind, gates, both):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = kind(5, 7, batch_first=True, bidirectional=both)

        def forward(self, x):
            return self.inner(x)[0]

    found = [one for one in operations_of(Last().eval(), torch.zeros(2, 11, 5)) if one.kind == "recurrent"]
    assert sum(one.macs for one in found) == 2 * 11 * gates * 7 * (5 + 7) * (2 if both else 1)
    assert all(one.counted for one in found)


def test_a_normalisation_and_what_is_done_to_each_number_have_one_operation_a_number():
    norm, relu = operations_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()).eval(), torch.zeros(2, 3, 4, 4))
    assert (norm.kind, norm.macs, norm.operations) == ("normalisation", 0, 96)
    assert (norm.weight_bytes, norm.data_bytes) == (4 * 4 * 3, 4 * 2 * 96)
    assert (relu.kind, relu.operations, relu.weight_bytes, relu.data_bytes) == ("elementwise", 96, 0, 4 * 2 * 96)


def test_what_a_model_does_outside_its_layers_counts_and_a_view_does_not():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return (x + self.layer(x)).flatten(1).unsqueeze(0)

    found = operations_of(Shortcut(), torch.zeros(2, 4))
    assert [(one.name, one.kind) for one in found] == [("layer", "linear"), ("add", "elementwise")]
    assert found[1].data_bytes == 4 * 3 * 8


def test_in_place_is_work():
    assert only(nn.ReLU(inplace=True), torch.ones(2, 4)).data_bytes == 4 * 2 * 8


def test_products_of_activations():
    class Products(nn.Module):
        def forward(self, q, k, v):
            return nn.functional.scaled_dot_product_attention(q, k, v) + q @ (k.transpose(-1, -2) @ v)

    shapes = [torch.zeros(1, 2, 5, 8)] * 3
    by_kind = {one.name: one.macs for one in operations_of(Products(), *shapes) if one.macs}
    assert by_kind["scaled_dot_product_attention"] == 2 * (2 * 5 * 5 * 8)
    assert by_kind["matmul"] == 2 * 5 * 8 * 8  # the last of two: 5 x 8 times 8 x 8


def test_what_nobody_has_a_rule_for_says_so():
    one = [one for one in operations_of(nn.Bilinear(3, 4, 5), torch.zeros(2, 3), torch.zeros(2, 4)) if not one.counted]
    assert one


@pytest.mark.parametrize("model", ["narrow", "wide"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int8-dynamic"])
def test_layers_have_the_same_names_and_arithmetic_in_every_precision(tiny, model, precision):
    def counted(of):
        module = prepare(Source(tiny, model, "none"), Config(model, precision=of)).session(1, 1).call
        return [(one.name, one.macs) for one in operations_of(module, tiny.example) if one.macs]

    channels = 2 if model == "narrow" else 4
    assert counted(precision) == [("0", channels * 36 * 9), ("4", 36 * channels * 3)]


def test_the_bytes_of_int8_are_a_quarter(tiny):
    found = {}
    for precision in ("fp32", "int8"):
        module = prepare(Source(tiny, "narrow", "none"), Config("narrow", precision=precision)).session(1, 1).call
        found[precision] = next(one for one in operations_of(module, tiny.example) if one.kind == "convolution")
    assert found["int8"].data_bytes * 4 == found["fp32"].data_bytes
    assert found["int8"].weight_bytes == 2 * 9


def test_watching_leaves_the_model_as_it_was():
    module = nn.Sequential(nn.Linear(2, 2))
    operations_of(module, torch.zeros(1, 2))
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in module.modules())
