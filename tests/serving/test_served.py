import math

import numpy as np
import pytest
from tradespace.measuring.measurement import Failure
from tradespace.serving.arrivals import Bursty, Constant, Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import Batches, Served, little
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.serving.theory import mm1_response_ms


def run_of(arrived_s, sizes, ready_s, start_s, end_s, **given):
    batches = Batches(np.array(sizes, int), *map(np.array, (ready_s, start_s, end_s)))
    return Served(Constant(1000), Batcher(4), arrived_s=np.array(arrived_s), batches=batches, **given)


@pytest.fixture
def three():
    """Of four requests a batch of two and one of one were served; the fourth was not."""
    return run_of([0.0, 0.002, 0.003, 0.004], [2, 1], [0.001, 0.003], [0.002, 0.006], [0.006, 0.009], deadline_ms=6)


def test_a_response_has_three_parts(three):
    assert three.requests.to_numpy() == pytest.approx(
        np.array(
            [
                # arrived, waited for the batch, for the server, was served, response, batch size
                [0.0, 1, 1, 4, 6, 2],
                [0.002, 0, 0, 4, 4, 2],
                [0.003, 0, 3, 3, 6, 1],
            ]
        )
    )


def test_one_that_was_not_served_is_late(three):
    assert len(three) == 3
    assert three.in_time == 0.75
    assert three.goodput_per_s == pytest.approx(3 / 0.004)
    nobody = run_of([0.0, 0.002], [], [], [], [])
    assert (nobody.in_time, nobody.goodput_per_s) == (0, 0)
    assert "no request was served" in repr(nobody)


def test_the_server_is_busy_while_a_batch_runs(three):
    assert three.busy == pytest.approx(7 / 9)
    assert three.mean_batch == 1.5
    assert three.late_p99_ms == pytest.approx(0.99 * 1, abs=0.02)


def test_few_requests_have_no_percentiles_and_no_intervals(three):
    assert math.isnan(three.response_at_ms(99))
    assert all(map(math.isnan, three.response_interval_ms(50)))
    assert all(map(math.isnan, three.response_mean_interval_ms))
    assert math.isnan(three.little)
    assert three.flags == "few_requests"


def test_a_failure_has_no_numbers_but_a_reason():
    failed = Served(Poisson(10), Batcher(), failure=Failure("crashed", "the process died"))
    assert (failed.status, failed.reason, failed.flags) == ("crashed", "the process died", "")
    assert math.isnan(failed.response_at_ms(50))
    assert math.isnan(failed.goodput_per_s)
    assert math.isnan(failed.busy)
    assert repr(failed).endswith("one request at a time: crashed: the process died")


@pytest.mark.parametrize(("requests", "known"), [(661, False), (662, True)])
def test_the_99th_percentile_needs_as_many_requests_as_mlperf(requests, known):
    arrived_s = np.arange(requests) / 100
    # Fast and slow ones by turns: neighbouring blocks do not resemble each other.
    end_s = arrived_s + 0.001 + np.arange(requests) % 2 / 1000
    served = run_of(arrived_s, np.ones(requests, int), arrived_s, arrived_s, end_s)
    assert math.isnan(served.response_at_ms(99)) is not known
    assert ("few_requests" in served.flags) is not known


def test_requests_that_wait_for_each_other_count_for_fewer(steady):
    alone, crowded = (simulate(steady, arrivals, requests=5_000) for arrivals in (Poisson(10), Bursty(900, 100)))
    assert alone.effective > 2_000
    assert crowded.effective < 100


def test_their_number_is_that_of_independent_ones_with_the_same_error_of_the_mean(exponential):
    load, requests = 0.6, 20_000
    # The variance of the mean wait of many, times their number (Daley, 1968), over that of a response.
    mean = load * (2 + 5 * load - 4 * load**2 + load**3) / (1 - load) ** 4
    truth = requests / (1 - load) ** 2 / mean
    runs = [simulate(exponential, Poisson(1e3 * load), requests=requests, seed=seed) for seed in range(20)]
    assert np.median([one.effective for one in runs]) == pytest.approx(truth, rel=0.25)


