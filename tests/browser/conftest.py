"""A real JupyterLab in a real Chromium, and the Explorer in it: also for scripts, and fixtures around them."""

import json
import os
import re
import secrets
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from playwright.sync_api import Browser, JSHandle, Locator, Page, expect, sync_playwright

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
# A busy machine is no failure.
expect.set_options(timeout=30_000)
# Without a kernel's name JupyterLab stops to ask for one.
METADATA = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
MEASURED_MS = 180_000
NO_CHROMIUM = "no Chromium on the PATH: `apt-get install chromium`, or install Google Chrome"


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@dataclass(frozen=True)
class LabServer:
    url: str
    token: str
    root: Path

    @property
    def log(self) -> Path:
        """What the server and its kernels print."""
        return self.root.parent / "lab.log"

    def request(self, path: str, method: str = "GET") -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()

    def write(self, name: str, *sources: str) -> None:
        """A notebook of code cells."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), self.root / name)

    def interrupt_kernels(self) -> None:
        """What the stop button of a notebook does."""
        for kernel in json.loads(self.request("/api/kernels")):
            self.request(f"/api/kernels/{kernel['id']}/interrupt", method="POST")

    def shut_down_kernels(self) -> None:
        for kernel in json.loads(self.request("/api/kernels")):
            self.request(f"/api/kernels/{kernel['id']}", method="DELETE")


LAB = "jupyterlab", "--LabApp.expose_app_in_browser=True", "--LabApp.collaborative=False"
NOTEBOOK_7 = "notebook", "--JupyterNotebookApp.expose_app_in_browser=True"


@contextmanager
def start_lab(home: Path, application: Sequence[str] = LAB) -> Iterator[LabServer]:
    """JupyterLab on a copy of the notebooks, with settings of its own: all it writes is under `home`."""
    root = home / "notebooks"
    shutil.copytree(NOTEBOOKS, root, ignore=shutil.ignore_patterns(".ipynb_checkpoints", ".tradespace-ledger*"))
    port = free_port()
    server = LabServer(f"http://127.0.0.1:{port}", secrets.token_hex(16), root)
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": server.token,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *(sys.executable, "-m", *application, "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={root}",
    ]
    with server.log.open("wb") as sink:
        process = psutil.Popen(command, cwd=home, env=environment, stdout=sink, stderr=sink)
    try:
        wait_until_ready(server, process)
        yield server
    finally:
        stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(server: LabServer, process: psutil.Popen, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.request("/api/status")
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start; its log ends with:\n{server.log.read_text()[-2000:]}")


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
    """A page with no history but that of the tour, which comes once; what goes wrong in it is appended to `errors`."""
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        seen = (f"localStorage.setItem('{tour}', 'seen');" for tour in ("tradespace-tour", "tradespace-tour-serving"))
        context.add_init_script(f"try {{ {' '.join(seen)} }} catch {{}}")
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
    window.failures = [];
    // What callbacks of widgets raise belongs to no cell.
    panel.sessionContext.iopubMessage.connect((_, message) => {
        const raised = message.header.msg_type === 'error' && message.parent_header.msg_type !== 'execute_request';
        if (raised) window.failures.push(`callback: ${message.content.ename}: ${message.content.evalue}`);
    });
    return panel;
}"""

CLOSE = "panel => panel.dispose()"

RUN_ALL = """async panel => {
    const app = window.jupyterapp;
    app.shell.activateById(panel.id);
    await app.commands.execute('notebook:run-all-cells');
}"""

RESTART = """async panel => {
    await panel.sessionContext.restartKernel();
    await panel.sessionContext.session.kernel.info;
}"""

# Code that belongs to no cell; what it prints comes back.
EXECUTE = """async ([panel, code]) => {
    const future = panel.sessionContext.session.kernel.requestExecute({code, store_history: false});
    let printed = '';
    future.onIOPub = ({content}) => { printed += content.text ?? content.evalue ?? ''; };
    await future.done;
    return printed;
}"""

