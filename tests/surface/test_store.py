"""The store, through `sweep` and on its own: what is resumed, what is invalidated, what is survived."""

import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tradespace.config import Config, grid
from tradespace.measuring.measurement import Facts, Failure, Measurement, Scored, Slice
from tradespace.measuring.schedule import Schedule
from tradespace.surface import sweep as sweep_module
from tradespace.surface.columns import row
from tradespace.surface.confidence import frontier_confidence
from tradespace.surface.objectives import maximize, minimize
from tradespace.surface.store import FORMAT, Store
from tradespace.surface.sweep import sweep
from tradespace.tasks import Score, Task

QUICK = {"max_width": 0.9, "budget_s": 0.02, "progress": False}
PATIENCE_S = 120


def measured(latency_ms=2.0, slices=8, **changes):
    one = Slice(np.full(20, round(latency_ms * 1e6)), 20, round(20 * latency_ms * 1e6), wall_ns=7, mhz=2600.0)
    m = Measurement("t", Config("m", threads=1), (one,) * slices, np.array([True, False]), Facts(1.0, 2.0, 0.1, 0.0))
    return replace(m, machine="this one", measured_at="2026-01-01T00:00:00+00:00", **changes)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "points.sqlite")


@pytest.fixture
def requests(tiny, inline):
    """Run a sweep of `tiny` and count the slices that were measured for it."""

    def run(path, task=tiny, **changes):
        before = inline.slices
        arguments = {"model": "narrow", "threads": 1, "batch_size": [1, 2]} | changes
        surface = sweep(task, grid(task, **arguments), store=path, executor=inline, **QUICK)
        return surface, inline.slices - before

    return run


def test_a_measurement_comes_back_with_its_raw_samples(store):
    m = measured(energy_j_per_item=0.25)
    store.save("key", {"machine": "this one"}, m, 3.0)
    (back,) = store.measurements()
    np.testing.assert_array_equal(back.samples_ns, m.samples_ns)
    np.testing.assert_array_equal(back.scores, m.scores)
    assert row(back).keys() == row(m).keys()
    assert str(row(back)) == str(row(m))
    assert (back.slices[3].mhz, back.facts) == (2600.0, m.facts)


def test_a_failure_comes_back_too_and_is_not_taken_for_a_finished_point(store):
    m = Measurement("t", Config("m", threads=1), failure=Failure("crashed", "it died"))
    store.save("key", {}, m, 3.0)
    (back,) = store.measurements()
    assert (back.status, back.reason) == ("crashed", "it died")
    assert store.find("key", Schedule(0.02, 3.0)) is None


def test_a_point_is_found_if_it_is_as_well_known_as_asked(store):
    wide = measured()
    slices = tuple(replace(s, samples_ns=s.samples_ns + i * 100_000) for i, s in enumerate(wide.slices))
    store.save("key", {}, replace(wide, slices=slices), budget_s=1.0)
    assert store.find("key", Schedule(0.9, 3.0))
    assert store.find("key", Schedule(0.01, 1.0))
    assert store.find("key", Schedule(0.01, 3.0)) is None
    assert store.find("another", Schedule(0.9, 1.0)) is None


def test_a_sweep_measures_no_stored_point_again(tmp_path, requests):
    first, measured_first = requests(tmp_path / "x.sqlite")
    again, measured_again = requests(tmp_path / "x.sqlite")
    assert measured_first > 0
    assert measured_again == 0
    assert first.equals(again)


def test_a_sweep_measures_what_is_missing_and_nothing_else(tmp_path, requests):
    requests(tmp_path / "x.sqlite")
    surface, slices = requests(tmp_path / "x.sqlite", batch_size=[1, 2, 4])
    assert slices > 0
    stored = list(Store(tmp_path / "x.sqlite").measurements())
    assert sorted(m.config.batch_size for m in stored) == [1, 2, 4]
    assert surface["status"].tolist() == ["ok"] * 3


@pytest.mark.parametrize(
    ("name", "value"), [("machine_of", lambda _: "another machine, torch 9.9"), ("LOOP_VERSION", 10**6)]
)
def test_another_machine_torch_or_loop_is_measured_anew_and_the_old_points_stay(
    tmp_path, requests, monkeypatch, name, value
):
    requests(tmp_path / "x.sqlite")
    monkeypatch.setattr(sweep_module, name, value)
    assert requests(tmp_path / "x.sqlite")[1] > 0
    monkeypatch.undo()
    assert requests(tmp_path / "x.sqlite")[1] == 0


