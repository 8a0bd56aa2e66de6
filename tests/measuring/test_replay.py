"""What was measured on one machine, written to a file and played back in the place of measuring."""

import io
import math
import zipfile
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from tradespace.config import Config
from tradespace.measuring import worker
from tradespace.measuring.archive import (
    pack,
    read_labels,
    read_measurement,
    unpack,
    write_layers,
    write_measurements,
)
from tradespace.measuring.engine import Engine, measure_rounds
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.measuring.replay import NOT_RECORDED, Replay
from tradespace.measuring.schedule import Schedule
from tradespace.prepare import Layer

ONE = Config("narrow", threads=1)
RIGHT = np.arange(30) % 3 > 0


def taken(ms, slices=14, config=ONE, **changes):
    """A Measurement whose slices can be told apart: each is a nanosecond slower than the one before."""
    timed = tuple(Slice(np.full(5, round(ms * 1e6) + i), 5, round(5e6 * ms), wall_ns=1, mhz=9.0) for i in range(slices))
    made = Measurement(
        "tiny", config, timed, RIGHT, Facts(1.0, 2.0, 0.1, 0.0), machine="another", measured_at="2026-01-01"
    )
    return replace(made, **changes)


class Live:
    """A process that notes what it is asked."""

    def __init__(self):
        self.asked = []

    def submit(self, function, *args):
        self.asked.append(function)
        answered = Future()
        answered.set_result("live")
        return answered

    def kill(self):
        self.asked.append("kill")


@pytest.fixture
def play(tmp_path):
    """(Measurement, ...) -> a Replay of them, at once."""

    def record(*measurements):
        write_measurements(tmp_path / "some.zip", measurements)
        return Replay(tmp_path / "some.zip", Live(), faster=1e9)

    return record


def played(task, replay, *configs, **options):
    rounds = measure_rounds(task, configs, Schedule(**{"max_width": 0.001, "budget_s": 9.0} | options), executor=replay)
    return [measurement for measurement, finished in rounds if finished]


def test_a_file_gives_back_what_was_written(tmp_path):
    whole = taken(2.0, energy_j_per_item=0.25)
    failed = taken(1.0, 0, replace(ONE, batch_size=4), failure=Failure("crashed", "of SIGKILL"), scores=None)
    write_measurements(tmp_path / "some.zip", [whole, failed])
    with zipfile.ZipFile(tmp_path / "some.zip") as file:
        back = [read_measurement(file, i, one) for i, one in enumerate(read_labels(tmp_path / "some.zip"))]
    assert [str(one) for one in back] == [str(whole), str(failed)]
    np.testing.assert_array_equal(back[0].samples_ns, whole.samples_ns)
    np.testing.assert_array_equal(back[0].scores, RIGHT)
    assert (back[0].energy_j_per_item, back[0].facts, back[0].slices[3].mhz) == (0.25, whole.facts, 9.0)
    assert (back[1].failure, back[1].scores) == (failed.failure, None)


def test_a_file_keeps_the_fingerprints_of_data_and_score_and_older_files_have_none(tmp_path):
    write_measurements(tmp_path / "some.zip", [taken(2.0, data="0f", scored_by="1e")])
    [label] = read_labels(tmp_path / "some.zip")
    with zipfile.ZipFile(tmp_path / "some.zip") as file:
        back = read_measurement(file, 0, label)
    assert (back.data, back.scored_by) == ("0f", "1e")
    arrays = np.load(io.BytesIO(pack(taken(2.0))))
    older = io.BytesIO()
    np.savez(older, **{name: arrays[name] for name in arrays if name not in ("data", "scored_by")})
    back = unpack(label, older.getvalue())
    assert (back.data, back.scored_by) == ("", "")


def test_it_is_measured_as_it_was_and_each_slice_counts_once(tiny, play):
    [back] = played(tiny, play(taken(2.0)), ONE, max_width=1e-9)
    assert (back.latency_p50_ms, len(back.slices)) == (pytest.approx(2.0, rel=1e-5), 14)
    assert (back.accuracy, back.model_mb) == (RIGHT.mean(), 1.0)


def test_a_second_time_gives_the_second_take_and_then_the_first(tiny, play):
    replay = play(taken(2.0), taken(3.0))
    found = [played(tiny, replay, ONE)[0].latency_p50_ms for _ in range(3)]
    assert found == pytest.approx([2.0, 3.0, 2.0], rel=1e-5)


def test_two_at_once_share_the_slices_of_one_take(tiny, play):
    replay = play(taken(2.0), taken(3.0))
    pair = [measure_rounds(tiny, [ONE], Schedule(1e-9, 9.0), executor=replay) for _ in range(2)]
    parts = [[], []]
    while any(pair):
        for i, rounds in enumerate(pair):
            step = next(rounds, None) if rounds else None
            pair[i] = rounds if step else None
            parts[i] = list(step[0].samples_ns) if step else parts[i]
    assert sorted(set(parts[0]) | set(parts[1])) == [2_000_000 + i for i in range(14)]
    assert not set(parts[0]) & set(parts[1])


def test_what_was_not_recorded_is_unsupported_and_says_so(tiny, play):
    [back] = played(tiny, play(taken(2.0)), replace(ONE, batch_size=2))
    assert (back.status, back.reason) == ("unsupported", NOT_RECORDED.reason)


def test_a_failure_is_played_back_and_an_accuracy_without_times(tiny, play):
    failed, untimed = (replace(ONE, precision=precision) for precision in ("bf16", "w4"))
    refused = Failure("unsupported", "no times of w4")
    replay = play(
        taken(1.0, 0, failed, failure=Failure("out_of_memory", "too large"), scores=None),
        taken(1.0, 0, untimed, failure=refused),
    )
    found = {one.config: one for one in played(tiny, replay, failed, untimed)}
    assert (found[failed].status, found[failed].reason) == ("out_of_memory", "too large")
    assert (found[untimed].status, found[untimed].accuracy) == ("unsupported", RIGHT.mean())


def test_the_layers_are_those_that_ran_on_the_recorded_machine(tiny, play):
    replay = play(taken(2.0))
    ran = [Layer("Conv2d", "int8", 72, "7-bit weights")]
    write_layers(replay._path, "tiny", {ONE.variant: ran})
    engine = Engine(tiny, replay)
    assert engine.request(worker.layers, replace(ONE, batch_size=8)) == ran
    assert engine.request(worker.layers, replace(ONE, precision="bf16")) == NOT_RECORDED


def test_layers_that_were_not_recorded_are_not_looked_up_here(tiny, play):
    replay = play(taken(2.0))
    assert Engine(tiny, replay).request(worker.layers, ONE) == NOT_RECORDED
    assert replay._live.asked == []


def test_what_depends_on_no_machine_is_done_by_the_live_process(play):
    replay = play(taken(2.0))
    assert replay.submit(len, "abc").result() == "live"
    replay.kill()
    assert replay._live.asked == [len, "kill"]


def test_operations_are_counted_here_unless_the_recorded_machine_could_not_run_them(tiny, play):
    int8, lacking = replace(ONE, precision="int8"), Failure("unsupported", "no kernel")
    replay = play(taken(1.0), taken(1.0, 0, int8, failure=lacking, scores=None))
    played(tiny, replay, ONE)
    engine = Engine(tiny, replay)
    assert engine.request(worker.operations, ONE) == "live"
    assert engine.request(worker.operations, int8) == lacking


def test_energy_that_nobody_could_measure_stays_unknown(tiny, play):
    [back] = played(tiny, play(taken(2.0)), ONE)
    assert math.isnan(back.energy_j_per_item)
