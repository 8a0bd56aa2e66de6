"""The widgets of the lessons in JupyterLab: controls to both ends, measurements begun and ended, a guess locked."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

CELLS = (
    (Path(__file__).parents[1] / "hurry.py").read_text(encoding="utf-8"),
    "import tradespace as ts\ntask = ts.load_task('fashion')\nsmall = ts.Config('resnet4', batch_size=8)",
    "meter = ts.LatencyMeter(task, small, budget_s=0.5)\nmeter",
    "verdict = ts.Verdict(task, small, ts.Config('resnet8', batch_size=8), budget_s=0.5)\nverdict",
    "recorded = ts.load_recorded('fashion')\nts.BatchCurve(recorded, ts.Config('resnet8', threads=1))",
    "ts.QuantizationLens(task, 'resnet4', surface=recorded)",
    "ts.PruningLens(task, 'resnet4', surface=recorded)",
    "p = ts.Predict('How many times as long?', unit='times')\np",
    "p.reveal(2.0, 1.9, 2.1)",
)
MEASURED_MS = 180_000

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def widgets(run_notebook):
    return run_notebook("widgets.ipynb", *CELLS)


@pytest.fixture
def show(widgets):
    """Name -> the widget, scrolled to. Nothing may have gone wrong after the test."""

    def scroll(name):
        root = widgets.root.locator(f".tradespace-{name}").first
        root.scroll_into_view_if_needed()
        return root

    yield scroll
    assert widgets.errors() == []


def to_both_ends(root):
    """Each slider, menu and choice of a widget, by keyboard where there is one."""
    moved = 0
    for slider in root.get_by_role("slider").all():
        for key in ("End", "Home"):
            slider.press(key)
            moved += 1
    for menu in root.get_by_role("combobox").all():
        options = menu.locator("option").all_inner_texts()
        for option in (options[-1], options[0]):
            menu.select_option(label=option)
            moved += 1
    for choice in reversed(root.get_by_role("radio").all()):
        choice.check()
        moved += 1
    return moved


@pytest.mark.parametrize(("name", "widget"), [("latency-meter", "meter"), ("verdict", "verdict")])
def test_a_measurement_ends_is_begun_again_and_stopped(widgets, show, name, widget):
    root = show(name)
    start, stop = (root.get_by_role("button", name=word, exact=True) for word in ("Start", "Stop"))
    expect(stop).to_be_disabled(timeout=MEASURED_MS)
    expect(start).to_be_enabled()
    widgets.screenshot(f"{name}.png")
    # Unhurried, and long enough to be stopped, however slow the browser.
    assert widgets.execute(f"{widget}._schedule = type({widget}._schedule)(1e-6, 600)") == ""
    assert widgets.execute(f"import sys; sys.modules[type({widget}).__module__].measure_rounds = rounds") == ""
    start.click()
    expect(stop).to_be_enabled()
    stop.click()
    expect(start).to_be_enabled(timeout=MEASURED_MS)


@pytest.mark.parametrize(("name", "least"), [("batch-curve", 2), ("quantization-lens", 8), ("pruning-lens", 6)])
def test_every_control_goes_to_both_ends(widgets, show, name, least):
    root = show(name)
    before = root.inner_text()
    assert to_both_ends(root) >= least
    root.get_by_role("slider").first.press("End")
    expect(root).not_to_have_text(before)
    widgets.screenshot(f"{name}.png")


def test_a_guess_is_locked_and_the_answer_shown(widgets, show):
    card = show("predict")
    expect(card.get_by_role("status")).to_have_text("No guess yet: answer first.")
    card.get_by_role("spinbutton").or_(card.get_by_role("textbox")).first.fill("4")
    card.get_by_role("button", name="Lock my guess").click()
    expect(card.get_by_role("status")).to_contain_text("You said 4 times; measured 2 (1.9 to 2.1)")
    widgets.screenshot("predict.png")
