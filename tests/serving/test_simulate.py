import math
import pickle
import re
from dataclasses import replace
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.serving.arrivals import Bursty, Constant, Poisson, Trace
from tradespace.serving.batcher import Batcher
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.serving.theory import batch_response_ms, mg1_response_ms, mm1_response_ms, response_bound_ms

QS = (50, 90, 99)
# Mean and percentiles of the response to single requests that take exactly 1 ms.
MD1 = {0.6: (1.7500, 1.3719, 3.0984, 5.5296), 0.85: (3.8333, 2.8525, 7.9378, 15.2086)}


def estimates(served):
    """Mean and percentiles of the response, with their intervals."""
    return [
        (served.response_mean_ms, served.response_mean_interval_ms),
        *[(served.response_at_ms(q), served.response_interval_ms(q)) for q in QS],
    ]


def single_share_in_queue(load, wait):
    """Probability that a request waits at most `wait` service times, all of which are alike (Erlang, 1909)."""
    getcontext().prec = 80
    rate, total, factorial = Decimal(load), Decimal(0), Decimal(1)
    for k in range(math.floor(wait) + 1):
        factorial *= max(k, 1)
        late = rate * (k - Decimal(wait))
        total += late**k * (-late).exp() / factorial
    return float((1 - rate) * total)


@pytest.mark.parametrize("load", MD1)
def test_the_table_of_constant_times_is_erlangs(load):
    for q, response in zip(QS, MD1[load][1:], strict=True):
        assert single_share_in_queue(load, response - 1) == pytest.approx(q / 100, abs=2e-5)


@pytest.mark.parametrize("load", [0.6, 0.85])
def test_exponential_times_give_the_responses_of_theory(exponential, errors, load):
    served = simulate(exponential, Poisson(1e3 * load), requests=500_000)
    truths = [mm1_response_ms(1e3 * load, 1.0, q) for q in (None, *QS)]
    for (value, interval), truth in zip(estimates(served), truths, strict=True):
        assert errors(value, interval, truth) < 3
        assert load > 0.6 or value == pytest.approx(truth, rel=0.02)
    assert served.busy == pytest.approx(load, rel=0.02)


@pytest.mark.parametrize("load", MD1)
def test_constant_times_give_the_responses_of_theory(steady, errors, load):
    served = simulate(steady, Poisson(1e3 * load), requests=500_000)
    for (value, interval), truth in zip(estimates(served), MD1[load], strict=True):
        assert errors(value, interval, truth) < 3
        assert load > 0.6 or value == pytest.approx(truth, rel=0.02)


def test_skewed_times_give_the_mean_response_of_theory(errors):
    service = ServiceTimes({1: np.random.default_rng(0).lognormal(0, 0.8, 5_000)})
    rate = 0.7e3 / service.mean_ms(1)
    served = simulate(service, Poisson(rate), requests=200_000)
    truth = mg1_response_ms(rate, service.samples_ms[1])
    assert errors(served.response_mean_ms, served.response_mean_interval_ms, truth) < 3


@pytest.mark.parametrize("arrivals", [Poisson(700), Bursty(700, 10), Constant(700)], ids=str)
def test_single_requests_follow_lindleys_recursion(exponential, arrivals):
    served = simulate(exponential, arrivals, requests=5_000, seed=3)
    wait_ms, responses_ms = 0.0, []
    gaps_ms = np.diff(served.arrived_s, append=math.nan) * 1e3
    for service_ms, gap_ms in zip(served.service_ms, gaps_ms, strict=True):
        responses_ms.append(wait_ms + service_ms)
        wait_ms = max(0.0, wait_ms + service_ms - gap_ms)
    np.testing.assert_allclose(served.response_ms, responses_ms, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("load", "mean", "busy"),
    [(0.1, 3.1459, 0.867), (0.3, 4.2248, 0.999), (0.5, 5.9019, 1.0), (0.7, 9.8176, 1.0), (0.9, 29.4084, 1.0)],
)
def test_batches_of_all_that_wait_give_inoues_responses(v100, load, mean, busy):
    fit, service = v100(600)
    rate = load * fit.peak_throughput_per_s
    served = simulate(service, Poisson(rate), Batcher(600), requests=200_000)
    assert served.response_mean_ms == pytest.approx(mean, rel=0.02)
    assert served.response_mean_interval_ms[0] <= response_bound_ms(fit, rate)
    assert served.busy == pytest.approx(busy, abs=0.005)


