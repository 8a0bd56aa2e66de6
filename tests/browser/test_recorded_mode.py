"""Recorded mode in a notebook: it goes as if it measured, and says everywhere that it does not."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = (
    """%env TRADESPACE_RECORDED=1
import tradespace as ts
from tradespace.measuring import engine
engine.PROCESS.faster = 1_000
task = ts.load_task("fashion")
surface = ts.sweep(task, ts.grid(task, model="resnet8", precision=["fp32", "int8"], batch_size=[1, 4, 16]))""",
    "explorer = ts.Explorer(task, surface)\nexplorer",
    'meter = ts.LatencyMeter(task, ts.Config("resnet8"))\nmeter',
    "ts.plot_latency(meter.wait().measurement)",
)


# Its style marks all widgets of a page, so it has one of its own.
def test_a_slider_plays_a_point_back_and_every_chart_says_that_it_is_recorded(lab_server, notebook):
    lab_server.write("recorded.ipynb", *CELLS)
    notebook.open("recorded.ipynb")
    notebook.run_all()
    assert notebook.errors() == []
    explorer = notebook.explorer()
    explorer.press("batch size", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet8, fp32, eager, batch 2,")
    expect(explorer.tiles.first).to_have_attribute("data-origin", "recorded", timeout=60_000)
    for part in ("tradeoff", "batch-curve", "landscape", "tiles", "latency-meter"):
        shown = notebook.root.locator(f".tradespace-{part}").first
        assert "nothing is measured here" in shown.evaluate("part => getComputedStyle(part, '::after').content"), part
    notebook.screenshot("recorded-explorer.png")
    notebook.root.locator(".tradespace-latency-meter").scroll_into_view_if_needed()
    notebook.screenshot("recorded-meter.png")
    assert notebook.errors() == []
