import math
import pickle
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
from tradespace import config
from tradespace.config import Config, check, grid, most_threads, physical_cores

TASK = SimpleNamespace(models=("resnet4", "resnet16"))


@pytest.fixture
def four_threads(monkeypatch):
    monkeypatch.setattr(config, "most_threads", lambda: 4)


def test_a_config_names_a_model_and_leaves_the_rest_ordinary():
    assert Config("m") == Config("m", "none", "fp32", "eager", "cpu", physical_cores(), 1)


def test_a_machine_has_no_more_physical_cores_than_threads():
    assert 1 <= physical_cores() <= most_threads()


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """(/proc/self/cgroup, or None where there is none; file of a control group -> content) of a machine."""

    def have(own, files):
        monkeypatch.setattr(config, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(config, "OWN_CGROUPS", tmp_path / "own")
        if own is not None:
            (tmp_path / "own").write_text(own)
        for name, content in files.items():
            (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cgroup" / name).write_text(content)

    return have


V1 = "3:cpuset:/\n2:cpuacct,cpu:/docker/f00d\n1:name=systemd:/\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        (None, {}, math.inf),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/../..\n", {"cpu.max": "50000 100000\n"}, 0.5),
        (None, {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/user.slice/lab.scope\n", {"user.slice/cpu.max": "300000 100000", "cpu.max": "max 100000"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "200000 100000", "c/cpu.max": "1 100000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        (V1, {"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.25),
        (V1, {"cpu/docker/f00d/cpu.cfs_quota_us": "200000", "cpu/docker/f00d/cpu.cfs_period_us": "100000"}, 2),
        (V1, {"cpu/docker/f00d/cpu.cfs_quota_us": "200000"}, math.inf),
        ("0::/\n", {"cpu.max": ""}, math.inf),
    ],
)
def test_the_quota_is_the_smallest_of_the_control_groups_that_this_process_is_in(cgroups, own, files, cores):
    cgroups(own, files)
    assert config.quota() == cores


def test_control_groups_that_may_not_be_read_set_no_known_limit(cgroups, tmp_path):
    cgroups(None, {"cpu.max/is a folder": ""})
    (tmp_path / "own").mkdir()
    assert config.quota() == math.inf


@pytest.mark.parametrize(
    ("quota", "threads", "physical"),
    [(0.5, 1, 1), (1.0, 1, 1), (2.5, 3, 3), (6.0, 6, 4), (64.0, 8, 4), (math.inf, 8, 4)],
)
def test_a_quota_allows_as_many_threads_as_it_keeps_busy_and_at_least_one(monkeypatch, quota, threads, physical):
    monkeypatch.setattr(config.loky, "cpu_count", lambda only_physical_cores=False: 4 if only_physical_cores else 8)
    monkeypatch.setattr(config, "quota", lambda: quota)
    assert (most_threads.__wrapped__(), physical_cores.__wrapped__()) == (threads, physical)
    assert type(most_threads.__wrapped__()) is int


def test_a_machine_of_one_core_has_a_grid_of_one_thread(monkeypatch):
    monkeypatch.setattr(config, "most_threads", lambda: 1)
    monkeypatch.setattr(config, "physical_cores", lambda: 1)
    assert {c.threads for c in grid(TASK)} == {1}
    with pytest.raises(ValueError, match=r"^threads: .*on this machine; got 2\. The nearest valid choice is 1$"):
        grid(TASK, threads=2)


@pytest.mark.parametrize("knob", ["batch_size", "threads"])
@pytest.mark.parametrize("value", [1.5, "8", True, math.nan, None, [1, 2]])
def test_a_count_must_be_a_whole_number(knob, value):
    with pytest.raises(ValueError, match=rf"^{knob}: wanted a whole number, at least 1; got "):
        Config("m", **{knob: value})


@pytest.mark.parametrize("knob", ["batch_size", "threads"])
@pytest.mark.parametrize("value", [0, -4])
def test_a_count_starts_at_one(knob, value):
    with pytest.raises(ValueError, match=rf"^{knob}: .* got {value}\. The nearest valid choice is 1$"):
        Config("m", **{knob: value})


@pytest.mark.parametrize(
    ("knob", "value", "some_valid", "nearest"),
    [
        ("precision", "int9", "fp32, bf16, fp16, int8", "int8"),
        ("precision", "fp-32", "fp32, bf16, fp16, int8", "fp32"),
        ("runtime", "openvine", "eager, fused, compile, onnxruntime, openvino", "openvino"),
        ("device", "cuda:0", "cpu, cuda, mps", "cuda"),
        ("pruning", "chanels-50", "none, channels-25, channels-50", "channels-50"),
    ],
)
def test_a_misspelt_knob_is_answered_with_the_valid_values_and_the_nearest(knob, value, some_valid, nearest):
    with pytest.raises(
        ValueError, match=rf"^{knob}: wanted one of {some_valid}.*got '{value}'\. Did you mean '{nearest}'\?$"
    ):
        Config("m", **{knob: value})


@pytest.mark.parametrize("knob", ["precision", "runtime", "device", "pruning"])
def test_a_knob_that_is_no_name_is_refused(knob):
    with pytest.raises(ValueError, match=rf"^{knob}: wanted one of .*; got 8"):
        Config("m", **{knob: 8})


def test_numpy_integers_make_an_equal_config_of_plain_integers():
    ours, plain = Config("m", threads=np.int64(2), batch_size=np.uint8(8)), Config("m", threads=2, batch_size=8)
    assert ours == plain
    assert hash(ours) == hash(plain)
    assert type(ours.threads) is int
    assert type(ours.batch_size) is int


def test_equal_configs_are_one_member_of_a_set_and_other_knobs_make_another():
    point = Config("m", threads=1)
    others = [
        replace(point, **knob)
        for knob in (
            *({"model": "n"}, {"pruning": "weights-50"}, {"precision": "int8"}, {"runtime": "openvino"}),
            *({"device": "cuda"}, {"threads": 2}, {"batch_size": 2}),
        )
    ]
    assert len({point, Config("m", threads=1), *others}) == 1 + len(others)


def test_a_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Config("m").batch_size = 2


def test_a_replaced_knob_is_checked_too():
    with pytest.raises(ValueError, match=r"^batch_size: "):
        replace(Config("m"), batch_size=0)


def test_a_config_survives_pickling():
    point = Config("m", "weights-50", "bf16", "openvino", "cpu", 3, 4)
    assert pickle.loads(pickle.dumps(point)) == point


@pytest.mark.parametrize(
    ("knobs", "shown"),
    [
        ({}, "Config('m', fp32, eager, cpu, threads=1, batch_size=1)"),
        ({"pruning": "channels-50"}, "Config('m', channels-50, fp32, eager, cpu, threads=1, batch_size=1)"),
    ],
)
def test_a_config_shows_its_knobs_and_pruning_only_where_there_is_some(knobs, shown):
    assert repr(Config("m", threads=1, **knobs)) == shown


def test_a_grid_is_every_combination_the_last_knob_changing_fastest():
    configs = grid(TASK, model=["resnet16", "resnet4"], precision=["int8", "fp32"], threads=1, batch_size=[8, 1])
    assert [(c.model, c.precision, c.batch_size) for c in configs] == [
        *(("resnet16", "int8", 8), ("resnet16", "int8", 1), ("resnet16", "fp32", 8), ("resnet16", "fp32", 1)),
        *(("resnet4", "int8", 8), ("resnet4", "int8", 1), ("resnet4", "fp32", 8), ("resnet4", "fp32", 1)),
    ]


def test_a_grid_without_knobs_is_every_model_at_its_most_ordinary():
    assert grid(TASK) == [Config("resnet4"), Config("resnet16")]


def test_every_knob_of_a_grid_reaches_its_config():
    [only] = grid(
        TASK, model="resnet4", pruning="weights-90", precision="w4", runtime="openvino", device="mps",
        threads=1, batch_size=3,
    )  # fmt: skip
    assert only == Config("resnet4", "weights-90", "w4", "openvino", "mps", 1, 3)


@pytest.mark.parametrize("batches", [[1, 8], (1, 8), np.array([1, 8]), (b for b in (1, 8)), {1: "a", 8: "b"}])
def test_a_knob_takes_its_values_from_anything_that_has_several(batches):
    configs = grid(TASK, model="resnet4", threads=1, batch_size=batches)
    assert configs == [Config("resnet4", threads=1, batch_size=1), Config("resnet4", threads=1, batch_size=8)]


@pytest.mark.parametrize("knob", ["model", "pruning", "precision", "runtime", "device", "threads", "batch_size"])
def test_a_knob_without_values_is_refused_by_name(knob):
    with pytest.raises(ValueError, match=rf"^{knob}: wanted at least one value; got none"):
        grid(TASK, **{knob: []})


def test_a_grid_refuses_a_model_the_task_lacks():
    with pytest.raises(
        ValueError, match=r"^model: wanted one of resnet4, resnet16; got 'resnet_16'. Did you mean 'resnet16'\?$"
    ):
        grid(TASK, model=["resnet4", "resnet_16"])


def test_a_grid_refuses_one_bad_value_among_good_ones():
    with pytest.raises(ValueError, match=r"^batch_size: .* got 0"):
        grid(TASK, batch_size=[1, 0])


@pytest.mark.usefixtures("four_threads")
def test_threads_go_up_to_those_of_the_machine():
    assert [c.threads for c in grid(TASK, model="resnet4", threads=[1, 4])] == [1, 4]
    with pytest.raises(
        ValueError,
        match=r"^threads: wanted a whole number, from 1 to 4 on this machine; got 5\. The nearest valid choice is 4$",
    ):
        grid(TASK, threads=[1, 5])


def test_a_grid_refuses_more_threads_than_this_machine_really_has():
    with pytest.raises(ValueError, match=f"^threads: .* The nearest valid choice is {most_threads()}$"):
        grid(TASK, threads=most_threads() + 1)


@pytest.mark.usefixtures("four_threads")
def test_a_config_of_a_larger_machine_can_be_written_down_but_not_run_here():
    larger = Config("resnet4", threads=64)
    with pytest.raises(ValueError, match=r"^threads: .* from 1 to 4 on this machine; got 64"):
        check(TASK, [larger])


def test_checked_configs_come_back_in_order_from_any_iterable():
    points = [Config("resnet16"), Config("resnet4"), Config("resnet16")]
    assert check(TASK, iter(points)) == points


def test_no_configs_at_all_are_refused():
    with pytest.raises(ValueError, match=r"^configs: wanted at least one Config; got none$"):
        check(TASK, [])


@pytest.mark.parametrize("configs", [["resnet4"], [Config("resnet4"), None], "resnet4", Config("resnet4")])
def test_what_is_no_list_of_configs_is_refused(configs):
    with pytest.raises(ValueError, match=r"^configs: wanted .*Config"):
        check(TASK, configs)
