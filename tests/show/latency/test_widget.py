import _thread
import base64
import json
import math
import os
import queue
import signal
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tradespace as ts
from hypothesis import given
from hypothesis import strategies as st
from tradespace.measuring.engine import PROCESS
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import time_left_s
from tradespace.show.common.percentiles import percentiles
from tradespace.show.latency import widget
from tradespace.show.latency.numbers import histogram
from tradespace.show.latency.widget import LatencyMeter, in_words, progress

MS = 1_000_000
LIMIT_S = 120
SMALL = ts.Config("small", threads=1)


def slice_of(*samples_ms, disturbed=False):
    total = round(sum(samples_ms) * MS)
    waited = {"wall_ns": total, "waited_ns": total} if disturbed else {}
    return Slice(np.array(samples_ms) * MS, items=len(samples_ms), busy_ns=total, **waited)


def measured(*slices, config=SMALL, **kwargs):
    return Measurement("toy", config, tuple(slices), **kwargs)


def grown(n, samples=40, ms=2.0):
    """After `n` slices, whose samples spread by a thousandth and whose medians do not."""
    return measured(*[slice_of(*(ms * (1 + np.linspace(-5e-4, 5e-4, samples))))] * n)


def chart(measurement, running=False):
    return widget.chart(measurement, percentiles(measurement), running)


class Rounds:
    """Stands in for `measure_rounds`: hands on what the test puts in, and waits for more."""

    def __init__(self):
        self.queues, self.calls = [], []

    def __call__(self, task, configs, schedule, **kwargs):
        self.calls.append((configs, {"schedule": schedule} | kwargs))
        # Found at once, not when the thread comes to it.
        return self._run(self.queue(len(self.calls) - 1))

    def queue(self, run):
        while len(self.queues) <= run:
            self.queues.append(queue.Queue())
        return self.queues[run]

    def _run(self, steps):
        while True:
            step = steps.get(timeout=LIMIT_S)
            if isinstance(step, BaseException):
                raise step
            yield step
            if step[1]:
                return

    def bring(self, measurement, finished=False, run=0):
        self.queue(run).put((measurement, finished))

    def fail(self, error, run=0):
        self.queue(run).put(error)


@pytest.fixture
def rounds(monkeypatch):
    fake = Rounds()
    monkeypatch.setattr(widget, "measure_rounds", fake)
    yield fake
    # No thread waits on for what is not brought.
    for run in range(len(fake.calls) + 1):
        fake.fail(KeyboardInterrupt(), run)


@pytest.fixture
def meter(task, rounds):
    one = LatencyMeter(task, SMALL, budget_s=1.0)
    yield one
    one.close()


def until(meter, true):
    """Wait until `true` of what is shown."""
    seen = threading.Event()

    def look(_change=None):
        if true(meter.state):
            seen.set()

    meter.observe(look, "state")
    look()
    assert seen.wait(LIMIT_S), meter.state
    meter.unobserve(look, "state")
    return meter.state


def press(meter, button):
    meter._handle_custom_msg({"do": button}, [])


def text_of(state, name):
    (one,) = [one for one in state["percentiles"] if one["name"] == name]
    return one["text"]


def test_nothing_is_measured_before_it_is_displayed(meter, rounds):
    assert rounds.calls == []
    assert not meter.running
    assert meter.state["status"] == "Not measured yet; Start measures it."
    assert [one["value_ms"] for one in meter.state["percentiles"]] == [None] * 4


def test_displayed_it_starts_and_a_still_picture_goes_with_it(meter, rounds):
    data, _ = meter._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert meter.running
    meter._repr_mimebundle_()
    rounds.bring(grown(6), finished=True)
    meter.wait()
    meter._repr_mimebundle_()
    assert len(rounds.calls) == 1, "shown again, it does not start again"


def test_in_a_box_the_browser_tells_that_it_is_displayed(meter, rounds):
    press(meter, "shown")
    assert meter.running
    press(meter, "shown")
    rounds.bring(grown(6), finished=True)
    assert meter.wait().measurement.samples == 240
    assert len(rounds.calls) == 1


def test_it_can_be_told_to_wait_for_the_button(task, rounds):
    meter = LatencyMeter(task, SMALL, start=False)
    meter._repr_mimebundle_()
    press(meter, "shown")
    assert not meter.running
    press(meter, "start")
    assert meter.running
    meter.close()


