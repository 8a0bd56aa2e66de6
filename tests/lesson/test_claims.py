import numpy as np
import pytest
import tradespace as ts
from tradespace.lesson.check.serving import TRUE_WITHIN, lying_report

SERVICE = ts.ServiceTimes({1: np.array([1.0, 2.0, 3.0]), 32: np.array([8.0])})


@pytest.fixture(scope="module", params=[0, 1, 2])
def runs(request):
    simulate = ts.simulate
    return [
        simulate(SERVICE, ts.arrivals.Poisson(250), seed=request.param),
        simulate(SERVICE, ts.arrivals.Poisson(450), requests=200_000, seed=request.param),
        simulate(SERVICE, ts.arrivals.Bursty(1000), ts.Batcher(32), seed=request.param),
    ]


def test_one_report_breaks_littles_law_and_the_others_do_not(runs):
    told = ts.claims(*runs)
    assert told.index.tolist() == ["A", "B", "C"]
    off = (told["requests_per_s"] * told["response_ms"] / 1000 / told["inside"] - 1).sort_values()
    assert off.iloc[0] < -2 * TRUE_WITHIN
    assert off.iloc[1:].abs().max() < TRUE_WITHIN / 2
    assert lying_report(off.index[0], told).passed
    assert ts.claims(*runs).equals(told)


def test_which_one_it_is_differs():
    liars = set()
    for seed in range(8):
        a, b = (ts.simulate(SERVICE, ts.arrivals.Poisson(rate), requests=5_000, seed=seed) for rate in (350, 400))
        told = ts.claims(a, b)
        liars.add((told["requests_per_s"] * told["response_ms"] / told["inside"]).idxmin())
    assert liars == {"A", "B"}


def test_what_cannot_be_reported_on(runs):
    with pytest.raises(ValueError, match=r"^served: wanted two or more runs; got 1$"):
        ts.claims(runs[0])
    overrun = ts.simulate(SERVICE, ts.arrivals.Poisson(9000))
    with pytest.raises(ValueError, match=r"^served: wanted runs with numbers, .* the queue would grow forever$"):
        ts.claims(runs[0], overrun)
    with pytest.raises(ValueError, match=r"^served: wanted runs with numbers, .* got 3$"):
        ts.claims(runs[0], 3)
    with pytest.raises(ValueError, match=r"^looks: "):
        ts.claims(*runs, looks=0)
