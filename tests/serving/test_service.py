import math
import re
from dataclasses import replace

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.serving.service import ServiceTimes

LADDER = ServiceTimes({1: [1.0, 3.0], 4: [4.0, 6.0, 8.0], 8: [10.0]})
CONFIG = Config("resnet8", threads=1)


def measured(batch_size, ms, **knobs):
    """One Measurement of seven slices, the last of which other work disturbed and made ten times as slow."""
    ns, disturbed_ns = np.full(10, int(ms * 1e6)), np.full(10, int(ms * 1e7))
    slices = [Slice(ns, 10, int(ns.sum()), wall_ns=10**9)] * 6
    slices.append(Slice(disturbed_ns, 10, int(disturbed_ns.sum()), wall_ns=10**9, waited_ns=10**9))
    return Measurement("fashion", replace(CONFIG, batch_size=batch_size, **knobs), tuple(slices), machine="this one")


def test_between_two_sizes_times_are_on_the_line_between_them():
    assert [LADDER.mean_ms(size) for size in (1, 2, 4, 6, 8)] == pytest.approx([2, 2 + 4 / 3, 6, 8, 10])
    assert LADDER.around(6) == (4, 8, 0.5)


def test_a_padded_batch_takes_as_long_as_the_next_size():
    padded = replace(LADDER, padded=True)
    assert [padded.mean_ms(size) for size in (1, 2, 4, 5)] == [2, 6, 6, 10]
    assert padded.around(5) == (8, 8, 0.0)


def test_below_the_least_size_a_batch_takes_as_long_as_it():
    assert ServiceTimes({4: [4.0], 8: [6.0]}).mean_ms(1) == 4


def test_beyond_the_largest_size_nothing_is_known():
    with pytest.raises(ValueError, match=r"^batch_size: wanted at most 8, the largest measured one; got 9$"):
        LADDER.mean_ms(9)


def test_full_batches_serve_their_size_in_their_mean_time():
    assert LADDER.capacity_per_s(4) == pytest.approx(4 / 0.006)


