import math

import pytest
from tradespace.surface.speedup import speedup


@pytest.fixture
def surface(surface_of):
    def row(precision, batch_size, ms, **others):
        ends = {"latency_p50_ms": ms, "latency_p50_lo_ms": 0.99 * ms, "latency_p50_hi_ms": 1.01 * ms}
        return {"precision": precision, "batch_size": batch_size, **ends, **others}

    return surface_of(
        row("fp32", 1, 1.0),
        row("fp32", 8, 4.0),
        row("fp32", 64, 16.0),
        row("int8", 64, math.nan, status="unsupported", reason="no kernel"),
        row("int8", 8, 8.0),
        row("int8", 1, 0.5),
        row("bf16", 1, 0.1),
        row("fp32", 256, 64.0),
    )


def test_rows_that_differ_in_one_knob_are_paired(surface):
    pairs = speedup(surface, precision=("fp32", "int8"))
    assert pairs["batch_size"].tolist() == [1, 8, 64]
    assert pairs["verdict"].tolist() == ["faster", "slower", "not measured"]
    assert pairs["speedup"].tolist()[:2] == [2.0, 0.5]
    assert (pairs["speedup_lo"] < pairs["speedup"])[:2].all()
    assert (pairs["speedup"] < pairs["speedup_hi"])[:2].all()
    assert pairs["speedup"].isna().tolist() == [False, False, True]


def test_knobs_that_do_not_vary_are_left_out(surface):
    assert speedup(surface, precision=("fp32", "int8")).columns.tolist() == [
        "batch_size", "speedup", "speedup_lo", "speedup_hi", "verdict",
    ]  # fmt: skip
    assert len(speedup(surface, batch_size=(1, 8))) == 2


@pytest.mark.parametrize(
    ("knob", "match"),
    [
        ({}, r"^knob: wanted one, such as precision=\('fp32', 'int8'\); got none"),
        ({"precision": ("fp32", "int8"), "runtime": ("eager", "openvino")}, r"^knob: wanted one"),
        ({"precison": ("fp32", "int8")}, r"^knob: .*got 'precison'. Did you mean 'precision'"),
        ({"precision": "int8"}, r"^precision: wanted two values"),
        ({"precision": ("fp32", "int9")}, r"^precision: .*got 'int9'. Did you mean 'int8'"),
    ],
)
def test_what_cannot_be_paired_is_refused(surface, knob, match):
    with pytest.raises(ValueError, match=match):
        speedup(surface, **knob)


def test_rows_of_two_machines_are_refused(surface):
    surface.loc[0, "machine"] = "elsewhere"
    with pytest.raises(ValueError, match="one machine"):
        speedup(surface, precision=("fp32", "int8"))
