"""`make app` as people meet it who want no code: the Explorer, served by Voila."""

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(__file__).parent / "screenshots"
SHOWN_MS = 120_000
# And how many charts are in view.
WINDOWS = {"light": [(1366, 768, 1), (1440, 900, 3), (1920, 1080, 3), (820, 1180, 1)], "dark": []}


@pytest.fixture(scope="module")
def app(chromium_path, tmp_path_factory):
    """The address of Voila and its log; it runs with settings of its own, so that all it writes is in one folder."""
    home = tmp_path_factory.mktemp("voila")
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    environment = {**os.environ, **{name: str(home / folder) for name, folder in folders.items()}}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "voila", str(ROOT / "notebooks" / "app.ipynb"), "--no-browser", f"--port={port}"]
    log = home / "voila.log"
    with log.open("wb") as sink:
        process = psutil.Popen(
            [*command, "--Voila.ip=127.0.0.1", "--Voila.port_retries=0"],
            cwd=home, env=environment | {"IPYTHONDIR": str(home / "ipython")}, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}/", log
    finally:
        family = [*process.children(recursive=True), process]
        process.terminate()
        for survivor in psutil.wait_procs(family, timeout=20)[1]:
            survivor.kill()


def wait_for(port, process, log, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Voila did not start; its log ends with:\n{log.read_text()[-2000:]}")


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 400)])
def test_the_explorer_is_shown_without_code_answers_the_keyboard_and_fits(
    app, page, page_errors, explorer_on, theme, width
):
    url, log = app
    asked = []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    page.on("websocket", lambda opened: asked.append(urlsplit(opened.url)))
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{url}?theme={theme}")

    explorer = explorer_on(page)
    expect(explorer.here).to_contain_text("resnet4, fp32, eager, batch 1,", timeout=SHOWN_MS)
    expect(explorer.here).to_be_visible()
    expect(page).to_have_title("tradespace: the Explorer")
    expect(page.get_by_text("import tradespace")).to_have_count(0)
    explorer.press("batch size", "ArrowRight")
    expect(explorer.here).to_contain_text("resnet4, fp32, eager, batch 2,")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=SCREENSHOTS / f"app-{theme}.png", full_page=True)

    for window in WINDOWS[theme]:
        assert_it_fits(explorer, *window)

    assert {part.hostname for part in asked if part.scheme in ("http", "https", "ws", "wss")} == {"127.0.0.1"}
    assert page_errors == []
    assert "Traceback" not in log.read_text()


def assert_it_fits(explorer, width, height, charts):
    """It is not scrolled."""
    explorer.page.set_viewport_size({"width": width, "height": height})
    explorer.page.wait_for_timeout(500)
    assert explorer.root.locator(".tradespace-chart:visible").count() == charts
    box = explorer.root.bounding_box()
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    assert explorer.faults() == [], (width, height)
    explorer.screenshot(f"app-{width}.png")
