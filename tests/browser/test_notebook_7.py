"""The Explorer in Notebook 7, which shares JupyterLab's widgets but not its page."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SHOW = "import tradespace as ts\nts.Explorer(ts.load_task('fashion'))"


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080)])
def test_it_fits_and_answers_the_keyboard(notebook_7, width, height):
    explorer = notebook_7(SHOW, width, height)
    expect(explorer.ring).to_be_visible()
    explorer.root.evaluate("part => part.scrollIntoView({block: 'start'})")
    explorer.press("batch size", "ArrowRight", "ArrowRight")
    expect(explorer.here).to_contain_text("batch 4,")
    assert explorer.faults() == []
    explorer.screenshot(f"notebook-7-{width}.png")
