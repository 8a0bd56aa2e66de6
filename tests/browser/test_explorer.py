"""Notebook 00 as a learner meets it: run in JupyterLab, its Explorer moved by keyboard."""

import re

import psutil
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MEASURED_MS = 120_000


class ExplorerPage:
    """The Explorer on a page, by what a person sees and reaches."""

    def __init__(self, page):
        self.page = page
        self.chart = page.locator(".tradespace-tradeoff")
        self.words = self.chart.get_by_role("status")
        self.cancel = page.get_by_role("button", name="Cancel")
        self.progress = page.locator(".tradespace-explorer .widget-html-content")

    def press(self, slider, *keys):
        self.page.get_by_role("slider", name=slider).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def ring(self):
        """Where the ring stands in the throughput panel."""
        ring = self.chart.locator(".panel.throughput .current")
        return ring.get_attribute("cx"), ring.get_attribute("cy")


def measuring_processes():
    """The measuring processes of all kernels that this test started."""
    family = psutil.Process().children(recursive=True)
    return [process for process in family if "loky.backend.popen_loky" in " ".join(process.cmdline())]


def test_notebook_00_from_run_all_to_the_last_slider(notebook, page, page_errors):
    notebook.open("00_start_here.ipynb")
    notebook.run_all(timeout_s=420)
    assert notebook.kernel_errors() == []
    explorer = ExplorerPage(page)
    explorer.chart.scroll_into_view_if_needed()
    expect(explorer.words).to_contain_text("resnet4, fp32, eager, batch 1,")
    notebook.screenshot("explorer-first.png")

    # Moved by keyboard, the numbers, the ring and the pixels change.
    words, ring, pixels = explorer.words.inner_text(), explorer.ring(), explorer.chart.screenshot()
    explorer.press("batch size", "ArrowRight", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, fp32, eager, batch 4,")
    assert explorer.words.inner_text() != words
    assert explorer.ring() != ring
    assert explorer.chart.screenshot() != pixels
    explorer.press("precision", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, bf16, eager, batch 4,")
    notebook.screenshot("explorer-moved.png")

    # A limit that little meets shades the rest; one that nothing meets says so.
    explorer.press("accuracy at least, %", "End")
    expect(explorer.words).to_contain_text("Nothing measured so far has at least 100.0%")
    notebook.screenshot("explorer-infeasible.png")
    explorer.press("accuracy at least, %", "Home")
    explorer.press("latency at most, ms", "Home")
    expect(explorer.words).to_contain_text("Nothing measured so far has at most")
    explorer.press("latency at most, ms", "End")
    expect(explorer.words).to_contain_text("Highest throughput, without limits:")

    # A point between measured ones is predicted, then measured.
    explorer.press("batch size", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, bf16, eager, batch 8, ")
    expect(explorer.words).to_contain_text("accuracy", timeout=MEASURED_MS)
    expect(explorer.cancel).to_be_disabled(timeout=MEASURED_MS)
    notebook.screenshot("explorer-measured.png")

    # fp16 on the largest network, many at a time, is slow on any CPU: time enough to cancel, and to kill.
    explorer.press("model size", "End")
    explorer.press("batch size", "End")
    explorer.press("precision", "Home", "ArrowRight", "ArrowRight")
    expect(explorer.progress).to_have_text(re.compile("measuring"), timeout=MEASURED_MS)
    explorer.cancel.click()
    expect(explorer.progress).to_have_text("cancelled")
    expect(explorer.cancel).to_be_disabled()

    explorer.press("threads", "Home")
    expect(explorer.progress).to_have_text(re.compile("measuring"), timeout=MEASURED_MS)
    for process in measuring_processes():
        process.kill()
    expect(explorer.progress).to_contain_text("the measuring process died", timeout=MEASURED_MS)
    expect(explorer.words).to_contain_text("crashed")
    notebook.screenshot("explorer-crashed.png")

    explorer.press("model size", "Home")
    explorer.press("precision", "End")
    explorer.press("batch size", "Home")
    expect(explorer.words).to_contain_text("items/s, accuracy", timeout=MEASURED_MS)
    expect(explorer.cancel).to_be_disabled(timeout=MEASURED_MS)

    assert page_errors == []
    assert notebook.kernel_errors() == []
