import math

import numpy as np
import pytest
import tradespace as ts
from tradespace.show.load.numbers import MORE, SHARES, Load, Point, load_of, simulated


def load_at(service, arrivals, batcher, requests=20_000):
    return load_of(service, arrivals, batcher, list(simulated(service, arrivals, batcher, requests)))


def test_rates_are_shares_of_the_capacity_and_all_lie_below_it(service):
    load = load_at(service, ts.arrivals.Poisson(1), ts.Batcher(8), 2000)
    assert load.capacity_per_s == pytest.approx(8 / 1.8e-3)
    assert load.rates_per_s == pytest.approx([share * load.capacity_per_s for share in SHARES], rel=1e-5)


def test_responses_rise_and_the_busy_share_of_single_requests_is_the_load(service):
    load = load_at(service, ts.arrivals.Poisson(1), ts.Batcher())
    p99 = [point.p99_ms for point in load.points]
    assert p99 == sorted(p99)
    assert [point.busy for point in load.points] == pytest.approx(SHARES, rel=0.03)


def test_one_request_at_a_time_agrees_with_pollaczek_and_khinchine(service):
    load = load_at(service, ts.arrivals.Poisson(1), ts.Batcher())
    assert load.theory == "mean by Pollaczek and Khinchine"
    low = [share <= 0.6 for share in SHARES]
    means = np.array([[mean, point.mean_ms] for mean, point in zip(load.means_ms, load.points, strict=True)])[low]
    assert means[:, 0] == pytest.approx(means[:, 1], rel=0.03)


def test_the_bound_holds_while_batches_are_rarely_full_and_ends_there(service):
    load = load_at(service, ts.arrivals.Poisson(1), ts.Batcher(16))
    assert load.theory == "bound of the mean (Inoue)"
    known = [not math.isnan(mean) for mean in load.means_ms]
    assert known == sorted(known, reverse=True)
    assert known[0]
    assert not known[-1]
    for mean_ms, point in zip(load.means_ms, load.points, strict=True):
        assert math.isnan(mean_ms) or mean_ms > 0.98 * point.mean_ms
    assert load.residual.startswith("bound of the mean (Inoue): ")


@pytest.mark.parametrize("share", [0.1, 0.95])
def test_where_p99_is_not_known_more_requests_are_simulated(service, share):
    load = load_at(service, ts.arrivals.Poisson(1), ts.Batcher(), 5000)
    (point,) = [one for one in load.points if one.rate_per_s == pytest.approx(share * load.capacity_per_s, rel=1e-4)]
    assert point.requests == (5000 if share == 0.1 else MORE * 5000)


@pytest.mark.parametrize(
    ("arrivals", "batcher"),
    [
        (ts.arrivals.Bursty(1, 5), ts.Batcher(16)),
        (ts.arrivals.Constant(1), ts.Batcher()),
        (ts.arrivals.Poisson(1), ts.Batcher(16, max_wait_ms=1)),
    ],
)
def test_where_no_theory_applies_none_is_drawn(service, arrivals, batcher):
    load = load_at(service, arrivals, batcher, 1000)
    assert (load.theory, load.residual) == ("", "")


def test_a_server_that_pads_has_no_line_to_take_a_bound_from(service):
    padded = ts.ServiceTimes(service.samples_ms, padded=True)
    assert load_at(padded, ts.arrivals.Poisson(1), ts.Batcher(16), 1000).theory == ""


def test_requests_that_were_not_served_are_late(service):
    served = ts.simulate(service, ts.arrivals.Poisson(500), requests=1000, deadline_ms=3)
    assert Point.of(served).in_time(3) == pytest.approx(served.in_time)
    late = ts.simulate(service, ts.arrivals.Poisson(500), requests=1000)
    object.__setattr__(late, "arrived_s", np.append(late.arrived_s, late.arrived_s[-1] + np.arange(1, 1001)))
    assert Point.of(late).in_time(math.inf) == 0.5


def test_of_a_measured_run_the_rate_is_the_one_at_which_requests_came(service):
    served = ts.simulate(service, ts.arrivals.Poisson(500), requests=1000)
    assert Point.of(served).rate_per_s == 500
    object.__setattr__(served, "how", "measured")
    assert Point.of(served).rate_per_s == pytest.approx(1000 / served.arrived_s[-1])


def test_without_theory_there_is_no_residual():
    assert Load(10.0, (), ()).residual == ""