def test_a_changed_checkpoint_invalidates_its_own_points_alone(tmp_path, tiny, requests):
    requests(tmp_path / "x.sqlite", model=["narrow", "wide"])

    def load_changed(name):
        model = tiny.load_model(name)
        if name == "wide":
            with torch.no_grad():
                model[0].weight[0] += 1e-3
        return model

    changed = replace(tiny, load_model=load_changed)
    assert requests(tmp_path / "x.sqlite", changed, model="narrow")[1] == 0
    assert requests(tmp_path / "x.sqlite", changed, model="wide")[1] > 0


def scored(inline):
    """The Configs that were scored."""
    return {(c.model, c.precision, c.batch_size) for name, _, c, *_ in inline.requests if name == "score_slice"}


def test_the_score_of_a_model_is_kept_for_all_batch_sizes_and_kernels(tmp_path, requests, inline):
    first, _ = requests(tmp_path / "x.sqlite")
    assert len(scored(inline)) == 1
    inline.requests.clear()
    again, slices = requests(tmp_path / "x.sqlite", batch_size=[4, 8])
    assert slices > 0
    assert scored(inline) == set()
    assert set(again["accuracy"]) == set(first["accuracy"])
    assert set(again["accuracy_n"]) == {30}


def test_the_score_of_another_precision_pruning_or_model_is_its_own(tmp_path, requests, inline):
    requests(tmp_path / "x.sqlite")
    for changes in ({"precision": "bf16"}, {"pruning": "weights-50"}, {"model": "wide"}):
        inline.requests.clear()
        requests(tmp_path / "x.sqlite", batch_size=1, **changes)
        assert len(scored(inline)) == 1


def test_the_score_of_weights_without_a_kernel_is_kept_too(tmp_path, requests, inline):
    first, slices = requests(tmp_path / "x.sqlite", precision="w3", batch_size=1)
    assert (slices, len(scored(inline))) == (0, 1)
    inline.requests.clear()
    again, slices = requests(tmp_path / "x.sqlite", precision="w3", batch_size=1)
    assert (slices, len(scored(inline))) == (0, 0)
    assert again["accuracy"].tolist() == first["accuracy"].tolist()
    assert again["status"].tolist() == ["unsupported"]


def test_a_row_without_a_time_comes_back_with_its_accuracy_and_its_reason(tmp_path, requests):
    surface, _ = requests(tmp_path / "x.sqlite", precision="w3", batch_size=1)
    (back,) = Store(tmp_path / "x.sqlite").measurements()
    assert (back.status, back.reason) == ("unsupported", surface["reason"][0])
    assert back.accuracy == surface["accuracy"][0]
    assert back.samples == 0


def test_changed_weights_or_data_are_scored_anew(tmp_path, tiny, requests, inline):
    requests(tmp_path / "x.sqlite")

    def load_changed(name):
        model = tiny.load_model(name)
        with torch.no_grad():
            model[0].weight[0] += 1e-3
        return model

    def load_relabelled():
        data = tiny.load_data()
        return replace(data, test=(data.test[0], (data.test[1] + 1) % 3))

    for changed in (replace(tiny, load_model=load_changed), replace(tiny, load_data=load_relabelled)):
        inline.requests.clear()
        requests(tmp_path / "x.sqlite", changed, batch_size=4)
        assert len(scored(inline)) == 1


def test_another_version_of_the_runtime_is_measured_and_scored_anew(tmp_path, requests, inline, monkeypatch):
    requests(tmp_path / "x.sqlite")
    monkeypatch.setattr(sweep_module, "versions", lambda config: {"openvino": "9.9"})
    inline.requests.clear()
    assert requests(tmp_path / "x.sqlite")[1] > 0
    assert len(scored(inline)) == 1


def test_a_score_comes_back_item_by_item(store):
    score = Scored(np.array([True, False, False, True, True]), spent_s=1.5)
    store.save_score("key", {"model": "m"}, score)
    back = Store(store.path).find_score("key")
    assert (back.scores.dtype, back.spent_s, back.whole) == (bool, 1.5, False)
    np.testing.assert_array_equal(back.scores, score.scores)
    assert store.find_score("another") is None
    store.save_score("key", {}, Scored(~score.scores, whole=True))
    np.testing.assert_array_equal(store.find_score("key").scores, ~score.scores)


