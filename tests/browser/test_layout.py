"""The Explorer fits on the screen, whatever the screen: measured by geometry, and to be looked at in `screenshots/`."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CELLS = "import tradespace as ts\ntask = ts.load_task('fashion')", "ts.Explorer(task)"
# JupyterLab with its list of files open; and how many charts are in view.
WINDOWS = {"laptop": (1366, 768, 1), "wide laptop": (1440, 900, 1), "desktop": (1920, 1080, 3)}
VIEWS = {"1": "tradeoff", "2": "batch-curve", "3": "landscape"}
# How much of a part lies within what is seen of the page.
IN_VIEW = """part => {
    const scrolling = part.closest('.jp-WindowedPanel-outer').getBoundingClientRect();
    const box = part.getBoundingClientRect();
    return box.top >= scrolling.top - 1 && box.bottom <= scrolling.bottom + 1 && box.right <= scrolling.right + 1;
}"""
# Deque's accessibility rules, which `make js` installs.
AXE = Path(__file__).parents[2] / "widgets/node_modules/axe-core/axe.min.js"
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
VIOLATIONS = """async root => {
    const { violations } = await axe.run(root, {runOnly: ['wcag2a', 'wcag2aa']});
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
}"""
TO_THE_TOP = "part => part.scrollIntoView({block: 'start'})"


@pytest.fixture(scope="module")
def opened(run_notebook):
    notebook = run_notebook("layout.ipynb", *CELLS)
    notebook.page.evaluate("() => window.jupyterapp.shell.expandLeft()")
    explorer = notebook.explorer()
    explorer.go_to(precision="int8", batch_size=16)
    explorer.press("latency at most", "End", *["ArrowLeft"] * 30)
    return notebook


@pytest.fixture
def explorer(opened):
    yield opened.explorer()
    assert opened.errors() == []


def resize(explorer, width, height):
    explorer.page.set_viewport_size({"width": width, "height": height})
    explorer.page.wait_for_timeout(500)
    explorer.root.evaluate(TO_THE_TOP)
    explorer.page.wait_for_timeout(200)


@pytest.mark.parametrize("window", WINDOWS)
def test_it_fits_beside_the_list_of_files(explorer, window):
    width, height, charts = WINDOWS[window]
    resize(explorer, width, height)
    assert explorer.root.evaluate(IN_VIEW)
    for key, view in VIEWS.items():
        explorer.control("batch size").focus()
        explorer.page.keyboard.press(key)
        expect(explorer.root.locator(f".tradespace-at-{view}")).to_be_visible()
        assert explorer.root.locator(".tradespace-chart:visible").count() == charts
        assert explorer.faults() == []
        explorer.screenshot(f"layout-{window.replace(' ', '-')}-{key}.png")
        if charts > 1:
            break
    for control in explorer.root.locator(".tradespace-controls details[open] :is(input, select)").all():
        assert control.evaluate(IN_VIEW)


def test_large_type_in_full_screen_on_a_projector(explorer):
    resize(explorer, 1024, 768)
    explorer.button("Large type").click()
    explorer.button("Full screen").click()
    explorer.page.wait_for_function("document.fullscreenElement?.matches('.tradespace-explorer')")
    explorer.page.wait_for_timeout(500)
    box = explorer.root.bounding_box()
    assert (box["width"], box["height"]) == (1024, 768)
    assert explorer.faults() == []
    explorer.notebook.screenshot("layout-projector.png")
    explorer.button("Full screen").click()
    explorer.page.wait_for_function("!document.fullscreenElement")
    explorer.button("Large type").click()


@pytest.mark.parametrize("width", [820, 1180])
def test_a_tablet_upright_or_across_without_the_list_of_files(explorer, width):
    toggle = "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
    explorer.page.evaluate(toggle)
    resize(explorer, width, 2000 - width)
    faults = explorer.faults()
    explorer.screenshot(f"layout-tablet-{width}.png")
    explorer.page.evaluate(toggle)
    assert faults == []


def test_keys_change_charts_and_take_moves_back(explorer):
    resize(explorer, 1366, 768)
    said = explorer.said("batch size")
    explorer.press("batch size", "ArrowRight")
    after = explorer.said("batch size")
    explorer.page.keyboard.press("z")
    expect(explorer.control("batch size")).to_have_attribute("aria-valuetext", said)
    explorer.page.keyboard.press("Shift+Z")
    expect(explorer.control("batch size")).to_have_attribute("aria-valuetext", after)
    explorer.page.keyboard.press("?")
    expect(explorer.root.get_by_role("dialog", name="Keys")).to_be_visible()
    explorer.screenshot("layout-keys.png")
    explorer.page.keyboard.press("Escape")
    expect(explorer.root.get_by_role("dialog", name="Keys")).to_be_hidden()
    # A click on a chart leaves the keys with the Explorer.
    box = explorer.chart.bounding_box()
    explorer.page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 2)
    explorer.page.keyboard.press("z")
    expect(explorer.control("batch size")).to_have_attribute("aria-valuetext", said)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_contrast_and_names_are_enough_for_everybody(explorer, theme):
    if not AXE.exists():
        assert os.environ.get("CI") != "true"
        pytest.skip("axe-core is not installed: `make js` installs it")
    resize(explorer, 1920, 1080)
    explorer.page.evaluate(THEME, theme)
    explorer.page.wait_for_timeout(500)
    explorer.screenshot(f"layout-{theme.split()[1].lower()}.png")
    explorer.page.add_script_tag(path=AXE)
    assert explorer.root.evaluate(VIOLATIONS) == []


def test_the_tour_has_three_steps_and_comes_once(opened, explorer):
    explorer.page.evaluate("() => localStorage.removeItem('tradespace-tour')")
    opened.run_all()
    resize(explorer, 1440, 900)
    tour = explorer.root.get_by_role("dialog", name="A short tour")
    for step in range(3):
        expect(tour).to_contain_text(f"{step + 1} of 3")
        assert explorer.faults() == []
        explorer.screenshot(f"layout-tour-{step + 1}.png")
        tour.locator(".next").click()
    expect(tour).to_be_hidden()
    opened.run_all()
    expect(explorer.control("batch size")).to_be_visible()
    expect(tour).to_be_hidden()
