"""Surfaces that other tools touched: read right, or refused by name of column and row."""

import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tradespace.config import Config
from tradespace.surface.attainment import attainment
from tradespace.surface.columns import COLUMNS, checked, configs_of, load_surface, save_surface
from tradespace.surface.confidence import frontier_confidence, worth_measuring
from tradespace.surface.derived import with_cost, with_products, with_safe_speed
from tradespace.surface.explain import explain
from tradespace.surface.frontier import pareto
from tradespace.surface.hypervolume import hypervolume
from tradespace.surface.objectives import at_least, maximize, measured, minimize
from tradespace.surface.predict import fit_batches
from tradespace.surface.reading import check_values, floats
from tradespace.surface.recorded import load_recorded
from tradespace.surface.search import predicted
from tradespace.surface.solve import solve

GOALS = minimize("latency_p50_ms"), maximize("throughput_per_s"), maximize("accuracy")
RECORDED = load_recorded("fashion").query("model == 'resnet8'").head(8).reset_index(drop=True)
CONFIG = configs_of(RECORDED)[0]

# Every public question about a surface, with an answer that can be compared.
QUESTIONS = {
    "pareto": lambda f: pareto(f, GOALS)["latency_p50_ms"].astype(float).tolist(),
    "explain": lambda f: repr(explain(solve(f, GOALS[2], [at_least("throughput_per_s", 2000)]))),
    "frontier_confidence": lambda f: frontier_confidence(f, GOALS, draws=20)["verdict"].tolist(),
    "worth_measuring": lambda f: worth_measuring(frontier_confidence(f, GOALS, draws=20)),
    "hypervolume": lambda f: hypervolume(f, GOALS),
    "attainment": lambda f: attainment(f, [1.0], [100.0]).to_numpy().tolist(),
    "predicted": lambda f: predicted(f, [CONFIG])["latency_p50_ms"].tolist(),
    "with_cost": lambda f: with_cost(f, price_per_hour=1)["cost_per_million_hi"].tolist(),
    "with_safe_speed": lambda f: with_safe_speed(f, sensing_range_m=9, braking_m_s2=5)["safe_speed_m_s"].tolist(),
    "with_products": lambda f: with_products(f)["power"].tolist(),
    "fit_batches": lambda f: str(fit_batches(f, CONFIG)),
    "checked": lambda f: checked(f, "surface").reset_index(drop=True).to_csv(),
}
ANSWERS = {name: ask(RECORDED) for name, ask in QUESTIONS.items()}
CHANGED = {
    "nullable": RECORDED.convert_dtypes(),
    "objects": RECORDED.astype(object),
    "categories": RECORDED.astype("category"),
    "decimals": RECORDED.assign(latency_p50_ms=[Decimal(repr(float(ms))) for ms in RECORDED["latency_p50_ms"]]),
    "floats": RECORDED.astype({"threads": float, "batch_size": float}),
    "read by pandas": pd.read_csv(io.StringIO(RECORDED.to_csv(index=False))),
    "an index twice": RECORDED.set_axis([1] * len(RECORDED)),
    "an index of columns": RECORDED.set_index(["model", "batch_size"], drop=False),
    "own columns": RECORDED.assign(note="mine", fits=True),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("change", CHANGED)
def test_what_another_tool_made_of_a_surface_is_read_like_the_surface(change, question):
    before = CHANGED[change].copy(deep=True)
    assert QUESTIONS[question](CHANGED[change]) == ANSWERS[question]
    assert_frame_equal(CHANGED[change], before)


FRACTION, ABOVE_0 = "a fraction from 0 to 1 in accuracy", "a finite number above 0 in "
IMPOSSIBLE = [
    *(("accuracy", -0.1, FRACTION + "; got -0.1"), ("accuracy", np.inf, FRACTION + "; got inf")),
    *(("accuracy", "93.1%", "numbers in accuracy; got '93.1%', which is text,"),),
    *(("accuracy", True, "numbers in accuracy; got True"), ("accuracy", 1j, "numbers in accuracy; got 1j")),
    *(("latency_p50_ms", wrong, f"{ABOVE_0}latency_p50_ms; got {wrong}") for wrong in (-1, 0, np.inf)),
    *(("throughput_per_s", wrong, f"{ABOVE_0}throughput_per_s; got {wrong}") for wrong in (-1, 0)),
    *(("latency_p50_ms", wrong, f"numbers in latency_p50_ms; got '{wrong}', which is text,") for wrong in ("1,5", "1")),
]


@pytest.mark.parametrize("question", ["pareto", "frontier_confidence", "hypervolume", "attainment", "checked"])
@pytest.mark.parametrize(("column", "wrong", "message"), IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_name_of_column_and_row(question, column, wrong, message):
    surface = RECORDED.astype({column: object})
    surface.loc[3, column] = wrong
    with pytest.raises(ValueError, match=rf"wanted {message} in row 3".replace("(", r"\(")):
        QUESTIONS[question](surface)


@pytest.mark.parametrize("question", ["frontier_confidence", "hypervolume", "attainment", "checked", "predicted"])
def test_accuracy_in_per_cent_is_refused_with_what_it_may_mean(question):
    with pytest.raises(ValueError, match=r"a fraction .* in accuracy; got 91\.69 in row 0\. Did you mean 0\.9169"):
        QUESTIONS[question](RECORDED.assign(accuracy=RECORDED["accuracy"] * 100))


def test_where_only_the_order_counts_accuracies_in_per_cent_will_do_unless_some_are_fractions():
    percent = RECORDED.assign(accuracy=RECORDED["accuracy"] * 100)
    assert QUESTIONS["pareto"](percent) == ANSWERS["pareto"]
    percent.loc[3, "accuracy"] /= 100
    with pytest.raises(ValueError, match="a fraction from 0 to 1 in accuracy"):
        QUESTIONS["pareto"](percent)
    with pytest.raises(ValueError, match="a fraction from 0 to 1 in accuracy"):
        solve(RECORDED.assign(accuracy=91.0), GOALS[0], [at_least("accuracy", 0.9)])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"latency_p50_lo_ms": 9e9}, "latency_p50_lo_ms at most latency_p50_ms; got 9e"),
        ({"latency_p50_hi_ms": 1e-9}, "latency_p50_ms at most latency_p50_hi_ms"),
        ({"latency_p90_ms": 1e-9}, "latency_p50_ms at most latency_p90_ms"),
        ({"accuracy_lo": 0.99}, "accuracy_lo at most accuracy; got 0.99 and 0.9169"),
        ({"accuracy_hi": 0.1}, "accuracy at most accuracy_hi"),
    ],
)
def test_a_number_outside_its_own_interval_is_refused(columns, message):
    for question in ("frontier_confidence", "checked"):
        with pytest.raises(ValueError, match=rf"^surface: wanted {message}.* in row 0"):
            QUESTIONS[question](RECORDED.assign(**columns))