def test_slices_come_back_in_their_order_as_they_were(store):
    m = measured()
    for number in (1, 0):
        store.save_slice("key", number, replace(m.slices[0], items=number, memory_mb=float("nan")))
    store.save_slice("another", 0, m.slices[0])
    first, second = Store(store.path).find_slices("key")
    assert (first.items, second.items, first.mhz, first.wall_ns) == (0, 1, 2600.0, 7)
    assert np.isnan(first.memory_mb)
    np.testing.assert_array_equal(first.samples_ns, m.slices[0].samples_ns)
    assert store.find_slices("unknown") == ()


def test_a_finished_point_takes_the_place_of_its_slices_and_is_gone_on_with(store):
    m = measured(slices=3)
    for number, one in enumerate(m.slices):
        store.save_slice("key", number, one)
    store.save("key", {}, m, 1.0)
    assert len(store.find_slices("key")) == 3
    store.save_slice("key", 3, m.slices[0])
    assert len(store.find_slices("key")) == 4


def test_a_file_that_a_newer_release_wrote_is_refused_by_its_name(store, requests):
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = store.path.read_bytes()
    message = rf"store: .*points\.sqlite was written by a newer release \(format {FORMAT + 1}; .* up to {FORMAT}\)"
    with pytest.raises(ValueError, match=message):
        requests(store.path)
    assert store.path.read_bytes() == before


def test_a_file_of_an_older_format_opens_with_all_its_points(tmp_path, store):
    store.save("key", {"machine": "this one"}, measured(), 3.0)
    with sqlite3.connect(store.path) as connection:
        connection.executescript("DROP TABLE score; DROP TABLE slice; PRAGMA user_version = 0")
        connection.execute("CREATE TABLE score (key TEXT PRIMARY KEY, identity TEXT NOT NULL, correct BLOB NOT NULL)")
    older = Store(store.path)
    assert [m.latency_p50_ms for m in older.measurements()] == [2.0]
    assert older.find("key", Schedule(0.9, 3.0))
    assert older.find_score("key") is None
    older.save_score("key", {}, Scored(np.array([True])))
    assert older.find_score("key").scores.tolist() == [True]
    assert older.find_slices("another") == ()


def test_a_damaged_file_is_moved_aside_with_a_word_of_where_and_work_goes_on(tmp_path, requests):
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"and nothing that follows" * 100)
    with pytest.warns(
        UserWarning, match=r"x\.sqlite is damaged .* moved to (.*damaged-\d+T\d+), and a new one is started"
    ) as seen:
        _, slices = requests(path)
    assert slices > 0
    aside = re.search(r"moved to (\S+),", str(seen[0].message))[1]
    assert Path(aside).read_bytes().startswith(b"SQLite format 3\0and nothing")
    assert requests(path)[1] == 0


def test_a_file_damaged_in_the_middle_is_noticed(tmp_path, store):
    for i in range(50):
        store.save(f"key {i}", {}, measured(), 1.0)
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(store.path.read_bytes())
    content[4096:20_480] = b"\xff" * 16_384
    store.path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"):
        assert list(Store(store.path).measurements()) == []


def test_a_folder_that_is_not_there_is_made_and_a_tilde_is_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store("~/some/where/x.sqlite").path == tmp_path / "some" / "where" / "x.sqlite"
    assert (tmp_path / "some" / "where" / "x.sqlite").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((".", "wanted a file; got the folder .*Did you mean '.*points.sqlite'"), ("notes.txt", "of another kind")),
        *(
            ("notes.txt/x.sqlite", "wanted a file that can be written"),
            ("x" * 300, "wanted a file that can be written"),
        ),
    ],
)
def test_what_cannot_be_a_store_is_refused_by_name_before_any_work(tmp_path, tiny, inline, name, message):
    (tmp_path / "notes.txt").write_text("model,accuracy\n")
    with pytest.raises(ValueError, match=rf"^store: .*{message}"):
        sweep(tiny, grid(tiny, threads=1), store=f"{tmp_path}/{name}", executor=inline, **QUICK)
    assert inline.requests == []
    assert (tmp_path / "notes.txt").read_text() == "model,accuracy\n"


