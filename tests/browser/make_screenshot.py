"""Run notebook 00 in JupyterLab and take the README's picture of its Explorer."""

import sys
import tempfile
from pathlib import Path

from conftest import NO_CHROMIUM, NOTEBOOKS, Notebook, find_chromium, open_page, start_browser, start_lab

PICTURE = NOTEBOOKS / "images" / "explorer.png"
POSE = {
    "model size": ["End", "ArrowLeft"],
    "precision": ["Home", "ArrowRight", "ArrowRight", "ArrowRight"],
    "batch size": ["Home", *["ArrowRight"] * 4],
    "accuracy at least, %": ["PageUp"] * 5,
    "latency at most, ms": ["End", *["PageDown"] * 20],
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
        notebook = Notebook(page, lab)
        notebook.open("00_start_here.ipynb")
        notebook.run_all(timeout_s=420)
        explorer = page.locator(".tradespace-explorer")
        for slider, keys in POSE.items():
            page.get_by_role("slider", name=slider).focus()
            for key in keys:
                page.keyboard.press(key)
        page.get_by_role("button", name="Cancel").and_(page.locator(":disabled")).wait_for()
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        PICTURE.parent.mkdir(exist_ok=True)
        explorer.screenshot(path=PICTURE)
        sys.exit("\n".join(errors + notebook.kernel_errors()) or 0)


if __name__ == "__main__":
    main()
