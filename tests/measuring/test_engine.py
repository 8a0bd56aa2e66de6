"""The measuring process for real, and its schedule with an executor that runs here."""

import math
import os
import signal
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import cloudpickle
import numpy as np
import pytest
import torch
import tradespace as ts
from tradespace.measuring import worker
from tradespace.measuring.engine import PROCESS, Engine, measure_rounds
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Scored
from tradespace.measuring.schedule import Schedule
from tradespace.prepare.fold import fold
from tradespace.prepare.weights import round_weights
from tradespace.tasks.task import scoring_order
from tradespace.tasks.trial import TRIED_ITEMS

# pytest imports this file under a name that the measuring process cannot import, as if it were a notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

ONE = torch.zeros(1, 4)


class FailsOnBatches(torch.nn.Module):
    """Does what it is told to once it gets more items than a first run has."""

    def __init__(self, misdeed):
        super().__init__()
        self.misdeed = misdeed

    def forward(self, x):
        if len(x) > TRIED_ITEMS:
            self.misdeed()
        return x


def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def complain():
    raise RuntimeError("batches are beneath me")


def take_all_memory():
    torch.empty(10**13).sum()


def hang():
    time.sleep(3_600)


def task_that(misdeed):
    modules = {"sound": torch.nn.Linear(4, 2), "broken": FailsOnBatches(misdeed)}
    return ts.Task.from_model(modules, example=ONE)


@pytest.mark.parametrize(
    ("misdeed", "status", "reason"),
    [
        (segfault, "crashed", "measuring process died of SIGSEGV(-11); a new one"),
        (be_killed, "crashed", "measuring process died of SIGKILL(-9), perhaps for lack of memory; a new one"),
        (complain, "failed", "RuntimeError: batches are beneath me"),
        (take_all_memory, "out_of_memory", "allocate memory"),
    ],
)
def test_a_broken_model_costs_one_row_and_no_other(misdeed, status, reason):
    task = task_that(misdeed)
    surface = ts.sweep(task, ts.grid(task, threads=1, batch_size=[1, 8]), budget_s=0.1, progress=False)
    rows = surface.set_index(["model", "batch_size"])
    assert rows.loc[("broken", 8), "status"] == status
    assert reason in rows.loc[("broken", 8), "reason"]
    assert (rows.drop(("broken", 8))["status"] == "ok").all()
    assert (rows.drop(("broken", 8))["throughput_per_s"] > 0).all()


def test_batches_larger_than_one_that_did_not_fit_are_not_tried(inline):
    task = task_that(take_all_memory)
    configs = ts.grid(task, model="broken", threads=1, batch_size=[1, 8, 16, 32])
    surface = ts.sweep(task, configs, budget_s=0.1, progress=False, executor=inline)
    tried = [config.batch_size for name, _key, config, *_ in inline.requests if name == "make_ready"]
    assert surface["status"].tolist() == ["ok"] + ["out_of_memory"] * 3
    smallest = min(batch for batch in tried if batch > 1)
    assert all(batch <= smallest for batch in tried[tried.index(smallest) :])
    skipped = surface[surface["reason"].str.startswith("not tried: batch")]
    assert len(skipped) == 3 - len({batch for batch in tried if batch > 1})


def test_a_model_that_hangs_is_ended_at_its_limit_and_the_next_one_runs():
    engine = Engine(task_that(hang), limit_s=1.0)
    answer = engine.request(worker.run_slice, ts.Config("broken", threads=1, batch_size=8), 0.1)
    assert answer.status == "timeout"
    assert "1 s" in answer.reason
    patient = Engine(task_that(hang))
    assert len(patient.request(worker.run_slice, ts.Config("sound", threads=1), 0.01).samples_ns)


def test_a_process_killed_while_idle_costs_nothing():
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=ONE)
    assert ts.measure(task, ts.Config("model", threads=1), budget_s=0.1).status == "ok"
    PROCESS.kill()
    assert ts.measure(task, ts.Config("model", threads=1), budget_s=0.1).status == "ok"