OUTPUTS = "panel => [...panel.content.model.cells].map(cell => cell.outputs?.toJSON() ?? [])"


class Notebook:
    """One notebook, open in JupyterLab."""

    panel: JSHandle
    root: Locator

    def __init__(self, page: Page, server: LabServer, page_errors: list[str] | None = None) -> None:
        self.page = page
        self.server = server
        self._page_errors = [] if page_errors is None else page_errors
        self._errors_before, self._log_before = len(self._page_errors), len(server.log.read_text())

    def open(self, name: str, timeout_s: float = 120) -> None:
        """Open the notebook `name` of the server's folder, beside others on its page, and wait for its kernel."""
        if not self.page.url.startswith(self.server.url):
            self.page.goto(f"{self.server.url}/lab?reset&token={self.server.token}")
            self.page.wait_for_function("window.jupyterapp", timeout=timeout_s * 1000)
        failure = f"{name}: no kernel after {timeout_s} s; does its metadata name one?"
        self.panel = self._within(timeout_s, failure, OPEN, name)
        self.root = self.page.locator(f"[id='{self.panel.evaluate('panel => panel.id')}']")

    def close(self) -> None:
        """Close the notebook, but not its page."""
        self.panel.evaluate(CLOSE)

    def run_all(self, timeout_s: float = 300) -> None:
        self._within(timeout_s, f"cells still running after {timeout_s} s", RUN_ALL, self.panel)

    def restart(self, timeout_s: float = 60) -> None:
        """Restart the kernel; outputs stay, as they do for people."""
        self._within(timeout_s, f"no kernel {timeout_s} s after its restart", RESTART, self.panel)

    def execute(self, code: str, timeout_s: float = 60) -> str:
        """What `code` prints in the kernel."""
        failure = f"still running after {timeout_s} s: {code}"
        return str(self._within(timeout_s, failure, EXECUTE, [self.panel, code]).json_value())

    def cell_outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of each cell, in nbformat's terms; an empty list for a cell without."""
        return self.panel.evaluate(OUTPUTS)

    def kernel_errors(self) -> list[str]:
        """What cells raised, what callbacks of widgets raised, and what threads said of it."""
        outputs = [(index, output) for index, some in enumerate(self.cell_outputs()) for output in some]
        raised = [(i, f"{out['ename']}: {out['evalue']}") for i, out in outputs if out["output_type"] == "error"]
        printed = [(i, out["text"]) for i, out in outputs if "Traceback" in out.get("text", "")]
        return [f"cell {index}: {words}" for index, words in raised + printed] + self.page.evaluate("window.failures")

    def errors(self) -> list[str]:
        """All that went wrong: in the page, in its kernel, and in what the server and its kernels printed."""
        printed = self.server.log.read_text()[self._log_before :]
        return [
            *self._page_errors[self._errors_before :],
            *self.kernel_errors(),
            *re.findall(r"Traceback[^\0]*", printed),
        ]

    def explorer(self, number: int = 0) -> "ExplorerPage":
        """The Explorer of that number, from the top."""
        return ExplorerPage(self.page, number, self)

    def screenshot(self, path: str | Path) -> Path:
        """Save what the page shows; a relative path is one under `screenshots/`."""
        target = SCREENSHOTS / path
        self.page.screenshot(path=target)
        return target

    def _within(self, timeout_s: float, failure: str, script: str, argument: object) -> JSHandle:
        return self.page.evaluate_handle(WITHIN % script, [timeout_s * 1000, failure, argument])


