"""The predicted batch curve of a made-up machine and a made-up model, against the closed form."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring.peaks import Peaks, Rate
from tradespace.prepare.operations import Operation
from tradespace.surface.roofline import Roofline

ONE = ts.Config("small", threads=1)
START = Rate(50.0)
MACHINE = Peaks("cpu", 1, {"fp32": Rate(100.0)}, Rate(10.0), {("fp32", "linear"): START}, machine="a made-up one")


def counts(operations=0, weights=0, data=0, sizes=(1, 2), layers=1, **others):
    """Of layers that are alike, each with so many operations and bytes an item."""
    one = Operation("layer", "linear", "fp32", 0, 0, weights, 0)
    return {
        b: [replace(one, macs=operations * b // 2, operations=operations * b, data_bytes=data * b, **others)] * layers
        for b in sizes
    }


def roof(machine=MACHINE, **about):
    return Roofline(ONE, machine, counts(**about), "mine")


def test_the_knee_of_a_model_bound_by_arithmetic_is_the_start_over_the_work():
    bound = roof(operations=2_000_000, data=1000, layers=3)
    # 2 MFLOP at 100 GFLOP/s are 20 us; three layers, each of which takes 50 us to start.
    assert bound.fit.fixed_ms == pytest.approx(0.150)
    assert bound.fit.each_ms == pytest.approx(0.060)
    assert bound.knee == pytest.approx(50 / 20)
    assert bound.latency_ms(7).value == pytest.approx(0.150 + 7 * 0.060)
    assert set(bound.layers["bound"]) == {"compute"}
    assert [bound.dominant(size) for size in (1, 256)] == ["overhead", "compute"]


def test_the_knee_of_a_model_bound_by_memory_counts_its_weights_once_a_call():
    bound = roof(operations=1000, weights=1_000_000, data=200_000)
    # At 10 GB/s the weights take 100 us, and an item 20.
    assert bound.knee == pytest.approx((50 + 100) / 20)
    assert set(bound.layers["bound"]) == {"memory"}
    assert bound.parts_ms(10) == pytest.approx({"compute": 0, "memory": 0.3, "overhead": 0.05})


def test_a_layer_whose_weights_are_shared_by_more_items_comes_under_the_other_roof():
    bound = roof(operations=2_000_000, weights=1_000_000, data=100_000)
    # 20 us of arithmetic and 10 of memory an item, and 100 us of weights a call: they cross at ten items.
    assert [bound.at(size)["bound"][0] for size in (1, 9, 11, 256)] == ["memory", "memory", "compute", "compute"]
    assert bound.at(256)["intensity"][0] > bound.at(1)["intensity"][0]
    assert bound.at(256)["intensity"][0] == pytest.approx(256 * 2e6 / (1e6 + 256 * 1e5))


def test_macs_and_bytes_are_those_of_the_batch_of_the_config():
    at_four = replace(roof(operations=200, weights=10, data=30), config=replace(ONE, batch_size=4)).layers
    assert at_four[["macs", "operations", "bytes"]].iloc[0].tolist() == [400, 800, 130]


def test_between_counted_batch_sizes_and_beyond_numbers_follow_a_line():
    # Padding: an item of a batch of eight is twice as long.
    one = Operation("layer", "linear", "fp32", 0, 0, 0, 0)
    padded = {b: [replace(one, operations=100 * b * n, data_bytes=b)] for b, n in ((1, 1), (8, 2))}
    bound = Roofline(ONE, MACHINE, padded)
    assert bound.at(1)["operations"][0] == 100
    assert bound.at(8)["operations"][0] == 1600
    assert bound.at(4)["operations"][0] == round(100 + 3 / 7 * 1500)
    assert bound.at(15)["operations"][0] == 3100


def test_a_model_that_was_counted_at_one_batch_size_reads_its_weights_once():
    bound = roof(operations=100, weights=10, data=30, sizes=(1,))
    assert bound.at(4)[["operations", "bytes"]].iloc[0].tolist() == [400, 130]


def test_on_an_accelerator_layers_start_while_others_work():
    machine = replace(MACHINE, device="cuda")
    bound = roof(machine, operations=2_000_000, data=1000)
    assert bound.latency_ms(1).value == pytest.approx(0.050)
    assert bound.latency_ms(100).value == pytest.approx(2.0)


def test_uncertain_roofs_make_for_a_range_that_contains_the_prediction():
    machine = replace(
        MACHINE,
        arithmetic={"fp32": Rate(100.0, 50.0, 100.0)},
        overhead={("fp32", "linear"): Rate(50.0, 40.0, 80.0, "contended")},
    )
    bound = roof(machine, operations=2_000_000, data=10)
    predicted = bound.latency_ms(10)
    assert (predicted.lo, predicted.value, predicted.hi) == pytest.approx((0.24, 0.25, 0.48))
    assert predicted.flags == "contended"
    low, high = bound.knee_range
    assert (low, high) == pytest.approx((40 / 40, 80 / 20))
    assert low <= bound.knee <= high
    assert "Use with caution" in repr(bound)
    assert "(1 to 4)" in repr(bound)


def test_exact_roofs_make_for_no_range():
    bound = roof(operations=2_000_000, data=10)
    assert bound.knee_range == pytest.approx((bound.knee, bound.knee))
    assert "Predicted knee at batch 2.5." in repr(bound)


def test_a_number_type_without_a_roof_is_said_and_only_its_bytes_count():
    bound = roof(operations=2_000_000, data=1000, precision="int8")
    assert bound.uncounted == ("layer: there is no roof for int8, so only its bytes count",)
    assert "no roof for int8" in repr(bound)
    assert bound.at(1)["work_ms"][0] == pytest.approx(1e-4)


def test_a_layer_that_was_not_counted_is_said():
    assert "nobody has written down" in roof(operations=2, data=8, counted=False).uncounted[0]


def test_without_a_roofline_there_is_a_reason_and_nothing_else():
    bound = Roofline(ONE, MACHINE, {}, "mine", "no kernel")
    assert repr(bound) == "small, fp32, eager: no roofline: no kernel"
    assert math.isnan(bound.knee)
    assert math.isnan(bound.latency_ms(1).value)
    assert bound.fit is None
    assert bound.dominant(1) == ""
    assert list(bound.layers.columns) == list(roof().layers.columns)
    assert bound.layers.empty


@pytest.fixture
def measured(surface_of):
    """Two batch sizes of what the roofline is of, one that did not fit, and one of another model."""
    here = {"task": "mine", "machine": "a made-up one", "model": "small", "threads": 1}
    return surface_of(
        here | {"batch_size": 8, "latency_p50_ms": 0.42},
        here | {"batch_size": 1, "latency_p50_ms": 0.07},
        here | {"batch_size": 64, "latency_p50_ms": math.nan, "status": "out_of_memory"},
        here | {"batch_size": 2, "latency_p50_ms": 9.0, "model": "another"},
    )


def test_how_far_off_it_was(measured):
    found = roof(operations=2_000_000, data=1000).residual(measured)
    # 50 us to start, and 20 an item.
    assert found["batch_size"].tolist() == [1, 8]
    np.testing.assert_allclose(found["predicted_ms"], [0.07, 0.21])
    np.testing.assert_allclose(found["ratio"], [1, 2])
    assert Roofline(ONE, MACHINE, {}, "mine", "no kernel").residual(measured).empty


@pytest.mark.parametrize("column", ["task", "machine"])
def test_what_was_measured_elsewhere_is_refused(measured, column):
    with pytest.raises(ValueError, match=f"^surface: wanted rows of the {column} of this roofline"):
        roof().residual(measured.assign(**{column: "another"}))


@pytest.mark.parametrize("size", [0, 1.5, True])
def test_a_batch_size_that_is_none_is_refused(size):
    for ask in (roof().at, roof().latency_ms):
        with pytest.raises(ValueError, match=r"^batch_size: wanted a whole number"):
            ask(size)


def test_a_runtime_that_merges_layers_is_refused_before_any_work(tiny):
    with pytest.raises(ValueError, match=r"^config: wanted a runtime that calls one layer after another.*'openvino'"):
        ts.roofline(tiny, ts.Config("narrow", runtime="openvino"), executor="never asked")


def test_roofs_of_other_threads_or_another_device_are_refused(tiny):
    with pytest.raises(ValueError, match=r"^machine: wanted the peaks of 1 threads, as config has; got those of 2"):
        ts.roofline(tiny, ts.Config("narrow", threads=1), machine=replace(MACHINE, threads=2))
    with pytest.raises(ValueError, match=r"^machine: wanted one of cpu; got 'cuda'"):
        ts.roofline(tiny, ts.Config("narrow", threads=1), machine=replace(MACHINE, device="cuda"))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_the_layers_of_a_model(tiny, inline, precision):
    bound = ts.roofline(tiny, ts.Config("narrow", precision=precision, threads=1), machine=MACHINE, executor=inline)
    assert bound.layers["macs"].sum() == 2 * 36 * 9 + 72 * 3
    assert bound.at(10)["macs"].sum() == 10 * bound.layers["macs"].sum()
    assert bound.knee > 0


@pytest.mark.parametrize(("precision", "reason"), [("fp8", "kernels for CUDA only"), ("w4", "no w4 kernel to time")])
def test_what_cannot_run_here_has_no_roofline_and_says_why(tiny, inline, precision, reason):
    bound = ts.roofline(tiny, ts.Config("narrow", precision=precision, threads=1), machine=MACHINE, executor=inline)
    assert reason in bound.reason
    assert bound.layers.empty
