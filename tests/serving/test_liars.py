"""The table of mistakes from known numbers, and for real."""

import math
from concurrent.futures import Executor, Future

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring.measurement import Facts, Failure, Slice
from tradespace.measuring.open_loop import Ran
from tradespace.measuring.replay import NO_SERVER, NOT_RECORDED
from tradespace.serving import liars as module
from tradespace.serving.liars import LIES, RETURNS_WHEN_DONE

MS = 1_000_000
NARROW = ts.Config("narrow", threads=1)


class Process(Executor):
    """Stands in for the measuring process, on a device that queues work.

    A call of one item takes 2 ms, the first of each slice 1 ms, and one in fifty 8 ms; batches take 16 ms. The first
    calls of all take 10 ms. A call returns after 0.5 ms. After a pause, a request takes 5 ms.
    """

    def __init__(self, **failing):
        self.failing, self.loads = failing, []

    def submit(self, function, /, *args):
        name = function.__name__
        answer = self.failing.get(name) or getattr(self, f"_{name}", lambda *_: "a fake")(*args[1:])
        answered = Future()
        answered.set_result(answer)
        return answered

    def _make_ready(self, config):
        return self.failing.get(f"make_ready_{config.batch_size}") or Facts()

    def _run_slice(self, config, seconds):
        samples = np.full(100, (2 if config.batch_size == 1 else 16) * MS)
        if config.batch_size == 1:
            samples[0], samples[[30, 80]] = 1 * MS, 8 * MS
        return Slice(samples, 100 * config.batch_size, int(samples.sum()), wall_ns=int(samples.sum()))

    def _energy(self, config):
        return math.nan

    def _time_calls(self, config, calls, synchronised):
        return np.full(calls, 10 * MS if synchronised else MS // 2)

    def _serve(self, config, load, stop):
        self.loads.append(load)
        arrived, end, ran = load.arrived_ns.tolist(), 0, []
        for ready in arrived:
            start = max(ready, end)
            took = 5 * MS if start - end > 20 * MS else 2 * MS
            ran.append((1, ready, start, start + took))
            end = start + took
        return Ran(*np.array(ran).T, "done")


def table(task, process, config=NARROW, **options):
    return ts.liars(task, config, executor=process, **{"seconds": 60, "budget_s": 3} | options).set_index("mistake")


def test_each_claim_stands_beside_the_truth(tiny):
    found = table(tiny, Process(), ts.Config("narrow", threads=1, device="cuda"))
    assert found.index.tolist() == [lie.mistake for lie in LIES]
    expected = {
        "no warm-up": (10.0, 2.0),
        "no synchronisation": (0.5, 16.0),
        "a hot loop called service": (2.0, 5.0),
        "a mean called p99": (1.95, 8.0),
        "1 / throughput called latency": (0.5, 16.0),
        "the best of many": (1.0, 2.0),
    }
    for mistake, (claimed, truth) in expected.items():
        row = found.loc[mistake]
        assert (row["claimed"], row["truth"]) == (pytest.approx(claimed), pytest.approx(truth)), mistake
        assert row["factor"] == pytest.approx(claimed / truth)
        assert row["truth_lo"] <= row["truth"] <= row["truth_hi"]
    assert (found["unit"] == "ms").all()


def test_a_closed_loop_sees_no_request_wait(tiny):
    process = Process()
    row = table(tiny, process).loc["a closed loop called load"]
    assert row["claimed"] == pytest.approx(5.0, abs=3.0)
    assert row["claimed"] < 0.7 * row["truth"]
    assert row["truth_lo"] <= row["truth"] <= row["truth_hi"]
    at_random, seldom = process.loads
    assert at_random.rate_per_s == pytest.approx(module.LOAD * 1e3 / 2.11)
    assert seldom.rate_per_s == 20


def test_on_a_cpu_six_mistakes_apply_and_one_does_not(tiny):
    found = table(tiny, Process())
    assert found.loc["no synchronisation", "why"] == RETURNS_WHEN_DONE
    assert found["claimed"].isna().sum() == found["truth"].isna().sum() == 1


def test_what_could_not_be_measured_says_why_and_the_rest_stands(tiny):
    found = table(tiny, Process(time_calls=NOT_RECORDED, serve=NO_SERVER))
    assert found.loc["no warm-up", "why"] == NOT_RECORDED.reason
    assert found.loc["a closed loop called load", "why"] == NO_SERVER.reason
    known = found.dropna().index.tolist()
    assert known == ["a mean called p99", "1 / throughput called latency", "the best of many"]


def test_a_model_that_takes_no_batches_is_timed_one_by_one(tiny):
    found = table(tiny, Process(make_ready_32=Failure("unsupported", "one at a time")))
    assert found.loc["1 / throughput called latency", "why"] == "one at a time"
    assert found.loc["a mean called p99"].notna().all()


def test_of_a_model_that_cannot_run_nothing_is_known(tiny):
    failure = Failure("unsupported", "no kernel")
    found = table(tiny, Process(make_ready=failure, time_calls=failure))
    assert found["claimed"].isna().all()
    assert (found.drop("no synchronisation")["why"] == "no kernel").all()


def test_a_truth_that_few_calls_do_not_tell_is_not_told(tiny):
    row = table(tiny, Process(), budget_s=0.2).loc["a mean called p99"]
    assert row["claimed"] > 0
    assert math.isnan(row["truth"])
    assert row["why"].endswith("so few calls do not tell")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seconds": 0}, "seconds: wanted a finite number above 0; got 0"),
        ({"seconds": 1e4}, "seconds: wanted at most 600"),
        ({"budget_s": -1}, "budget_s: wanted a finite number above 0; got -1"),
        ({"config": ts.Config("other", threads=1)}, "model: wanted one of narrow, wide; got 'other'"),
    ],
)
def test_bad_input_is_refused_before_any_work(tiny, inline, given, message):
    with pytest.raises(ValueError, match=message):
        ts.liars(tiny, **{"config": NARROW} | given, executor=inline)
    assert inline.requests == []


def test_all_of_it_is_really_measured(tiny):
    found = ts.liars(tiny, NARROW, seconds=1, budget_s=0.2).set_index("mistake").drop("no synchronisation")
    # A busy machine may be too slow for a load that it could serve a moment before.
    too_slow = found["why"].str.contains("the queue would grow forever")
    assert (found["claimed"][~too_slow] > 0).all()
    assert too_slow.sum() <= 1
    assert found.loc["the best of many", "factor"] <= 1
