"""The roofs of a machine, from made-up measurements: no test here depends on how fast this machine is."""

import math
import sys
from concurrent.futures import Future

import numpy as np
import pytest
import tradespace as ts
from tradespace.measuring import worker
from tradespace.measuring.measurement import Facts, Failure, Slice
from tradespace.measuring.peaks import BATCHES, STREAM_MIB, Peaks, Rate
from tradespace.measuring.replay import NOT_RECORDED
from tradespace.tasks.probes import CHAIN, MIB, load_model, operations, probes

module = sys.modules["tradespace.measuring.peaks"]  # the package has a function of that name


class MadeUp:
    """Stands in for the measuring process: a machine of known speeds, which wait for nobody.

    Parameters
    ----------
    speeds : mapping of str to float
        Number type -> operations per second; one that is not there is refused.
    """

    def __init__(self, speeds, bytes_per_s=10e9, start_s=20e-6, waited=0.0):
        self.speeds, self.bytes_per_s, self.start_s, self.waited = speeds, bytes_per_s, start_s, waited
        self.asked, self.slices = [], {}

    def submit(self, function, *args):
        future = Future()
        self.asked.append((function.__name__, *args[1:]))
        answer = {
            worker.make_ready: self.make_ready, worker.run_slice: self.run_slice, worker.score_slice: self.score,
            worker.energy: lambda *_: math.nan,
        }.get(function, lambda *_: None)  # fmt: skip
        future.set_result("a made-up machine" if not args else answer(*args[1:]))
        return future

    def make_ready(self, config):
        if config.precision not in self.speeds:
            return Failure("unsupported", f"no {config.precision} here")
        return Facts()

    def score(self, *_):
        return np.empty(0, bool)

    def run_slice(self, config, seconds):
        if config.model == "stream":
            call_s = config.batch_size * 2 * MIB / self.bytes_per_s
        elif config.model.endswith("product"):
            call_s = config.batch_size * operations(config.model) / self.speeds[config.precision]
        else:
            call_s = CHAIN * self.start_s
        # Every third slice is a tenth slower.
        number = self.slices[config] = self.slices.get(config, -1) + 1
        call_s *= 1.1 if number % 3 == 2 else 1.0
        calls = max(round(seconds / call_s), 1)
        wall_ns = round(calls * call_s * 1e9)
        return Slice(
            np.full(calls, round(call_s * 1e9)), calls * config.batch_size, wall_ns, wall_ns=wall_ns,
            waited_ns=round(self.waited * wall_ns),
        )  # fmt: skip

    @property
    def prepared(self):
        return [about[0] for name, *about in self.asked if name == "make_ready"]


def test_a_roof_is_the_best_slice_and_its_interval_goes_down_to_the_ordinary_one():
    found = ts.peaks(1, executor=MadeUp({"fp32": 100e9, "bf16": 400e9, "int8": 800e9}))
    for name, value in (("fp32", 100), ("bf16", 400), ("int8", 800)):
        rate = found.arithmetic[name]
        assert rate.value == rate.hi == pytest.approx(value, rel=1e-3)
        assert value / 1.1 * 0.999 < rate.lo <= rate.value
    assert found.memory.value == pytest.approx(10, rel=1e-3)
    assert found.overhead["fp32", "linear"].value == pytest.approx(20, rel=0.11)
    assert found.ridge("fp32") == pytest.approx(10, rel=1e-2)
    assert (found.flags, found.reason, found.machine) == ("", "", "a made-up machine")
    assert "lower" not in repr(found)
    assert "the hardware can do at least this" in repr(found)


def test_larger_products_are_tried_on_a_fast_machine_only():
    for speed, tried in ((20e9, {256}), (200e9, {256, 1024}), (20e12, set(BATCHES))):
        machine = MadeUp({"fp32": speed})
        ts.peaks(1, precision="fp32", executor=machine)
        assert {one.batch_size for one in machine.prepared if one.model == "product"} == tried


def test_a_number_type_that_is_refused_has_no_roof_and_says_why():
    found = ts.peaks(1, executor=MadeUp({"fp32": 100e9}))
    assert not found.arithmetic["int8"].known
    assert found.arithmetic["int8"].reason == "no int8 here"
    assert "No roof for int8: no int8 here." in repr(found)
    assert math.isnan(found.ridge("int8"))
    assert found.table.set_index(["what", "precision"]).loc[("arithmetic", "int8"), "reason"] == "no int8 here"
    assert found.reason == ""