def test_numbers_of_rows_that_were_not_measured_do_not_matter():
    failed = RECORDED.assign(status="failed", latency_p50_ms=-1.0, throughput_per_s=0.0, accuracy=99.0)
    both = pd.concat([RECORDED, failed], ignore_index=True)
    for question in ("pareto", "explain", "hypervolume", "attainment", "predicted", "fit_batches"):
        assert QUESTIONS[question](both) == ANSWERS[question]
    assert np.isnan(QUESTIONS["with_safe_speed"](both)[len(RECORDED) :]).all()


@pytest.mark.parametrize("kind", [object, "string", "category"])
def test_a_missing_status_is_not_measured_and_one_that_nobody_writes_is_refused(kind):
    assert measured(pd.DataFrame({"status": pd.Series(["ok", None, "failed"], dtype=kind)})).tolist() == [
        True,
        False,
        False,
    ]
    with pytest.raises(ValueError, match=r"status in row 1: wanted one of ok, .*; got 'OK'\. Did you mean 'ok'"):
        measured(pd.DataFrame({"status": pd.Series(["ok", "OK"], dtype=kind)}))


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_no_table_is_refused(question):
    with pytest.raises(ValueError, match="surface: wanted a DataFrame; got list"):
        QUESTIONS[question]([1])


def test_a_column_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match=r"wanted each column once; got several named accuracy$"):
        QUESTIONS["pareto"](pd.concat([RECORDED, RECORDED[["accuracy"]]], axis=1))