def test_it_grows_slice_by_slice_and_every_state_is_json(meter, rounds):
    states = []
    meter.observe(lambda change: states.append(change["new"]), "state")
    meter.start()
    for n in range(18):
        rounds.bring(grown(n), finished=n == 17)
    meter.wait()
    assert meter.measurement.samples == 17 * 40
    sums = [sum(state["kept"]) for state in states]
    assert sums == sorted(sums)
    assert sums[-1] == 17 * 40
    for state in states:
        json.dumps(state, allow_nan=False)


def test_percentiles_appear_as_they_become_known(meter, rounds):
    meter.start()
    rounds.bring(grown(1))
    state = until(meter, lambda state: any(state["kept"]))
    assert text_of(state, "p50") == "p50 2 ms: its interval needs 6 slices (have 1)"
    assert text_of(state, "p90") == "p90: needs 64 samples (have 40)"
    assert text_of(state, "p99") == "p99: needs 662 samples (have 40)"
    assert state["status"].endswith("Known so far: min, p50.")
    rounds.bring(grown(6))
    state = until(meter, lambda state: sum(state["kept"]) == 240)
    assert text_of(state, "p50") == "p50 2 ms (2 to 2)"
    assert text_of(state, "p90").startswith("p90 2.001 ms (")
    assert text_of(state, "p99") == "p99: needs 662 samples (have 240)"
    rounds.bring(grown(17), finished=True)
    state = until(meter, lambda state: not state["running"])
    assert text_of(state, "p99").startswith("p99 2 ms (")
    assert state["status"] == (
        "Half of the calls took at most 2 ms, nine in ten at most 2 ms, 99 in 100 at most 2 ms: "
        "680 samples in 17 slices."
    )


def test_accuracy_does_not_hold_it_up(meter, rounds):
    meter.start()
    rounds.bring(grown(6), finished=True)
    meter.wait()
    ((configs, asked),) = rounds.calls
    assert configs == [SMALL]
    assert asked["schedule"] == Schedule(0.02, 1.0)
    assert [one.done(60.0) for one in asked["scores"].values()] == [True]


def test_stop_keeps_what_is_known_and_takes_no_more(meter, rounds):
    meter.start()
    rounds.bring(grown(3))
    until(meter, lambda state: any(state["kept"]))
    thread = meter._background._run
    press(meter, "stop")
    assert not meter.running
    assert meter.state["status"] == (
        "Stopped. Half of the calls took at most 2 ms, nine in ten at most 2 ms: 120 samples in 3 slices."
    )
    assert meter.state["progress"] == ""
    rounds.bring(grown(9))
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert meter.measurement.samples == 120
    press(meter, "stop")
    assert meter.state["status"].startswith("Stopped.")


def test_start_measures_afresh_and_drops_what_is_under_way(meter, rounds):
    meter.start()
    rounds.bring(grown(3))
    until(meter, lambda state: any(state["kept"]))
    old = meter._background._run
    press(meter, "start")
    assert meter.measurement.samples == 0
    rounds.bring(grown(9), run=0)
    old.join(LIMIT_S)
    rounds.bring(grown(2, samples=7), finished=True, run=1)
    assert meter.wait().measurement.samples == 14


def test_a_config_that_cannot_run_says_why(meter, rounds):
    meter.start()
    rounds.bring(measured(failure=Failure("unsupported", "no kernel of that width.")), finished=True)
    meter.wait()
    assert meter.state["status"] == "Unsupported: no kernel of that width."
    assert meter._repr_mimebundle_()[0]["image/png"]


def test_a_killed_process_is_told_and_it_can_start_again(meter, rounds):
    meter.start()
    died = measured(slice_of(1.0), failure=Failure("crashed", "the measuring process died of SIGKILL(-9)"))
    rounds.bring(died, finished=True)
    meter.wait()
    assert meter.state["status"] == "Crashed: the measuring process died of SIGKILL(-9). Start tries again."
    assert sum(meter.state["kept"]) == 1, "what was measured before stays"
    press(meter, "start")
    rounds.bring(grown(6), finished=True, run=1)
    assert meter.wait().measurement.status == "ok"


def test_an_error_ends_it_and_is_told(meter, rounds):
    meter.start()
    rounds.fail(RuntimeError("the executor was shut down"))
    meter.wait()
    assert meter.state["status"] == "RuntimeError: the executor was shut down. Not measured yet; Start measures it."


