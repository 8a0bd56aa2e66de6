"""What a Config really is, asked of this process in the part of the measuring one."""

import math
import re

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn
from tradespace.config import Config
from tradespace.measuring import describe as describe_module
from tradespace.measuring.describe import FACTS, KNOBS, describe
from tradespace.prepare import eager, openvino
from tradespace.tasks import Task

MACS = 2 * 36 * 9, 72 * 3  # of the model "narrow": a convolution of two filters, and the head
PARAMETERS = 2 * 9 + 2 + 2 * 2 + 72 * 3 + 3


def row(tiny, inline, **knobs) -> pd.Series:
    return describe(tiny, Config("narrow", threads=1, **knobs), executor=inline).iloc[0]


def test_one_config_is_one_row_and_a_list_as_many_in_its_order(tiny, inline):
    configs = [
        Config(name, precision=precision, threads=1) for name in ("wide", "narrow") for precision in ("w4", "bf16")
    ]
    table = describe(tiny, configs, executor=inline)
    assert tuple(table.columns) == (*KNOBS, *FACTS)
    assert list(zip(table["model"], table["precision"], strict=True)) == [(c.model, c.precision) for c in configs]
    assert len(describe(tiny, configs[0], executor=inline)) == 1
    assert len(describe(tiny, iter(configs), executor=inline)) == 4


@pytest.mark.parametrize(("precision", "convolution", "head"), [
    ("fp32", "fp32", "fp32"), ("bf16", "bf16", "bf16"), ("int8", "int8", "int8"),
    ("int8-dynamic", "fp32", "int8"), ("w4", "fp32", "fp32"),
])  # fmt: skip
def test_what_runs_in_which_type_is_told(tiny, inline, precision, convolution, head):
    told = row(tiny, inline, precision=precision)
    macs = {"int8": 0, convolution: 0, head: 0}
    macs[convolution] += MACS[0]
    macs[head] += MACS[1]
    assert told["macs"] == sum(MACS)
    assert told["layers"] == 2
    assert told["quantized_layers"] == [convolution, head].count("int8")
    assert told["quantized_macs"] == pytest.approx(macs["int8"] / sum(MACS))
    assert {re.split("[: ]", part)[0] for part in told["ran_as"].split("; ")} == {convolution, head}


def test_the_types_are_told_in_words_the_most_arithmetic_first(tiny, inline):
    assert row(tiny, inline, precision="bf16")["ran_as"] == "bf16: 2 layers, 100.0 % of the arithmetic"
    told = row(tiny, inline, precision="int8-dynamic")["ran_as"]
    assert told == "fp32: 1 layer, 75.0 % of the arithmetic; int8 (7-bit activations): 1 layer, 25.0 %"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_layers_of_another_runtime_are_its_own_and_the_arithmetic_is_the_same(tiny, inline, runtime):
    told = row(tiny, inline, precision="int8", runtime=runtime)
    assert (told["layers"], told["quantized_layers"], told["macs"]) == (2, 2, sum(MACS))
    assert re.sub(r" \(7-bit weights\)", "", told["ran_as"]) == "int8: 2 layers, 100.0 % of the arithmetic"


@pytest.mark.parametrize(
    ("runtime", "module", "narrow"),
    [("eager", eager, "int8 (7-bit activations)"), ("openvino", openvino, "int8 (7-bit weights)")],
)
@pytest.mark.parametrize("overflows", [True, False])
def test_int8_of_seven_bits_is_told(tiny, inline, monkeypatch, runtime, module, narrow, overflows):
    monkeypatch.setattr(module, "overflows", lambda: overflows)
    monkeypatch.setattr(describe_module.worker, "_prepared", {})
    told = row(tiny, inline, precision="int8", runtime=runtime)
    assert told["ran_as"] == f"{narrow if overflows else 'int8'}: 2 layers, 100.0 % of the arithmetic"
    assert told["quantized_layers"] == 2