def test_random_shares_draw_the_samples_alike():
    draw_ms = LADDER.drawn_ms(4)
    values, counts = np.unique([draw_ms((i + 0.5) / 600, 0.0, 0.0)[0] for i in range(600)], return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([4.0, 6.0, 8.0], [200, 200, 200])
    assert [LADDER.drawn_ms(1)(share, 0.0, 0.0)[0] for share in (0.0, math.nextafter(1, 0))] == [1.0, 3.0]


def test_between_two_sizes_the_same_share_of_both_is_drawn():
    assert [LADDER.drawn_ms(2)(share, 0.0, 0.0)[0] for share in (0.0, 0.9)] == pytest.approx([1 + 3 / 3, 3 + 5 / 3])
    assert replace(LADDER, padded=True).drawn_ms(2)(0.9, 0.0, 0.0)[0] == 8.0


PAUSED = replace(LADDER, paused_ms={10.0: {1: [9.0], 4: [12.0], 8: [14.0]}, 1.0: {1: [5.0], 4: [8.0], 8: [12.0]}})


@pytest.mark.parametrize(
    ("size", "pause_ms", "took_ms"),
    [(8, 0, 10), (8, 0.5, 11), (8, 1, 12), (8, 5.5, 13), (8, 10, 14), (8, 1e9, 14), (6, 0.5, 9), (6, 1, 10)],
)
def test_after_a_pause_in_between_times_are_on_the_line_between_its_neighbours(size, pause_ms, took_ms):
    warm_ms = LADDER.mean_ms(size) if size != 6 else 8.0
    assert PAUSED.drawn_ms(size)(0.4, pause_ms, 0.0) == pytest.approx((took_ms, took_ms - warm_ms))


def test_a_call_pays_a_share_of_what_the_one_before_paid_for_a_pause_or_its_own_if_that_is_more():
    draw_ms = replace(PAUSED, carried=0.25).drawn_ms(8)
    assert draw_ms(0.4, 0.0, 8.0) == (12.0, 2.0)
    assert draw_ms(0.4, 0.0, 2.0) == (10.5, 0.5)
    assert draw_ms(0.4, 10.0, 8.0) == (14.0, 4.0)


def test_of_a_size_that_was_not_measured_after_pauses_times_are_those_without_them():
    partly = replace(LADDER, paused_ms={10.0: {1: [9.0], 4: [12.0]}})
    assert math.isnan(partly.mean_ms(8, 10.0))
    assert (partly.mean_ms(2, 10.0), partly.drawn_ms(8)(0.4, 10.0, 0.0)) == (10, (10.0, 0.0))
    assert "after a pause of 10 ms, 9 ms for 1;" in repr(partly)


@pytest.mark.parametrize("carried", [-0.1, 1.0, math.nan])
def test_what_is_no_share_is_not_carried(carried):
    with pytest.raises(ValueError, match=r"^carried: wanted a share from 0 to less than 1; got "):
        replace(LADDER, carried=carried)


def test_pauses_are_ascending_and_leave_the_times_without_pauses_as_they_are():
    assert (PAUSED.pauses_ms, PAUSED.longest_ms) == ((0.0, 1.0, 10.0), 10.0)
    assert (PAUSED.mean_ms(8), PAUSED.mean_ms(8, 10.0), PAUSED.mean_ms(6, 1.0)) == (10, 14, 10)
    assert (PAUSED.capacity_per_s(8), PAUSED.fit) == (LADDER.capacity_per_s(8), LADDER.fit)
    assert LADDER.pauses_ms == (0.0,)
    assert math.isnan(PAUSED.mean_ms(8, 3.0))
    assert math.isnan(LADDER.mean_ms(8, 10.0))


@pytest.mark.parametrize(
    ("paused_ms", "message"),
    [
        ({0: {1: [1.0], 4: [1.0], 8: [1.0]}}, "paused_ms: pause: wanted a finite number above 0; got 0"),
        (
            {1.0: {1: [1.0], 2: [1.0]}},
            "paused_ms: wanted the same batch sizes, of [1, 4, 8], after each pause; got [1, 2]",
        ),
        (
            {1.0: {1: [1.0], 4: [1.0]}, 2.0: {1: [1.0]}},
            "paused_ms: wanted the same batch sizes, of [1, 4, 8], after each pause; got [1]",
        ),
        (
            {1.0: {1: [], 4: [1.0], 8: [1.0]}},
            "paused_ms: wanted a list of finite times above 0 for batch size 1; got []",
        ),
    ],
)
def test_what_are_no_times_after_pauses_are_refused(paused_ms, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(LADDER, paused_ms=paused_ms)


@pytest.mark.parametrize("times", [2.0, np.ones((2, 3)), ["soon"], None])
def test_what_is_no_list_of_times_is_refused_at_once(times):
    with pytest.raises(ValueError, match=r"^samples_ms: wanted a list of finite times above 0 for batch size 1; got "):
        ServiceTimes({1: times})


def test_times_without_batch_sizes_are_refused():
    for given in ({"samples_ms": [1.0]}, {"samples_ms": {1: [1.0]}, "paused_ms": {1.0: [1.0]}}):
        with pytest.raises(ValueError, match=r"_ms: wanted a mapping of batch sizes to times; got \[1.0\]$"):
            ServiceTimes(**given)


def test_the_line_is_that_of_the_means():
    fit = ServiceTimes({1: [0.5, 1.5], 4: [4.0], 8: [8.0]}).fit
    assert (fit.fixed_ms, fit.each_ms) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    assert ServiceTimes({1: [1.0]}).fit is None


def test_measurements_are_joined_without_what_was_disturbed():
    service = ServiceTimes.of([measured(4, 3), measured(1, 2)])
    assert service.sizes == (1, 4)
    assert [set(service.samples_ms[size]) for size in (1, 4)] == [{2.0}, {3.0}]
    assert (service.task, service.machine, service.config) == ("fashion", "this one", CONFIG)
    assert "few_samples" not in service.flags


@pytest.mark.parametrize(("runtime", "padded"), [("eager", False), ("onnxruntime", False), ("openvino", True)])
def test_what_is_compiled_for_a_size_is_padded(runtime, padded):
    assert ServiceTimes.of([measured(1, 2, runtime=runtime)]).padded is padded
    assert ServiceTimes.of([measured(1, 2, runtime=runtime)], padded=not padded).padded is not padded


@pytest.mark.parametrize("other", [measured(4, 3, model="resnet32"), replace(measured(4, 3), machine="that one")])
def test_measurements_of_two_servers_are_not_joined(other):
    with pytest.raises(ValueError, match=r"^measurements: wanted some that differ in batch size only; got "):
        ServiceTimes.of([measured(1, 2), other])


def test_without_a_measurement_there_are_no_times():
    with pytest.raises(ValueError, match=r"^samples_ms: wanted times of at least one batch size; got none$"):
        ServiceTimes.of([Measurement("fashion", CONFIG)])


@pytest.mark.parametrize("times", [[], [0.0], [-1.0, 2.0], [math.nan], [1.0, math.inf]])
def test_times_that_cannot_be_are_refused(times):
    words = re.escape(f"samples_ms: wanted a list of finite times above 0 for batch size 2; got {times}")
    with pytest.raises(ValueError, match=f"^{words}$"):
        ServiceTimes({2: times})


@pytest.mark.parametrize("size", [0, -1, 1.5, "1"])
def test_batch_sizes_that_cannot_be_are_refused(size):
    with pytest.raises(ValueError, match=r"^samples_ms: batch size: wanted a whole number, at least 1; got "):
        ServiceTimes({size: [1.0]})
