"""Sweeps over a tiny task, each request answered at once in this process."""

import math

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import Tensor, nn
from tradespace.config import Config, grid, most_threads
from tradespace.measuring.machine import machine
from tradespace.prepare import registry
from tradespace.surface import sweep as sweep_module
from tradespace.surface.columns import COLUMNS, NUMBERS, WHOLE, load_surface, save_surface
from tradespace.surface.sweep import sweep
from tradespace.tasks import Task

QUICK = {"max_width": 0.9, "budget_s": 0.02, "progress": False}
NUMBERS_OF_A_FAILURE = [name for name in NUMBERS if name not in WHOLE]


class RefusesBatches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise RuntimeError("one at a time, please")
        return x.flatten(1)


def test_each_config_makes_one_row_in_the_order_given(tiny, inline):
    configs = grid(tiny, model=["wide", "narrow"], precision=["int8", "fp32"], threads=1, batch_size=[4, 1])
    surface = sweep(tiny, configs, executor=inline, **QUICK)
    assert tuple(surface.columns) == COLUMNS
    assert surface.index.tolist() == list(range(8))
    knobs = surface[["model", "precision", "batch_size"]].itertuples(index=False, name=None)
    assert list(knobs) == [(c.model, c.precision, c.batch_size) for c in configs]
    assert set(surface["status"]) == {"ok"}
    assert set(surface["task"]) == {"tiny"}
    assert (surface[["latency_p50_ms", "throughput_per_s", "samples", "model_mb"]] > 0).all(axis=None)


def test_accuracy_is_that_of_the_model_on_the_whole_test_set(tiny, inline):
    inputs, labels = tiny.test
    surface = sweep(tiny, grid(tiny, threads=1, batch_size=[1, 7]), executor=inline, **QUICK)
    with torch.inference_mode():
        right = {name: (tiny.load_model(name)(inputs).argmax(1) == labels).numpy() for name in tiny.models}
    assert surface["accuracy"].tolist() == [right[name].mean() for name in surface["model"]]
    assert surface["accuracy_n"].tolist() == [30] * 4
    assert ((surface["accuracy_lo"] <= surface["accuracy"]) & (surface["accuracy"] <= surface["accuracy_hi"])).all()


def test_without_a_test_set_accuracy_is_unknown(inline):
    task = Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4))
    [measured] = sweep(task, grid(task, threads=1), executor=inline, **QUICK).to_dict("records")
    assert (measured["status"], measured["accuracy_n"]) == ("ok", 0)
    assert all(math.isnan(measured[name]) for name in ("accuracy", "accuracy_lo", "accuracy_hi"))


def test_a_config_given_twice_is_measured_once_where_it_was_first(tiny, inline):
    a, b = Config("wide", threads=1), Config("narrow", threads=1)
    sweep(tiny, [a], executor=inline, **QUICK)  # from here on the worker knows the task, and is asked only once
    inline.requests.clear()
    surface = sweep(tiny, [b, a, b, Config("narrow", threads=np.int64(1))], executor=inline, **QUICK)
    assert surface["model"].tolist() == ["narrow", "wide"]
    assert sorted(config.model for name, _, config, *_ in inline.requests if name == "make_ready") == [
        "narrow",
        "wide",
    ]


def test_configs_may_come_from_any_iterable(tiny, inline):
    configs = (Config(name, threads=1) for name in ("wide", "narrow"))
    assert sweep(tiny, configs, executor=inline, **QUICK)["model"].tolist() == ["wide", "narrow"]


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ({"precision": "fp8"}, "fp8 has kernels for CUDA only, not for cpu"),
        ({"precision": "w4", "runtime": "openvino"}, "runs OpenVINO in fp32, bf16, fp16, int8, not in w4"),
        ({"precision": "bf16", "runtime": "onnxruntime"}, "kernels run fp32, int8, int8-dynamic, not bf16"),
        ({"precision": "int8", "runtime": "compile"}, "torch.compile runs fp32, bf16, fp16 in this release, not int8"),
    ],
)
def test_a_config_that_cannot_run_is_a_row_that_says_why(tiny, inline, knobs, reason):
    configs = [Config("narrow", threads=1, **knobs), Config("narrow", threads=1)]
    surface = sweep(tiny, configs, executor=inline, **QUICK)
    assert surface["status"].tolist() == ["unsupported", "ok"]
    assert reason in surface.loc[0, "reason"]
    assert surface.loc[1, "reason"] == ""
    assert surface.loc[0, NUMBERS_OF_A_FAILURE].isna().all()
    assert (surface.loc[0, ["samples", "accuracy_n"]] == 0).all()


def test_a_runtime_that_is_not_installed_is_a_row_with_the_line_that_installs_it(tiny, inline, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "openvino" else name)
    configs = [Config("narrow", threads=1, runtime=name) for name in ("openvino", "eager")]
    surface = sweep(tiny, configs, executor=inline, **QUICK)
    assert surface["status"].tolist() == ["unsupported", "ok"]
    assert surface.loc[0, "reason"] == "runtime openvino needs openvino: pip install openvino"


