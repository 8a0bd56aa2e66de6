"""Run notebook 00 in JupyterLab and take the README's picture of its Explorer."""

import sys
import tempfile
from pathlib import Path

from conftest import NO_CHROMIUM, NOTEBOOKS, Notebook, find_chromium, open_page, start_browser, start_lab

PICTURE = NOTEBOOKS / "images" / "explorer.png"
# All four charts fit on it.
WINDOW = {"width": 1680, "height": 1050}
# Of each slider: its ends, and steps from there.
POSE = {
    "model size": ["End", "ArrowLeft"],
    "precision": ["Home", *["ArrowRight"] * 3],
    "batch size": ["Home", *["ArrowRight"] * 4],
    "accuracy at least": ["End", *["ArrowLeft"] * 17],
    "latency at most": ["End", *["ArrowLeft"] * 20],
}


def main() -> None:
    chromium = find_chromium()
    if chromium is None:
        sys.exit(NO_CHROMIUM)
    errors: list[str] = []
    with (
        tempfile.TemporaryDirectory() as home,
        start_lab(Path(home)) as lab,
        start_browser(chromium) as browser,
        open_page(browser, errors) as page,
    ):
        page.set_viewport_size(WINDOW)
        notebook = Notebook(page, lab, errors)
        notebook.open("00_start_here.ipynb")
        # Without the list of files there is more room.
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        notebook.run_all(timeout_s=420)
        explorer = notebook.explorer()
        for slider, keys in POSE.items():
            explorer.press(slider, *keys)
        explorer.expect_measured()
        page.evaluate("document.activeElement.blur()")
        PICTURE.parent.mkdir(exist_ok=True)
        explorer.screenshot(PICTURE)
        sys.exit("\n".join(notebook.errors()) or 0)


if __name__ == "__main__":
    main()
