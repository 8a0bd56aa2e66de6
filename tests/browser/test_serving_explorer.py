"""The ServingExplorer in JupyterLab: one screen, every slider, a real run and its end."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = (
    (Path(__file__).parents[1] / "hurry.py").read_text(encoding="utf-8"),
    """import tradespace as ts
task = ts.load_task("fashion")
service = ts.service_times(task, ts.Config("resnet4"), max_batch=4)""",
    "explorer = ts.ServingExplorer(task, [service], max_batch=4, seconds=1)\nexplorer",
)
SIMULATED = "arrival rate", "burstiness", "deadline", "max batch", "max wait"
MEASURED_MS = 180_000
# Width and height of a window, and whether the list of files is open.
WINDOWS = {"laptop": (1366, 768, True), "desktop": (1920, 1080, True), "tablet": (820, 1180, False)}
IN_VIEW = """part => {
    const scrolling = part.closest('.jp-WindowedPanel-outer').getBoundingClientRect();
    const box = part.getBoundingClientRect();
    return box.top >= scrolling.top - 1 && box.bottom <= scrolling.bottom + 1 && box.right <= scrolling.right + 1;
}"""
TO_THE_TOP = "root => root.scrollIntoView({ block: 'start' })"
TOGGLE = "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
AXE = Path(__file__).parents[2] / "widgets/node_modules/axe-core/axe.min.js"
VIOLATIONS = """async root => {
    const { violations } = await axe.run(root, {runOnly: ['wcag2a', 'wcag2aa']});
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
}"""


@pytest.fixture(scope="module")
def opened(run_notebook):
    return run_notebook("serving.ipynb", *CELLS)


@pytest.fixture
def explorer(opened):
    """At a rate that a server takes who serves one at a time, and largest batches."""
    page = opened.explorer()
    page.press("max batch", "End")
    page.press("arrival rate", "Home", *["PageUp"] * 6)
    page.settle()
    yield page
    assert opened.errors() == []


def picture(explorer, chart):
    return explorer.root.locator(f".tradespace-{chart} > svg")


def test_it_opens_with_both_charts_drawn(explorer):
    expect(picture(explorer, "response")).to_have_attribute("aria-label", re.compile("^Responses: simulated: p50 "))
    expect(picture(explorer, "load").locator(".curve.p99_ms")).to_have_count(1)
    assert "?" not in explorer.tiles.locator(".value").all_inner_texts()
    for control in explorer.root.locator(".tradespace-controls :is(input, select)").all():
        assert control.evaluate("field => field.labels[0]?.textContent")
        assert control.get_attribute("title")


@pytest.mark.parametrize("name", SIMULATED)
def test_every_slider_goes_to_both_ends_and_all_move_with_it(explorer, name):
    explorer.press(name, "End")
    explorer.settle()
    drawn, said = picture(explorer, "response"), explorer.sentence
    before = drawn.get_attribute("aria-label"), said.inner_text()
    explorer.press(name, "Home")
    expect(drawn).not_to_have_attribute("aria-label", before[0])
    expect(said).not_to_have_text(before[1])


def test_a_move_is_told_and_taken_back_by_keys(explorer):
    said = explorer.said("max batch")
    explorer.press("max batch", "ArrowLeft")
    expect(explorer.sentence).to_contain_text("max batch 2 here: p50 ")
    explorer.page.keyboard.press("z")
    expect(explorer.control("max batch")).to_have_attribute("aria-valuetext", said)


def test_it_runs_for_real_and_a_run_is_cancelled(opened, explorer):
    run = explorer.button("Run it for real")
    run.click()
    expect(explorer.sentence).to_contain_text("For real, ", timeout=MEASURED_MS)
    expect(picture(explorer, "load").locator(".run")).not_to_have_count(0)
    expect(picture(explorer, "response").locator("path.measured")).to_have_count(1)
    expect(run).to_be_enabled()
    explorer.screenshot("serving-real.png")
    assert opened.execute("explorer._jobs._seconds = 300.0") == ""
    run.click()
    expect(explorer.progress).to_have_text(re.compile("^serving for real, [1-9]"), timeout=MEASURED_MS)
    explorer.cancel.click()
    expect(run).to_be_enabled(timeout=MEASURED_MS)


def test_another_model_is_measured_when_it_is_chosen(explorer):
    explorer.press("model size", "ArrowRight")
    expect(explorer.root.locator(".tradespace-response .why")).to_contain_text("are not known yet")
    expect(explorer.root.locator(".tradespace-tiles .here")).to_contain_text("resnet4-distilled, ", timeout=MEASURED_MS)
    expect(explorer.sentence).to_contain_text("at p99", timeout=MEASURED_MS)
    explorer.press("model size", "Home")


@pytest.mark.parametrize("window", WINDOWS)
def test_it_fits_on_one_screen(explorer, window):
    width, height, files = WINDOWS[window]
    page = explorer.page
    page.set_viewport_size({"width": width, "height": height})
    if files:
        page.evaluate(TOGGLE)
    page.wait_for_timeout(500)
    explorer.root.evaluate(TO_THE_TOP)
    page.wait_for_timeout(200)
    faults, in_view = explorer.faults(), explorer.root.evaluate(IN_VIEW)
    charts = explorer.root.locator(".tradespace-chart:visible").count()
    explorer.screenshot(f"serving-{window}.png")
    if files:
        page.evaluate(TOGGLE)
    assert (faults, in_view, charts) == ([], True, 2)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_contrast_and_names_are_enough_for_everybody(explorer, theme):
    if not AXE.exists():
        assert os.environ.get("CI") != "true"
        pytest.skip("axe-core is not installed: `make js` installs it")
    explorer.page.evaluate(THEME, theme)
    explorer.page.wait_for_timeout(500)
    explorer.screenshot(f"serving-{theme.split()[1].lower()}.png")
    explorer.page.add_script_tag(path=AXE)
    assert explorer.root.evaluate(VIOLATIONS) == []