@pytest.mark.parametrize("path", ["", " ", ":memory:", 5, "~"])
def test_what_names_no_file_is_no_store(path):
    with pytest.raises(ValueError, match=r"^store: wanted .*; got "):
        Store(path)


def test_many_writers_at_once_lose_nothing(store):
    def write(i):
        Store(store.path).save(f"key {i}", {}, measured(latency_ms=1 + i), 1.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert sorted(m.latency_p50_ms for m in store.measurements()) == [1.0 + i for i in range(40)]


KERNEL = """
import torch
import tradespace as ts

torch.manual_seed(0)
task = ts.Task.from_model(torch.nn.Linear(4, 2), example=torch.zeros(1, 4), name="killed")
ts.sweep(task, ts.grid(task, threads=1, batch_size=range(1, 13)), store=path, max_width=0.9, budget_s=0.05,
         progress=False)
"""


def test_two_kernels_at_once_one_of_them_killed_and_the_next_measures_only_what_is_left(tmp_path):
    path = str(tmp_path / "x.sqlite")

    def kernel():
        return subprocess.Popen([sys.executable, "-c", f"path = {path!r}\n{KERNEL}"])

    victim = kernel()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and count(path) < 3:
        time.sleep(0.02)
    orphans = psutil.Process(victim.pid).children(recursive=True)
    victim.kill()
    victim.wait()
    before = {m.config.batch_size: m.measured_at for m in Store(path).measurements()}
    assert len(before) >= 3

    other = kernel()
    # This process is as good a kernel.
    exec(KERNEL, {"path": path})
    assert other.wait(PATIENCE_S) == 0
    after = {m.config.batch_size: m.measured_at for m in Store(path).measurements()}
    assert sorted(after) == list(range(1, 13))
    assert {batch: after[batch] for batch in before} == before
    _, alive = psutil.wait_procs(orphans, timeout=PATIENCE_S)
    assert alive == []


def count(path):
    try:
        with sqlite3.connect(path) as connection:
            return connection.execute("SELECT COUNT(*) FROM point").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_raw_data_of_older_weights_stays_in_the_store_and_is_not_taken_for_that_of_the_new(tiny, requests, tmp_path):
    path = tmp_path / "points.sqlite"
    module = tiny.load_model("narrow")
    tasks = []
    for sign in (1, -1):
        with torch.no_grad():
            module[-1].weight.mul_(sign)
        tasks.append(Task.from_model({"narrow": module}, example=tiny.example, test=tiny.test, name="tiny"))
    before, taken = requests(path, tasks[0])
    after, taken_again = requests(path, tasks[1])
    assert min(taken, taken_again) > 0
    old, new = (list(Store(path).measurements())[part] for part in (slice(2), slice(2, None)))
    assert sorted(m.latency_p50_ms for m in old) == sorted(before["latency_p50_ms"])
    goals = minimize("latency_p50_ms"), maximize("accuracy")
    own = frontier_confidence(after, goals, measurements=new, draws=50)
    assert frontier_confidence(after, goals, measurements=[*old, *new], draws=50).equals(own)
    assert frontier_confidence(after, goals, measurements=[*new, *old], draws=50).equals(own)
    alone = frontier_confidence(after, goals, draws=50)
    assert frontier_confidence(after, goals, measurements=old, draws=50).equals(alone)


def test_a_point_is_measured_again_if_the_score_or_the_forward_is_another(tiny, requests, tmp_path):
    class Other(type(tiny.load_model("narrow"))):
        def forward(self, x):
            return -super().forward(x)

    path = tmp_path / "points.sqlite"
    first, _ = requests(path)
    negative = Other(*tiny.load_model("narrow")).eval()
    task = Task.from_model({"narrow": negative}, example=tiny.example, test=tiny.test, name="tiny")
    assert requests(path, task)[1] > 0
    wrong = replace(tiny, score=Score(lambda outputs, labels: outputs.argmax(1) != labels))
    surface, taken = requests(path, wrong)
    assert taken > 0
    assert surface["accuracy"].tolist() == pytest.approx((1 - first["accuracy"]).tolist())
    assert requests(path)[1] == 0
