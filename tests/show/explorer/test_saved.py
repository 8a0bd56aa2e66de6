"""What a saved page looks up is what the Explorer shows."""

import json
import math
import os
import random
import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import pandas as pd
import pytest
import tradespace as ts
from tradespace.config import KNOBS, Config
from tradespace.scale import Scale
from tradespace.show.explorer import explorer as module
from tradespace.show.explorer import settings
from tradespace.show.explorer.lookup import FIXED, foretold, saved
from tradespace.show.explorer.rows import Rows
from tradespace.show.explorer.state import HERE, State
from tradespace.surface.columns import configs_of, table

WIDGETS = Path(__file__).parents[3] / "widgets"
LOOK = """
import { readFileSync } from "node:fs";
import { csvOf } from "./tradespace/show/common/pure/csv.js";
import { shown, tableOf } from "./tradespace/show/common/pure/lookup.js";
const { data, moves } = JSON.parse(readFileSync(0, "utf8")), table = tableOf(data);
const seen = moves.map((places) => shown(table, places));
process.stdout.write(JSON.stringify({ seen, csv: csvOf(table.surface) }));
"""
HOSTILE = "</script><img src=x onerror=alert(1)>, 1"
MOVES = 80


def look_up(data, moves):
    """What a page of `data` shows at each of the places of its controls, and its table."""
    node = shutil.which("node")
    if node is None and os.environ.get("CI") == "true":
        pytest.fail("no Node on the PATH")
    if node is None:
        pytest.skip("no Node on the PATH")
    asked = json.dumps({"data": data, "moves": moves})
    command = [node, "--input-type=module", "--eval", LOOK]
    run = subprocess.run(command, cwd=WIDGETS, input=asked, capture_output=True, text=True, encoding="utf-8")
    assert not run.stderr
    return json.loads(run.stdout)


def held(path):
    """The data of a page that was saved."""
    page = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def traits(explorer):
    """What the widgets of an Explorer show, as the browser gets it."""
    shown = {
        "landscape": {"data": explorer.landscape.data, "state": explorer.landscape.state},
        "tiles": {name: getattr(explorer.tiles, name) for name in ("tiles", "here", "flags", "sentence")},
        "batch-curve": {"state": explorer.batch_curve.state},
        "tradeoff": {"state": explorer.tradeoff.state, "label": explorer.tradeoff.label},
    }
    return json.loads(json.dumps(deepcopy(shown)))


def random_moves(options, surface, number):
    """Places of all controls: half of them rows, the others anywhere; with few limits."""
    draw, moves = random.Random(0), []
    rows = configs_of(surface)
    for _ in range(number):
        move = {name: draw.choice(some) for name, some in options.items()}
        for name in ("max_latency_ms", "min_accuracy", "min_throughput_per_s", "max_cost"):
            move[name] = move[name] if draw.random() < 0.4 else None
        if draw.random() < 0.7:
            row = draw.choice(rows)
            move |= {knob: getattr(row, knob) for knob in KNOBS}
        moves.append(move)
    return moves


def agree(explorer, path):
    """Save an Explorer, move it and its page about, and compare what they show."""
    explorer.save(path)
    data, surface = held(path), explorer._session.rows.surface
    moves = random_moves(data["options"], surface, MOVES)
    places = [{name: data["options"][name].index(value) for name, value in move.items()} for move in moves]
    looked_up = look_up(data, places)
    measured = 0
    for move, page in zip(moves, looked_up["seen"], strict=True):
        explorer.controls.move(**move)
        live = traits(explorer)
        assert page["landscape"]["data"] == live["landscape"]["data"]
        state, best = live["tradeoff"]["state"], live["tradeoff"]["label"].split("\n")[-1]
        for name in ("lines", "current", "choice", "feasible", "throughput_frontier", "accuracy_frontier", "pins"):
            assert page["tradeoff"]["state"][name] == state[name], (move, name)
        for name in ("latency", "max_latency_ms", "min_throughput_per_s", "min_accuracy"):
            assert page["tradeoff"]["state"][name] == state[name], (move, name)
        assert page["tiles"]["sentence"].split("\n")[-1] == page["tradeoff"]["label"].split("\n")[-1] == best
        curve = live["batch-curve"]["state"] | {"predicted": False}
        assert {name: page["batch-curve"]["state"][name] for name in curve} == curve
        assert page["landscape"]["state"]["choice"] == live["landscape"]["state"]["choice"]
        assert page["landscape"]["state"]["limits"] == live["landscape"]["state"]["limits"]
        if explorer._session.rows.number(explorer.selection) is None:
            assert "not among the recorded points" in page["tiles"]["here"]
            assert {tile["value"] for tile in page["tiles"]["tiles"]} == {"?"}
            assert page["landscape"]["state"]["current"] is page["tradeoff"]["state"]["predicted"] is None
            continue
        measured += 1
        assert page["tiles"] | {"sentence": ""} == live["tiles"] | {"sentence": ""}
        assert page["tradeoff"]["label"] == live["tradeoff"]["label"]
        assert page["landscape"]["state"] == live["landscape"]["state"]
    assert MOVES / 4 < measured < MOVES
    return looked_up


