"""The Explorer as a learner meets it: by keyboard, by mouse, and when measuring goes wrong."""

import re
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import tradespace as ts
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# Longer than a slider has to rest before its point is measured.
REST_MS = 1_000
KNOBS = ("model size", "pruning", "precision", "runtime", "batch size", "threads")
# Each limit, and the ends of its slider at which it asks for the impossible and for nothing.
LIMITS = {
    "latency at most": ("Home", "End"),
    "throughput at least": ("End", "Home"),
    "accuracy at least": ("End", "Home"),
    "cost at most": ("Home", "End"),
}
NUMBERS = {
    "price per hour": ("0.001", "1000"),
    "watts, assumed": ("1", "10000"),
    "items": ("1", "1000000000000"),
    "sensing range, m": ("0.1", "1000"),
    "braking, m/s²": ("0.1", "100"),
}
DRAWN = """canvas => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(pixels.filter((_, i) => i % 4 < 3)).size;
}"""


# The names of all that widgets send to the kernel.
SENDS = """panel => {
    window.sent = [];
    panel.sessionContext.session.kernel.anyMessage.connect((_, { msg, direction }) => {
        const state = direction === 'send' && msg.header.msg_type === 'comm_msg' && msg.content.data.state;
        if (state) window.sent.push(...Object.keys(state));
    });
}"""
# Until it is interrupted.
BUSY = """panel => {
    const code = 'import time\\ntry:\\n    time.sleep(300)\\nexcept KeyboardInterrupt:\\n    pass';
    panel.sessionContext.session.kernel.requestExecute({ code, store_history: false });
}"""
# Recorded, as if it had been measured here: that would take a minute.
CELLS = (
    (Path(__file__).parents[1] / "hurry.py").read_text(encoding="utf-8"),
    """import tradespace as ts
from tradespace.measuring.machine import machine
task = ts.load_task("fashion")
threads = min(2, ts.Config("resnet4").threads)
measured = "runtime == 'eager' and pruning == 'none' and precision in ['fp32', 'bf16', 'int8'] and threads == @threads"
surface = ts.load_recorded("fashion").query(f"{measured} and batch_size in [1, 4, 16, 64, 256]")""",
    "ts.Explorer(task, surface.assign(machine=machine()))",
)


@pytest.fixture(scope="module")
def workbook(run_notebook):
    return run_notebook("explorer.ipynb", *CELLS)


@pytest.fixture(scope="module")
def threads(workbook):
    """Those that the notebook measured at."""
    return workbook.explorer().said("threads")


@pytest.fixture
def explorer(workbook, threads):
    """Where it opens: the smallest network, in fp32, one item at a time, without limits."""
    page = workbook.explorer()
    for limit, (_, loose) in LIMITS.items():
        page.press(limit, loose)
    page.go_to(model_size="resnet4", pruning="none", precision="fp32", runtime="eager", batch_size=1, threads=threads)
    page.settle()
    expect(page.words).to_contain_text("resnet4, fp32, eager, batch 1,")
    page.expect_measured()
    yield page
    assert workbook.errors() == []


