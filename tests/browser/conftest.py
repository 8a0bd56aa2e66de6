"""A real JupyterLab in a real Chromium: context managers, also for scripts, and fixtures around them."""

import json
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, JSHandle, Page, sync_playwright

# A script that imports this file; pytest would import it in search of doctests.
collect_ignore = ["make_screenshot.py"]

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent.parent / "notebooks"
SCREENSHOTS = HERE / "screenshots"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_CHROMIUM = "no Chromium on the PATH: `apt-get install chromium`, or install Google Chrome"


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@dataclass(frozen=True)
class LabServer:
    url: str
    token: str
    root: Path

    def request(self, path: str, method: str = "GET") -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()

    def shut_down_kernels(self) -> None:
        for kernel in json.loads(self.request("/api/kernels")):
            self.request(f"/api/kernels/{kernel['id']}", method="DELETE")


@contextmanager
def start_lab(home: Path) -> Iterator[LabServer]:
    """JupyterLab on a copy of the notebooks, with settings of its own: all it writes is under `home`."""
    root = home / "notebooks"
    shutil.copytree(NOTEBOOKS, root, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    port, token, log = free_port(), secrets.token_hex(16), home / "lab.log"
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.collaborative=False",
    ]
    with log.open("wb") as sink:
        process = psutil.Popen(command, cwd=home, env=environment, stdout=sink, stderr=sink)
    try:
        server = LabServer(f"http://127.0.0.1:{port}", token, root)
        wait_until_ready(server, process, log)
        yield server
    finally:
        stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(server: LabServer, process: psutil.Popen, log: Path, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.request("/api/status")
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start; its log ends with:\n{log.read_text()[-2000:]}")


def stop(process: psutil.Popen) -> None:
    """End a server, its kernels and their workers, by force where asking does not help."""
    if process.poll() is not None:
        return
    family = [*process.children(recursive=True), process]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=20)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive)


@contextmanager
def start_browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, errors: list[str]) -> Iterator[Page]:
    """A page with no history; what goes wrong in it is appended to `errors`."""
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        yield page


# Playwright's evaluate() waits for ever; this gives up on the promise after a while.
WITHIN = """([ms, failure, argument]) => Promise.race([
    (%s)(argument),
    new Promise((_, reject) => setTimeout(() => reject(new Error(failure)), ms)),
])"""

OPEN = """async name => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute('docmanager:open', {path: name, factory: 'Notebook'});
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    return panel;
}"""

RUN_ALL = """async panel => {
    const app = window.jupyterapp;
    app.shell.activateById(panel.id);
    await app.commands.execute('notebook:run-all-cells');
}"""

OUTPUTS = "panel => [...panel.content.model.cells].map(cell => cell.outputs?.toJSON() ?? [])"


class Notebook:
    """One notebook, open in JupyterLab."""

    panel: JSHandle

    def __init__(self, page: Page, server: LabServer) -> None:
        self.page = page
        self.server = server

    def open(self, name: str, timeout_s: float = 120) -> None:
        """Open the notebook `name` of the server's folder and wait for its kernel."""
        self.page.goto(f"{self.server.url}/lab/tree/{name}?reset&token={self.server.token}")
        self.page.wait_for_function("window.jupyterapp", timeout=timeout_s * 1000)
        failure = f"{name}: no kernel after {timeout_s} s; does its metadata name one?"
        self.panel = self._within(timeout_s, failure, OPEN, name)

    def run_all(self, timeout_s: float = 300) -> None:
        self._within(timeout_s, f"cells still running after {timeout_s} s", RUN_ALL, self.panel)

    def cell_outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of each cell, in nbformat's terms; an empty list for a cell without."""
        return self.panel.evaluate(OUTPUTS)

    def kernel_errors(self) -> list[str]:
        return [
            f"cell {index}: {output['ename']}: {output['evalue']}"
            for index, outputs in enumerate(self.cell_outputs())
            for output in outputs
            if output["output_type"] == "error"
        ]

    def screenshot(self, path: str | Path) -> Path:
        """Save what the page shows; a relative path is one under `screenshots/`."""
        target = SCREENSHOTS / path
        self.page.screenshot(path=target)
        return target

    def _within(self, timeout_s: float, failure: str, script: str, argument: object) -> JSHandle:
        return self.page.evaluate_handle(WITHIN % script, [timeout_s * 1000, failure, argument])


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(NO_CHROMIUM)
    if path is None:
        pytest.skip(NO_CHROMIUM)
    return path


@pytest.fixture(scope="session")
def lab_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with start_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


# Not for the session: while Playwright runs, no other test can use asyncio.run().
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with start_browser(chromium_path) as browser:
        yield browser


@pytest.fixture
def page_errors() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, page_errors: list[str]) -> Iterator[Page]:
    with open_page(browser, page_errors) as page:
        yield page


@pytest.fixture
def notebook(page: Page, lab_server: LabServer) -> Iterator[Notebook]:
    yield Notebook(page, lab_server)
    lab_server.shut_down_kernels()
