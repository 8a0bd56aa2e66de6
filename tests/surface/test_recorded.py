"""The surfaces that ship: whole, of one machine, and what the workbook says of them holds."""

import re

import pandas as pd
import pytest
from tradespace.config import grid
from tradespace.surface.columns import COLUMNS, configs_of, load_surface, save_surface
from tradespace.surface.frontier import pareto
from tradespace.surface.objectives import OBJECTIVES
from tradespace.surface.recorded import FOLDER, list_recorded, load_recorded
from tradespace.tasks import list_tasks, load_task

MOST_MB = 60
# The name of a processor, what it can compute with, and how many cores it has.
MACHINE = re.compile(r"\S.* \(.*\b(AVX2|AVX-512|NEON)\b.*\), \d+ cores? \(\d+ threads?\), ")
every = pytest.mark.parametrize("name", list_recorded())


def task_of(name):
    return name.removesuffix("-avx2")


def test_there_is_one_of_each_kind_of_task():
    assert {"fashion", "glosses"} <= set(list_recorded())
    assert {task_of(name) for name in list_recorded()} <= set(list_tasks())


@every
def test_it_is_a_surface_of_one_task_and_one_machine(name):
    surface = load_recorded(name)
    assert tuple(surface.columns) == COLUMNS
    assert surface["task"].unique().tolist() == [task_of(name)]
    assert len(surface["machine"].unique()) == 1
    assert not surface.duplicated(["task", "model", "pruning", "precision", "runtime", "threads", "batch_size"]).any()


@every
def test_its_machine_names_the_instructions_of_the_processor(name):
    assert MACHINE.match(load_recorded(name)["machine"][0])


def test_a_surface_from_before_machines_named_their_instructions_still_loads(tmp_path):
    new = load_recorded("glosses").head(3)
    older = new.assign(machine="AMD EPYC, 2 cores (2 threads), 24 GiB, Linux, torch 2.13.0+cpu")
    save_surface(older, tmp_path / "older.csv")
    assert load_surface(tmp_path / "older.csv").equals(older)
    with pytest.raises(ValueError, match="machine"):
        pareto(pd.concat([new, older], ignore_index=True), OBJECTIVES)


@every
def test_every_axis_is_in_it(name):
    surface = load_recorded(name)
    timed = surface[surface["status"] == "ok"]
    models = sorted(set(timed["model"]))
    assert 4 <= len(models) <= len(load_task(task_of(name)).models)
    assert {"none", "channels-50"} <= set(timed["pruning"])
    assert {"eager", "onnxruntime", "openvino"} <= set(timed["runtime"])
    assert {"fp32", "bf16", "int8"} <= set(timed["precision"])
    assert {1, 64} <= set(timed["batch_size"])
    assert timed["threads"].nunique() == 2
    knobs = {"runtime": "openvino", "precision": ["fp32", "int8"], "threads": [1, 2], "batch_size": [1, 4, 16, 64]}
    asked = set(grid(load_task(task_of(name)), model=models, **knobs))
    assert not asked - set(configs_of(surface))


@every
def test_each_row_has_numbers_or_a_reason(name):
    surface = load_recorded(name)
    timed = surface["status"] == "ok"
    assert (surface.loc[timed, ["latency_p50_ms", "throughput_per_s", "samples"]] > 0).all(axis=None)
    assert surface.loc[timed, "accuracy"].between(0, 1).all()
    assert (surface.loc[~timed, "reason"] != "").all()


@every
def test_its_frontier_is_a_small_part_of_it(name):
    surface = load_recorded(name)
    assert 10 < len(pareto(surface, OBJECTIVES)) < len(surface) / 4


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"^name: wanted one of .*; got 'fasion'\. Did you mean 'fashion'\?"):
        load_recorded("fasion")


def test_they_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_MB * 1e6
