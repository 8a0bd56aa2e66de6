"""How soon the Explorer answers in JupyterLab: from a key to painted charts, from letting go to a measured point."""

import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from drag import browser_tools
from report import Finding, print_table
from tradespace.show.explorer.measurer import SETTLE_S

ROWS, MANY_ROWS = 500, 5_000
RAPID = 60
# Between single keys, at any moment of a frame: no key waits for the one before it, and no point is rested on.
PAUSE_MS = (100, 200)
KEY_MS, KEY_P95_MS, TIMES_FASTER, LAG_MS, TIMES_SLOWER = 40, 60, 12, 100, 2
RELEASE_S, CANCEL_S, PAINT_S, GROWTH = 2.0, 0.5, 2.0, 0.05
# A slider that rests for so long counts as released.
SETTLE_MS = 1000 * SETTLE_S
# Until the browser has its table of the rows.
TABLE_MS = 5_000
# All four charts fit on it.
WINDOW = {"width": 1920, "height": 1080}
# The slider's batch sizes; those of which nothing was recorded.
SIZES, UNKNOWN = (1, 2, 4, 8, 16, 32, 64, 128, 256), (8, 32, 128)
MODELS = ("resnet4", "resnet8", "resnet16", "resnet32")


@dataclass(frozen=True)
class Numbers:
    """How many keys, how many tries of everything else, and the moves between which memory may not grow."""

    keys: int = 150
    tries: int = 4
    early: int = 200
    late: int = 2_000


# As if measured here, whichever machine this is: those of another one are only looked at.
SETUP = f"""import tradespace as ts
from tradespace.measuring.machine import machine
from tradespace.show.explorer import measurer
task = ts.load_task("fashion")
surface = ts.load_recorded("fashion").query("pruning == 'none'").head({ROWS}).assign(machine=machine())
asked, rounds = [], measurer.measure_rounds
def counted(task, configs, *schedule, **options):
    asked.extend(configs)
    return rounds(task, configs, *schedule, **options)
measurer.measure_rounds = counted"""
MANY = f"""import pandas as pd
import tradespace as ts
from tradespace.measuring.machine import machine
recorded, task = ts.load_recorded("fashion"), ts.load_task("fashion")
copies = [recorded.assign(model=recorded["model"] + copy) for copy in ("", " b", " c")]
surface = pd.concat(copies).head({MANY_ROWS}).assign(machine=machine())"""
SHOW = "explorer = ts.Explorer(task, surface)\nexplorer"
INTERACT = """%matplotlib inline
import ipywidgets as ipw
from dataclasses import replace
from IPython.display import display
from tradespace.show.batch_curve.figure import plot_batch_curve
from tradespace.surface.columns import configs_of
start = configs_of(surface.head(1))[0]
@ipw.interact(batch_size=ipw.SelectionSlider(options=[1, 2, 4, 16, 64, 256], description="batch"))
def draw(batch_size):
    config = replace(start, batch_size=batch_size)
    display(ts.plot_surface(surface, config), plot_batch_curve(surface, config))"""

