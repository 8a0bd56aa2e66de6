import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from tradespace.config import Config
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.serving.arrivals import Poisson
from tradespace.serving.batcher import Batcher
from tradespace.serving.scenarios import MultiStream, Offline, Server, SingleStream, early_stopping, most_over
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate

PERCENTILES = st.sampled_from([50, 90, 95, 97, 99, 99.9])
CONFIDENCES = st.sampled_from([0.9, 0.95, 0.99])


@pytest.mark.parametrize(("percentile", "least"), [(99, (459, 662, 838, 2010, 12571)), (90, (44, 64, 81, 197, 1246))])
def test_the_least_number_of_queries_is_that_of_mlperf(percentile, least):
    assert tuple(early_stopping(over, percentile) for over in (0, 1, 2, 10, 100)) == least


@given(over=st.integers(0, 500), percentile=PERCENTILES, confidence=CONFIDENCES)
def test_it_is_the_least_one_that_the_rule_allows(over, percentile, confidence):
    queries, p = early_stopping(over, percentile, confidence), percentile / 100
    # A rounding error may decide where the two sides are equal.
    assert special.betainc(queries - over, over + 1, p) <= (1 - confidence) * (1 + 1e-9)
    assert queries == over + 1 or special.betainc(queries - over - 1, over + 1, p) > (1 - confidence) * (1 - 1e-9)


@given(queries=st.integers(1, 20_000), percentile=PERCENTILES, confidence=CONFIDENCES)
def test_the_most_over_the_limit_is_the_same_rule_from_the_other_side(queries, percentile, confidence):
    over = most_over(queries, percentile, confidence)
    assert over == -1 or early_stopping(over, percentile, confidence) <= queries
    assert early_stopping(over + 1, percentile, confidence) > queries


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"over": -1}, "over: wanted a whole number, at least 0; got -1. The nearest valid choice is 0"),
        ({"over": 1, "percentile": 100}, "percentile: wanted a number below 100; got 100"),
        ({"over": 1, "percentile": 0}, "percentile: wanted a finite number above 0; got 0"),
        ({"over": 1, "confidence": 1}, "confidence: wanted a number below 1; got 1"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        early_stopping(**given)


@pytest.mark.parametrize(("scenario", "q", "least"), [(SingleStream(), 90, 64), (MultiStream(), 99, 662)])
def test_a_closed_loop_reports_a_percentile_that_is_rather_too_high(scenario, q, least):
    few = scenario.judge(np.ones(least - 1))
    assert (few.verdict, few.queries, few.needed) == ("needs more queries", least - 1, least)
    assert math.isnan(few.value)
    enough = scenario.judge(np.arange(1.0, least + 1))
    assert (enough.verdict, enough.value) == ("valid", least)  # of so few, it is the largest
    rng = np.random.default_rng(0)
    values = [scenario.judge(rng.exponential(size=3000)).value for _ in range(300)]
    truth = -math.log1p(-q / 100)
    # It is too low once in a hundred times.
    assert np.mean(np.array(values) < truth) <= 0.03
    assert np.median(values) < 1.4 * truth


def test_the_latencies_are_those_of_one_item_or_of_eight():
    service = ServiceTimes({1: np.full(700, 1.0), 8: np.full(700, 3.0)})
    assert SingleStream().judge(service).value == 1
    assert MultiStream().judge(service).value == 3
    with pytest.raises(ValueError, match=r"^latencies: wanted times of batch size 8; got those of \(1,\)$"):
        MultiStream().judge(ServiceTimes({1: [1.0]}))


def test_a_measurement_is_a_closed_loop():
    ns = np.full(20, 2_000_000)
    measurement = Measurement("mine", Config("m", threads=1), (Slice(ns, 20, int(ns.sum())),) * 6)
    assert SingleStream().judge(measurement).value == pytest.approx(2)
    assert Offline().judge(measurement).queries == 120


@pytest.mark.parametrize(
    ("over", "queries", "verdict", "needed"),
    [
        (0, 458, "needs more queries", 459),
        (0, 459, "valid", 459),
        (10, 2009, "needs more queries", 2010),
        (10, 2010, "valid", 2010),
        (10, 999, "over the limit", 2010),
    ],
)
def test_a_server_may_have_so_many_over_the_deadline(over, queries, verdict, needed):
    responses_ms = np.repeat([5.0, 10.0, 10.1], [10, queries - over - 10, over])
    judged = Server(100, p99_ms=10).judge(responses_ms)
    assert (judged.verdict, judged.queries) == (verdict, queries)
    assert judged.needed == needed
    assert judged.value == 100 if verdict == "valid" else math.isnan(judged.value)


def test_a_request_that_was_not_served_is_over_the_deadline(steady):
    server = Server(500, p99_ms=10)
    served = simulate(steady, server.arrivals, requests=700)
    assert server.judge(served).verdict == "valid"
    unserved = np.append(served.response_ms, [math.inf] * 8)
    assert server.judge(unserved).verdict == "over the limit"


def test_a_server_judges_its_own_arrivals_only(steady):
    server = Server(500, p99_ms=10)
    words = "responses: wanted those of 500 requests/s at random (Poisson); got those of 400 requests/s at random "
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        server.judge(simulate(steady, Poisson(400), requests=100))


def test_a_saturated_server_is_not_valid(steady):
    server = Server(2000, p99_ms=10)
    judged = server.judge(simulate(steady, server.arrivals, Batcher()))
    assert judged.verdict == "saturated"
    assert repr(judged) == "saturated: 0 queries"


def test_offline_counts_the_items_of_the_fastest_batches():
    times = {1: np.full(50_000, 1.0), 8: np.full(3_072, 2.0), 16: np.full(3_000, 8.0)}
    judged = Offline().judge(ServiceTimes(times))
    assert (judged.verdict, judged.value, judged.queries) == ("valid", 4000, 24_576)
    short = Offline().judge(ServiceTimes(times | {8: np.full(3_071, 2.0)}))
    assert (short.verdict, short.queries, short.needed) == ("needs more queries", 24_568, 24_576)


@pytest.mark.parametrize("given", [{"rate_per_s": 0, "p99_ms": 10}, {"rate_per_s": 10, "p99_ms": -1}])
def test_a_server_has_a_rate_and_a_deadline(given):
    with pytest.raises(ValueError, match=r"^(rate_per_s|p99_ms): wanted a finite number above 0; got "):
        Server(**given)


@pytest.mark.parametrize("latencies", [[[1.0]], [math.nan] * 100, 3.0])
def test_latencies_are_a_list_of_milliseconds(latencies):
    with pytest.raises(ValueError, match=r"^latencies: wanted a list of milliseconds; got "):
        SingleStream().judge(latencies)


def test_all_of_them_last_ten_minutes_in_mlperf():
    assert {one.least_s for one in (SingleStream(), MultiStream(), Server(1, 1), Offline())} == {600}