def test_another_score_may_be_any_finite_number():
    surface = pd.DataFrame({"accuracy": [-3.2, 70.0], "score": ["log-likelihood"] * 2, "status": "ok"})
    assert pareto(surface, maximize("accuracy"))["accuracy"].tolist() == [70.0]
    with pytest.raises(ValueError, match=r"a fraction from 0 to 1 in accuracy; got 70 in row 1"):
        check_values(surface.assign(score=["log-likelihood", "accuracy"]), ["accuracy"])


def test_a_column_without_any_value_is_unknown():
    assert np.isnan(floats(pd.DataFrame({"energy_j_per_item": [None, pd.NA]}), "energy_j_per_item")).all()


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> pd.DataFrame:
        (tmp_path / "x.csv").write_bytes(text.encode())
        return load_surface(tmp_path / "x.csv")

    return write


CSV = RECORDED.to_csv(index=False)
HEADER = CSV.splitlines()[0]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + CSV.replace("\n", "\r\n"),
        RECORDED[list(COLUMNS[::-1])].to_csv(index=False),
        RECORDED.to_csv(),
        RECORDED.reset_index().rename(columns={"index": "Unnamed: 0"}).to_csv(),
        RECORDED.astype({"threads": float, "batch_size": float, "samples": float}).to_csv(index=False),
        RECORDED.to_csv(index=False, sep=";"),
        RECORDED.to_csv(index=False, sep="\t"),
        CSV.replace(HEADER, HEADER.upper()),
        CSV.replace(HEADER, HEADER.replace(",", " , ")),
        RECORDED.to_csv(index=False, na_rep="NA").replace(",NA,ok", ",,ok"),
    ],
)
def test_a_file_that_another_tool_wrote_is_read(written, text):
    assert_frame_equal(written(text), RECORDED, check_exact=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            RECORDED.to_csv(index=False, sep=";", decimal=","),
            "numbers in .*; got '.*,.*', which is text, in row 0",
        ),
        (
            RECORDED.assign(throughput_per_s="1,234.5").to_csv(index=False),
            "in throughput_per_s; got '1,234.5', which",
        ),
        (RECORDED.assign(accuracy=93.1).to_csv(index=False), "in accuracy; got 93.1 in row 0. Did you mean 0.931"),
        (
            CSV.replace(HEADER, HEADER.replace("model_mb", "accuracy")),
            "wanted each column once; .* accuracy",
        ),
        (
            CSV.replace(HEADER, HEADER.replace("accuracy_n", "items")),
            "wanted the columns .* lacks accuracy_n",
        ),
        (RECORDED.assign(status="").to_csv(index=False), "row 0: status: wanted one of ok, .*; got ''"),
        (CSV.rsplit(",", 1)[0], "wanted 30 cells in each row; got 29 in row 7"),
        ("", "wanted a surface as CSV"),
        (CSV + "a,b" * 99, "wanted 30 cells in each row; got 100 in row 8"),
    ],
)
def test_a_file_that_cannot_be_read_right_is_refused_by_its_name(written, text, message):
    with pytest.raises(ValueError, match=rf"x\.csv: .*{message}"):
        written(text)


def test_a_file_in_another_encoding_is_refused_by_its_name(tmp_path):
    RECORDED.to_csv(tmp_path / "x.csv", encoding="utf-16")
    with pytest.raises(ValueError, match=r"x\.csv: wanted a surface as CSV, in UTF-8"):
        load_surface(tmp_path / "x.csv")


def test_what_cannot_be_is_not_saved_either(tmp_path):
    with pytest.raises(ValueError, match="surface: wanted a fraction from 0 to 1 in accuracy"):
        save_surface(RECORDED.assign(accuracy=93.1), tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()


def test_a_batch_size_that_came_as_a_float_makes_the_same_config():
    assert configs_of(RECORDED.astype({"batch_size": float}).head(1)) == [CONFIG]
    with pytest.raises(ValueError, match=r"^batch_size: wanted a whole number, at least 1; got 1\.5"):
        configs_of(RECORDED.assign(batch_size=1.5))
    assert isinstance(CONFIG, Config)
