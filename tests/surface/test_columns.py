import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tradespace.config import KNOBS, Config
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.surface import columns
from tradespace.surface.columns import COLUMNS, NUMBERS, WHOLE, WORDS, configs_of, load_surface, row, save_surface

AWKWARD = [
    *("NA", "<img>", "None", "nan", "null", "", "007", "1e5", "True", "a,b", 'say "hi"', "'", " spaced ", "naïve ☃"),
    *("=1+1", "#hash", "two\nlines", "two\r\nlines", "old Mac\rlines", "tab\tbed"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("surface") / "surface.csv"


def test_the_columns_are_the_fixed_ones_in_their_order():
    expected = (
        *("task", "model", "pruning", "precision", "runtime", "device", "threads", "batch_size"),
        *("latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "latency_p90_ms", "latency_p99_ms"),
        *("throughput_per_s", "accuracy", "accuracy_lo", "accuracy_hi", "accuracy_n"),
        *("model_mb", "memory_mb", "energy_j_per_item", "prepare_s", "samples", "noise", "score", "flags"),
        *("status", "reason", "machine", "measured_at"),
    )
    assert expected == COLUMNS


def test_a_row_has_the_knobs_and_statistics_of_its_measurement():
    slices = tuple(Slice(np.array([2e6, 2e6]), items=8, busy_ns=4_000_000) for _ in range(6))
    measurement = Measurement(
        "mine", Config("m", precision="bf16", threads=1, batch_size=4), slices, np.array([True, False]),
        Facts(model_mb=3.5, prepare_s=0.25), machine="this one", measured_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    made = row(measurement)
    assert tuple(made) == COLUMNS
    expected = {
        **{"task": "mine", "model": "m", "precision": "bf16", "threads": 1, "batch_size": 4, "samples": 12},
        **{"latency_p50_ms": 2.0, "latency_p50_lo_ms": 2.0, "throughput_per_s": 2000.0, "accuracy": 0.5},
        **{"accuracy_n": 2, "model_mb": 3.5, "prepare_s": 0.25, "flags": "", "status": "ok", "reason": ""},
        **{"machine": "this one", "measured_at": "2026-01-01T00:00:00+00:00"},
    }
    assert {name: made[name] for name in expected} == expected
    assert math.isnan(made["memory_mb"])


def test_a_row_of_a_failure_says_why_and_has_no_numbers():
    made = row(Measurement("mine", Config("m", threads=1), failure=Failure("crashed", "it died")))
    assert (made["status"], made["reason"], made["samples"], made["accuracy_n"]) == ("crashed", "it died", 0, 0)
    assert all(math.isnan(made[name]) for name in NUMBERS if name not in WHOLE)


def test_a_table_has_fixed_types_whatever_it_holds(surface_of):
    full, empty = surface_of({}, {"latency_p50_ms": 3}), surface_of()
    assert tuple(full.columns) == tuple(empty.columns) == COLUMNS
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()
    assert {str(full[name].dtype) for name in WHOLE} == {"int64"}
    assert {str(full[name].dtype) for name in NUMBERS if name not in WHOLE} == {"float64"}
    assert {str(full[name].dtype) for name in ("task", *KNOBS, *WORDS) if name not in WHOLE} == {"str"}


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("column", ["model", "reason"])
def test_awkward_text_comes_back_exactly(path, surface_of, column, text):
    text = text or "no empty model" if column == "model" else text
    surface = surface_of({column: text}, {column: text})
    save_surface(surface, path)
    assert_frame_equal(load_surface(path), surface, check_exact=True)


@given(values=st.lists(st.floats(), min_size=len(NUMBERS), max_size=3 * len(NUMBERS)))
def test_numbers_come_back_exactly(path, surface_of, values):
    names = [name for name in NUMBERS if name not in WHOLE]
    rows = [values[i : i + len(names)] for i in range(0, len(values) - len(names) + 1, len(names))]
    large = dict.fromkeys(WHOLE, 2**40) | {"status": "failed"}  # of a measured row, not all numbers can be
    surface = surface_of(*[large | dict(zip(names, numbers, strict=True)) for numbers in rows])
    save_surface(surface, path)
    assert_frame_equal(load_surface(path), surface, check_exact=True)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308])
def test_a_column_of_one_number_comes_back_exactly(path, surface_of, number):
    names = [name for name in NUMBERS if name not in WHOLE]
    surface = surface_of(*[{"status": "failed"} | dict.fromkeys(names, number)] * 2)
    save_surface(surface, path)
    assert_frame_equal(load_surface(path), surface, check_exact=True)


def test_empty_flags_and_reasons_stay_empty_and_the_unknown_stays_unknown(path, surface_of):
    surface = surface_of({"flags": "", "reason": "", "latency_p99_ms": math.nan, "accuracy": math.nan})
    save_surface(surface, path)
    back = load_surface(path).loc[0]
    assert (back["flags"], back["reason"]) == ("", "")
    assert math.isnan(back["latency_p99_ms"])
    assert math.isnan(back["accuracy"])


def test_a_surface_without_rows_comes_back_exactly(path, surface_of):
    save_surface(surface_of(), path)
    assert_frame_equal(load_surface(path), surface_of())


def test_a_file_is_written_and_read_under_a_name_that_is_text_too(path, surface_of):
    save_surface(surface_of({}), str(path))
    assert_frame_equal(load_surface(str(path)), surface_of({}))


def test_saving_numbers_the_rows_anew_and_leaves_the_surface_as_it_is(path, surface_of):
    surface = surface_of({"model": "a"}, {"model": "b"}).set_index(pd.Index([5, 5]))
    before = surface.copy(deep=True)
    save_surface(surface, path)
    assert load_surface(path).index.tolist() == [0, 1]
    assert_frame_equal(surface, before)


def test_columns_in_another_order_are_put_back(path, surface_of):
    surface_of({})[list(COLUMNS[::-1])].to_csv(path, index=False)
    assert_frame_equal(load_surface(path), surface_of({}))


def test_a_surface_that_lacks_columns_is_neither_written_nor_read(path, surface_of):
    lacking = surface_of({}).drop(columns=["accuracy", "machine"])
    path.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"^surface: wanted the columns of a surface; it lacks accuracy, machine$"):
        save_surface(lacking, path)
    assert not path.exists()
    lacking.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"surface\.csv: wanted the columns .* it lacks accuracy, machine$"):
        load_surface(path)


