import inspect
import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring.measurement import Failure
from tradespace.serving import live, max_rate
from tradespace.serving.arrivals import Bursty, Constant, Poisson, Trace
from tradespace.serving.batcher import Batcher
from tradespace.serving.served import NONE, Served
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.serving.theory import mm1_response_ms

SERVICE = ServiceTimes({1: [2.0], 8: [4.0]})
GOAL = {"p99_ms": 10.0, "batcher": Batcher(8, max_wait_ms=2)}
REQUESTS = 20_000
TASK, CONFIG = object(), Config("resnet8", threads=1)


@pytest.mark.parametrize("load", [0.6, 0.85])
def test_it_is_the_rate_at_which_theory_meets_the_deadline(exponential, load):
    found = max_rate.max_rate_of(exponential, p99_ms=mm1_response_ms(1e3 * load, 1.0, q=99), requests=100_000)
    assert found.lo <= 1e3 * load <= found.hi
    assert found.rate_per_s == pytest.approx(1e3 * load, rel=0.05)
    assert found.hi - found.lo < 0.1 * found.rate_per_s
    assert found.reason == ""


def test_at_that_rate_the_deadline_is_met_and_at_one_a_little_higher_it_is_not():
    for batcher in (Batcher(), Batcher(8), Batcher(8, 5)):
        found = max_rate.max_rate_of(SERVICE, batcher, p99_ms=12, requests=20_000)
        assert found.simulated.arrivals == Poisson(found.rate_per_s)
        assert found.simulated.response_at_ms(99) <= 12
        higher = simulate(SERVICE, Poisson(1.003 * found.rate_per_s), batcher, requests=20_000)
        assert higher.response_at_ms(99) > 12


def test_other_seeds_find_a_rate_in_the_interval_about_as_often_as_it_says(steady):
    # The response of constant times has a p99 of 5.5296 ms at a load of 0.6.
    several = [max_rate.max_rate_of(steady, p99_ms=5.5296, requests=6_000, seed=seed) for seed in range(20)]
    assert np.mean([one.lo <= 600 <= one.hi for one in several]) >= 0.8


def test_a_longer_simulation_knows_it_better(exponential):
    short, long = (max_rate.max_rate_of(exponential, p99_ms=15, requests=n) for n in (5_000, 80_000))
    assert long.hi - long.lo < 0.6 * (short.hi - short.lo)


def test_bursts_are_dearer_and_regular_arrivals_cheaper_than_those_at_random():
    rates = [
        max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=10, arrivals=one, requests=10_000).rate_per_s
        for one in (Bursty(1, 20), Bursty(1, 5), Poisson(1), Constant(1))
    ]
    assert rates == sorted(rates)
    assert rates[0] < 0.5 * rates[-1]


def test_a_trace_is_stretched_to_the_rate_that_it_stands():
    trace = Trace(Poisson(3).times_s(20_000))
    found = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=10, arrivals=trace)
    poisson = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=10, requests=20_000)
    assert found.rate_per_s == pytest.approx(poisson.rate_per_s, rel=0.1)


def test_a_deadline_that_a_single_request_misses_has_no_rate():
    found = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=1.9, requests=2_000)
    assert (found.rate_per_s, found.lo, found.hi) == (0, 0, 0)
    assert found.reason == "a single request takes 2 ms by itself"
    assert repr(found) == (
        "No rate meets a p99 of 1.9 ms with batches of at most 8. A single request takes 2 ms by itself."
    )


def test_a_deadline_that_the_wait_for_others_misses_has_no_rate():
    found = max_rate.max_rate_of(SERVICE, Batcher(8, max_wait_ms=5), p99_ms=6, requests=2_000)
    assert found.rate_per_s == 0
    assert re.fullmatch(
        r"even if only 2 requests/s arrive, it is 7(\.\d+)? ms.*, with up to 5 ms of wait for others", found.reason
    )


def test_where_batches_fill_soon_a_rate_meets_a_deadline_that_a_lower_one_misses():
    batcher, deadline_ms = Batcher(2, max_wait_ms=10), 11.0
    found = max_rate.max_rate_of(ServiceTimes({1: [2.0], 2: [2.0]}), batcher, p99_ms=deadline_ms, requests=20_000)
    assert found.rate_per_s > 300
    assert simulate(SERVICE, Poisson(5), batcher, requests=20_000).response_at_ms(99) > deadline_ms


def test_a_trace_too_short_for_a_percentile_has_no_known_rate():
    found = max_rate.max_rate_of(SERVICE, p99_ms=10, arrivals=Trace(range(300)))
    assert math.isnan(found.rate_per_s)
    assert math.isnan(found.hi)
    assert repr(found) == (
        "No rate is known to meet a p99 of 10 ms with one request at a time. 300 requests are too few to know the "
        "99th percentile."
    )