def test_size_and_preparation_are_those_of_the_config(tiny, inline):
    exact, rounded = (row(tiny, inline, precision=precision) for precision in ("fp32", "w4"))
    assert exact["parameters"] == rounded["parameters"] == PARAMETERS
    assert 0 < rounded["model_mb"] < exact["model_mb"]
    assert exact["prepare_s"] > 0
    assert exact["reason"] == ""


def test_weights_without_a_kernel_have_a_reason_beside_their_facts(tiny, inline):
    told = row(tiny, inline, precision="w4")
    assert "no w4 kernel to time" in told["reason"]
    assert told["nonzero"] == PARAMETERS - 2  # the shifts of BatchNorm are zero: it was never trained


@pytest.mark.parametrize(("pruning", "share"), [("weights-90", 0.1), ("weights-50", 0.5)])
def test_pruned_weights_are_zero_and_are_multiplied_all_the_same(tiny, inline, pruning, share):
    told = row(tiny, inline, pruning=pruning)
    weights = 2 * 9 + 72 * 3
    assert told["parameters"] == PARAMETERS
    assert told["nonzero"] == pytest.approx(share * weights + PARAMETERS - weights, abs=5)
    assert told["macs"] == sum(MACS)


def test_channels_that_were_taken_out_are_not_multiplied(tiny, inline):
    pytest.importorskip("torch_pruning")
    told = row(tiny, inline, pruning="channels-50")
    assert told["parameters"] < PARAMETERS
    assert told["macs"] == sum(MACS) // 2


def test_what_cannot_run_here_is_a_row_of_unknowns_with_the_reason(tiny, inline):
    told = row(tiny, inline, precision="fp8")
    assert told["reason"] == "fp8 has kernels for CUDA only, not for cpu"
    assert told.drop([*KNOBS, "reason"]).isna().all()


def test_what_ran_can_be_filled_in_even_where_nothing_did(tiny, inline):
    table = describe(tiny, Config("narrow", precision="bf16", runtime="onnxruntime"), executor=inline)
    assert table["ran_as"].fillna("nothing").tolist() == ["nothing"]


def test_counts_are_whole_numbers_even_beside_unknown_ones(tiny, inline):
    table = describe(tiny, [Config("narrow", precision=p, threads=1) for p in ("fp32", "fp8")], executor=inline)
    assert set(table.dtypes[["parameters", "nonzero", "macs", "layers", "quantized_layers"]].map(str)) == {"Int64"}


@pytest.mark.parametrize("module", [nn.Flatten(), nn.BatchNorm2d(1)], ids=["no parameters", "no layer that multiplies"])
def test_a_model_that_multiplies_nothing_is_a_row_too(inline, module):
    task = Task.from_model(module, example=torch.ones(1, 1, 2, 2))
    told = describe(task, Config("model", threads=1), executor=inline).iloc[0]
    assert (told["macs"], told["layers"], told["ran_as"]) == (0, 0, "")
    assert told["parameters"] == sum(value.numel() for value in module.parameters())
    assert math.isnan(told["quantized_macs"])


def test_describing_leaves_no_session_behind(tiny, inline):
    config = Config("narrow", threads=1, batch_size=3)
    describe(tiny, config, executor=inline)
    assert [name for name, *_ in inline.requests][-1] == "finish"
    assert not any(one == config for _, one in describe_module.worker._running)


def test_describing_times_nothing(tiny, inline):
    describe(tiny, Config("narrow", threads=1), executor=inline)
    assert inline.slices == 0


def test_the_same_config_is_described_alike_twice(tiny, inline):
    first, again = (describe(tiny, Config("narrow", threads=1), executor=inline) for _ in range(2))
    assert_frame_equal(first.drop(columns="prepare_s"), again.drop(columns="prepare_s"))


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        (Config("wider", threads=1), r"^model: .*got 'wider'. Did you mean 'wide'"),
        ([], r"^configs: wanted at least one Config; got none$"),
        ("narrow", r"^configs: wanted Config objects"),
    ],
)
def test_what_is_no_config_of_the_task_is_refused_before_any_work(tiny, inline, configs, message):
    with pytest.raises(ValueError, match=message):
        describe(tiny, configs, executor=inline)
    assert inline.requests == []
