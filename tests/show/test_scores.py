"""Charts of what is scored by something else than accuracy, or not at all: they call it by its name and unit."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import tradespace as ts
from torch import nn
from tradespace.measuring.machine import machine
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.show.attainment.widget import Landscape
from tradespace.show.common.filling import rows_of_model
from tradespace.show.common.view import Limits
from tradespace.show.explorer import session as module
from tradespace.show.explorer.moves import in_a_sentence
from tradespace.show.explorer.settings import even_steps
from tradespace.show.tradeoff.widget import TradeoffChart
from tradespace.show.verdict.numbers import accuracy_in_words, in_words

LABEL = "negative squared error, m²"
SQUARED = replace(ts.scores.squared_error, unit="m²")
LATENCY, RATE, SCORE = "latency_p50_ms", "throughput_per_s", "accuracy"


class StillMeasurer:
    """Stands in for what measures in the background: it does nothing by itself."""

    def __init__(self, task, lock, report, *_):
        self.task, self.report, self.wanted, self.filling = task, report, None, False

    @property
    def busy(self):
        return self.wanted is not None

    def request(self, config, *, typing=False):
        self.wanted = config

    def drop_request(self):
        self.wanted = None

    cancel = drop_request


@pytest.fixture
def task():
    inputs = torch.randn(100, 4)
    models = {"small": nn.Linear(4, 1), "large": nn.Linear(4, 1)}
    return ts.Task.from_model(models, example=inputs[:1], test=(inputs, torch.randn(100)), name="toy", score=SQUARED)


@pytest.fixture
def untested():
    models = {"small": nn.Linear(4, 1), "large": nn.Linear(4, 1)}
    return ts.Task.from_model(models, example=torch.zeros(1, 4), name="toy")


@pytest.fixture
def scored(surface):
    """The surface of all charts, by a score between -0.6 and -0.4 m²."""
    return surface.assign(
        accuracy=surface["accuracy"] - 1.4,
        accuracy_lo=surface["accuracy_lo"] - 1.4,
        accuracy_hi=surface["accuracy_hi"] - 1.4,
        score=LABEL,
    )


@pytest.fixture
def unscored(surface):
    return surface.assign(accuracy=np.nan, accuracy_lo=np.nan, accuracy_hi=np.nan, accuracy_n=0)


def words_in(figure):
    """All that is written in a figure."""
    figure.draw_without_rendering()
    texts = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda surface: ts.plot_surface(surface, min_accuracy=-0.5), "Negative squared error"),
        (lambda surface: ts.plot_attainment(surface, min_accuracy=-0.5), f"best {LABEL}"),
        (ts.plot_attainment_3d, f"best {LABEL}"),
        (lambda surface: ts.plot_parallel(surface.query("status == 'ok'")), LABEL.replace(", ", "\n")),
        (
            lambda surface: ts.plot_confidence(
                ts.frontier_confidence(surface, ts.minimize(LATENCY), ts.maximize(SCORE), draws=5), y=SCORE
            ),
            LABEL,
        ),
    ],
    ids=["surface", "attainment", "attainment in 3D", "parallel", "confidence"],
)
def test_a_figure_calls_the_score_by_its_name(scored, draw, said):
    words = words_in(draw(scored))
    assert said in words
    assert "-0.5" in words.replace("\N{MINUS SIGN}", "-")
    assert "ccuracy" not in words
    assert "%" not in words.replace("95 %", "")


def test_a_figure_without_test_data_says_so(unscored):
    assert "no test data" in words_in(ts.plot_surface(unscored))


def test_classes_have_the_score_on_their_axis():
    labels = torch.arange(40) % 4
    task = ts.Task.from_model(
        nn.Linear(4, 4), example=torch.zeros(1, 4), test=(torch.zeros(40, 4), labels), score=ts.scores.log_likelihood
    )
    rng = np.random.default_rng(0)
    before, after = (
        Measurement("t", ts.Config("m", threads=1), scores=-rng.random(40), score=task.score.label) for _ in "ab"
    )
    figure = ts.plot_by_class(ts.accuracy_by_class(task, after, before))
    assert figure.axes[0].get_xlabel() == "log-likelihood, nats"
    assert "items worse, better" in words_in(figure)


def test_the_live_chart_gets_the_scale(scored, unscored):
    chart = TradeoffChart()
    chart.show_surface(scored)
    assert chart.data["score"]["axis"] == LABEL
    assert not chart.data["score"]["percent"]
    assert "negative squared error -0.6 m² (-0.62 to -0.58)" in chart.data["text"][0]
    chart.show_surface(unscored, untested=True)
    assert chart.data["untested"]
    assert "accuracy not known" in chart.data["text"][0]


def test_the_landscape_is_of_the_score(scored, unscored):
    landscape = Landscape()
    landscape.show_surface(scored)
    assert landscape.data["score"]["name"] == "negative squared error"
    assert landscape.label.startswith("Highest negative squared error, without limits: large,")
    assert (landscape.data["grid"]["low"], landscape.data["grid"]["high"]) == pytest.approx((-0.6, -0.5))
    landscape.show_surface(unscored.assign(score=LABEL))
    assert "no measured point has a negative squared error" in landscape.label


def test_limits_are_of_the_score():
    assert Limits(min_accuracy=-0.5, score=LABEL).words == "negative squared error at least -0.5 m²"
    assert Limits(min_accuracy=0.5).words == "at least 50.0%"


@pytest.mark.parametrize(
    ("values", "first", "step", "last"),
    [([-9.0, -4.0], -11.5, 0.1, -1.5), ([-2e6, -1e6], -2.5e6, 2e4, -5e5), ([0.0], -1, 0.05, 1), ([3.0], 1.5, 0.1, 4.5)],
)
def test_a_slider_covers_the_scores_and_as_much_again_in_round_steps(values, first, step, last):
    steps = even_steps(pd.Series(values))
    assert (steps[0], steps[-1]) == pytest.approx((first, last))
    assert np.diff(steps) == pytest.approx(np.full(len(steps) - 1, step))
    assert even_steps(pd.Series([], dtype=float)) == ()


@pytest.fixture
def explorer(task, scored, monkeypatch):
    monkeypatch.setattr(module, "Measurer", StillMeasurer)
    return ts.Explorer(task, scored)


def control(explorer, name):
    return next(one for group in explorer.controls.groups for one in group["controls"] if one["name"] == name)


def test_the_explorer_says_what_is_scored(explorer):
    tile = next(tile for tile in explorer.tiles.tiles if tile["label"] == "negative squared error")
    assert (tile["value"], tile["unit"], tile["interval"]) == ("-0.6", "m²", "-0.62 to -0.58")
    assert "highest negative squared error" in control(explorer, "objective")["options"]
    slider = control(explorer, "min_accuracy")
    assert slider["label"] == "negative squared error at least"
    assert slider["options"][:2] == ("none", "-0.65 m²")
    steps = explorer.controls.options("min_accuracy")
    explorer.controls.move(min_accuracy=min(steps[1:], key=lambda step: abs(step + 0.5)), objective="accuracy")
    assert "Highest negative squared error, negative squared error at least -0.5 m²: large" in explorer.tradeoff.label
    assert "%" not in explorer.tradeoff.label
    explorer.controls.move(model="large")
    assert "negative squared error 0.1 m² higher" in explorer.tiles.sentence
    json.dumps([explorer.tradeoff.state, explorer.tradeoff.data, explorer.landscape.data], allow_nan=False)
    assert explorer.choice["model"].tolist() == ["large"]


def test_the_slider_of_the_score_grows_with_what_is_measured(task, monkeypatch):
    monkeypatch.setattr(module, "Measurer", StillMeasurer)
    explorer = ts.Explorer(task)
    assert explorer.controls.options("min_accuracy") == (None,)
    with pytest.raises(ValueError, match=r"^min_accuracy: wanted none, since nothing is known to limit yet; got '-1'$"):
        explorer.state = "min_accuracy=-1"
    one = Slice(np.full(10, 1e6), 10, 10_000_000)
    for model, score in (("small", -1.0), ("large", -5.0)):
        found = Measurement(
            "toy", ts.Config(model, threads=1), (one,) * 12, np.full(100, score), score=LABEL, machine=machine()
        )
        explorer._session._land(found, True)
        steps = explorer.controls.options("min_accuracy")[1:]
        assert steps[0] <= score <= steps[-1]
    explorer.controls.move(min_accuracy=-2.0)
    assert "negative squared error at least -2 m²" in explorer.tradeoff.label


def test_an_explorer_without_test_data_says_so(untested, unscored, monkeypatch):
    monkeypatch.setattr(module, "Measurer", StillMeasurer)
    explorer = ts.Explorer(untested, unscored)
    assert explorer.tradeoff.data["untested"]
    assert next(tile for tile in explorer.tiles.tiles if tile["label"] == "accuracy")["value"] == "?"


def test_rows_of_another_score_are_refused(task, surface, monkeypatch):
    monkeypatch.setattr(module, "Measurer", StillMeasurer)
    for show in (lambda: ts.Explorer(task, surface), lambda: rows_of_model(task, "small", surface)):
        with pytest.raises(
            ValueError, match=rf"^surface: wanted rows with the task's score, '{LABEL}'; got 'accuracy'$"
        ):
            show()


def test_a_move_tells_the_difference_in_the_unit_of_the_score(scored):
    before, after = scored.iloc[0].to_dict(), scored.iloc[6].to_dict()
    assert in_a_sentence(before, after).endswith("negative squared error 0.1 m² higher.")
    unsure = {"accuracy_lo": -0.9, "accuracy_hi": -0.1}
    assert in_a_sentence(before, after | unsure).endswith("negative squared error 0.1 m² higher (not significant).")
    same = {"accuracy": before["accuracy"]}
    assert in_a_sentence(before, after | same).endswith("the same negative squared error.")


def test_a_verdict_is_about_the_score():
    rng = np.random.default_rng(0)
    items = rng.normal(size=400)
    a, b = (Measurement("t", ts.Config("m", threads=1), scores=items + x, score=LABEL) for x in (0.0, 0.5))
    said = accuracy_in_words(ts.compare_accuracy(a, b))
    assert said.startswith("Negative squared error: B is 0.5 m² higher (+0.5 to +0.5), p < 0.001: significant.")
    assert accuracy_in_words(ts.compare_accuracy(a, a)) == "Negative squared error: both get the same of each item."
    _, unknown = in_words(replace(a, scores=None), replace(b, scores=None), False, "", has_test=False)
    assert unknown == "Negative squared error: no test set, so not known."


@pytest.mark.parametrize("lens", [ts.PruningLens, ts.QuantizationLens])
def test_a_lens_is_about_the_score(task, scored, inline, lens, wait_until_measured):
    shown = lens(task, "small", surface=scored, executor=inline)
    shown.close()
    assert shown.score["title"] == "Negative squared error"
    wait_until_measured()


@pytest.mark.parametrize("plot", [ts.plot_pruning, ts.plot_quantization])
def test_the_still_lens_is_about_the_score(task, scored, plot):
    words = words_in(plot(task, "small", surface=scored))
    assert "Negative squared error of the whole model" in words
    assert "Accuracy" not in words


def test_points_of_a_lens_are_in_the_unit_of_the_score(scored):
    from tradespace.show.pruning.relative import pruned_point
    from tradespace.show.quantization.numbers import accuracies

    row = scored.iloc[0].to_dict()
    assert accuracies({"w4": row}, None)["w4"]["words"] == (
        "w4: negative squared error -0.6 m² (-0.62 to -0.58) over 100 test items."
    )
    words = pruned_point("weights-50", (row, row), measuring=False)["words"]
    assert words.startswith("50% zeros: negative squared error -0.6 m² (-0.62 to -0.58), unpruned -0.6 m² (-0.62 to")