@pytest.mark.parametrize(("load", "percentiles"), [(0.1, (3.15, 4.14, 4.62)), (0.5, (5.82, 7.79, 9.36))])
def test_batches_of_all_that_wait_give_inoues_percentiles(v100, load, percentiles):
    fit, service = v100(600)
    served = simulate(service, Poisson(load * fit.peak_throughput_per_s), Batcher(600), requests=200_000)
    assert [served.response_at_ms(q) for q in QS] == pytest.approx(percentiles, rel=0.02)


@pytest.mark.parametrize("max_batch", [1, 8, 32])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.85])
def test_limited_batches_give_the_mean_of_their_markov_chain(v100, errors, max_batch, load):
    fit, service = v100(32)
    rate = load * fit.throughput_per_s(max_batch)
    served = simulate(service, Poisson(rate), Batcher(max_batch), requests=200_000)
    truth = batch_response_ms(fit, rate, max_batch)
    assert errors(served.response_mean_ms, served.response_mean_interval_ms, truth) < 3


def test_when_few_arrive_each_waits_in_vain_and_is_served_alone(v100):
    fit, service = v100(8)
    served = simulate(service, Constant(1), Batcher(8, max_wait_ms=20), requests=100)
    assert served.response_ms == pytest.approx(20 + fit.latency_ms(1))
    served = simulate(service, Poisson(0.1), Batcher(8, max_wait_ms=20), requests=2_000)
    assert served.response_at_ms(90) == pytest.approx(20 + fit.latency_ms(1), rel=1e-3)


@pytest.mark.parametrize("max_batch", [2, 8])
def test_full_batches_wait_for_half_of_the_others(v100, max_batch):
    fit, service = v100(8)
    rate, requests = 0.3 * fit.throughput_per_s(max_batch), 80_000
    served = simulate(service, Poisson(rate), Batcher(max_batch, max_wait_ms=math.inf), requests=requests)
    assert set(served.batches.sizes) == {max_batch}
    # The waits of a batch scatter by about as much as their mean.
    wait_ms = (max_batch - 1) / (2 * rate) * 1e3
    assert served.batch_wait_ms.mean() == pytest.approx(wait_ms, rel=3 * 1.2 / math.sqrt(requests / max_batch))


def test_who_waits_for_a_full_batch_in_vain_is_served_when_nobody_comes_any_more():
    served = simulate(ServiceTimes({1: [1.0], 4: [1.0]}), Trace([0.0, 1.0, 3.0]), Batcher(4, max_wait_ms=math.inf))
    assert served.batches.sizes.tolist() == [3]
    assert served.batches.start_s.tolist() == [3.0]


def test_a_padded_batch_runs_as_the_next_size():
    trace, times = Trace([0.0, 0.001, 0.002, 1.0]), {1: [10.0], 4: [20.0]}
    served = simulate(ServiceTimes(times, padded=True), trace, Batcher(4))
    assert served.batches.sizes.tolist() == [1, 2, 1]
    assert served.service_ms == pytest.approx([10, 20, 20, 10])
    served = simulate(ServiceTimes(times), trace, Batcher(4))
    assert served.service_ms == pytest.approx([10, 10 + 10 / 3, 10 + 10 / 3, 10])


