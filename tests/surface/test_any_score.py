"""Tasks that are judged by something else than accuracy, from the module to the choice."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import tradespace as ts
from scipy import stats
from torch import nn
from tradespace.measuring.measurement import Measurement, Scored
from tradespace.measuring.statistics import mean_interval, proportion_interval
from tradespace.surface.columns import COLUMNS, configs_of, scale_of
from tradespace.surface.search import Search
from tradespace.surface.store import Store
from tradespace.tasks.task import scoring_order

ITEMS = 40
METRES = replace(ts.scores.squared_error, unit="m²")
FAST, BEST = ts.minimize("latency_p50_ms"), ts.maximize("accuracy")


def furthest(outputs, targets):
    return -(outputs - targets).abs().amax(1)


def kind(name):
    """-> module, targets and score of one kind of task."""
    labels = torch.arange(ITEMS) % 5
    maps = nn.Sequential(nn.Linear(6, 12), nn.Unflatten(1, (3, 2, 2)))
    tokens = nn.Sequential(nn.Linear(6, 12), nn.Unflatten(1, (4, 3)))
    return {
        "top 1": (nn.Linear(6, 5), labels, None),
        "top 3": (nn.Linear(6, 5), labels, ts.scores.top_k(3)),
        "likelihood": (nn.Linear(6, 5), labels, ts.scores.log_likelihood),
        "tokens": (tokens, torch.randint(3, (ITEMS, 4)), ts.scores.token_accuracy()),
        "maps": (maps, torch.randint(3, (ITEMS, 2, 2)), ts.scores.intersection_over_union()),
        "masks": (nn.Linear(6, 9), torch.randint(2, (ITEMS, 9)), ts.scores.intersection_over_union()),
        "absolute": (nn.Linear(6, 2), torch.randn(ITEMS, 2), ts.scores.absolute_error),
        "squared": (nn.Linear(6, 1), torch.randn(ITEMS), METRES),
        "own": (nn.Linear(6, 2), torch.randn(ITEMS, 2), furthest),
    }[name]


KINDS = ("top 1", "top 3", "likelihood", "tokens", "maps", "masks", "absolute", "squared", "own")
LABELS = (
    "accuracy", "top-3 accuracy", "log-likelihood, nats", "token accuracy", "intersection over union",
    "intersection over union", "negative absolute error", "negative squared error, m²", "furthest",
)  # fmt: skip


@pytest.fixture
def made():
    """Name of a kind -> a task of two models, and the outputs of the first in the order of scoring."""

    def of(name):
        torch.manual_seed(0)
        module, targets, score = kind(name)
        other, _, _ = kind(name)
        inputs = torch.randn(ITEMS, 6)
        task = ts.Task.from_model(
            {"one": module, "other": other}, example=inputs[:1], test=(inputs, targets), score=score, name=name
        )
        order = torch.from_numpy(scoring_order(ITEMS))
        with torch.no_grad():
            return task, task.score(task.load_model("one")(inputs)[order], targets[order])

    return of


@pytest.mark.parametrize(("name", "label"), list(zip(KINDS, LABELS, strict=True)))
def test_every_kind_of_score_goes_from_the_module_to_the_choice(made, inline, tmp_path, name, label):
    task, scores = made(name)
    configs = ts.grid(task, threads=1)
    surface = ts.sweep(task, configs, budget_s=0.02, store=tmp_path / "x.sqlite", executor=inline, progress=False)
    assert surface["status"].tolist() == ["ok", "ok"]
    assert surface["score"].tolist() == [label] * 2
    assert surface["accuracy_n"].tolist() == [ITEMS] * 2
    assert surface["accuracy"][0] == pytest.approx(scores.mean())
    one, other = sorted(Store(tmp_path / "x.sqlite").measurements(), key=lambda m: m.config.model)
    np.testing.assert_allclose(one.scores, scores)
    expected = proportion_interval(int(scores.sum()), ITEMS) if scores.dtype == bool else mean_interval(scores)
    assert surface.loc[0, ["accuracy_lo", "accuracy_hi"]].tolist() == pytest.approx(expected)
    assert scale_of(surface).write(one.accuracy) in repr(one)

    ts.save_surface(surface, tmp_path / "surface.csv")
    assert ts.load_surface(tmp_path / "surface.csv")["score"].tolist() == [label] * 2
    best = ts.solve(surface, BEST, [ts.at_least("accuracy", surface["accuracy"].min())])
    assert best["accuracy"].iloc[0] == surface["accuracy"].max()
    assert repr(ts.explain(best)).startswith(f"The best of 2 feasible rows: {scale_of(surface).name} ")
    assert len(ts.pareto(surface, FAST, BEST)) > 0
    assert ts.frontier_confidence(surface, FAST, BEST, measurements=[one, other], draws=20)["on_frontier"].max() > 0
    assert ts.attainment(surface).max().max() == surface["accuracy"].max()
    believed = ts.predicted(surface[:1], configs)
    assert believed["score"].tolist() == [label] * 2
    assert np.isfinite(believed["accuracy"]).all()

    found = ts.compare_accuracy(one, other)
    assert (found.items, found.score) == (ITEMS, label)
    assert found.difference == pytest.approx(other.accuracy - one.accuracy)
    assert ts.compare_accuracy(one, one).verdict in ("same", "can't tell")


def test_what_was_scored_is_not_scored_again(made, inline, tmp_path):
    task, scores = made("squared")
    for batch_size in (1, 4):
        configs = ts.grid(task, model="one", threads=1, batch_size=batch_size)
        surface = ts.sweep(task, configs, budget_s=0.02, store=tmp_path / "x.sqlite", executor=inline, progress=False)
        assert surface["accuracy"][0] == pytest.approx(scores.mean())
    assert sum(asked == "score_slice" for asked, *_ in inline.requests) == 1


def test_numbers_are_stored_as_they_are(tmp_path):
    store = Store(tmp_path / "x.sqlite")
    store.save_score("key", {}, Scored(np.array([-0.5, 2.25]), 1.0, whole=True))
    found = store.find_score("key")
    assert (found.scores.dtype, found.scores.tolist(), found.whole) == (np.float64, [-0.5, 2.25], True)


def test_a_score_that_fails_on_some_item_is_a_row_with_its_reason(inline):
    inputs = torch.ones(300, 4)
    inputs[200:] = torch.nan
    task = ts.Task.from_model(
        nn.Linear(4, 1), example=inputs[:1], test=(inputs, torch.zeros(300)), score=ts.scores.absolute_error
    )
    scored = ts.measure(task, ts.Config("model", threads=1), budget_s=0.02, executor=inline)
    assert scored.status == "failed"
    assert "wanted negative absolute error to be one bool or number per item; got nan" in scored.reason


def measured(scores, score="gain, dB", **given):
    return Measurement("t", ts.Config("m", threads=1), scores=np.asarray(scores), score=score, **given)


def test_the_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).normal(size=30)
    m = measured(values)
    low, high = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    assert (m.accuracy_lo, m.accuracy_hi) == pytest.approx((low, high))
    assert all(math.isnan(end) for end in mean_interval(values[:1]))


def test_numbers_are_compared_item_by_item():
    rng = np.random.default_rng(0)
    items = rng.normal(-5, 3, 400)
    better = items + 0.1 + 0.05 * rng.normal(size=400)
    found = ts.compare_accuracy(measured(items), measured(better))
    assert found.verdict == "better"
    assert found.difference_lo < 0.1 < found.difference_hi
    assert 0 < found.p_value < 0.002
    low, high = stats.t.interval(0.95, 399, (better - items).mean(), stats.sem(better - items))
    assert (found.difference_lo, found.difference_hi) == pytest.approx((low, high), abs=5e-4)
    assert repr(found).startswith("B against A: better; gain +0.0992 dB (95 % interval +0.0942 to +0.104), p < 0.001")
    assert "better in B" in repr(found)
    assert ts.compare_accuracy(measured(better), measured(items)).verdict == "worse"


def test_numbers_are_the_same_within_a_margin_that_is_asked_for_and_by_default_only_if_they_are():
    rng = np.random.default_rng(0)
    items = rng.normal(size=400)
    near = items + 0.001 * rng.normal(size=400)
    assert ts.compare_accuracy(measured(items), measured(near)).verdict == "can't tell"
    assert ts.compare_accuracy(measured(items), measured(near), margin=0.01).verdict == "same"
    assert ts.compare_accuracy(measured(items), measured(items)).verdict == "same"


def test_a_paired_bootstrap_errs_as_seldom_as_it_says():
    rng = np.random.default_rng(0)
    wrong = sum(
        ts.compare_accuracy(*(measured(rng.normal(size=50)) for _ in "ab")).verdict in ("better", "worse")
        for _ in range(100)
    )
    assert wrong <= 12


def test_a_few_numbers_prove_nothing():
    found = ts.compare_accuracy(measured([0.0, 0.0]), measured([1.0, 1.0]))
    assert (found.verdict, found.p_value) == ("can't tell", 1.0)
    assert "no interval: too few items" in repr(found)


def test_two_scores_are_not_compared():
    with pytest.raises(
        ValueError, match=r"^b: wanted test results of the same score as a's, 'gain, dB'; got 'accuracy'$"
    ):
        ts.compare_accuracy(measured([1.0, 2.0]), measured([True, False], score="accuracy"))


def test_classes_are_scored_by_any_score():
    labels = torch.arange(40) % 4
    task = ts.Task.from_model(
        nn.Linear(4, 4), example=torch.zeros(1, 4), test=(torch.zeros(40, 4), labels), score=ts.scores.log_likelihood
    )
    own = labels.numpy()[scoring_order(40)]
    before, after = measured(-1.0 - own, task.score.label), measured(-1.0 - own - (own == 2), task.score.label)
    table = ts.accuracy_by_class(task, after, before)
    assert table["label"].tolist() == ["2", "0", "1", "3"]
    assert table["accuracy"].tolist() == [-4, -1, -2, -4]
    assert (table["lost"][0], table["gained"][0]) == (10, 0)


@pytest.fixture
def surface(surface_of):
    """Three models by negative squared error, in m²."""
    rows = [("a", 1.0, -9.0), ("b", 2.0, -4.0), ("c", 9.0, -0.25)]
    return surface_of(
        *(
            {"model": model, "latency_p50_ms": ms, "latency_p50_lo_ms": 0.9 * ms, "latency_p50_hi_ms": 1.1 * ms}
            | {"throughput_per_s": 1e3 / ms, "accuracy": score, "accuracy_lo": score - 0.1, "accuracy_hi": score + 0.1}
            | {"score": METRES.label}
            for model, ms, score in rows
        )
    )


def test_a_file_without_the_column_holds_accuracies(surface_of, tmp_path):
    surface_of({}).drop(columns="score").to_csv(tmp_path / "old.csv", index=False)
    old = ts.load_surface(tmp_path / "old.csv")
    assert old["score"].tolist() == ["accuracy"]
    assert tuple(old.columns) == COLUMNS
    ts.save_surface(old.drop(columns="score"), tmp_path / "new.csv")
    assert ts.load_surface(tmp_path / "new.csv").equals(old)


def test_rows_of_two_scores_have_no_common_axis(surface):
    mixed = surface.assign(score=["gain", METRES.label, METRES.label])
    for ask in (
        lambda: ts.pareto(mixed, FAST, BEST),
        lambda: ts.solve(mixed, FAST, [ts.at_least("accuracy", -9)]),
        lambda: ts.predicted(mixed, configs_of(mixed)),
    ):
        with pytest.raises(ValueError, match=r"^surface: wanted rows of one score; got gain; negative squared error"):
            ask()
    assert len(ts.pareto(mixed, FAST)) == 1


def test_a_volume_of_another_score_needs_a_worst_value(surface):
    with pytest.raises(ValueError, match=r"^reference: wanted the worst negative squared error .*'accuracy': \.\.\.}$"):
        ts.hypervolume(surface, FAST, BEST)
    assert ts.hypervolume(surface, FAST) > 0
    worst = {"latency_p50_ms": 10.0, "accuracy": -10.0}
    expected = 1 * (10 - 9) + (1 - math.log10(2)) * 5 + (1 - math.log10(9)) * 3.75
    assert ts.hypervolume(surface, FAST, BEST, reference=worst) == pytest.approx(expected)


def test_sentences_call_a_score_by_its_name_and_unit(surface):
    choice = ts.solve(surface, BEST, [ts.at_most("latency_p50_ms", 3)])
    words = repr(ts.explain(choice))
    assert words.startswith("The best of 2 feasible rows: negative squared error -4 m² (b")
    assert "Nearest miss: negative squared error -0.25 m² (c" in words
    none = repr(ts.explain(ts.solve(surface, FAST, [ts.at_least("accuracy", -0.1)])))
    assert "'negative squared error at least -0.1 m²' relaxed to -0.25" in none
    assert "accuracy" not in words + none


def test_a_frontier_of_another_score_is_judged_by_its_intervals(surface):
    judged = ts.frontier_confidence(surface, FAST, BEST, draws=50)
    assert judged["verdict"].tolist() == ["on"] * 3
    wide = surface.assign(accuracy_lo=[-9.1, -40.0, -0.3], accuracy_hi=[-8.9, 32.0, -0.2])
    assert ts.frontier_confidence(wide, FAST, BEST, draws=200)["verdict"].tolist() == ["on", "can't tell", "can't tell"]


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e6, -1e9), (1e-6, 5.0)])
def test_a_search_does_not_depend_on_the_unit_or_the_zero_of_a_score(surface_of, scale, shift):
    rng = np.random.default_rng(1)
    rows = [
        {
            "model": m,
            "precision": p,
            "batch_size": b,
            "latency_p50_ms": ms * b**0.8,
            "accuracy": s - 0.5 * (p == "bf16"),
        }
        for m, ms, s in (("a", 1.0, -3.0), ("b", 2.0, -2.0), ("c", 4.0, -1.0))
        for p in ("fp32", "bf16")
        for b in (1, 4, 16)
    ]
    plain = surface_of(*(row | {"score": "gain", "throughput_per_s": 1e3 * row["batch_size"]} for row in rows))
    told = np.sort(rng.permutation(len(plain))[:9])
    order = []
    for by, zero in ((1.0, 0.0), (scale, shift)):
        surface = plain.assign(accuracy=plain["accuracy"] * by + zero)
        search = Search(configs_of(surface))
        search.tell(surface.iloc[told])
        order.append(search.ask(4))
        np.testing.assert_allclose((search.predicted()["accuracy"] - zero) / by, plain["accuracy"], atol=0.6)
    assert order[0] == order[1]


def test_without_test_data_any_score_is_unknown(inline):
    task = ts.Task.from_model(nn.Linear(4, 1), example=torch.zeros(1, 4), score=ts.scores.squared_error)
    m = ts.measure(task, ts.Config("model", threads=1), budget_s=0.02, executor=inline)
    assert math.isnan(m.accuracy)
    assert "negative squared error not known" in repr(m)
