import math

import numpy as np
import pytest
import tradespace as ts
from tradespace.serving.served import Batches, Served
from tradespace.show.response.numbers import distribution, in_time, in_words, marked, parts_of, reach, round_up

# One request a batch, every 10 ms: the first of two waits 1 ms for its batch, 2 ms in a queue, and is served for 3 ms,
# the second is served for 3 ms at once.
REQUESTS = 10_000


@pytest.fixture(scope="module")
def served():
    arrived = np.arange(1, REQUESTS + 1) / 100
    waits = np.arange(REQUESTS) % 2 == 0
    ready = arrived + 0.001 * waits
    start = ready + 0.002 * waits
    batches = Batches(np.ones(REQUESTS, int), ready, start, start + 0.003)
    return Served(ts.arrivals.Constant(100), ts.Batcher(), deadline_ms=5.0, arrived_s=arrived, batches=batches)


def test_a_percentile_is_taken_apart_as_the_requests_around_it_are(served):
    p50, p99 = marked(served)
    assert p99.value_ms == pytest.approx(6)
    assert p99.parts_ms == pytest.approx((1, 2, 3))
    assert p99.apart == "batch wait 1, queue 2, service 3 ms"
    assert sum(p50.parts_ms) == pytest.approx(p50.value_ms)


def test_bins_hold_all_requests_split_as_their_time_is(served):
    counted = distribution(served, reach_ms=8.1)
    assert counted.shares.sum() == pytest.approx(1)
    in_bins = counted.shares[:, counted.shares.sum(axis=0) > 0]
    # The bin of 3 ms is service alone; that of 6 ms a sixth, a third and a half.
    assert in_bins == pytest.approx(np.array([[0, 1 / 12], [0, 1 / 6], [1 / 2, 1 / 4]]))
    assert counted.slower == ""


def test_what_lies_beyond_is_counted_and_said(served):
    counted = distribution(served, reach_ms=4.1)
    assert counted.shares.sum() == pytest.approx(0.5)
    assert counted.slower == "50 % slower, up to 6 ms"


def test_the_three_parts_of_a_simulated_response_add_up(service):
    served = ts.simulate(service, ts.arrivals.Bursty(2000, 10), ts.Batcher(16, 2), requests=5000)
    assert sum(parts_of(served)) == pytest.approx(served.response_ms)
    for one in marked(served):
        assert sum(one.parts_ms) == pytest.approx(one.value_ms)


@pytest.mark.parametrize(("deadline_ms", "shown"), [(4.0, True), (100.0, False), (math.inf, False)])
def test_the_axis_reaches_the_deadline_unless_it_is_far_out(service, deadline_ms, shown):
    served = ts.simulate(service, ts.arrivals.Poisson(500), ts.Batcher(8), requests=5000, deadline_ms=deadline_ms)
    assert served.response_at_ms(99) < reach([served]) <= 6
    assert (deadline_ms <= reach([served])) == shown


@pytest.mark.parametrize("value", [0.0123, 1.0, 9.99, 10.0, 777.0])
def test_a_round_number_is_no_smaller_and_not_much_larger(value):
    assert value <= round_up(value) * (1 + 1e-9) <= 1.34 * value


def test_words_for_those_who_see_no_chart(served, service):
    assert in_words(served).startswith("simulated: p50 ")
    assert in_words(served).endswith("batch wait 1, queue 2, service 3 ms; 50 % within 5 ms")
    saturated = ts.simulate(service, ts.arrivals.Poisson(1e6), ts.Batcher(8))
    assert in_words(saturated) == saturated.reason
    assert in_time(saturated) == ""


def test_too_few_requests_leave_a_percentile_unknown(service):
    served = ts.simulate(service, ts.arrivals.Poisson(100), requests=50)
    p50, p99 = marked(served)
    assert not math.isnan(p50.value_ms)
    assert p99.text == "p99: too few requests"
    assert p99.apart == ""
    assert reach([served]) > np.percentile(served.response_ms, 99)