def test_the_same_seed_gives_the_same_result_and_another_one_another(exponential):
    first, again, other = (simulate(exponential, Poisson(500), requests=100, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.response_ms, again.response_ms)
    assert not np.array_equal(first.response_ms, other.response_ms)


def test_slower_times_are_drawn_with_the_same_random_numbers(exponential):
    slower = ServiceTimes({1: 2 * exponential.samples_ms[1]})
    fast, slow = (simulate(one, Poisson(400), requests=100) for one in (exponential, slower))
    np.testing.assert_allclose(slow.service_ms, 2 * fast.service_ms, rtol=1e-9)


def test_a_batch_takes_as_long_as_after_the_pause_before_it():
    service = ServiceTimes({1: [1.0], 2: [2.0]}, paused_ms={10.0: {1: [3.0], 2: [6.0]}})
    trace = Trace([0.0, 0.004, 0.0041, 0.1, 0.1, 1.0])
    served = simulate(service, trace, Batcher(2))
    # The second one after 3 ms without work, three tenths of the way to 10; the third while the server was busy.
    assert served.batches.sizes.tolist() == [1, 1, 1, 2, 1]
    assert served.service_ms == pytest.approx([1, 1.6, 1, 6, 6, 3])
    # The one that came meanwhile takes half as much more as the one before.
    carrying = simulate(replace(service, carried=0.5), trace, Batcher(2))
    assert carrying.service_ms == pytest.approx([1, 1.6, 1.3, 6, 6, 3])
    assert simulate(replace(service, paused_ms={}), trace, Batcher(2)).service_ms == pytest.approx([1, 1, 1, 2, 2, 1])


GAPS = st.lists(st.floats(0, 5) | st.just(0.0), min_size=1, max_size=40).filter(lambda gaps: sum(gaps) > 0.1)
TIMES = st.lists(st.floats(0.1, 10), min_size=1, max_size=5)


@st.composite
def runs(draw):
    """A server and a trace that does not saturate it, and the simulation of the two."""
    largest = draw(st.integers(1, 6))
    service = ServiceTimes({1: draw(TIMES), largest: draw(TIMES)}, padded=draw(st.booleans()))
    batcher = Batcher(draw(st.integers(1, largest)), draw(st.sampled_from([0.0, 0.5, 3.0, 20.0, math.inf])))
    trace = Trace(np.cumsum([0.0, *draw(GAPS)]))
    rate = draw(st.floats(0.05, 0.99)) * service.capacity_per_s(batcher.max_batch)
    return simulate(service, trace.at(rate), batcher, seed=draw(st.integers(0, 9)))


@given(served=runs())
def test_the_three_parts_of_a_response_add_up_and_none_is_negative(served):
    parts = served.batch_wait_ms, served.queue_ms, served.service_ms
    assert all((part >= 0).all() for part in parts)
    np.testing.assert_allclose(sum(parts), served.response_ms, rtol=1e-9, atol=1e-9)
    assert len(served.requests) == len(served) == len(served.arrived_s)


@given(served=runs())
def test_batches_are_no_larger_than_allowed_and_serve_everyone_in_turn(served):
    batches = served.batches
    assert batches.sizes.sum() == len(served.arrived_s)
    assert batches.sizes.min() >= 1
    assert batches.sizes.max() <= served.batcher.max_batch
    newest_s = served.arrived_s[batches.sizes.cumsum() - 1]
    assert (batches.start_s >= newest_s).all()


@given(served=runs())
def test_the_server_runs_one_batch_at_a_time_and_never_rests_while_one_is_ready(served):
    batches = served.batches
    free_s = np.concatenate([[0.0], batches.end_s[:-1]])
    assert (batches.end_s > batches.start_s).all()
    np.testing.assert_array_equal(batches.start_s, np.maximum(batches.ready_s, free_s))
    assert served.late_p99_ms == 0


@given(served=runs())
def test_it_does_what_a_server_does_that_is_told_of_one_event_after_another(served):
    sizes, start_s = event_by_event(served.arrived_s, served.service_ms, served.batcher)
    assert sizes == served.batches.sizes.tolist()
    np.testing.assert_allclose(start_s, served.batches.start_s, rtol=1e-9, atol=1e-12)


def event_by_event(arrived_s, service_ms, batcher):
    """Sizes and starts of the batches: at each event, ask whether a batch may start now."""
    coming, waiting, sizes, starts, free_s, served = list(arrived_s), [], [], [], 0.0, 0
    while coming or waiting:
        oldest_s = waiting[0] if waiting else math.inf
        due_s = arrived_s[-1] if math.isinf(batcher.max_wait_ms) else oldest_s + batcher.max_wait_ms / 1e3
        ready_s = waiting[-1] if len(waiting) >= batcher.max_batch else due_s if waiting else math.inf
        starts_s = max(ready_s, free_s)
        if coming and coming[0] <= starts_s and len(waiting) < batcher.max_batch:
            waiting.append(coming.pop(0))
            continue
        full, waiting = waiting[: batcher.max_batch], waiting[batcher.max_batch :]
        sizes.append(len(full))
        starts.append(starts_s)
        free_s = starts_s + service_ms[served] / 1e3
        served += len(full)
    return sizes, starts


@pytest.mark.parametrize(
    ("arrivals", "batcher", "words"),
    [
        (Poisson(1000), Batcher(), "1,000 requests/s arrive, and one at a time serve 1,000/s: "),
        (Poisson(5000), Batcher(8), "5,000 requests/s arrive, and full batches of 8 serve 4,000/s: "),
        (Bursty(5000, 3), Batcher(8, 5), "5,000 requests/s arrive, and full batches of 8 serve 4,000/s: "),
        (Constant(1e9), Batcher(8), "1,000,000,000 requests/s arrive, and full batches of 8 serve 4,000/s: "),
    ],
)
def test_past_saturation_it_says_so_instead_of_a_percentile(arrivals, batcher, words):
    served = simulate(ServiceTimes({1: [1.0], 8: [2.0]}), arrivals, batcher)
    assert (served.status, served.reason) == ("saturated", f"{words}the queue would grow forever")
    assert math.isnan(served.response_at_ms(99))
    assert math.isnan(served.goodput_per_s)
    assert served.reason in repr(served)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"batcher": Batcher(9)},
            "batcher: wanted batches of at most 8, the largest that was measured; got max_batch=9",
        ),
        (
            {"batcher": Batcher(8, 20), "deadline_ms": 20},
            "batcher: wanted max_wait_ms below the deadline of 20 ms, or requests are late before they are served; "
            "got 20",
        ),
        (
            {"batcher": Batcher(8, math.inf), "deadline_ms": 20},
            "batcher: wanted max_wait_ms below the deadline of 20 ms, or requests are late before they are served; "
            "got inf",
        ),
        ({"deadline_ms": 0}, "deadline_ms: wanted a finite number above 0; got 0"),
        ({"deadline_ms": math.nan}, "deadline_ms: wanted a finite number above 0; got nan"),
        ({"requests": 0}, "requests: wanted a whole number, at least 1; got 0. The nearest valid choice is 1"),
    ],
)
def test_what_cannot_be_served_is_refused(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        simulate(ServiceTimes({1: [1.0], 8: [2.0]}), Poisson(100), **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arrivals": 5}, "arrivals: wanted ts.arrivals.Poisson, Bursty, Constant or Trace; got 5"),
        ({"batcher": 0}, "batcher: wanted a ts.Batcher; got 0"),
        ({"service": 3}, "service: wanted what ts.service_times returns; got int"),
        ({"seed": -1}, "seed: wanted a whole number, at least 0; got -1. The nearest valid choice is 0"),
        ({"arrivals": Poisson(1e6), "requests": 0}, "requests: wanted a whole number, at least 1; got 0. The near"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_name(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        simulate(**{"service": ServiceTimes({1: [1.0]}), "arrivals": Poisson(100)} | given)


def test_times_that_were_drawn_from_can_be_pickled_and_serve_alike():
    service = ServiceTimes({1: [1.0, 2.0]}, paused_ms={10.0: {1: [3.0, 4.0]}}, carried=0.5)
    served = simulate(service, Poisson(100), requests=500)
    again = simulate(pickle.loads(pickle.dumps(service)), Poisson(100), requests=500)
    assert again.response_ms.tolist() == served.response_ms.tolist()


def test_who_is_served_alone_waits_for_nobody_so_any_wait_goes_with_a_deadline():
    served = simulate(ServiceTimes({1: [1.0]}), Poisson(100), Batcher(1, 50), deadline_ms=20, requests=1000)
    assert served.batch_wait_ms.max() == 0
