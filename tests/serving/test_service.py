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
    shares = (np.arange(600) + 0.5) / 600
    values, counts = np.unique(LADDER.drawn_ms(4, shares), return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([4.0, 6.0, 8.0], [200, 200, 200])
    assert LADDER.drawn_ms(1, np.array([0.0, np.nextafter(1, 0)])).tolist() == [1.0, 3.0]


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
    words = re.escape(f"samples_ms: wanted finite times above 0 for batch size 2; got {times}")
    with pytest.raises(ValueError, match=f"^{words}$"):
        ServiceTimes({2: times})


@pytest.mark.parametrize("size", [0, -1, 1.5, "1"])
def test_batch_sizes_that_cannot_be_are_refused(size):
    with pytest.raises(ValueError, match=r"^samples_ms: batch size: wanted a whole number, at least 1; got "):
        ServiceTimes({size: [1.0]})