RUN_CELL = """async ([panel, number]) => {
    panel.content.activeCellIndex = number;
    await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
# From the cell's run until all views have something in them, and a frame has been painted since.
FIRST_PAINT = """([panel, number]) => new Promise((done) => {
    panel.content.activeCellIndex = number;
    const start = performance.now();
    window.jupyterapp.commands.execute('notebook:run-cell');
    const parts = ['tradeoff .point', 'batch-curve .point', 'tiles .tile', 'controls input', 'landscape [style]'];
    const look = () => {
        const all = parts.every((part) => document.querySelector(`.tradespace-${part}`));
        requestAnimationFrame(all ? () => done(performance.now() - start) : look);
    };
    requestAnimationFrame(look);
})"""
# From the next key until each view has changed, and a frame has been painted since. A view that is drawn in a frame of
# its own is drawn in the first of the two.
NEXT_KEY = """views => {
    window.addEventListener('keydown', (event) => { window.pressed = event.timeStamp; }, {capture: true, once: true});
    const left = new Set(views), all = {subtree: true, childList: true, characterData: true, attributes: true};
    window.painted = new Promise((done) => views.forEach((view) => {
        new MutationObserver((_, observer) => {
            observer.disconnect();
            left.delete(view);
            const tell = () => done(performance.now() - window.pressed);
            if (!left.size) requestAnimationFrame(() => requestAnimationFrame(tell));
        }).observe(document.querySelector(view), all);
    }));
}"""
VIEWS = [f".tradespace-{view}" for view in ("tradeoff", "batch-curve", "tiles")]
# From the next key until two new pictures are there.
NEXT_KEY_INTERACT = """() => {
    const pictures = () => [...document.querySelectorAll('.widget-interact img')];
    const before = new Set(pictures());
    window.addEventListener('keydown', (event) => { window.pressed = event.timeStamp; }, {capture: true, once: true});
    window.painted = new Promise((done) => {
        const look = () => {
            const now = pictures().filter((one) => !before.has(one) && one.complete && one.naturalWidth);
            requestAnimationFrame(now.length >= 2 ? () => done(performance.now() - window.pressed) : look);
        };
        requestAnimationFrame(look);
    });
}"""
# From the last of so many keys until the numbers are those that it leads to, and two frames, in the first of which the
# charts are drawn, have been painted since; and until the kernel's words are there.
LAST_KEY = """([keys, size]) => {
    let count = 0;
    window.pauses = [];
    const counted = (event) => {
        if (count) window.pauses.push(event.timeStamp - window.pressed);
        count += 1;
        window.pressed = event.timeStamp;
    };
    window.addEventListener('keydown', counted, {capture: true});
    const text = (part) => document.querySelector(`.tradespace-${part}`).textContent;
    const when = (said) => new Promise((done) => {
        const look = () => {
            const tell = () => done(performance.now() - window.pressed);
            if (count === keys && said()) requestAnimationFrame(() => requestAnimationFrame(tell));
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    });
    window.painted = Promise.all([
        when(() => text('tiles .here').includes(`batch ${size},`)),
        when(() => text('batch-curve [role=status]').includes(`Batch ${size}:`)),
    ]).then((lags) => {
        window.removeEventListener('keydown', counted, {capture: true});
        return lags;
    });
}"""
# From letting go of the pointer until the point is measured, and a frame has been painted since.
NEXT_RELEASE = """() => {
    window.released = null;
    const keep = (event) => { window.released = event.timeStamp; };
    window.addEventListener('pointerup', keep, {capture: true, once: true});
    window.painted = new Promise((done) => {
        const look = () => {
            const there = window.released && document.querySelector('.tradespace-tiles .tile[data-origin=measured]');
            requestAnimationFrame(there ? () => done(performance.now() - window.released) : look);
        };
        requestAnimationFrame(look);
    });
}"""


def run(quick: bool) -> list[Finding]:
    """On `ROWS` recorded rows, in a window that shows all views."""
    tools, errors = browser_tools(), []
    chromium = tools.find_chromium()
    if chromium is None:
        return [Finding("explorer", "Chromium", tools.NO_CHROMIUM)]
    with (
        tempfile.TemporaryDirectory() as home,
        tools.start_lab(Path(home)) as lab,
        tools.start_browser(chromium) as browser,
        tools.open_page(browser, errors) as page,
    ):
        page.set_viewport_size(WINDOW)
        lab.write("explorer.ipynb", SETUP, SHOW, INTERACT)
        notebook = tools.Notebook(page, lab, errors)
        notebook.open("explorer.ipynb")
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        bench = Bench(notebook, Numbers(10, 2, 10, 30) if quick else Numbers())
        findings = bench.first_paint()
        # A kernel that is restarted leaves requests behind, of which JupyterLab complains.
        errors.clear()
        findings += [*bench.keys(), *bench.release(), *bench.rapid()]
        findings += [*bench.cancel(*tools.find_measuring_processes()), *bench.memory()]
        if notebook.errors():
            raise RuntimeError("; ".join(notebook.errors()))
        lab.write("many.ipynb", MANY, SHOW)
        notebook.open("many.ipynb")
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        notebook.run_all()
        findings += Bench(notebook, bench.numbers).many(bench.typical_ms)
    return findings


class Bench:
    """An Explorer in a notebook, and what is measured of it, in this order."""

    def __init__(self, notebook: Any, numbers: Numbers) -> None:
        self._notebook, self._page, self._explorer = notebook, notebook.page, notebook.explorer()
        self.numbers = numbers
        self.typical_ms = np.nan

    def first_paint(self) -> list[Finding]:
        """In a kernel that has the task, and nothing of the Explorer yet."""
        took = []
        for _ in range(self.numbers.tries):
            self._notebook.restart()
            self._page.evaluate("panel => panel.content.model.cells.get(1).clearExecution()", self._notebook.panel)
            self._page.evaluate(RUN_CELL, [self._notebook.panel, 0])
            took.append(self._page.evaluate(FIRST_PAINT, [self._notebook.panel, 1]) / 1000)
            # A process that is interrupted while Python starts says so.
            self._notebook.execute("from tradespace.measuring.engine import PROCESS; PROCESS.submit(int).result()")
        origin, tries = self._explorer.tiles.first.get_attribute("data-origin"), ", ".join(f"{one:.2f}" for one in took)
        print(f"{self._explorer.count_points()} points, {origin}; first paint: {tries} s")
        return [judged("cell's run to first paint, longest", max(took), PAINT_S, "s")]

    def keys(self) -> list[Finding]:
        """Along batch sizes at several models, precisions and threads; and `interact` along batch sizes."""
        ours = self._walked()
        self._page.evaluate(RUN_CELL, [self._notebook.panel, 2])
        slider = self._page.locator(".widget-interact").get_by_role("slider")
        theirs = []
        for key in islice(cycle(["ArrowRight"] * 5 + ["ArrowLeft"] * 5), max(5, self.numbers.keys // 5)):
            slider.focus()
            self._page.wait_for_timeout(PAUSE_MS[1])
            self._page.evaluate(NEXT_KEY_INTERACT)
            self._page.keyboard.press(key)
            theirs.append(self._page.evaluate("window.painted"))
        quantiles = [[np.min(took), *np.percentile(took, [50, 95]), np.max(took)] for took in (ours, theirs)]
        rows = [[name, *(f"{q:.0f}" for q in qs)] for name, qs in zip(("ours", "interact"), quantiles, strict=True)]
        print_table(("key to paint, ms", "least", "median", "95th", "most"), rows)
        (_, ours_ms, ours_p95, _), (_, theirs_ms, theirs_p95, _) = quantiles
        times, self.typical_ms = theirs_ms / ours_ms, ours_ms
        return [
            judged("key to painted charts, median", ours_ms, KEY_MS, "ms"),
            judged("key to painted charts, 95th percentile", ours_p95, KEY_P95_MS, "ms"),
            Finding("explorer", "the same by interact and inline matplotlib", f"{theirs_ms:.0f}; {theirs_p95:.0f} ms"),
            Finding(
                "explorer", "times as fast", f"{times:.0f}", f"at least {TIMES_FASTER}", bool(times >= TIMES_FASTER)
            ),
        ]

    def release(self) -> list[Finding]:
        """Dragged to points that nobody has measured; the first one waits for the measuring process to start."""
        took = []
        if self._explorer.control("numbers").count():
            self._explorer.control("numbers").select_option("measured here")
        for model, size in self._unknown():
            self._explorer.go_to(model_size=model, precision="fp32", batch_size=1)
            box = self._explorer.control("batch size").bounding_box()
            y, inner, thumb = box["y"] + box["height"] / 2, box["width"] - box["height"], box["height"] / 2
            self._page.mouse.move(box["x"] + thumb, y)
            self._page.mouse.down()
            self._page.mouse.move(box["x"] + thumb + inner * SIZES.index(size) / (len(SIZES) - 1), y, steps=10)
            self._page.evaluate("() => new Promise((done) => setTimeout(done, 600))")
            assert self._explorer.said("batch size") == str(size)
            self._page.evaluate(NEXT_RELEASE)
            self._page.mouse.up()
            took.append(self._page.evaluate("window.painted") / 1000)
            self._explorer.expect_measured()
        print(f"release to first measured point: {', '.join(f'{one:.2f}' for one in took)} s\n")
        return [
            judged("release to first measured point, the very first", took[0], RELEASE_S, "s"),
            judged("release to first measured point, longest after", max(took[1:]), RELEASE_S, "s"),
        ]

    def rapid(self) -> list[Finding]:
        """As many keys as the browser takes, up to a point that nobody has measured.

        On a busy machine the keys themselves may stop for so long that the slider counts as released.
        """
        lags, words, most = [], [], 0
        for model in MODELS[: self.numbers.tries]:
            self._explorer.go_to(model_size=model, precision="bf16", batch_size=2)
            before = int(self._notebook.execute("print(len(asked))"))
            start = time.perf_counter()
            # Up from 2 to 256, down to 1, and so on: the sixtieth key leads to 8.
            self._page.evaluate(LAST_KEY, [RAPID, 8])
            for key in islice(cycle(["ArrowRight"] * 8 + ["ArrowLeft"] * 8), 1, RAPID + 1):
                self._page.keyboard.press(key)
            pressed = time.perf_counter() - start
            for lag, kind in zip(self._page.evaluate("window.painted"), (lags, words), strict=True):
                kind.append(lag)
            self._explorer.expect_measured()
            pauses = np.array(self._page.evaluate("window.pauses"))
            asked, rests = int(self._notebook.execute("print(len(asked))")) - before, int((pauses >= SETTLE_MS).sum())
            most = max(most, asked - rests)
            print(
                f"{RAPID} keys in {pressed:.2f} s, at most {pauses.max():.0f} ms apart; "
                f"lag {lags[-1]:.0f} ms, words {words[-1]:.0f} ms; {asked} measured"
            )
        return [
            judged(f"{RAPID} rapid moves, lag after the last, longest", max(lags), LAG_MS, "ms"),
            Finding("explorer", "the same, until the kernel's words are there", f"{max(words):.0f} ms"),
            Finding("explorer", "measurements they asked for without a rest, most", str(most), "at most 1", most <= 1),
        ]

    def cancel(self, process: psutil.Process) -> list[Finding]:
        """Until the measuring process uses no more of a processor."""
        took = []
        for model, size in islice(product(("resnet32", "resnet16"), UNKNOWN), self.numbers.tries + 1):
            self._explorer.go_to(model_size=model, precision="int8", batch_size=size)
            self._explorer.expect_measuring()
            clicked_s = self._explorer.cancel.evaluate("(button) => { button.click(); return Date.now(); }") / 1000
            took.append(busy_until_s(process) - clicked_s)
        print(f"Cancel to idle: {', '.join(f'{one:.2f}' for one in took)} s\n")
        return [judged("Cancel to idle, longest", max(took), CANCEL_S, "s")]

    def memory(self) -> list[Finding]:
        """Of the kernel."""
        early, late = self.numbers.early, self.numbers.late
        is_kernel = re.compile("ipykernel_launcher")
        (kernel,) = (p for p in psutil.Process().children(recursive=True) if is_kernel.search(" ".join(p.cmdline())))
        self._explorer.go_to(model_size="resnet4", precision="fp32", batch_size=1)
        sizes = []
        for move, (name, key) in enumerate(islice(walk(), late)):
            if move in (early, late - 1):
                sizes.append(kernel.memory_info().rss / 2**20)
            self._painted(name, key)
        growth = sizes[1] / sizes[0] - 1
        print(f"kernel: {sizes[0]:.1f} MiB after {early} moves, {sizes[1]:.1f} MiB after {late}")
        return [
            Finding(
                "explorer", f"kernel's memory, {late:,} moves over {early}",
                f"{growth:+.1%}", f"within {GROWTH:.0%}", abs(growth) <= GROWTH,
            )
        ]  # fmt: skip

    def many(self, typical_ms: float) -> list[Finding]:
        """Keys at many rows, beside what they took at few."""
        times = float(np.median(self._walked())) / typical_ms
        return [judged(f"{MANY_ROWS:,} rows over {ROWS}, key to painted charts, median", times, TIMES_SLOWER, "times")]

    def _walked(self) -> list[float]:
        """Milliseconds from key to painted charts, for each key."""
        self._page.wait_for_timeout(TABLE_MS)
        pauses = np.random.default_rng(0).uniform(*PAUSE_MS, self.numbers.keys)
        return [self._painted(*move, pause) for move, pause in zip(walk(), pauses, strict=False)]

    def _painted(self, name: str, key: str, pause_ms: float = 0) -> float:
        """Milliseconds from that key on that slider to painted charts."""
        self._explorer.control(name).focus()
        self._page.wait_for_timeout(pause_ms)
        self._page.evaluate(NEXT_KEY, VIEWS)
        self._page.keyboard.press(key)
        return float(self._page.evaluate("window.painted"))

    def _unknown(self) -> Iterator[tuple[str, int]]:
        """Models and batch sizes that nobody has measured."""
        return islice(((model, size) for size in UNKNOWN for model in MODELS), self.numbers.tries + 1)


def walk() -> Iterator[tuple[str, str]]:
    """Sliders and keys, each of which leads somewhere else; over and over."""
    to, fro = [("batch size", "ArrowRight")] * 8, [("batch size", "ArrowLeft")] * 8
    for name in cycle(["model size", "precision"]):
        yield from [*to, (name, "ArrowRight"), *fro, (name, "ArrowLeft")]


def busy_until_s(process: psutil.Process, quiet_s: float = 0.3) -> float:
    """The moment, in seconds since the epoch, at which a process used a processor last before it kept quiet."""
    used, last = sum(process.cpu_times()[:2]), time.time()
    while time.time() < last + quiet_s:
        time.sleep(0.005)
        if sum(process.cpu_times()[:2]) > used:
            used, last = sum(process.cpu_times()[:2]), time.time()
    return last


def judged(figure: str, found: float, target: float, unit: str) -> Finding:
    """A figure that is to stay below its target."""
    digits = 0 if unit == "ms" else 2
    return Finding("explorer", figure, f"{found:.{digits}f} {unit}", f"below {target:g} {unit}", bool(found < target))
