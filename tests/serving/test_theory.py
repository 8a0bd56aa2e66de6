import re

import numpy as np
import pytest
from tradespace.serving.theory import (
    batch_response_ms,
    load,
    mg1_response_ms,
    mm1_response_ms,
    response_bound_ms,
    speculated_tokens,
)
from tradespace.surface.predict import BatchFit

V100 = BatchFit(fixed_ms=1.8874, each_ms=0.1438)
PEAK = V100.peak_throughput_per_s
# The mean response by load, exactly, where any number of requests may be in a batch (Inoue, 2021).
INOUE = {0.1: 3.1459, 0.3: 4.2248, 0.5: 5.9019, 0.7: 9.8176, 0.9: 29.4084}


@pytest.mark.parametrize(
    ("share", "mean", "p50", "p90", "p99"),
    [(0.6, 2.5, 1.7329, 5.7565, 11.5129), (0.85, 6.6667, 4.6210, 15.3506, 30.7011)],
)
def test_exponential_times(share, mean, p50, p90, p99):
    found = [mm1_response_ms(1e3 * share, 1.0, q) for q in (None, 50, 90, 99)]
    assert found == pytest.approx([mean, p50, p90, p99], abs=5e-5)


@pytest.mark.parametrize(("share", "mean"), [(0.6, 1.75), (0.85, 3.8333)])
def test_constant_times(share, mean):
    assert mg1_response_ms(1e3 * share, np.array([1.0])) == pytest.approx(mean, abs=5e-5)


def test_times_of_any_distribution_count_by_their_mean_and_their_mean_square():
    exponential = -np.log1p(-(np.arange(100_000) + 0.5) / 100_000)
    assert mg1_response_ms(600, exponential) == pytest.approx(mm1_response_ms(600, 1.0), rel=1e-3)


@pytest.mark.parametrize(
    ("share", "bound"), [(0.1, 3.2982), (0.3, 4.2262), (0.5, 5.9019), (0.7, 9.8176), (0.9, 29.4084)]
)
def test_inoues_bound(share, bound):
    found = response_bound_ms(V100, share * PEAK)
    assert found == pytest.approx(bound, abs=5e-5)
    assert found >= INOUE[share] - 5e-5


@pytest.mark.parametrize(("share", "mean"), INOUE.items())
def test_batches_that_are_large_enough_have_no_limit(share, mean):
    assert batch_response_ms(V100, share * PEAK, 600) == pytest.approx(mean, abs=5e-5)


@pytest.mark.parametrize(
    ("max_batch", "share", "mean"),
    [(8, 0.3, 3.2343), (8, 0.6, 3.8443), (8, 0.85, 4.8542), (32, 0.3, 3.7507), (32, 0.6, 5.1407), (32, 0.85, 7.4375)],
)
def test_batches_of_at_most_a_size(max_batch, share, mean):
    rate = share * V100.throughput_per_s(max_batch)
    assert batch_response_ms(V100, rate, max_batch) == pytest.approx(mean, abs=5e-5)


@pytest.mark.parametrize("share", [0.01, 0.6, 0.99])
def test_batches_of_one_are_single_requests(share):
    rate = share * V100.throughput_per_s(1)
    expected = mg1_response_ms(rate, np.array([V100.latency_ms(1)]))
    assert batch_response_ms(V100, rate, 1) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: load(500, 2), "rate_per_s: wanted less than 500, which one server serves; got 500"),
        (lambda: load(0, 2), "rate_per_s: wanted a finite number above 0; got 0"),
        (lambda: mm1_response_ms(1001, 1), "rate_per_s: wanted less than 1000, which one server serves; got 1001"),
        (lambda: response_bound_ms(V100, 7000), "rate_per_s: wanted less than 6954.1, the peak of the line; got 7000"),
        (lambda: batch_response_ms(V100, 500, 0), "max_batch: wanted a whole number, at least 1; got 0"),
        (lambda: batch_response_ms(V100, 490, 1), "rate_per_s: wanted at most 487.397, which is 99% of saturation; "),
    ],
)
def test_what_has_no_steady_state_is_refused(ask, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        ask()


@pytest.mark.parametrize(("acceptance", "drafted"), [(0.3, 1), (0.7, 4), (0.95, 8)])
def test_speculated_tokens_are_those_up_to_the_first_refusal_and_one_more(acceptance, drafted):
    accepted = np.random.default_rng(0).random((200_000, drafted)) < acceptance
    written = np.cumprod(accepted, axis=1).sum(axis=1) + 1
    assert speculated_tokens(acceptance, drafted) == pytest.approx(written.mean(), rel=0.01)
    assert speculated_tokens(acceptance, drafted) == pytest.approx((1 - acceptance ** (drafted + 1)) / (1 - acceptance))


@pytest.mark.parametrize(
    ("acceptance", "drafted", "message"),
    [
        (1.1, 4, "acceptance: wanted a share from 0 to 1; got 1.1. The nearest valid choice is 1"),
        (-0.1, 4, "acceptance: wanted a number, at least 0; got -0.1"),
        (0.5, 0, "drafted: wanted a whole number, at least 1; got 0"),
    ],
)
def test_what_is_no_speculation_is_refused(acceptance, drafted, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        speculated_tokens(acceptance, drafted)