@pytest.mark.parametrize("name", ["fashion", "glosses"])
def test_what_is_shown_before_the_kernel_answers_is_what_it_answers(name):
    recorded = ts.load_recorded(name)
    # Every other row: what is between them is predicted.
    explorer = ts.Explorer(ts.load_task(name), recorded[::2], state="price_per_hour=3&items=5e4&watts=250")
    explorer.pin()
    state, score = explorer._session.state, explorer._session.task.score.scale
    parts = foretold(explorer._session.rows, state, explorer._session.groups, score)
    data = json.loads(json.dumps(dict(item for part in parts for item in part.items()), allow_nan=False))
    data["texts"] = explorer.tradeoff.data["text"]
    options = {name: some for name, some in data["options"].items() if name != "latency"}
    moves = random_moves(options, recorded, MOVES)
    places = [{name: options[name].index(value) for name, value in move.items()} for move in moves]
    places = [place | {"latency": data["values"]["latency"]} for place in places]
    predicted = 0
    for move, ahead in zip(moves, look_up(data, places)["seen"], strict=True):
        explorer.controls.move(**move)
        live = traits(explorer)
        for chart in ("tradeoff", "batch-curve", "landscape"):
            state = live[chart]["state"]
            assert {name: ahead[chart]["state"].get(name, value) for name, value in state.items()} == state, (
                move,
                chart,
            )
        for part in ("tiles", "here", "flags"):
            assert ahead["tiles"][part] == live["tiles"][part], move
        predicted += live["tradeoff"]["state"]["predicted"] is not None
    assert MOVES / 10 < predicted < MOVES


@pytest.mark.parametrize("name", ["fashion", "glosses"])
def test_a_page_shows_what_the_explorer_shows(name, tmp_path):
    recorded = ts.load_recorded(name)
    explorer = ts.Explorer(ts.load_task(name), state="price_per_hour=3&items=5e4&watts=250")
    explorer.pin()
    explorer.controls.move(batch_size=8)
    explorer.pin()
    csv = agree(explorer, tmp_path / "explorer.html")["csv"]
    (tmp_path / "surface.csv").write_text(csv, encoding="utf-8")
    pd.testing.assert_frame_equal(ts.load_surface(tmp_path / "surface.csv"), recorded)
    explorer.close()


def page_of(task, surface, score=None, **changes):
    """The data of a page on what was measured here."""
    start = configs_of(surface)[0]
    state = State("toy", HERE, start, **changes)
    return saved(Rows(surface), state, settings.groups(task, surface, start), score or Scale())


def test_a_page_has_the_controls_that_look_something_up(task, surface):
    data = page_of(task, surface)
    names = {control["name"] for group in data["groups"] for control in group["controls"]}
    assert not names & {*FIXED, "price_per_hour", "sensing_range_m", "items"}
    assert data["options"]["latency"] == ("latency_p50_ms",)
    assert {"throughput", "latency", "accuracy", "cost"} <= set(data["options"]["objective"])
    assert "energy_delay" not in data["options"]["objective"]
    begin = {name: data["options"][name][place] for name, place in data["values"].items()}
    assert Config(*(begin[knob] for knob in KNOBS)) == configs_of(surface)[0]