class Interrupting:
    """Interrupts the process that sends it; five, where it arrives."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGINT)
        return int, (5,)


def test_an_interrupt_between_two_requests_harms_neither_the_process_nor_an_answer_on_its_way():
    pid = PROCESS.submit(os.getpid).result()
    os.kill(pid, signal.SIGINT)
    assert PROCESS.submit(Interrupting).result() == 5
    assert PROCESS.submit(os.getpid).result() == pid


def test_a_model_defined_here_is_measured_in_another_process():
    assert PROCESS.submit(os.getpid).result() != os.getpid()
    m = ts.measure(task_that(complain), ts.Config("broken", threads=1), budget_s=0.1)
    assert m.status == "ok"


def test_accuracy_is_that_of_the_model_on_its_test_set():
    torch.manual_seed(0)
    model, x = torch.nn.Linear(4, 3), torch.randn(1_000, 4)
    labels = torch.randint(0, 3, (1_000,))
    task = ts.Task.from_model(model, example=x[:1], test=(x, labels))
    m = ts.measure(task, ts.Config("model", threads=1, batch_size=7), budget_s=0.1)
    with torch.inference_mode():
        expected = float((model(x).argmax(1) == labels).double().mean())
    assert m.accuracy == pytest.approx(expected)
    assert m.accuracy_n == 1_000


def test_the_machine_is_that_of_the_process_that_measured(tiny, elsewhere):
    m = ts.measure(tiny, ts.Config("narrow", threads=1), budget_s=0.02, executor=elsewhere)
    assert m.machine == machine() + ", ATEN_CPU_CAPABILITY=default"


@pytest.mark.parametrize("error", [BrokenProcessPool, TimeoutError])
def test_of_a_process_that_died_or_hangs_no_machine_is_known(tiny, inline, error):
    def fail(*_):
        raise error

    inline.submit = fail
    m = ts.measure(tiny, ts.Config("narrow", threads=1), executor=inline)
    assert (m.machine, m.status) == ("", "crashed" if error is BrokenProcessPool else "timeout")


def test_the_configs_take_turns_in_rounds_whose_order_changes(inline):
    task = ts.Task.from_model({name: torch.nn.Linear(4, 2) for name in "abcdef"}, example=ONE)
    list(measure_rounds(task, ts.grid(task, threads=1), Schedule(1e-9, 0.1), executor=inline))
    turns = [config.model for name, _key, config, *_ in inline.requests if name == "run_slice"]
    rounds = [turns[i : i + 6] for i in range(0, 18, 6)]
    assert all(sorted(one) == list("abcdef") for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


def test_each_slice_is_reported_before_the_next_is_asked_for(inline):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=ONE)
    seen = []
    for m, finished in measure_rounds(task, ts.grid(task, threads=1), Schedule(1e-9, 0.1), executor=inline):
        seen.append((len(m.slices), sum(name == "run_slice" for name, *_ in inline.requests), finished))
    assert all(slices == requests for slices, requests, _ in seen)
    assert [finished for *_, finished in seen].count(True) == 1
    assert seen[-1][2]


@pytest.mark.parametrize("precision", ["w4", "w2-tensor"])
def test_a_precision_without_a_kernel_has_an_accuracy_a_reason_and_no_time(tiny, inline, precision):
    m = ts.measure(tiny, ts.Config("narrow", precision=precision, threads=1), budget_s=0.05, executor=inline)
    assert m.status == "unsupported"
    assert f"no {precision} kernel to time" in m.reason
    assert (m.accuracy_n, 0 <= m.accuracy <= 1) == (30, True)
    assert m.facts.output_error > 0
    assert m.model_mb > 0
    assert math.isnan(m.latency_p50_ms)
    assert math.isnan(m.throughput_per_s)
    assert "accuracy" in repr(m)
    assert {name for name, *_ in inline.requests} - {"learn"} == {"make_ready", "score_slice", "finish"}


def test_fewer_bits_are_scored_as_the_rounded_model_is(tiny, inline):
    m = ts.measure(tiny, ts.Config("wide", precision="w2", threads=1), budget_s=0.05, executor=inline)
    module = tiny.load_model("wide")
    round_weights(fold(module), "w2")
    with torch.inference_mode():
        right = module(tiny.test[0]).argmax(1) == tiny.test[1]
    np.testing.assert_array_equal(m.scores, right.numpy()[scoring_order(30)])


def test_an_accuracy_that_is_known_is_not_measured_again_and_a_new_one_is_noted(tiny, inline):
    narrow, wide = (ts.Config(name, threads=1, batch_size=2) for name in ("narrow", "wide"))
    known = np.arange(30) % 3 == 0
    scores = {narrow.variant: Scored(known, whole=True)}
    rounds = measure_rounds(tiny, [narrow, wide], Schedule(0.9, 0.02), executor=inline, scores=scores)
    finished = {m.config: m for m, is_finished in rounds if is_finished}
    assert finished[narrow].accuracy == pytest.approx(1 / 3)
    assert {config for name, _, config, *_ in inline.requests if name == "score_slice"} == {wide}
    np.testing.assert_array_equal(scores[wide.variant].scores, finished[wide].scores)


def test_every_config_is_let_go_of_when_it_is_finished_whatever_came_of_it(tiny, inline):
    configs = [ts.Config("narrow", precision=precision, threads=1) for precision in ("fp32", "w4", "fp8")]
    for _ in measure_rounds(tiny, configs, Schedule(0.9, 0.02), executor=inline):
        pass
    assert sorted(config.precision for name, _, config, *_ in inline.requests if name == "finish") == [
        "fp32",
        "fp8",
        "w4",
    ]
    assert not any(config in configs for _, config in worker._running)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_width": 0}, "max_width: wanted a finite number above 0; got 0"),
        ({"max_width": "2 %"}, "max_width: wanted a finite number above 0; got '2 %'"),
        ({"budget_s": -1}, "budget_s: wanted a finite number above 0; got -1"),
        ({"score_s": 0}, "score_s: wanted a finite number above 0; got 0"),
        ({"score_s": -3.0}, "score_s: wanted a finite number above 0; got -3.0"),
        ({"budget_s": float("nan")}, "budget_s: wanted a finite number above 0"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(inline, arguments, message):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=ONE)
    with pytest.raises(ValueError, match=message):
        ts.measure(task, ts.Config("model", threads=1), executor=inline, **arguments)
    assert inline.requests == []