def test_weights_of_a_few_bits_are_rows_with_an_accuracy_that_are_never_timed(tiny, inline):
    configs = grid(tiny, model="wide", precision=["w8", "fp32", "w2", "w3-tensor"], threads=1, batch_size=[1, 4])
    rows = sweep(tiny, configs, executor=inline, **QUICK).set_index("precision")
    assert {c.precision for name, _, c, *_ in inline.requests if name == "run_slice"} == {"fp32"}
    for precision in ("w8", "w2", "w3-tensor"):
        own = rows.loc[precision]
        assert own["status"].tolist() == ["unsupported"] * 2
        assert own["reason"].str.contains(f"no {precision} kernel to time", regex=False).all()
        assert own["accuracy"].notna().all()
        assert (own["accuracy_n"] == 30).all()
        assert own[["latency_p50_ms", "latency_p90_ms", "throughput_per_s", "noise", "memory_mb"]].isna().all(axis=None)
        assert (own[["model_mb", "prepare_s"]] > 0).all(axis=None)
    assert rows.loc["fp32", "status"].tolist() == ["ok"] * 2
    assert rows.loc["w8", "model_mb"].max() < rows.loc["fp32", "model_mb"].min()


def test_every_runtime_measures_the_same_model(tiny, inline):
    runs = {"eager": ["fp32", "bf16", "int8", "int8-dynamic"], "onnxruntime": ["fp32", "int8"], "openvino": ["fp32"]}
    configs = [
        Config("wide", precision=precision, runtime=runtime, threads=1, batch_size=batch_size)
        for runtime, precisions in runs.items()
        for precision in precisions
        for batch_size in (1, 3)
    ]
    surface = sweep(tiny, configs, executor=inline, **QUICK)
    assert surface["reason"].tolist() == [""] * len(configs)
    assert set(surface["flags"].str.contains("output_mismatch")) == {False}
    exact = surface["accuracy"][0]
    assert (surface.loc[surface["precision"] == "fp32", "accuracy"] == exact).all()
    assert ((surface["accuracy"] - exact).abs() <= 3 / 30).all()


def test_a_model_that_fails_is_a_row_that_says_why_and_the_others_go_on(inline):
    task = Task.from_model({"frail": RefusesBatches(), "sound": nn.Linear(4, 2)}, example=torch.zeros(1, 4))
    surface = sweep(task, grid(task, threads=1, batch_size=[2, 1]), executor=inline, **QUICK)
    assert surface["status"].tolist() == ["unsupported", "ok", "ok", "ok"]
    assert "this model takes one item at a time" in surface.loc[0, "reason"]
    assert "one at a time, please" in surface.loc[0, "reason"]
    assert math.isnan(surface.loc[0, "latency_p50_ms"])


def test_a_swept_surface_survives_its_file(tiny, inline, tmp_path):
    configs = grid(tiny, model="narrow", precision=["fp32", "w4", "fp8"], threads=1)
    surface = sweep(tiny, configs, executor=inline, **QUICK)
    save_surface(surface, tmp_path / "surface.csv")
    assert_frame_equal(load_surface(tmp_path / "surface.csv"), surface, check_exact=True)


def test_what_another_host_measured_is_of_its_machine_and_not_taken_for_that_of_this_one(
    tiny, inline, elsewhere, tmp_path
):
    configs, store = grid(tiny, model="narrow", threads=1), tmp_path / "points.sqlite"
    for executor, line in [(inline, machine()), (elsewhere, machine() + ", ATEN_CPU_CAPABILITY=default")]:
        assert sweep(tiny, configs, executor=executor, store=store, **QUICK)["machine"].tolist() == [line]
        assert executor.slices > 0
    taken = inline.slices, elsewhere.slices
    sweep(tiny, configs, executor=inline, store=store, **QUICK)
    sweep(tiny, configs, executor=elsewhere, store=store, **QUICK)
    assert (inline.slices, elsewhere.slices) == taken


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False)])
def test_progress_is_drawn_if_asked_for(tiny, inline, capsys, progress, shown):
    sweep(tiny, grid(tiny, threads=1), executor=inline, **QUICK | {"progress": progress})
    assert ("2 of 2 points, in " in capsys.readouterr().err) == shown


def test_estimating_the_time_left_takes_a_hundredth_of_it_and_the_bar_moves_meanwhile(monkeypatch):
    """On a clock that only the work and its estimates advance: of many points, an estimate takes long."""
    now, estimates, shown = [0.0], [], []
    monkeypatch.setattr(sweep_module.Work, "done_s", property(lambda work: now[0]))

    def left_s(work):
        estimates.append(now[0])
        now[0] += 0.1
        return {"timing": 1_000 - now[0]}

    monkeypatch.setattr(sweep_module.Work, "left_s", left_s)
    with sweep_module._Progress(1_000, True, None) as bar:
        while now[0] < 500:
            now[0] += 0.25
            bar._draw()
            shown.append(bar._share)
    assert 0.1 * len(estimates) <= 0.011 * now[0]
    assert len(estimates) > 40
    assert len(set(shown)) > 0.9 * len(shown)
    assert shown == sorted(shown)
    assert shown[-1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "0.1", True, None])
@pytest.mark.parametrize("argument", ["max_width", "budget_s", "score_s"])
def test_a_width_or_budget_must_be_above_zero(tiny, inline, argument, value):
    with pytest.raises(ValueError, match=rf"^{argument}: wanted a .*number above 0; got "):
        sweep(tiny, [Config("narrow", threads=1)], executor=inline, **QUICK | {argument: value})
    assert inline.requests == []


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([], r"^configs: wanted at least one Config; got none$"),
        (["narrow"], r"^configs: wanted Config objects.*got 'narrow'"),
        ([Config("narrow", threads=1), Config("wider", threads=1)], r"^model: .*got 'wider'. Did you mean 'wide'"),
        ([Config("narrow", threads=most_threads() + 1)], rf"^threads: .* from 1 to {most_threads()} on this machine"),
    ],
)
def test_bad_configs_are_refused_before_any_work(tiny, inline, configs, message):
    with pytest.raises(ValueError, match=message):
        sweep(tiny, configs, executor=inline, **QUICK)
    assert inline.requests == []
