import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.serving.arrivals import Bursty, Constant, Poisson, Trace, until_s

RATES = st.floats(1e-3, 1e6)
LOG = Trace(np.cumsum([0.0, 0.3, 0.1, 0.1, 2.0, 0.5] * 20))
KINDS = {"poisson": Poisson(50), "bursty": Bursty(50, 20), "constant": Constant(50), "trace": LOG}
every_kind = pytest.mark.parametrize("arrivals", KINDS.values(), ids=KINDS)


@every_kind
def test_more_arrivals_begin_with_the_same_ones(arrivals):
    for seed in range(20):
        np.testing.assert_array_equal(arrivals.times_s(100, seed)[:37], arrivals.times_s(37, seed))


@every_kind
def test_they_ascend_from_zero_on(arrivals):
    times_s = arrivals.times_s(100)
    assert len(times_s) == 100
    assert times_s[0] >= 0
    assert (np.diff(times_s) >= 0).all()


@every_kind
def test_another_rate_is_the_same_arrivals_on_a_faster_clock(arrivals):
    faster = arrivals.at(4 * arrivals.rate_per_s)
    assert faster.rate_per_s == pytest.approx(4 * arrivals.rate_per_s)
    np.testing.assert_allclose(faster.times_s(100, 3), arrivals.times_s(100, 3) / 4, rtol=1e-9)
    assert faster.dispersion == pytest.approx(arrivals.dispersion)


@pytest.mark.parametrize("arrivals", [KINDS["poisson"], KINDS["bursty"]], ids=["poisson", "bursty"])
def test_a_seed_decides_what_is_random(arrivals):
    np.testing.assert_array_equal(arrivals.times_s(50, 1), arrivals.times_s(50, 1))
    assert not np.array_equal(arrivals.times_s(50, 1), arrivals.times_s(50, 2))


@every_kind
def test_until_a_time_there_are_all_arrivals_before_it(arrivals):
    for seconds in (0.5, 3.0, 30.0):
        times_s = until_s(arrivals, seconds, seed=5)
        beyond_s = arrivals.times_s(len(times_s) + 1, 5)
        np.testing.assert_array_equal(times_s, beyond_s[: len(times_s)])
        assert (times_s < seconds).all()
        assert len(beyond_s) == len(times_s) or beyond_s[-1] >= seconds


def test_poisson_arrivals_come_at_their_rate_and_the_gaps_are_exponential():
    gaps_s = np.diff(Poisson(200).times_s(200_000))
    assert gaps_s.mean() == pytest.approx(1 / 200, rel=3 / math.sqrt(200_000))
    # The share of gaps longer than the mean is 1 / e.
    assert (gaps_s > 1 / 200).mean() == pytest.approx(math.exp(-1), abs=3 * 0.5 / math.sqrt(200_000))


def windows_of(arrivals, seconds, windows, seed):
    times_s = until_s(arrivals, seconds * windows, seed)
    return np.histogram(times_s, windows, (0, seconds * windows))[0]


@pytest.mark.parametrize(("dispersion", "share_on"), [(2.0, 0.5), (10.0, 0.25), (50.0, 0.1)])
def test_bursts_have_the_rate_and_the_dispersion_that_they_say(dispersion, share_on):
    arrivals = Bursty(100, dispersion, share_on)
    # Long against a cycle, so that the dispersion is that of the long run but for a known rest.
    cycle_s = arrivals.on_s + arrivals.off_s
    seconds, switches_per_s = 50 * cycle_s, 1 / arrivals.on_s + 1 / arrivals.off_s
    counts = np.concatenate([windows_of(arrivals, seconds, 1000, seed) for seed in range(4)])
    rest = (dispersion - 1) * -math.expm1(-switches_per_s * seconds) / (switches_per_s * seconds)
    assert counts.mean() == pytest.approx(100 * seconds, rel=4 * math.sqrt(dispersion / counts.sum()))
    # The variance of 4,000 counts scatters by 2.2 %.
    assert counts.var() / counts.mean() == pytest.approx(dispersion - rest, rel=0.09)


def test_bursts_are_on_for_their_share_of_the_time():
    arrivals = Bursty(1000, dispersion=100, share_on=0.2)
    gaps_s = np.diff(arrivals.times_s(400_000))
    # While on, arrivals are five times as dense; all but the gaps of a pause are of that kind.
    assert np.median(gaps_s) == pytest.approx(math.log(2) / 5000, rel=0.03)
    assert gaps_s.sum() == pytest.approx(400, rel=3 * math.sqrt(100 / 400_000))


