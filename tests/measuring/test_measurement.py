import math
from dataclasses import replace

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.measurement import Facts, Failure, Measurement, Scored, Slice

MS = 1_000_000


def measured(slice_medians_ms, samples_a_slice=20, batch_size=4, **kwargs):
    slices = tuple(
        Slice(
            np.full(samples_a_slice, round(ms * MS)),
            items=samples_a_slice * batch_size,
            busy_ns=round(samples_a_slice * ms * MS),
        )
        for ms in slice_medians_ms
    )
    return Measurement("t", Config("m", threads=1, batch_size=batch_size), slices, **kwargs)


def test_latency_is_in_milliseconds_and_throughput_counts_items():
    m = measured([2.0] * 8)
    assert m.latency_p50_ms == 2.0
    assert m.throughput_per_s == pytest.approx(4 / 0.002)
    assert m.samples == 160


def test_drift_between_slices_widens_the_interval_however_many_samples_there_are():
    steady = measured([2.0] * 12, samples_a_slice=1_000)
    drifting = measured(np.linspace(2.0, 3.0, 12), samples_a_slice=1_000)
    assert steady.width == 0
    assert drifting.width > 0.1
    assert "unconverged" in drifting.flags


def test_a_few_slices_give_no_interval_and_say_so():
    m = measured([2.0] * 5)
    assert math.isnan(m.latency_p50_lo_ms)
    assert m.flags == "few_samples unconverged"
    assert "too few slices" in repr(m)


def test_tail_percentiles_wait_for_their_samples():
    assert math.isnan(measured([2.0] * 6).latency_p99_ms)
    assert measured([2.0] * 6, samples_a_slice=200).latency_p99_ms == 2.0


def test_a_wide_spread_is_flagged_noisy():
    slices = tuple(Slice(np.array([1.0, 1.0, 1.5, 1.5]) * MS, 4, 5 * MS) for _ in range(8))
    assert "noisy" in Measurement("t", Config("m"), slices).flags


def test_a_clean_measurement_raises_no_flag_and_says_it_is_to_be_trusted():
    m = measured([2.0] * 8)
    assert m.flags == ""
    assert "Reliable to 2%" in repr(m)


def test_accuracy_comes_with_its_interval_and_is_unknown_without_a_test_set():
    m = measured([2.0] * 8, scores=np.array([True] * 90 + [False] * 10))
    assert m.accuracy == 0.9
    assert m.accuracy_lo < 0.9 < m.accuracy_hi
    assert m.accuracy_n == 100
    assert math.isnan(measured([2.0] * 8).accuracy)


def test_what_is_not_measured_is_nan_and_never_zero():
    m = Measurement("t", Config("m"))
    for name in (
        "latency_p50_ms",
        "throughput_per_s",
        "accuracy",
        "model_mb",
        "memory_mb",
        "energy_j_per_item",
        "noise",
    ):
        assert math.isnan(getattr(m, name)), name


def test_a_failure_carries_its_status_and_reason():
    m = Measurement("t", Config("m"), failure=Failure("timeout", "no answer within 5 s"))
    assert (m.status, m.reason, m.flags) == ("timeout", "no answer within 5 s", "")
    assert "no answer within 5 s" in repr(m)


