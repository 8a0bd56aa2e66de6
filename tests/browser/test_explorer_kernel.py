"""Explorers of recorded numbers: two in a notebook, in other looks, and through what can happen to a kernel."""

import re
import time
from contextlib import suppress

import psutil
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = (
    "import tradespace as ts\ntask = ts.load_task('fashion')",
    "first = ts.Explorer(task)\nfirst",
    # So long a measurement is still under way, however slow the machine, when a test stops it.
    "second = ts.Explorer(task, max_width=1e-6, budget_s=600)\nsecond",
)
EVIL = "<img src=x onerror=window.hacked=true>"
EVIL_CELLS = (
    f"""import torch
import tradespace as ts
x = torch.rand(100, 4)
evil, labels = {EVIL!r}, torch.zeros(100, dtype=torch.long)
task = ts.Task.from_model({{evil: torch.nn.Linear(4, 2)}}, example=x[:1], test=(x, labels), name=evil)
surface = ts.sweep(task, ts.grid(task, batch_size=[1, 8, 64]), budget_s=0.1, progress=False)""",
    "ts.Explorer(task, surface)",
    "ts.Explorer(task, surface.assign(machine=evil))",
)
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
BRIGHTNESS = (
    "part => getComputedStyle(part).color.match(/[0-9]+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0) / 765"
)


@pytest.fixture(scope="module")
def opened(run_notebook):
    return run_notebook("explorers.ipynb", *CELLS)


@pytest.fixture
def first(opened):
    yield opened.explorer()
    assert opened.errors() == []


@pytest.fixture
def second(opened):
    return opened.explorer(1)


def gone(processes, timeout_s=60):
    """Whether they end; one that nobody has reaped yet has ended."""
    deadline = time.monotonic() + timeout_s
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_two_explorers_are_each_their_own(first, second):
    before = second.words.inner_text(), second.tiles.all_inner_texts()
    first.go_to(model_size="resnet16", precision="int8", batch_size=16)
    expect(first.words).to_contain_text("resnet16, int8, eager, batch 16,")
    assert (second.words.inner_text(), second.tiles.all_inner_texts()) == before
    second.go_to(batch_size=256)
    expect(second.words).to_contain_text("resnet4, fp32, eager, batch 256,")
    expect(first.words).to_contain_text("resnet16, int8, eager, batch 16,")


def test_recorded_numbers_are_marked_and_nothing_is_measured(first, measuring_processes):
    first.go_to(batch_size=8)
    expect(first.tiles.first).to_have_attribute("data-origin", "predicted")
    first.go_to(batch_size=16)
    expect(first.tiles.first).to_have_attribute("data-origin", "recorded")
    expect(first.progress).to_have_text(re.compile("^recorded on .*: nothing is measured now"))
    assert measuring_processes() == []
    first.screenshot("explorer-recorded.png")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_follows_the_theme(first, theme):
    first.page.evaluate(THEME, theme)
    dark = theme.endswith("Dark")
    first.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
    for part in (".tradespace-controls label", ".tradespace-tiles .value", ".tradespace-tradeoff [role=status]"):
        assert (first.root.locator(part).first.evaluate(BRIGHTNESS) > 0.5) == dark
    first.screenshot(f"explorer-{'dark' if dark else 'light'}.png")


def test_large_type_makes_all_type_larger(first):
    parts = [".tradespace-controls", ".tradespace-tiles .value", ".tradespace-tradeoff"]
    sizes = "parts => parts.map((part) => parseFloat(getComputedStyle(document.querySelector(part)).fontSize))"
    before = first.page.evaluate(sizes, parts)
    first.button("Large type").click()
    first.page.wait_for_function("document.querySelector('.tradespace-projector')")
    assert all(after > 1.2 * size for after, size in zip(first.page.evaluate(sizes, parts), before, strict=True))
    assert first.faults() == []
    first.screenshot("explorer-large.png")
    first.button("Large type").click()


def test_from_recorded_to_measured_here_and_back(first):
    first.go_to(model_size="resnet4", precision="fp32", batch_size=1)
    recorded = first.count_points()
    first.control("numbers").select_option("measured here")
    expect(first.tiles.first).not_to_have_attribute("data-origin", "recorded")
    first.expect_measured()
    first.expect_points(1)
    first.screenshot("explorer-here.png")
    first.control("numbers").select_option("recorded")
    first.expect_points(recorded)
    expect(first.button("Fill in")).to_be_disabled()
    first.control("numbers").select_option("measured here")