def test_a_trace_that_does_not_tell_near_saturation_is_counted_as_long_as_it_is():
    found = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=2_000, arrivals=Trace(Poisson(5).times_s(3_000)))
    assert found.reason.endswith("3,000 requests are too few to know p99")


def test_a_deadline_that_nearly_every_rate_meets_is_not_taken_to_saturation():
    found = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=2_000, requests=50_000)
    assert 0.85 * 2000 < found.rate_per_s < 0.97 * 2000
    assert found.hi == pytest.approx(2000)
    assert found.reason == (
        "nearer to the 2,000 requests/s that can be served, 50,000 requests are too few to know p99"
    )
    fewer = max_rate.max_rate_of(SERVICE, Batcher(8), p99_ms=2_000, requests=5_000)
    assert fewer.rate_per_s < 0.95 * found.rate_per_s
    assert fewer.hi == found.hi


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"p99_ms": 0}, "p99_ms: wanted a finite number above 0; got 0"),
        ({"p99_ms": math.inf}, "p99_ms: wanted a finite number above 0; got inf"),
        ({"p99_ms": 5, "batcher": Batcher(9)}, "batcher: wanted batches of at most 8, the largest that was measured; "),
        ({"p99_ms": 5, "batcher": Batcher(8, 5)}, "batcher: wanted max_wait_ms below the deadline of 5 ms, "),
    ],
)
def test_what_cannot_be_asked_is_refused(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        max_rate.max_rate_of(SERVICE, **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arrivals": 5}, "arrivals: wanted ts.arrivals.Poisson, Bursty, Constant or Trace; got 5"),
        ({"batcher": 0}, "batcher: wanted a ts.Batcher; got 0"),
        ({"seconds": 601}, "seconds: wanted at most 600; got 601"),
        ({"seed": -1}, "seed: wanted a whole number, at least 0; got -1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(given, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        max_rate.max_rate(None, None, p99_ms=5, **given)  # without a task: there is nothing to work on


@pytest.fixture
def machine(monkeypatch):
    """-> (how much slower than measured it serves, or what each run ends with) -> the rates that are run on it."""

    def made(slower=1.0, ends=()):
        rates, ends = [], list(ends)

        def serve(task, config, arrivals, batcher, *, seconds, deadline_ms, seed, executor):
            inspect.signature(live.serve).bind(task, config, arrivals, batcher, seconds=seconds, executor=executor)
            rates.append(arrivals.rate_per_s)
            times = {size: slower * ms for size, ms in SERVICE.samples_ms.items()}
            requests = int(seconds * arrivals.rate_per_s)
            served = simulate(ServiceTimes(times), arrivals, batcher, deadline_ms=deadline_ms, requests=requests)
            end = ends.pop(0) if ends else {}
            nothing = {"arrived_s": np.empty(0), "batches": NONE} if "failure" in end else {}
            return replace(served, how="measured", **nothing, **end)

        def service_times(task, config, *, max_batch, executor):
            inspect.signature(live.service_times).bind(task, config, max_batch=max_batch, executor=executor)
            assert (task, config, max_batch) == (TASK, CONFIG, 8)
            return SERVICE

        monkeypatch.setattr(max_rate, "serve", serve)
        monkeypatch.setattr(max_rate, "service_times", service_times)
        monkeypatch.setattr(max_rate, "max_rate_of", partial(max_rate.max_rate_of, requests=REQUESTS))
        return rates

    return made


def found_on(**given):
    return max_rate.max_rate(TASK, CONFIG, **GOAL | given)


def test_a_real_run_confirms_the_simulated_rate(machine):
    rates = machine(slower=0.95)
    found = found_on()
    simulated = max_rate.max_rate_of(SERVICE, **GOAL)
    assert rates == [found.rate_per_s] == [simulated.rate_per_s]
    assert (found.lo, found.hi, found.reason) == (simulated.lo, simulated.hi, "")
    assert found.confirmed.how == "measured"
    assert "; a real run had a p99 of " in repr(found)


def test_a_run_that_misses_the_deadline_is_followed_by_slower_ones_and_it_says_so(machine):
    rates = machine(slower=1.12)
    found = found_on()
    simulated = max_rate.max_rate_of(SERVICE, **GOAL).rate_per_s
    assert np.array(rates) / simulated == pytest.approx(max_rate.STEPS[: len(rates)])
    assert len(rates) > 2
    assert (found.rate_per_s, found.lo, found.hi) == (rates[-1], rates[-1], rates[-2])
    assert found.confirmed.response_at_ms(99) <= 10
    assert re.match(
        rf"the simulation says {simulated:,.0f} requests/s \(.*\), but real runs missed the deadline: "
        rf".* at {rates[0]:,.0f}/s; .* at {rates[1]:,.0f}/s",
        found.reason,
    )
    assert "The simulation says" in repr(found)


def test_a_run_that_saturates_has_missed_it(machine):
    rates = machine(ends=[{"failure": Failure("saturated", "the queue grew"), "contended": True}])
    found = found_on()
    assert found.rate_per_s == rates[-1] < rates[0]
    why = f"saturation while other work took the server's cores at {rates[0]:,.0f}/s"
    assert f"missed the deadline: {why}" in found.reason


def test_where_no_run_meets_it_no_rate_is_known(machine):
    rates = machine(slower=10.0)
    found = found_on()
    assert len(rates) == len(max_rate.STEPS)
    assert math.isnan(found.rate_per_s)
    assert (found.lo, found.hi) == (0, rates[-1])
    assert found.confirmed is None
    assert repr(found).startswith("No rate is known to meet a p99 of 10 ms with batches of at most 8, waiting")


@pytest.mark.parametrize(
    ("end", "why"),
    [
        ({"failure": Failure("unsupported", "recorded mode")}, "recorded mode"),
        ({"failure": Failure("crashed", "the model died")}, "the model died"),
        ({"stopped": True}, "it was stopped"),
    ],
)
def test_a_run_that_ends_otherwise_confirms_nothing(machine, end, why):
    rates = machine(ends=[end])
    found = found_on()
    assert len(rates) == 1
    assert found.rate_per_s == rates[0]
    assert found.confirmed is None
    assert found.reason == f"not confirmed by a real run: {why}"
    assert ", in a simulation. Not confirmed by a real run: " in repr(found)


def test_a_run_that_ends_otherwise_after_one_that_missed_leaves_no_rate(machine):
    rates = machine(slower=1.5, ends=[{}, {"failure": Failure("crashed", "the model died")}])
    found = found_on()
    assert len(rates) == 2
    assert math.isnan(found.rate_per_s)
    assert found.hi == rates[0]
    assert found.reason.endswith("; not confirmed by a real run: the model died")


def test_a_run_too_short_for_a_percentile_confirms_nothing_and_it_says_how_long_would_do(machine):
    machine()
    found = found_on(seconds=0.3)
    assert found.confirmed is None
    said = re.fullmatch(
        r"not confirmed by a real run: (\d+) requests are too few to know p99; (\d+) s may do", found.reason
    )
    assert int(said[1]) == int(0.3 * found.rate_per_s)
    longer = found_on(seconds=float(said[2]))
    assert longer.confirmed is not None


def test_a_run_too_short_near_saturation_is_followed_by_one_that_needs_fewer_requests(machine):
    rates = machine()
    found, simulated = found_on(seconds=1.3), max_rate.max_rate_of(SERVICE, **GOAL)
    assert 1 < len(rates) < len(max_rate.STEPS)
    assert found.rate_per_s == found.lo == rates[-1]
    assert found.hi == simulated.hi
    assert found.confirmed.response_at_ms(99) <= 10
    few = "; ".join(f"too few requests to know p99 at {rate:,.0f}/s" for rate in rates[:-1])
    assert found.reason.endswith(f", but real runs did not confirm it: {few}")


def test_a_short_run_that_is_far_too_slow_has_missed_it_all_the_same(machine):
    rates = machine(slower=1.2)
    found = found_on(seconds=5)
    assert len(rates) > 1
    assert re.search(r"p90 [\d.]+ ms", found.reason)


def test_without_a_rate_nothing_is_run(machine):
    rates = machine()
    found = found_on(p99_ms=1.9, batcher=Batcher(8))
    assert (found.rate_per_s, rates) == (0, [])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"p99_ms": -1}, "p99_ms: wanted a finite number above 0; got -1"),
        ({"p99_ms": 2}, "batcher: wanted max_wait_ms below the deadline of 2 ms"),
        ({"seconds": 0}, "seconds: wanted a finite number above 0; got 0"),
    ],
)
def test_it_is_refused_before_anything_is_measured(monkeypatch, given, words):
    monkeypatch.setattr(max_rate, "service_times", None)
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        found_on(**given)


def test_what_it_found_is_the_servers_own():
    assert isinstance(max_rate.max_rate_of(SERVICE, p99_ms=10, requests=1_000).simulated, Served)