@given(rate=RATES, dispersion=st.floats(1.1, 1e3), share_on=st.floats(0.01, 0.99))
def test_the_times_on_and_off_are_in_the_share_that_was_asked_for(rate, dispersion, share_on):
    arrivals = Bursty(rate, dispersion, share_on)
    assert arrivals.on_s / (arrivals.on_s + arrivals.off_s) == pytest.approx(share_on)
    switches_per_s = 1 / arrivals.on_s + 1 / arrivals.off_s
    assert 1 + 2 * rate / share_on * (1 - share_on) / switches_per_s == pytest.approx(dispersion)


def test_poisson_counts_scatter_by_their_mean_and_regular_ones_not_at_all():
    counts = windows_of(Poisson(100), 1.0, 4000, 0)
    assert counts.var() / counts.mean() == pytest.approx(Poisson(100).dispersion, rel=0.09)
    assert windows_of(Constant(100), 1.0, 100, 0)[1:].var() == Constant(100).dispersion == 0


def test_a_trace_counts_from_its_first_arrival_and_ends_with_its_last():
    trace = Trace([100.0, 100.5, 101.5])
    assert trace.times_s(10).tolist() == [0.0, 0.5, 1.5]
    assert until_s(trace, 1.0).tolist() == [0.0, 0.5]
    assert until_s(trace, 99.0).tolist() == [0.0, 0.5, 1.5]
    assert trace.rate_per_s == pytest.approx(2 / 1.5)
    assert math.isnan(trace.dispersion)


def test_a_trace_of_bursts_shows_them_and_one_at_random_does_not():
    assert Trace(Bursty(100, 50).times_s(20_000)).dispersion > 10
    assert Trace(Poisson(100).times_s(20_000)).dispersion == pytest.approx(1, abs=0.7)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "3", None, True])
@pytest.mark.parametrize("kind", [Poisson, Bursty, Constant, Poisson(1).at, Bursty(1).at, Constant(1).at, LOG.at])
def test_a_rate_is_above_zero(kind, value):
    with pytest.raises(ValueError, match=f"^rate_per_s: wanted a finite number above 0; got {re.escape(repr(value))}"):
        kind(value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dispersion": 1}, "dispersion: wanted at least 1.1, or Poisson arrivals, whose is 1; got 1"),
        ({"dispersion": math.nan}, "dispersion: wanted a finite number above 0; got nan"),
        ({"share_on": 1}, "share_on: wanted a share of the time, below 1; got 1"),
        ({"share_on": 0}, "share_on: wanted a finite number above 0; got 0"),
    ],
)
def test_bursts_that_cannot_be_are_refused(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Bursty(100, **given)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ([], "seconds: wanted a list of at least two arrival times; got shape (0,)"),
        ([1.0], "seconds: wanted a list of at least two arrival times; got shape (1,)"),
        (3.0, "seconds: wanted a list of at least two arrival times; got shape ()"),
        ([[1.0, 2.0]], "seconds: wanted a list of at least two arrival times; got shape (1, 2)"),
        ([0.0, 2.0, 1.0], "seconds: wanted times in ascending order; got 1 after 2 at position 2"),
        ([0.0, math.nan], "seconds: wanted finite numbers; got nan at position 1"),
        ([0.0, math.inf], "seconds: wanted finite numbers; got inf at position 1"),
        ([5.0, 5.0], "seconds: wanted times that differ, so that there is a rate; got 5 throughout"),
        (["a", "b"], "seconds: wanted a list of numbers; got ['a', 'b']"),
        (None, "seconds: wanted a list of at least two arrival times; got shape ()"),
    ],
)
def test_a_trace_that_is_none_is_refused(seconds, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Trace(seconds)


@every_kind
@pytest.mark.parametrize("requests", [0, -1, 1.5, True])
def test_a_number_of_requests_is_whole_and_above_zero(arrivals, requests):
    with pytest.raises(ValueError, match=r"^requests: wanted a whole number, at least 1; got "):
        arrivals.times_s(requests)


@every_kind
def test_arrivals_may_be_compared_and_be_keys(arrivals):
    assert {arrivals: 1}[arrivals.at(arrivals.rate_per_s)] == 1