def middle_of(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_opens_on_a_measured_point_with_all_views_drawn(explorer):
    expect(explorer.words).to_contain_text("Highest throughput, without limits:")
    assert explorer.tiles.locator(".value").all_inner_texts().count("?") <= 1
    assert explorer.count_points() >= 50
    expect(explorer.root.locator(".tradespace-batch-curve path.point")).not_to_have_count(0)
    assert explorer.canvas.evaluate(DRAWN) > 20
    explorer.screenshot("explorer-first.png")


def test_every_control_has_a_name_and_a_tooltip(explorer):
    for control in explorer.root.locator(".tradespace-controls :is(input, select)").all():
        name = control.evaluate("field => field.labels[0]?.textContent")
        assert name
        assert control.get_attribute("title"), name
    for button in explorer.root.locator("button:visible").all():
        assert button.inner_text()
        assert button.get_attribute("title")


def test_a_key_changes_words_ring_tiles_and_pixels(explorer):
    def seen():
        views = explorer.chart, explorer.root.locator(".tradespace-batch-curve"), explorer.canvas
        numbers = explorer.tiles.locator(".value").all_inner_texts()
        return [
            explorer.words.inner_text(),
            explorer.ring.get_attribute("cx"),
            numbers,
            *(v.screenshot() for v in views),
        ]

    before = seen()
    explorer.press("batch size", "ArrowRight", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, fp32, eager, batch 4,")
    expect(explorer.sentence).to_contain_text(re.compile(r"^batch 4 here: .*throughput"))
    assert all(one != other for one, other in zip(before, seen(), strict=True))
    explorer.press("precision", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, bf16, eager, batch 4,")
    explorer.screenshot("explorer-moved.png")


def test_every_knob_goes_to_both_ends_by_keyboard(explorer):
    for knob in KNOBS:
        said = []
        for end in ("End", "Home"):
            explorer.press(knob, end)
            said.append(explorer.said(knob))
            expect(explorer.words).to_contain_text(said[-1] if said[-1] != "none" else "resnet4")
        assert said[0] != said[1], knob
    explorer.cancel.click()


def test_what_cannot_run_is_skipped_and_says_why(explorer):
    explorer.press("runtime", "End")
    # Which precisions there are then is for the kernel to say.
    refused = explorer.root.locator(".ticks .off[title*=OpenVINO i]")
    expect(refused.first).to_be_attached()
    # Rounded weights, at the end, have no kernels in OpenVINO on any processor.
    explorer.press("precision", "End")
    note = explorer.root.locator(".tradespace-controls .why:visible")
    expect(note).to_have_text(re.compile(r"^\S+: .*openvino", re.IGNORECASE))
    # Not Playwright's click, which would wait for a button that is disabled once the point is measured.
    explorer.cancel.evaluate("button => button.click()")


def test_every_menu_and_number_goes_to_both_ends_by_keyboard(explorer):
    for menu in ("latency is the", "objective"):
        for end in ("End", "Home"):
            explorer.press(menu, end)
            chosen = explorer.control(menu).evaluate("field => field.selectedOptions[0].textContent")
            expect(explorer.words).to_contain_text(chosen.capitalize() if menu == "objective" else "resnet4")
    for group in explorer.root.locator(".tradespace-controls summary").all()[2:]:
        group.press("Enter")
    for number, ends in NUMBERS.items():
        before = explorer.control(number).input_value()
        for value in (*ends, before):
            tiles = explorer.tiles.locator(".value").all_inner_texts()
            explorer.press(number, "Control+a", *value, "Enter")
            expect(explorer.control(number)).to_have_value(value)
            explorer.page.wait_for_function(
                "([tiles, before]) => [...tiles].some((tile, i) => tile.textContent !== before[i])",
                arg=[explorer.tiles.locator(".value").element_handles(), tiles],
            )
        explorer.press(number, "Control+a", "0", "Enter")
        expect(explorer.control(number)).to_have_value(before)
    explorer.screenshot("explorer-numbers.png")


@pytest.mark.parametrize(("limit", "ends"), LIMITS.items())
def test_a_limit_that_nothing_meets_is_said_in_words(explorer, limit, ends):
    impossible, loose = ends
    explorer.press(limit, impossible)
    expect(explorer.words).to_contain_text(re.compile("No measured point meets these limits: .*at (most|least)"))
    expect(explorer.chart.locator(".panel.throughput .choice")).to_be_hidden()
    explorer.screenshot(f"explorer-{limit.replace(' ', '-')}.png")
    explorer.press(limit, loose)
    expect(explorer.words).to_contain_text("Highest throughput, without limits:")


def test_a_point_is_predicted_then_measured(explorer):
    explorer.go_to(precision="bf16", batch_size=2)
    expect(explorer.tiles.first).to_have_attribute("data-origin", "predicted")
    expect(explorer.words).to_contain_text("resnet4, bf16, eager, batch 2, ")
    expect(explorer.ring).to_have_class("current predicted")
    before = explorer.count_points()
    explorer.expect_measured()
    expect(explorer.ring).to_have_class("current")
    explorer.expect_points(before + 1)
    explorer.screenshot("explorer-measured.png")


def test_a_drag_measures_nothing_until_it_is_let_go(explorer):
    explorer.go_to(precision="fp16")
    explorer.cancel.click()
    slider, mouse = explorer.control("batch size"), explorer.page.mouse
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    before = explorer.count_points()
    mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2, steps=10)
    held = explorer.said("batch size")
    expect(explorer.words).to_contain_text(f"resnet4, fp16, eager, batch {held},")
    assert held != "1"
    explorer.page.wait_for_timeout(2 * REST_MS)
    expect(explorer.cancel).to_be_disabled()
    assert explorer.count_points() == before
    # Let go elsewhere, as hands do.
    mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 150)
    mouse.up()
    explorer.expect_measured()
    expect(explorer.words).to_contain_text(f"resnet4, fp16, eager, batch {held},")


def test_hovering_names_a_point_and_a_click_selects_it(explorer):
    explorer.chart.scroll_into_view_if_needed()
    place = middle_of(explorer.points_on_lines.last)
    (named,) = explorer.hover(*place)
    explorer.page.mouse.click(*place)
    expect(explorer.words).to_contain_text(f"{named.splitlines()[0]}: ")
    assert named.splitlines()[1] in explorer.words.inner_text()


def test_what_the_browser_looks_up_is_shown_at_once_and_not_sent_back(workbook, explorer):
    explorer.page.evaluate(SENDS, workbook.panel)
    for _ in range(600):
        if workbook.execute("print(_._screen.ahead.table is not None)").strip() == "True":
            break
        explorer.page.wait_for_timeout(100)
    else:
        pytest.fail("no table after a minute")
    # A kernel that does nothing else for a while.
    explorer.page.evaluate(BUSY, workbook.panel)
    explorer.press("batch size", "ArrowRight", "ArrowRight")
    expect(explorer.here).to_contain_text("batch 4,")
    workbook.server.interrupt_kernels()
    explorer.settle()
    place = middle_of(explorer.points_on_lines.last)
    explorer.page.mouse.click(*place)
    explorer.settle()
    assert set(explorer.page.evaluate("window.sent")) <= {"values", "held", "typing", "selected"}


def test_hovering_and_clicking_in_three_dimensions(explorer):
    explorer.canvas.scroll_into_view_if_needed()
    box = explorer.canvas.bounding_box()
    across, down = range(30, int(box["width"]), 30), range(30, int(box["height"]), 30)
    for x, y in ((box["x"] + dx, box["y"] + dy) for dy in down for dx in across):
        named = explorer.hover(x, y)
        if named and not named[0].startswith("resnet4, fp32, eager, batch 1,"):
            break
    explorer.page.mouse.click(x, y)
    expect(explorer.words).to_contain_text(f"{named[0].splitlines()[0]}: ")
    explorer.screenshot("explorer-3d.png")

    explorer.canvas.press("]")
    named = explorer.root.locator(".tradespace-landscape .tip")
    expect(named).to_be_visible()
    first = named.inner_text().splitlines()[0]
    explorer.canvas.press("Enter")
    expect(explorer.words).to_contain_text(f"{first}: ")


def test_two_pins_are_compared(explorer):
    explorer.button("Pin").click()
    explorer.go_to(model_size="resnet16", precision="bf16", batch_size=64)
    expect(explorer.words).to_contain_text("resnet16, bf16, eager, batch 64,")
    explorer.button("Pin").click()
    expect(explorer.sentence).to_contain_text(re.compile("From pin A to pin B: .*resnet16, bf16, batch 64"))
    expect(explorer.chart.locator(".panel.throughput .pins text")).to_have_text(["A", "B"])
    explorer.screenshot("explorer-pins.png")
    explorer.button("Unpin").click()
    expect(explorer.sentence).not_to_contain_text("pin A")
    expect(explorer.button("Unpin")).to_be_disabled()


def test_the_chart_and_the_table_can_be_saved(explorer, tmp_path):
    for kind in ("PNG", "SVG", "CSV"):
        with explorer.page.expect_download() as download:
            explorer.button(kind).click()
        download.value.save_as(tmp_path / download.value.suggested_filename)
    surface = ts.load_surface(tmp_path / "surface.csv")
    assert len(surface[surface["status"] == "ok"]["latency_p50_ms"].dropna()) == explorer.count_points()
    picture = ElementTree.parse(tmp_path / "tradeoff.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    words = "".join(picture.itertext())
    assert explorer.words.inner_text().splitlines()[0] in words
    assert surface["machine"].iloc[0] in words
    png = (tmp_path / "tradeoff.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", png[16:24])) > 500
    explorer.notebook.screenshot("explorer-saved.png").write_bytes(png)


def test_the_surface_is_filled_in_while_sliders_stay_alive(explorer):
    before = explorer.count_points()
    explorer.button("Fill in").click()
    expect(explorer.progress).to_contain_text("filling in")
    expect(explorer.button("Fill in")).to_be_disabled()
    explorer.press("batch size", "ArrowRight", "ArrowRight")
    expect(explorer.words).to_contain_text("resnet4, fp32, eager, batch 4,")
    expect(explorer.points).not_to_have_accessible_name(f"{before} points", timeout=60_000)
    explorer.screenshot("explorer-filling.png")
    explorer.cancel.click()
    expect(explorer.progress).to_have_text("cancelled")
    expect(explorer.cancel).to_be_disabled()
    expect(explorer.button("Fill in")).to_be_enabled()


def test_another_task_and_back(explorer):
    points = explorer.count_points()
    explorer.control("task").select_option("glosses")
    expect(explorer.words).not_to_contain_text("resnet", timeout=60_000)
    explorer.screenshot("explorer-glosses.png")
    explorer.control("task").select_option("fashion")
    expect(explorer.words).to_contain_text("resnet4, fp32, eager, batch 1,", timeout=60_000)
    explorer.expect_points(points)