class ExplorerPage:
    """One Explorer of a notebook, or saved as a page, by what a person sees and reaches."""

    def __init__(self, page: Page, number: int = 0, notebook: Notebook | None = None) -> None:
        self.notebook, self.page = notebook, page
        self.root = (notebook.root if notebook else page).locator(".tradespace-explorer").nth(number)
        self.chart = self.root.locator(".tradespace-tradeoff")
        # The words of a chart are not drawn in an Explorer, which says them in one place.
        self.words = self.chart.locator("[role=status]")
        self.ring = self.chart.locator(".panel.throughput .current")
        self.points = self.chart.locator("canvas")
        self.points_on_lines = self.chart.locator(".panel.throughput path.point")
        self.canvas = self.root.locator(".tradespace-landscape canvas")
        self.tiles = self.root.locator(".tradespace-tiles .tile")
        self.sentence = self.root.locator(".tradespace-tiles").get_by_role("status")
        self.here = self.root.locator(".tradespace-tiles .here")
        self.progress = self.root.locator(".tradespace-bar .doing").get_by_role("status")
        self.cancel = self.button("Cancel")

    def button(self, name: str) -> Locator:
        # An icon is a letter of a font of its own, before the name.
        return self.root.get_by_role("button", name=re.compile(rf"(^|\W){name}$"))

    def control(self, name: str) -> Locator:
        return self.root.get_by_label(name, exact=True)

    def press(self, name: str, *keys: str) -> None:
        self.control(name).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def go_to(self, **options: object) -> None:
        """Move sliders, "_" for " " in their names, from their left end to an option."""
        for name, option in options.items():
            slider = name.replace("_", " ")
            self.press(slider, "Home")
            for _ in range(int(self.control(slider).get_attribute("max") or 0)):
                if self.said(slider) == str(option):
                    break
                self.page.keyboard.press("ArrowRight")
            assert self.said(slider) == str(option), f"{slider}: {option} cannot be reached"

    def count_points(self) -> int:
        """How many are drawn."""
        return int((self.points.get_attribute("aria-label") or "").removesuffix(" points"))

    def expect_points(self, number: int) -> None:
        expect(self.points).to_have_accessible_name(f"{number} points")

    def said(self, name: str) -> str:
        """What a slider says beside it."""
        return self.control(name).get_attribute("aria-valuetext") or ""

    def settle(self) -> None:
        """Wait until the kernel has answered all that was pressed."""
        # A widget sends one message and keeps the next until that one is answered: two turns, then.
        for _ in range(2 if self.notebook else 0):
            self.notebook.execute("")

    def expect_measured(self) -> None:
        expect(self.tiles.first).to_have_attribute("data-origin", "measured", timeout=MEASURED_MS)
        expect(self.cancel).to_be_disabled(timeout=MEASURED_MS)

    def expect_measuring(self) -> None:
        expect(self.progress).to_have_text(re.compile("^measuring: "), timeout=MEASURED_MS)

    def hover(self, x: float, y: float) -> list[str]:
        """What is named under the pointer."""
        self.page.mouse.move(x, y)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.root.locator(".tip:not([hidden])").all_inner_texts()

    def screenshot(self, name: str | Path) -> bytes:
        """Save all that it shows, with no pointer on it; a relative path is one under `screenshots/`."""
        self.page.mouse.move(0, 0)
        return self.root.screenshot(path=SCREENSHOTS / name)

    def faults(self) -> list[str]:
        """What is wrong with how it is laid out, once that is done: charts follow the size of their boxes."""
        for _ in range(LAYOUT_TURNS):
            found: list[str] = self.root.evaluate(GEOMETRY)
            if not found:
                break
            self.page.wait_for_timeout(LAYOUT_TURN_MS)
        return found


# A busy machine may take some seconds.
LAYOUT_TURNS, LAYOUT_TURN_MS = 20, 250


GEOMETRY = (Path(__file__).parent / "geometry.js").read_text(encoding="utf-8")


def find_measuring_processes() -> list[psutil.Process]:
    """Those of all kernels."""
    found = []
    for process in psutil.Process().children(recursive=True):
        # It may have ended meanwhile.
        with suppress(psutil.NoSuchProcess):
            if "ipykernel_launcher" in process.cmdline():
                found += [one for one in process.children() if "loky.backend.popen_loky" in " ".join(one.cmdline())]
    return found


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(NO_CHROMIUM)
    if path is None:
        pytest.skip(NO_CHROMIUM)
    return path