@pytest.mark.parametrize(
    ("column", "content"),
    [
        *(("latency_p50_ms", "fast"), ("accuracy", "90 %"), ("batch_size", "many"), ("threads", ""), ("samples", "")),
        *(("threads", "1.5"), ("batch_size", "inf"), ("accuracy_n", "2.5"), ("accuracy", "True")),
    ],
)
def test_what_is_no_number_in_a_column_of_numbers_is_refused(path, surface_of, column, content):
    surface_of({}, {}).astype({column: object}).assign(**{column: content}).to_csv(path, index=False)
    with pytest.raises(ValueError, match=rf"surface\.csv: wanted .*numbers.* in {column}; got .* in row 0$"):
        load_surface(path)


KNOB_VALUES = {
    "model": ["resnet8", "resnet20", ""],
    "pruning": ["none", "channels-50", "channel-50"],
    "precision": ["fp32", "int8", "int9"],
    "runtime": ["eager", "openvino", "tensorrt"],
    "device": ["cpu", "cuda", "tpu"],
    "threads": [1, 2, 0],
    "batch_size": [1, 64, 0],
}


@given(rows=st.lists(st.fixed_dictionaries({name: st.sampled_from(v) for name, v in KNOB_VALUES.items()}), max_size=9))
def test_the_first_row_that_is_no_config_is_refused_in_the_words_of_config(path, surface_of, rows):
    surface = surface_of(*rows)
    surface.to_csv(path, index=False)
    try:
        configs_of(surface)
    except ValueError as refusal:
        with pytest.raises(ValueError, match=f"^{re.escape(str(refusal))}$"):
            load_surface(path)
    else:
        assert_frame_equal(load_surface(path), surface)


def test_rows_that_hold_no_new_value_of_a_knob_make_no_config(path, surface_of, monkeypatch):
    made = []
    monkeypatch.setattr(columns, "Config", lambda *knobs: made.append(knobs))
    surface_of(*({"threads": 1 + i % 2, "batch_size": 1 + i % 5} for i in range(100))).to_csv(path, index=False)
    load_surface(path)
    assert len(made) == 5


def test_a_recorded_surface_needs_no_torch():
    code = (
        "import sys, tradespace as ts\n"
        "ts.load_surface, ts.save_surface, ts.pareto, ts.solve, ts.minimize, ts.at_most, ts.Config, ts.grid\n"
        "import tradespace.surface.predict\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("status", "fine", "status: wanted one of ok, .*got 'fine'"),
        ("precision", "int9", "precision: wanted one of .*got 'int9'. Did you mean 'int8'"),
        ("batch_size", 0, "batch_size: wanted a whole number, at least 1; got 0"),
        ("samples", -1, "wanted a finite number from 0 in samples; got -1 in row 0"),
    ],
)
def test_what_no_sweep_could_have_written_is_refused(path, surface_of, column, value, message):
    surface_of({column: value}).to_csv(path, index=False)
    with pytest.raises(ValueError, match=message):
        load_surface(path)


def test_columns_of_your_own_are_saved_too(path, surface_of):
    surface = surface_of({"latency_p50_ms": 1.0}, {"latency_p50_ms": 2.0}).assign(
        cost_per_million=[1.5, math.nan], wh_is=["assumed", "measured"], seen=[1, 2]
    )
    save_surface(surface, path)
    back = load_surface(path)
    assert_frame_equal(back, surface.astype({"seen": "float64", "wh_is": back["wh_is"].dtype}))
    assert tuple(back.columns) == (*COLUMNS, "cost_per_million", "wh_is", "seen")
