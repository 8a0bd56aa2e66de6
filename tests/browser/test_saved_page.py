"""A saved Explorer, opened from disk: with no kernel, no server and no network it shows what the Explorer shows."""

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
import tradespace as ts
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

EVIL = "</script><img src=x onerror=window.hacked=true>"
SCREENSHOTS = Path(__file__).parent / "screenshots"
SCREENS = [(1366, 768), (1920, 1080)]
MOVES = [
    {"model": "resnet16", "precision": "int8", "runtime": "openvino", "batch_size": 16},
    {"model": "resnet8", "precision": "fp32", "runtime": "eager", "batch_size": 256},
    {"model": "resnet32", "precision": "w4", "runtime": "eager", "batch_size": 1},
]
LABELS = {"model": "model size", "batch_size": "batch size"}
BRIGHTNESS = "part => getComputedStyle(part).color.match(/[0-9]+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0)"


@pytest.fixture(scope="module")
def live():
    explorer = ts.Explorer(ts.load_task("fashion"))
    yield explorer
    explorer.close()


@pytest.fixture(scope="module")
def opened(live, open_saved, tmp_path_factory):
    file = tmp_path_factory.mktemp("saved") / "explorer.html"
    live.save(file)
    return open_saved(file), live.state


@pytest.fixture
def saved(opened):
    """The page as it begins."""
    opened[0].page.reload()
    return opened[0]


@pytest.fixture
def explorer(opened, live):
    """The Explorer as it was when the page was saved."""
    live.state = opened[1]
    return live


def test_it_says_whose_numbers_these_are(saved):
    row = ts.load_recorded("fashion").iloc[0]
    whose = f"Machine: {row['machine']}. Measured {row['measured_at'][:10]}"
    expect(saved.page.locator("#about")).to_contain_text(whose)
    expect(saved.root.locator(".doing")).to_contain_text("measures nothing")
    expect(saved.tiles.first).to_have_attribute("data-origin", "recorded")
    expect(saved.button("Fill in")).to_have_count(0)
    expect(saved.root.get_by_label("price per hour")).to_have_count(0)


@pytest.mark.parametrize("move", MOVES)
def test_it_says_the_same_as_the_explorer(explorer, saved, move):
    explorer.controls.move(**move)
    saved.go_to(**{LABELS.get(name, name): value for name, value in move.items()})
    assert saved.words.text_content() == explorer.tradeoff.label
    tiles = [tile["value"] for tile in explorer.tiles.tiles]
    expect(saved.tiles.locator(".value")).to_have_text(tiles)
    current = explorer.tradeoff.state["current"]
    timed = current is not None and explorer.tradeoff.data["latency_p50_ms"][current] is not None
    expect(saved.ring).to_be_visible(visible=timed)
    if timed:
        ring = [float(saved.ring.get_attribute(name)) for name in ("cx", "cy")]
        places = [re.findall(r"[\d.]+", one.get_attribute("transform")) for one in saved.points_on_lines.all()]
        assert ring in [[float(number) for number in place] for place in places]


def test_every_slider_and_menu_goes_to_both_ends(saved):
    controls = saved.root.locator(".tradespace-controls")
    sliders, menus = controls.get_by_role("slider").all(), controls.get_by_role("combobox").all()
    assert (len(sliders), len(menus)) == (10, 2)
    for slider in sliders:
        begin = slider.input_value()
        for key in ("End", "Home"):
            slider.press(key)
            assert saved.words.text_content()
        slider.fill(begin)
    for menu in menus:
        for option in reversed(menu.locator("option").all_inner_texts()):
            menu.select_option(label=option)
    expect(saved.ring).to_be_visible()
    assert saved.words.text_content().startswith("resnet4, fp32, eager, batch 1, 1 thread: ")


def test_a_limit_moves_the_star_and_its_words(explorer, saved):
    saved.press("latency at most", "Home")
    expect(saved.sentence).to_contain_text("No measured point meets these limits")
    expect(saved.chart.locator(".panel.throughput .choice")).to_be_hidden()
    saved.press("latency at most", *["ArrowRight"] * 24)
    explorer.controls.move(max_latency_ms=explorer.controls.options("max_latency_ms")[24])
    assert saved.words.text_content() == explorer.tradeoff.label
    expect(saved.chart.locator(".panel.throughput .choice")).to_be_visible()


def test_what_was_not_measured_is_said_to_be_so(saved):
    saved.go_to(pruning="weights-95")
    expect(saved.here).to_contain_text("not among the recorded points")
    expect(saved.tiles.first).to_contain_text("?")
    expect(saved.ring).to_be_hidden()


def test_a_click_goes_to_the_point(saved):
    before = saved.words.text_content()
    box = saved.points_on_lines.nth(3).bounding_box()
    saved.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(saved.words).not_to_have_text(before)
    expect(saved.ring).to_be_visible()


def test_the_table_is_that_of_the_explorer(saved, tmp_path):
    with saved.page.expect_download() as download:
        saved.button("CSV").click()
    download.value.save_as(tmp_path / "surface.csv")
    pd.testing.assert_frame_equal(ts.load_surface(tmp_path / "surface.csv"), ts.load_recorded("fashion"))


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_on_a_screen_in_the_colours_that_the_reader_likes(saved, screen, scheme):
    saved.page.set_viewport_size({"width": screen[0], "height": screen[1]})
    saved.page.emulate_media(color_scheme=scheme)
    saved.page.mouse.move(0, 0)
    saved.page.wait_for_timeout(300)
    saved.page.screenshot(path=SCREENSHOTS / f"saved-{screen[0]}-{scheme}.png")
    beyond = (
        "() => [document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )
    assert max(saved.page.evaluate(beyond)) <= 0
    assert saved.faults() == []
    assert (saved.tiles.first.evaluate(BRIGHTNESS) > 400) == (scheme == "dark")


def test_no_text_of_the_data_is_run(open_saved, tmp_path):
    x = torch.rand(100, 4)
    task = ts.Task.from_model({EVIL: torch.nn.Linear(4, 2)}, example=x[:1], name=EVIL)
    row = ts.load_recorded("fashion").iloc[[0]].assign(task=EVIL, model=EVIL, machine=EVIL)
    explorer = ts.Explorer(task, row)
    explorer.save(tmp_path / "explorer.html")
    explorer.close()
    saved = open_saved(tmp_path / "explorer.html")
    expect(saved.page.locator("#about")).to_contain_text(EVIL)
    expect(saved.here).to_contain_text(EVIL)
    assert saved.page.evaluate("() => window.hacked") is None