def begin(explorer, **options):
    """Measure one point, and none on the way to it, until the first numbers are there."""
    explorer.control("numbers").select_option("recorded")
    explorer.go_to(**options)
    explorer.control("numbers").select_option("measured here")
    explorer.expect_measuring()


def test_a_measurement_is_cancelled_and_a_killed_process_costs_one_point(first, second, measuring_processes):
    begin(second, batch_size=16)
    assert re.search(r"[\d,]+ samples, about \d+\.\d s left", second.progress.inner_text())
    second.cancel.click()
    expect(second.progress).to_have_text("cancelled")
    expect(second.cancel).to_be_disabled()

    begin(second, batch_size=64)
    for _ in range(5):
        for process in measuring_processes():
            process.kill()
        second.page.wait_for_timeout(5_000)
        if "the measuring process died" in second.progress.inner_text():
            break
        # It was idle between two slices: another took its place, and the measurement went on.
    expect(second.progress).to_contain_text("the measuring process died")
    expect(second.words).to_contain_text("crashed")
    second.screenshot("explorer-crashed.png")

    begin(second, batch_size=4)
    second.cancel.click()
    first.go_to(batch_size=2)
    first.expect_measured()
    assert len(measuring_processes()) == 1


def test_an_interrupt_of_the_kernel_stops_measuring_and_it_works_again(opened, first, second, measuring_processes):
    begin(second, batch_size=32)
    press_stop(opened.server, second)
    expect(second.progress).to_have_text("interrupted")
    expect(second.cancel).to_be_disabled()
    assert is_idle(measuring_processes)
    assert len(measuring_processes()) <= 1

    begin(second, batch_size=2)
    second.cancel.click()
    first.go_to(batch_size=4)
    first.expect_measured()


def press_stop(server, explorer, times=30):
    """Until it ends: a press between two slices finds nothing to end."""
    for _ in range(times):
        server.interrupt_kernels()
        with suppress(AssertionError):
            expect(explorer.progress).not_to_have_text(re.compile("^measuring: "), timeout=2_000)
            return


def is_idle(measuring_processes, within_s=60, quiet_s=0.5):
    """Whether what measures comes to rest."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = [process.cpu_times()[:2] for process in measuring_processes()]
        time.sleep(quiet_s)
        if [process.cpu_times()[:2] for process in measuring_processes()] == before:
            return True
    return False


def test_after_a_restart_of_the_kernel_the_notebook_runs_again(opened, first, measuring_processes):
    old = measuring_processes()
    opened.restart()
    assert gone(old)
    opened.run_all(timeout_s=120)
    expect(first.words).to_contain_text("resnet4, fp32, eager, batch 1,")
    first.control("numbers").select_option("measured here")
    first.expect_measured()
    assert len(measuring_processes()) == 1


def test_no_process_outlives_its_kernel(opened, first, second, measuring_processes):
    begin(second, batch_size=16)
    old = measuring_processes()
    opened.server.shut_down_kernels()
    assert old
    assert gone(old)


def test_text_from_data_is_shown_as_text(run_notebook):
    notebook = run_notebook("evil.ipynb", *EVIL_CELLS)
    here, recorded = notebook.explorer(), notebook.explorer(1)
    expect(here.words).to_contain_text(f"{EVIL}, fp32, eager, batch 1,")
    expect(here.control("task").locator("option", has_text=EVIL)).to_have_count(1)
    assert here.said("model size") == EVIL
    expect(recorded.progress).to_have_text(f"recorded on {EVIL}: nothing is measured now")
    here.chart.scroll_into_view_if_needed()
    box = here.points_on_lines.last.bounding_box()
    (named,) = here.hover(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert named.startswith(EVIL)
    here.go_to(batch_size=8)
    here.expect_measured()
    for page in (here, recorded):
        page.button("Pin").click()
    here.screenshot("explorer-escaped.png")
    assert notebook.page.evaluate("document.querySelectorAll('.tradespace-explorer img').length") == 0
    assert notebook.page.evaluate("window.hacked") is None
    assert notebook.errors() == []
