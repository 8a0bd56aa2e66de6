"""Live charts of a task that is scored by something else than accuracy, and of one without test data."""

import re

import pytest
from playwright.sync_api import expect

CELLS = (
    "import tradespace as ts, torch\nfrom dataclasses import replace\ntorch.manual_seed(0)\nx = torch.randn(200, 8)",
    "models = {n: torch.nn.Sequential(torch.nn.Linear(8, n), torch.nn.ReLU(), torch.nn.Linear(n, 1))\n"
    "          for n in (8, 64)}\nmodels = {f'wide{n}': m for n, m in models.items()}",
    "score = replace(ts.scores.squared_error, unit='m²')\n"
    "task = ts.Task.from_model(models, example=x[:1], test=(x, x.sum(1)), score=score, name='sums')",
    "configs = ts.grid(task, precision=['fp32', 'w4'], batch_size=[1, 8], threads=1)\n"
    "surface = ts.sweep(task, configs, budget_s=0.05, max_width=0.9, progress=False)",
    "ts.Explorer(task, surface)",
    "lens = ts.QuantizationLens(task, surface=surface)\nlens.measuring = False\nlens",
    "bare = ts.Task.from_model(models, example=x[:1], name='bare')\n"
    "ts.Explorer(bare, ts.sweep(bare, ts.grid(bare, threads=1), budget_s=0.05, max_width=0.9, progress=False))",
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def charts(run_notebook):
    return run_notebook("scores.ipynb", *CELLS)


def test_every_chart_calls_the_score_by_its_name_and_unit(charts):
    panel = charts.root.locator(".tradespace-tradeoff .panel.accuracy").first
    expect(panel).to_contain_text("Negative squared error")
    expect(panel).to_contain_text("negative squared error, m²")
    expect(panel).not_to_contain_text("%")
    legend = charts.root.locator(".tradespace-landscape .legend").first
    expect(legend).to_contain_text("m² negative squared error")
    lens = charts.root.locator(".tradespace-quantization-lens").first
    lens.scroll_into_view_if_needed()
    expect(lens).to_contain_text("Negative squared error of the whole model")
    expect(lens.locator("figure.accuracy")).to_contain_text("negative squared error, m²")
    charts.screenshot("scores.png")
    assert charts.errors() == []


def test_a_limit_on_the_score_is_a_slider_over_its_values(charts):
    explorer = charts.explorer()
    explorer.press("negative squared error at least", "End")
    expect(explorer.words).to_contain_text("negative squared error at least")
    explorer.press("negative squared error at least", "Home")
    expect(explorer.words).to_contain_text("without limits")
    assert charts.errors() == []


def test_without_test_data_the_axis_is_empty_and_says_so(charts):
    panel = charts.root.locator(".tradespace-tradeoff .panel.accuracy").last
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".empty")).to_have_text(re.compile("^no test data"))
    assert charts.errors() == []