def test_the_interrupt_of_the_kernel_ends_it(meter, rounds):
    meter.start()
    rounds.bring(grown(6))
    rounds.fail(KeyboardInterrupt())
    meter.wait()
    assert meter.state["status"].startswith("Interrupted. Half of the calls")


def test_a_cell_that_waits_can_be_interrupted_and_that_stops_it(meter):
    # As in a kernel, whatever an earlier test of this process has left.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        while not meter.running:
            time.sleep(0.01)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        meter.wait()
    assert not meter.running
    assert meter.state["status"].startswith("Interrupted.")


def test_an_interrupt_while_it_starts_ends_it(meter, rounds, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(meter, "_begin", interrupted)
        with pytest.raises(KeyboardInterrupt):
            meter.start()
    assert not meter.running
    assert meter.state["status"] == "Interrupted. Not measured yet; Start measures it."


def test_a_cell_that_is_interrupted_meanwhile_ends_it(meter, rounds, monkeypatch):
    looks = []
    events = SimpleNamespace(register=lambda _, look: looks.append(look), unregister=lambda _, look: looks.remove(look))
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: SimpleNamespace(events=events))
    meter.start()
    rounds.bring(grown(6))
    until(meter, lambda state: any(state["kept"]))
    (look,) = looks
    look(SimpleNamespace(error_in_exec=KeyboardInterrupt()))
    assert not meter.running
    assert meter.state["status"].startswith("Interrupted. Half of the calls")
    assert looks == []


def test_closing_ends_the_thread(task, rounds):
    meter = LatencyMeter(task, SMALL)
    meter.start()
    thread = meter._background._run
    meter.close()
    rounds.bring(grown(1))
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert meter.measurement.samples == 0


def test_names_from_data_are_text_and_never_html(rounds):
    import torch

    name = "<img src=x onerror=alert(1)>" * 20
    task = ts.Task.from_model({name: torch.nn.Linear(4, 2)}, example=torch.zeros(1, 4))
    meter = LatencyMeter(task, ts.Config(name, threads=1))
    assert meter.state["title"].startswith(name)
    assert meter._repr_mimebundle_()[0]["image/png"]
    meter.close()


