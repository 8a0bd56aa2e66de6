"""What an argument is called, and how it is given: an old way fails, and its error shows the new one."""

import inspect

import pandas as pd
import pytest
import torch
import tradespace as ts
from tradespace.surface.columns import configs_of

ONE = ts.Config("small", threads=1)
ROWS = pd.DataFrame({"ms": [1.0, 2.0], "accuracy": [0.8, 0.9], "status": "ok"})
GOALS = ts.minimize("ms"), ts.maximize("accuracy")


@pytest.fixture
def task():
    return ts.Task.from_model({"small": torch.nn.Linear(4, 2)}, example=torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda task: ts.measure(task, ONE, ci=0.05), "measure: ci is now called max_width"),
        (lambda task: ts.sweep(task, [ONE], ci=0.05), "sweep: ci is now called max_width"),
        (lambda task: ts.sweep(task, [ONE], search="adaptive", budget=9), "sweep: budget is now called total_s"),
        (lambda task: ts.LatencyMeter(task, ONE, ci=0.05), "LatencyMeter: ci is now called max_width"),
        (lambda task: ts.Verdict(task, ONE, ONE, ci=0.05), "Verdict: ci is now called max_width"),
        (lambda task: ts.Explorer(task, ci=0.05), "Explorer: ci is now called max_width"),
    ],
)
def test_an_argument_that_was_renamed_is_refused_by_its_old_name(task, call, words):
    with pytest.raises(TypeError, match=f"^{words}$"):
        call(task)


def test_objectives_are_given_one_by_one_or_as_a_list():
    for given in (GOALS, [GOALS], [iter(GOALS)], [GOALS[0], [GOALS[1]]]):
        assert ts.pareto(ROWS, *given).index.tolist() == [0, 1]
    assert ts.pareto(ROWS, GOALS[0]).index.tolist() == ts.pareto(ROWS, [GOALS[0]]).index.tolist() == [0]
    assert ts.solve(ROWS, GOALS).index.tolist() == ts.solve(ROWS, GOALS[0]).index.tolist() == [0]
    worst = {"ms": 10, "accuracy": 0}
    assert ts.hypervolume(ROWS, *GOALS, reference=worst) == ts.hypervolume(ROWS, GOALS, reference=worst)
    one_by_one, listed = ts.frontier_confidence(ROWS, *GOALS, draws=5), ts.frontier_confidence(ROWS, GOALS, draws=5)
    assert one_by_one.equals(listed)


@pytest.mark.parametrize("ask", [ts.solve, ts.pareto])
def test_predictions_are_not_solved_for(ask):
    surface = ts.load_recorded("fashion").query("model == 'resnet8' and status == 'ok'")
    believed = ts.predicted(surface[::4], configs_of(surface))
    with pytest.raises(ValueError, match=r"^surface: wanted measured rows; got predictions\. .*ts\.sweep"):
        ask(believed, ts.maximize("accuracy"))


def test_names_that_are_public_have_a_docstring_and_their_own_signature():
    for name in ts.__all__:
        assert inspect.getdoc(getattr(ts, name)), name
    assert "max_width" in inspect.signature(ts.sweep).parameters
    assert list(inspect.signature(ts.pareto).parameters) == ["surface", "objectives", "margin"]
