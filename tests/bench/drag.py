"""A drag of the three-dimensional surface in JupyterLab, on a software renderer: from pointer to frame."""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from report import Finding
from tradespace.surface.recorded import list_recorded

ROWS, DRAGS, QUICK_DRAGS, MOVES, LEAST_MOVES = 500, 12, 2, 40, 20
P95_MS, SEND_MS = 50, 30
CELL = f"""
import time
import tradespace as ts
from tradespace.show.attainment.widget import Landscape
from tradespace.show.common.view import Limits, view
from tradespace.surface.columns import configs_of
surface = ts.load_recorded({{name!r}})
surface = surface[(surface["status"] == "ok") & surface["accuracy"].notna()]
surface = surface.sample(min({ROWS}, len(surface)), random_state=0).reset_index(drop=True)
limits = Limits(surface["latency_p50_ms"].median(), surface["accuracy"].median(), surface["throughput_per_s"].median())
landscape = Landscape()
took = []
for _ in range(20):
    start = time.perf_counter()
    landscape.show_surface(surface)
    took.append(time.perf_counter() - start)
landscape.show_view(
    view(surface, configs_of(surface)[0], limits),
    limits.max_latency_ms, limits.min_throughput_per_s, limits.min_accuracy,
)
print(sorted(took)[10] * 1e3, len(surface))
landscape
"""
# The chart's own listener comes first and asks for a frame; this one's request follows in the same frame. A message to
# oneself is delivered when that frame has been laid out, painted and handed over.
WATCH = """canvas => {
    window.took = [];
    canvas.addEventListener('pointermove', event => event.buttons && requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => window.took.push(performance.now() - event.timeStamp);
        channel.port2.postMessage(null);
    }));
}"""


def run(quick: bool) -> list[Finding]:
    """Drags across the surface, to and fro, all limits drawn; each move that reached the page counts."""
    names = list_recorded()
    if not names:
        return [Finding("drag", "recorded surfaces", "none yet: data/surfaces/make_surfaces.py measures them")]
    tools = browser_tools()
    chromium, errors = tools.find_chromium(), []
    if chromium is None:
        return [Finding("drag", "Chromium", tools.NO_CHROMIUM)]
    with (
        tempfile.TemporaryDirectory() as home,
        tools.start_lab(Path(home)) as lab,
        tools.start_browser(chromium) as browser,
        tools.open_page(browser, errors) as page,
    ):
        (lab.root / "drag.ipynb").write_text(json.dumps(notebook_of(CELL.format(name=names[0]))))
        notebook = tools.Notebook(page, lab)
        notebook.open("drag.ipynb")
        notebook.run_all()
        if notebook.kernel_errors():
            raise RuntimeError("; ".join(notebook.kernel_errors()))
        printed = "".join(output.get("text", "") for output in notebook.cell_outputs()[0])
        canvas = page.locator(".tradespace-landscape canvas")
        canvas.scroll_into_view_if_needed()
        canvas.evaluate(WATCH)
        box = canvas.bounding_box()
        middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for drag in range(QUICK_DRAGS if quick else DRAGS):
            way = 1 if drag % 2 else -1
            page.mouse.move(middle, height)
            page.mouse.down()
            page.mouse.move(middle + way * box["width"] / 2.5, height + way * box["height"] / 5, steps=MOVES)
            page.mouse.up()
        page.wait_for_timeout(200)
        took = page.evaluate("window.took")
    if errors:
        raise RuntimeError("; ".join(errors))
    if len(took) < LEAST_MOVES:
        raise RuntimeError(f"wanted at least {LEAST_MOVES} moves that reached the page; got {len(took)}")
    send_ms, rows = map(float, printed.split())
    middle_ms, p95_ms = np.percentile(took, [50, 95])
    print(f"{names[0]}, {rows:.0f} rows; {len(took)} moves, from {min(took):.1f} to {max(took):.1f} ms\n")
    return [
        Finding(
            "drag", "pointer's move to frame, median; 95th percentile",
            f"{middle_ms:.0f}; {p95_ms:.0f} ms", f"95th < {P95_MS} ms", bool(p95_ms < P95_MS),
        ),
        Finding("drag", f"{rows:.0f} rows sent", f"{send_ms:.0f} ms", f"< {SEND_MS} ms", send_ms < SEND_MS),
    ]  # fmt: skip


def browser_tools() -> ModuleType:
    """The conftest.py of the browser tests, which has a namesake in this folder."""
    spec = importlib.util.spec_from_file_location(
        "browser_tools", Path(__file__).parents[1] / "browser" / "conftest.py"
    )
    tools = sys.modules["browser_tools"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    return tools


def notebook_of(source: str) -> dict[str, object]:
    """A notebook of one cell."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