# For this folder, not the session: while Playwright runs, no other test can use asyncio.run().
@pytest.fixture(scope="package")
def browser(chromium_path: str) -> Iterator[Browser]:
    with start_browser(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="package")
def lab_server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with start_lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="package")
def lab_errors() -> list[str]:
    """What went wrong on `lab_page`, of whatever notebook."""
    return []


@pytest.fixture(scope="package")
def lab_page(browser: Browser, lab_errors: list[str]) -> Iterator[Page]:
    """One page for most notebooks, one after another: JupyterLab takes seconds to load."""
    with open_page(browser, lab_errors) as page:
        yield page


@pytest.fixture
def page_errors() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, page_errors: list[str]) -> Iterator[Page]:
    with open_page(browser, page_errors) as page:
        yield page


@pytest.fixture
def notebook(page: Page, lab_server: LabServer, page_errors: list[str]) -> Iterator[Notebook]:
    """One to be opened on a page of its own."""
    notebook = Notebook(page, lab_server, page_errors)
    yield notebook
    notebook.close()
    lab_server.shut_down_kernels()


@pytest.fixture(scope="module")
def open_notebook(lab_page: Page, lab_errors: list[str], lab_server: LabServer) -> Iterator[Callable[..., Notebook]]:
    """Writes a notebook if it is given code, and opens it on the page that most share; it stays for the module."""
    opened = []

    def open_it(name: str, *sources: str) -> Notebook:
        if sources:
            lab_server.write(name, *sources)
        lab_page.set_viewport_size({"width": 1500, "height": 1300})
        notebook = Notebook(lab_page, lab_server, lab_errors)
        notebook.open(name)
        opened.append(notebook)
        lab_page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        return notebook

    yield open_it
    for notebook in opened:
        notebook.close()
    lab_server.shut_down_kernels()


@pytest.fixture(scope="module")
def run_notebook(open_notebook: Callable[..., Notebook]) -> Callable[..., Notebook]:
    """Opens a notebook and runs it; nothing may go wrong."""

    def run(name: str, *sources: str) -> Notebook:
        notebook = open_notebook(name, *sources)
        notebook.run_all(timeout_s=1_800)
        assert notebook.errors() == []
        return notebook

    return run


@pytest.fixture(scope="module")
def notebook_7(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ExplorerPage]]:
    """Runs the code of one cell in Notebook 7, on a page of that size, and returns the Explorer that it shows."""
    run_all = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
    ready = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    with start_lab(tmp_path_factory.mktemp("notebook-7"), NOTEBOOK_7) as server, open_page(browser, []) as page:

        def run(source: str, width: int, height: int) -> ExplorerPage:
            page.set_viewport_size({"width": width, "height": height})
            server.write("explorer.ipynb", source)
            page.goto(f"{server.url}/notebooks/explorer.ipynb?token={server.token}")
            page.wait_for_function(ready, timeout=120_000)
            page.evaluate(run_all)
            return ExplorerPage(page)

        yield run


@pytest.fixture(scope="module")
def open_saved(browser: Browser) -> Iterator[Callable[[Path], ExplorerPage]]:
    """Opens a saved Explorer from disk. Nothing may go wrong in it, and nothing be asked of a network."""
    errors: list[str] = []
    requests: list[str] = []
    files: list[Path] = []
    with ExitStack() as stack:

        def open_file(file: Path) -> ExplorerPage:
            page = stack.enter_context(open_page(browser, errors))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(file.as_uri())
            files.append(file)
            return ExplorerPage(page)

        yield open_file
        assert errors == []
        assert {url for url in requests if not url.startswith(("data:", "blob:"))} == {file.as_uri() for file in files}


@pytest.fixture
def explorer_on() -> Callable[[Page], ExplorerPage]:
    """The Explorer of a page without a notebook."""
    return ExplorerPage


@pytest.fixture
def measuring_processes() -> Callable[[], list[psutil.Process]]:
    return find_measuring_processes