def disturbed_half(n=12, slow_ms=9.0):
    """Slices of 1 ms, every other one slowed down by other work that the system knows of."""
    quiet = Slice(np.full(20, 1 * MS), 20, 20 * MS, wall_ns=20 * MS)
    hurt = Slice(np.full(20, round(slow_ms * MS)), 20, round(20 * slow_ms * MS), wall_ns=100 * MS, waited_ns=50 * MS)
    return Measurement("t", Config("m", threads=1), (quiet, hurt) * (n // 2))


def test_slices_disturbed_by_other_work_are_flagged_and_kept_out_of_the_statistics():
    m = disturbed_half()
    assert m.latency_p50_ms == m.latency_p50_hi_ms == 1.0
    assert m.throughput_per_s == pytest.approx(1_000)
    assert m.flags == "contended"
    assert "other work or a quota took its cores in 50% of the slices" in repr(m)
    assert m.samples == 240


def test_with_too_few_undisturbed_slices_the_six_that_waited_least_are_used():
    quiet = Slice(np.full(20, 1 * MS), 20, 20 * MS, wall_ns=20 * MS)
    hurt = [
        Slice(np.full(20, ms * MS), 20, 20 * ms * MS, wall_ns=100 * MS, waited_ns=10 * ms * MS) for ms in range(2, 10)
    ]
    m = Measurement("t", Config("m", threads=1), (*hurt[::-1], quiet))
    assert m.slice_medians_ms.tolist() == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert "contended" in m.flags


def test_a_single_turn_of_another_program_disturbs_no_slice():
    assert not Slice(np.ones(1), 1, 1, wall_ns=20 * MS, waited_ns=3 * MS).disturbed
    assert Slice(np.ones(1), 1, 1, wall_ns=20 * MS, waited_ns=5 * MS).disturbed
    assert not Slice(np.ones(1), 1, 1, wall_ns=300 * MS, waited_ns=10 * MS).disturbed


def test_a_trend_over_the_slices_is_drift_and_scatter_is_not():
    rising = np.linspace(1.0, 1.2, 12)
    assert measured(rising).drift == pytest.approx(0.2 / 1.1)
    assert "drifting" in measured(rising, max_width=0.1).flags
    assert "latency changed by +18%" in repr(measured(rising, max_width=0.1))
    scattered = np.random.default_rng(3).permutation(rising)
    assert measured(scattered).drift == 0
    assert "drifting" not in measured(scattered).flags


@pytest.mark.parametrize(
    ("mhz", "flagged"), [([3000] * 8, False), ([3000] * 2 + [2400] * 6, True), ([math.nan] * 8, False)]
)
def test_a_clock_that_slows_down_is_throttling(mhz, flagged):
    slices = tuple(Slice(np.full(9, MS), 9, 9 * MS, mhz=one) for one in mhz)
    assert ("throttled" in Measurement("t", Config("m"), slices).flags) is flagged


@pytest.mark.parametrize(("error", "flagged"), [(0.05, False), (0.2, True), (math.nan, False)])
def test_outputs_far_from_those_of_fp32_are_flagged(error, flagged):
    m = measured([1.0] * 8, facts=Facts(output_error=error))
    assert ("output_mismatch" in m.flags) is flagged


@pytest.mark.parametrize(("error", "untrue"), [(0.02, False), (0.31, True), (math.nan, False)])
def test_integers_that_are_not_computed_as_they_say_are_flagged_with_the_cause(error, untrue):
    config = Config("m", precision="int8", runtime="onnxruntime", threads=1)
    m = replace(measured([1.0] * 8, facts=Facts(output_error=0.01, truth_error=error)), config=config)
    assert ("output_mismatch" in m.flags.split()) is untrue
    cause = (
        "ONNX Runtime computes this int8 model wrongly on this processor: its outputs differ by 31% from those of the "
        "same integers in floating point, as when sums of 8-bit products overflow"
    )
    assert m.reason == (cause if untrue else "")
    assert (cause in str(m)) is untrue
    assert m.status == "ok"


def test_why_a_model_failed_comes_before_what_is_wrong_with_its_outputs():
    m = Measurement("t", Config("m"), facts=Facts(truth_error=0.5), failure=Failure("crashed", "of SIGKILL"))
    assert (m.reason, m.flags) == ("of SIGKILL", "")


def test_memory_is_the_peak_of_a_call_and_the_weights():
    first = Slice(np.full(9, MS), 9, 9 * MS, memory_mb=3.5, warm_up_ns=20 * MS)
    m = Measurement("t", Config("m"), (first, *measured([1.0] * 6).slices), facts=Facts(model_mb=0.5))
    assert m.memory_mb == 4.0
    assert m.warm_up_s == pytest.approx(0.02)


def test_percentiles_have_intervals_from_their_floor_on():
    m = measured([1.0] * 6, samples_a_slice=200)
    assert m.latency_interval_ms(99) == (1.0, 1.0)
    assert all(math.isnan(end) for end in measured([1.0] * 6, samples_a_slice=5).latency_interval_ms(90))


def test_measurements_slices_and_scores_compare_and_hash():
    one, other = (replace(measured([1.0] * 6), scores=np.array([True, False])) for _ in range(2))
    for a, b in [(one, other), (one.slices[0], other.slices[0]), (Scored(one.scores), Scored(other.scores))]:
        assert a == a
        assert a != b
        assert {a: 1, b: 2}[a] == 1
    assert [other, one].index(one) == 1