def test_what_was_chosen_is_kept_though_no_point_has_it(task, surface):
    data = page_of(task, surface, objective="energy_delay", latency="latency_p99_ms", max_latency_ms=1.0)
    assert data["options"]["latency"] == ("latency_p50_ms", "latency_p99_ms")
    assert "energy_delay" in data["options"]["objective"]


def test_a_page_without_a_measured_point_is_refused(task, surface):
    with pytest.raises(ValueError, match=r"^save: wanted at least one measured point; got none$"):
        page_of(task, surface[-1:].reset_index(drop=True))


@pytest.mark.parametrize("name", ["explorer.png", "none/explorer.html"])
def test_a_path_that_cannot_be_is_refused_before_any_work(tmp_path, task, surface, monkeypatch, name):
    explorer = ts.Explorer(task, surface)
    monkeypatch.setattr(module, "saved", None)
    with pytest.raises((ValueError, FileNotFoundError), match=r"^path: wanted a file"):
        explorer.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    explorer.close()


def test_options_that_no_row_has_or_that_failed_say_so(task, surface):
    surface = surface.assign(accuracy=surface["accuracy"].where(surface["status"] == "ok"))
    data = page_of(task, surface) | {"texts": [""] * len(surface)}
    [seen] = look_up(data, [data["values"]])["seen"]
    disabled, options = seen["controls"]["disabled"], data["options"]
    assert disabled["model"] == {}
    why = {options["precision"][int(place)]: reason for place, reason in disabled["precision"].items()}
    assert why["int8"] == "no calibration inputs"
    assert why["fp16"] == "not among the measured points"
    assert not {"fp32", "bf16"} & set(why)
    assert {options["batch_size"][int(place)] for place in disabled["batch_size"]} == {2, 4, 16, 32, 128, 256}


def test_of_several_rows_of_one_config_the_last_that_ran_is_current(task, surface):
    first = surface.iloc[0].to_dict()
    again = table([*surface.to_dict("records"), first | {"latency_p50_ms": 1.2}, first | {"status": "crashed"}])
    data = page_of(task, again) | {"texts": [f"{row}\n" for row in range(len(again))]}
    [seen] = look_up(data, [data["values"]])["seen"]
    assert seen["tradeoff"]["state"]["current"] == len(surface)
    assert seen["tiles"]["here"] == f"{len(surface) + 1}: "


def test_a_page_of_2000_rows_is_below_3_mb(tmp_path):
    recorded = ts.load_recorded("fashion").assign(machine="a large one, 64 cores")
    others = recorded.assign(model=recorded["model"] + "-with-a-rather-long-name")
    surface = pd.concat([recorded[:1500], others[:500]], ignore_index=True)
    explorer = ts.Explorer(ts.load_task("fashion"), surface)
    explorer.save(tmp_path / "explorer.html")
    assert len(held(tmp_path / "explorer.html")["texts"]) == 2000
    assert (tmp_path / "explorer.html").stat().st_size < 3e6
    explorer.close()


def test_names_are_text_whatever_they_hold(tmp_path, task, surface):
    named = surface.assign(model=surface["model"].replace("large", HOSTILE), machine=HOSTILE)
    explorer = ts.Explorer(task, named)
    explorer.save(tmp_path / "explorer.html")
    page = (tmp_path / "explorer.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert HOSTILE in held(tmp_path / "explorer.html")["options"]["model"]
    explorer.close()


def test_another_score_has_its_own_words(task, surface):
    gained = surface.assign(score="gain, dB", accuracy=-surface["accuracy"])
    ends = {"accuracy_lo": -surface["accuracy_hi"], "accuracy_hi": -surface["accuracy_lo"]}
    data = page_of(task, gained.assign(**ends), Scale("gain", "dB"), objective="accuracy")
    [limit] = [one for one in data["latencies"]["latency_p50_ms"]["limits"] if one["name"] == "min_accuracy"]
    assert limit["words"][1].startswith("gain at least -")
    assert data["latencies"]["latency_p50_ms"]["goals"]["accuracy"]["words"] == "Highest gain"
    assert all(math.isfinite(one) for one in limit["values"][1:])