def test_where_nothing_can_be_measured_the_reason_is_that_of_the_probes():
    found = ts.peaks(1, executor=MadeUp({}))
    assert found.reason == "no fp32 here"
    assert repr(found) == "No roofs: no fp32 here"


def test_roofs_that_other_work_disturbed_are_flagged():
    found = ts.peaks(1, precision="fp32", executor=MadeUp({"fp32": 100e9}, waited=0.3))
    assert found.flags == "contended"
    assert "Use with caution" in repr(found)


def test_an_accelerator_multiplies_wider_matrices():
    machine = MadeUp({"fp32": 100e9})
    ts.peaks(1, precision="fp32", device="cuda", executor=machine)
    assert {one.model for one in machine.prepared} >= {"wide-product", "stream"}
    assert {one.device for one in machine.prepared} == {"cuda"}


def test_nothing_is_left_in_the_measuring_process(inline, monkeypatch):
    monkeypatch.setattr(module, "STREAM_MIB", 1)
    monkeypatch.setattr(module, "BATCHES", (2,))
    monkeypatch.setattr(module, "BUDGET_S", 0.01)
    found = ts.peaks(1, precision=["fp32", "bf16"], executor=inline)
    assert found.memory.value > 0
    assert inline.requests[-1][0] == "forget"
    assert not any(task.name == "probes" for task in worker._tasks.values())


def test_the_array_is_larger_than_it_was_for_another_batch():
    stream, x = load_model("stream"), probes().example
    for items in (1, 3):
        assert stream(x.expand(items, -1)).shape == (items, 1)
        assert stream.arrays[0].nbytes == stream.arrays[1].nbytes == items * MIB


def test_an_array_that_the_last_cache_holds_is_no_roof_of_memory(monkeypatch):
    measured = ts.Measurement("probes", ts.Config("stream", threads=1, batch_size=STREAM_MIB))
    timed = ts.Measurement(
        "probes", measured.config, tuple(Slice(np.array([10**8]), STREAM_MIB, 10**8) for _ in range(6))
    )
    monkeypatch.setattr(module, "recording", lambda: None)
    for cache, known in ((math.nan, True), (32.0, True), (2 * STREAM_MIB, False)):
        monkeypatch.setattr(module, "last_cache_mib", lambda cache=cache: cache)
        assert module._memory(timed, None).known is known


def test_the_last_cache_is_the_largest(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CACHES", tmp_path)
    assert math.isnan(module.last_cache_mib())
    for index, size in enumerate(("48K", "2048K", "307200K")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert module.last_cache_mib() == 300.0


def test_a_kind_that_nobody_timed_costs_what_the_nearest_one_does():
    known = {("fp32", "linear"): Rate(5.0), ("fp32", "elementwise"): Rate(2.0), ("int8", "convolution"): Rate(40.0)}
    machine = Peaks("cpu", 1, {}, Rate(), known)
    asked = [("fp32", "attention"), ("fp32", "embedding"), ("int8", "linear"), ("int8", "elementwise")]
    assert [machine.overhead_us(*one).value for one in asked] == [5.0, 2.0, 40.0, 2.0]
    assert Peaks("cpu", 1, {}, Rate()).overhead_us("fp32", "linear").value == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"precision": "int9"}, "^precision: wanted one of fp32, bf16, fp16, int8; got 'int9'. Did you mean 'int8'?"),
        ({"precision": []}, "^precision: wanted at least one of fp32"),
        ({"device": "gpu"}, "^device: wanted one of cpu, cuda"),
        ({"threads": 10**6}, "^threads: wanted a whole number, from 1 to"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(given, words):
    machine = MadeUp({"fp32": 1e9})
    with pytest.raises(ValueError, match=words):
        ts.peaks(**given, executor=machine)
    assert not machine.asked


def test_in_recorded_mode_what_was_not_recorded_says_so(tmp_path):
    from tradespace.measuring.archive import write_measurements
    from tradespace.measuring.replay import Replay

    write_measurements(tmp_path / "none.zip", [])
    found = ts.peaks(1, precision="fp32", executor=Replay(tmp_path / "none.zip", MadeUp({})))
    assert found.reason == NOT_RECORDED.reason
