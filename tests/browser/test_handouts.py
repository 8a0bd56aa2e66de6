"""What an instructor prints and projects, in a real browser: one page each, and slides on which all is seen."""

import os
import re

import pytest
from teaching import lessons, pages, sheets

pytestmark = pytest.mark.browser

# In points of 1/72 inch.
A4 = 595, 842
HEIGHTS = """() => {
    const heights = [];
    for (let more = true; more; more = !Reveal.isLastSlide(), Reveal.next()) {
        const slide = Reveal.getCurrentSlide();
        heights.push([slide.scrollHeight, slide.textContent.trim().slice(0, 60)]);
    }
    return heights;
}"""


@pytest.mark.parametrize("make", [sheets.guess_sheet, sheets.formula_page])
def test_a_sheet_is_one_page(make, browser):
    page = browser.new_page()
    page.set_content(make())
    pdf = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    sizes = [[*map(float, box.split())] for box in re.findall(rb"/MediaBox\s*\[([^\]]+)\]", pdf)]
    assert sizes[0][2:] == pytest.approx(A4, abs=1)


def test_slides_open_without_a_network_and_none_is_too_tall(browser, tmp_path):
    if not pages.REVEAL.is_dir():
        assert os.environ.get("CI") != "true"
        pytest.skip("reveal.js is not installed: npm ci in widgets/")
    folder, errors, asked = pages.write_slides(tmp_path), [], []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.on("request", lambda request: asked.append(request.url))
    for path in lessons.lessons():
        page.goto((folder / f"{path.stem}.slides.html").as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        shown, height = page.evaluate(HEIGHTS), page.evaluate("Reveal.getConfig().height")
        assert len(shown) == page.evaluate("Reveal.getTotalSlides()")
        assert min(shown)[0] > 0
        assert [one for one in shown if one[0] > height] == [], path.stem
    page.close()
    assert asked
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []
