"""How soon the ServingExplorer answers in JupyterLab: from a key to painted charts, and to the hockey stick."""

import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from drag import browser_tools
from explorer import NEXT_KEY, PAUSE_MS, WINDOW
from report import Finding, print_table

KEYS, QUICK_KEYS = 150, 12
P95_MS = 100
VIEWS = [f".tradespace-{view}" for view in ("response", "load", "tiles")]
# Measured here, at once: what is judged is how soon they are simulated and painted.
CELLS = (
    """import tradespace as ts
task = ts.load_task("fashion")
service = ts.service_times(task, ts.Config("resnet8"), max_batch=32, budget_s=0.3)""",
    "ts.ServingExplorer(task, [service])",
)
# From the next key until the curves are those of the server that it leads to.
NEXT_CURVES = """() => {
    window.curves = new Promise((done) => {
        const look = () => {
            const there = document.querySelector('.tradespace-load svg:not([data-stale])');
            requestAnimationFrame(there ? () => done(performance.now() - window.pressed) : look);
        };
        requestAnimationFrame(() => requestAnimationFrame(look));
    });
}"""


def run(quick: bool) -> list[Finding]:
    """Along all its sliders but those of the model, in a window that shows all charts."""
    tools, errors = browser_tools(), []
    chromium = tools.find_chromium()
    if chromium is None:
        return [Finding("serving_explorer", "Chromium", tools.NO_CHROMIUM)]
    with (
        tempfile.TemporaryDirectory() as home,
        tools.start_lab(Path(home)) as lab,
        tools.start_browser(chromium) as browser,
        tools.open_page(browser, errors) as page,
    ):
        page.set_viewport_size(WINDOW)
        lab.write("serving.ipynb", *CELLS)
        notebook = tools.Notebook(page, lab, errors)
        notebook.open("serving.ipynb")
        notebook.run_all()
        explorer, number = notebook.explorer(), QUICK_KEYS if quick else KEYS
        explorer.root.scroll_into_view_if_needed()
        page.wait_for_timeout(1_000)
        pauses = np.random.default_rng(0).uniform(*PAUSE_MS, number)
        took = {"any slider": [], "curves": []}
        for (name, key, other), pause_ms in zip(walk(), pauses, strict=False):
            painted, curves = answered(explorer, name, key, pause_ms)
            took["any slider"].append(painted)
            if other:
                took["curves"].append(curves)
        if notebook.errors():
            raise RuntimeError("; ".join(notebook.errors()))
    rows = [[name, *(f"{q:.0f}" for q in quantiles(some))] for name, some in took.items()]
    print_table(("key to paint, ms", "least", "median", "95th", "most"), rows)
    (_, middle_ms, p95_ms, _), (_, curves_ms, curves_p95_ms, _) = map(quantiles, took.values())
    return [
        Finding(
            "serving_explorer", "key to painted charts, median; 95th percentile", f"{middle_ms:.0f}; {p95_ms:.0f} ms",
            f"95th < {P95_MS} ms", bool(p95_ms < P95_MS),
        ),
        Finding(
            "serving_explorer", "the same, until the curves of another server are there, if they were not yet",
            f"{curves_ms:.0f}; {curves_p95_ms:.0f} ms",
        ),
    ]  # fmt: skip


def answered(explorer: Any, name: str, key: str, pause_ms: float) -> tuple[float, float]:
    """Milliseconds from that key on that slider to painted charts, and to the curves."""
    explorer.control(name).focus()
    explorer.page.wait_for_timeout(pause_ms)
    explorer.page.evaluate(NEXT_KEY, VIEWS)
    explorer.page.keyboard.press(key)
    painted = float(explorer.page.evaluate("window.painted"))
    explorer.page.evaluate(NEXT_CURVES)
    return painted, float(explorer.page.evaluate("window.curves"))


def quantiles(took: list[float]) -> list[float]:
    """The least, the median, the 95th percentile and the most."""
    return [np.min(took), *np.percentile(took, [50, 95]), np.max(took)]


def walk() -> Iterator[tuple[str, str, bool]]:
    """Sliders and keys, each of which leads somewhere else, and whether it leads to another server."""
    for wait in cycle(["ArrowRight"] * 6 + ["ArrowLeft"] * 6):
        yield from islice(cycle([("arrival rate", "ArrowRight", False), ("deadline", "ArrowRight", False)]), 4)
        yield "max wait", wait, True
        yield "burstiness", "ArrowRight" if wait == "ArrowRight" else "ArrowLeft", True
        yield "max batch", "ArrowRight", True
        yield from islice(cycle([("arrival rate", "ArrowLeft", False), ("deadline", "ArrowLeft", False)]), 4)
        yield "max batch", "ArrowLeft", True