@pytest.mark.parametrize(
    ("config", "asked", "message"),
    [
        (ts.Config("smal", threads=1), {}, "model: wanted one of small, large; got 'smal'. Did you mean 'small'"),
        (SMALL, {"budget_s": 0}, "budget_s: wanted a finite number above 0"),
        (SMALL, {"max_width": math.nan}, "max_width: wanted a finite number above 0"),
        ("small", {}, "configs: wanted Config objects"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(task, rounds, config, asked, message):
    with pytest.raises(ValueError, match=message):
        LatencyMeter(task, config, **asked)
    assert rounds.calls == []


def test_calls_of_disturbed_slices_are_counted_apart():
    disturbed = slice_of(5.0, 5.0, 9.0, disturbed=True)
    bins = histogram(measured(*[slice_of(1.0, 1.1)] * 6, disturbed))
    assert (bins.kept.sum(), bins.left_out.sum()) == (12, 3)
    state = chart(measured(*[slice_of(1.0, 1.1)] * 6, *[disturbed] * 3))
    assert [one["flag"] for one in state["doubts"]] == ["contended"]


def test_too_few_samples_are_no_doubt_while_it_is_measured():
    m = measured(*[slice_of(1.0, 1.0, 3.0)] * 2)
    assert [one["flag"] for one in chart(m, running=True)["doubts"]] == ["noisy"]
    assert [one["flag"] for one in chart(m)["doubts"]] == ["few_samples", "unconverged", "noisy"]


def test_few_calls_far_beyond_the_rest_are_told_and_do_not_stretch_the_axis():
    rng = np.random.default_rng(0)
    slices = [slice_of(*rng.normal(1.0, 0.01, 100)) for _ in range(8)]
    m = measured(*slices, slice_of(40.0))
    bins = histogram(m)
    assert bins.edges_ms[-1] < 2
    assert not bins.log
    assert chart(m)["slower"] == "1 call slower, up to 40 ms"


def test_a_wide_spread_has_bins_of_equal_ratio():
    rng = np.random.default_rng(0)
    bins = histogram(measured(*[slice_of(*rng.lognormal(0, 1, 100)) for _ in range(8)]))
    assert bins.log
    assert np.diff(np.log(bins.edges_ms)) == pytest.approx(np.diff(np.log(bins.edges_ms))[0])


@given(st.lists(st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=30), min_size=1, max_size=12), st.data())
def test_every_call_is_counted_once(slices, data):
    disturbed = data.draw(st.lists(st.booleans(), min_size=len(slices), max_size=len(slices)))
    m = measured(*(slice_of(*some, disturbed=bad) for some, bad in zip(slices, disturbed, strict=True)))
    bins = histogram(m)
    assert bins.kept.sum() + bins.left_out.sum() + bins.slower == m.samples
    assert (np.diff(bins.edges_ms) > 0).all()
    assert len(bins.edges_ms) < 100
    assert bins.edges_ms[0] <= m.samples_ns.min() / MS * (1 + 1e-6)
    for one in percentiles(m):
        assert math.isnan(one.value_ms) or one.value_ms <= bins.edges_ms[-1] * (1 + 1e-6)
    json.dumps(chart(m), allow_nan=False)


def test_the_time_left_is_that_of_the_budget_or_of_the_interval():
    of = partial(Schedule, 0.02)
    assert time_left_s(measured(), of(3.0)) == 3.0
    early = measured(*[slice_of(*[100.0] * 5)] * 4)
    assert time_left_s(early, of(3.0)) == pytest.approx(1.0), "no interval yet: what is left of the budget"
    narrow = measured(*[slice_of(*[100.0] * 5)] * 6)
    assert time_left_s(narrow, of(60.0)) == pytest.approx(3.0), "narrow from the start: six slices are wanting"
    wide = measured(*[slice_of(*[ms] * 5) for ms in np.linspace(50, 150, 12)])
    assert time_left_s(wide, of(8.0)) == pytest.approx(2.0), "too wide: what is left of the budget"
    hurt = measured(*[slice_of(*[100.0] * 10, disturbed=True)] * 4)
    assert time_left_s(hurt, of(3.0)) == pytest.approx(8.0), "disturbed: up to four budgets"


def test_progress_counts_samples_and_slices():
    assert progress(measured(), 3.0) == "preparing the model"
    assert progress(measured(slice_of(1.0)), 0.2) == "1 sample in 1 slice, about 1 s left"
    assert in_words(measured(), percentiles(measured()), True, "") == "Preparing small, fp32, eager, batch 1, 1 thread."


# Over the real measuring process.


def test_it_measures(task):
    meter = LatencyMeter(task, SMALL, budget_s=0.2).wait()
    assert meter.measurement.status == "ok"
    assert meter.measurement.latency_p50_lo_ms > 0
    assert math.isnan(meter.measurement.accuracy)
    meter.close()


def test_two_at_once_share_the_process(task):
    meters = [LatencyMeter(task, ts.Config(name, threads=1), budget_s=0.2) for name in ("small", "large", "small")]
    for meter in meters:
        meter.start()
    assert [meter.wait().measurement.status for meter in meters] == ["ok"] * 3


def test_a_killed_process_ends_it_and_start_measures_again(task):
    pid = PROCESS.submit(os.getpid).result()
    meter = LatencyMeter(task, SMALL, max_width=1e-9, budget_s=60)
    meter.start()
    until(meter, lambda state: any(state["kept"]))
    os.kill(pid, signal.SIGKILL)
    meter.wait()
    assert meter.measurement.status == "crashed"
    assert "Start tries again" in meter.state["status"]
    meter._schedule = Schedule(0.02, 0.2)
    press(meter, "start")
    assert meter.wait().measurement.status == "ok"


def test_an_interrupt_of_the_process_ends_it_and_leaves_the_process(task):
    meter = LatencyMeter(task, ts.Config("small", threads=1, batch_size=4096), max_width=1e-9, budget_s=60)
    meter.start()
    until(meter, lambda state: any(state["kept"]))
    (pid,) = PROCESS._executor._processes
    while meter.running:
        # One that comes between two slices finds nothing to end.
        os.kill(pid, signal.SIGINT)
        threading.Event().wait(0.1)
    meter.wait()
    assert meter.state["status"].startswith("Interrupted.")
    assert [*PROCESS._executor._processes] == [pid]
    meter._schedule = Schedule(0.02, 0.2)
    meter.start()
    assert meter.wait().measurement.status == "ok"