@pytest.mark.parametrize("q", [None, 50, 90, 99])
def test_intervals_cover_the_truth_about_as_often_as_they_say(runs_of_theory, q):
    truth = mm1_response_ms(600, 1.0, q)
    known, wrong = coverage(runs_of_theory, q, truth)
    assert known > 0.8
    assert wrong <= 0.08 * known


def test_a_run_near_saturation_that_is_too_short_has_no_99th_percentile_rather_than_a_wrong_one(exponential):
    short = [simulate(exponential, Poisson(850), requests=5_000, seed=seed) for seed in range(100)]
    known, wrong = coverage(short, 99, mm1_response_ms(850, 1.0, q=99))
    assert known < 0.1
    assert wrong < 0.05
    known, wrong = coverage(short, 50, mm1_response_ms(850, 1.0, q=50))
    assert known == 1
    assert wrong <= 0.1


def coverage(runs, q, truth):
    """Shares of runs that know a percentile, and whose interval does not contain the truth."""
    intervals = np.array([one.response_mean_interval_ms if q is None else one.response_interval_ms(q) for one in runs])
    low, high = intervals.T
    return np.mean(~np.isnan(low)), np.mean((low > truth) | (high < truth))


@pytest.mark.parametrize("deadline_ms", [2.0, 6.0])
def test_the_interval_of_goodput_covers_it_about_as_often_as_it_says(runs_of_theory, deadline_ms):
    covered = []
    for one in runs_of_theory:
        judged = Served(
            one.arrivals, one.batcher, deadline_ms=deadline_ms, arrived_s=one.arrived_s, batches=one.batches
        )
        # Of those that came, this share is in time.
        truth = -math.expm1(-deadline_ms / mm1_response_ms(600, 1.0)) * len(one.arrived_s) / one.seconds
        low, high = judged.goodput_interval_per_s
        covered.append(low <= truth <= high)
        assert low <= judged.goodput_per_s <= high
    assert np.mean(covered) >= 0.9


@pytest.fixture(scope="module")
def runs_of_theory(exponential):
    """150 runs whose true responses are known."""
    return [simulate(exponential, Poisson(600), requests=4_000, seed=seed) for seed in range(150)]


def test_littles_law_holds_of_every_run_of_theory(runs_of_theory):
    assert max(abs(one.little) for one in runs_of_theory) < 0.02
    assert not any("not_steady" in one.flags for one in runs_of_theory)


def test_littles_law_finds_a_clock_that_starts_when_service_does(exponential):
    served = simulate(exponential, Poisson(600), requests=10_000)
    left_s = served.arrived_s + served.response_ms / 1e3
    assert abs(little(served.arrived_s, left_s, served.response_ms / 1e3)) < 0.01
    assert little(served.arrived_s, left_s, served.service_ms / 1e3) == pytest.approx(0.4 - 1, abs=0.05)


def test_a_queue_that_grows_is_not_steady():
    arrived_s = np.arange(1000) / 1000
    end_s = (np.arange(1000) + 1) / 600
    start_s = np.maximum(arrived_s, end_s - 1 / 600)
    grown = run_of(arrived_s, np.ones(1000, int), arrived_s, start_s, end_s)
    assert "not_steady" in grown.flags


def test_a_server_that_is_slow_to_start_is_flagged():
    arrived_s = np.arange(1000) / 100
    late = run_of(arrived_s, np.ones(1000, int), arrived_s, arrived_s + 0.0015, arrived_s + 0.002)
    assert late.late_p99_ms == pytest.approx(1.5)
    assert "late_start" in late.flags


def test_what_it_says_has_intervals_goodput_and_how_it_was_found():
    service = ServiceTimes({1: [2.0], 8: [4.0]})
    served = simulate(service, Poisson(1000), Batcher(8), deadline_ms=10, requests=20_000)
    said = repr(served)
    assert said.startswith("1,000 requests/s at random (Poisson), batches of at most 8: response p50 ")
    assert "p99 " in said
    assert " to " in said
    assert f"\nSimulated, 20,000 requests: goodput {served.goodput_per_s:,.0f}/s, busy 9" in said
    assert "goodput" not in repr(simulate(service, Poisson(1000), Batcher(8), requests=2_000))
