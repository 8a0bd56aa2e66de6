"""Plays lessons back without kernels: the cells of each run in a process forked from one that has imported everything.

A kernel takes seconds to import, and draws what nobody sees. Here, what a cell returns or displays is kept as text:
that of a figure or a widget is all that is written in it. Run as a script, it plays what it reads from its input, one
request a line (`Request`, as JSON), and writes the path of each finished result.
"""

import json
import os
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

# What a lesson imports, here or later. None of it may start a thread, which a fork would lose.
import matplotlib.pyplot as plt
import scipy.stats
import torch._dynamo
import tradespace as ts
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Widget
from machines import MACHINES, switch_to
from matplotlib.figure import Figure
from matplotlib.text import Text
from tqdm.notebook import tqdm
from tradespace.lesson.exercise import Checked
from tradespace.measuring import engine, replay
from tradespace.measuring.archive import read_labels
from tradespace.recording import FOLDER, machines
from tradespace.surface import sweep

LOADED = plt, scipy.stats, torch._dynamo, *(getattr(ts, name) for name in ts.__all__)
SOONER = 1_000
RECORDINGS = [str(FOLDER / name / "measurements.zip") for name in machines()]
CODE = ("_esm", "_css", "layout")


@dataclass(frozen=True)
class Request:
    """The sources of cells to run one after another, and where the result goes: a list of `Ran`, as JSON."""

    cells: list[str]
    machine: str
    result: str


@dataclass(frozen=True)
class Ran:
    """What a cell said."""

    source: str
    said: str
    warned: str
    failed: str
    is_check: bool


class Here:
    """Answers in this process what recorded mode asks of a real one."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        answered: Future[Any] = Future()
        answered.set_result(function(*args))
        return answered

    def kill(self) -> None:
        """Do nothing."""


class Plain(DisplayHook):
    """Prints what a cell returns without `Out[1]:`."""

    def write_output_prompt(self) -> None:
        """Print nothing."""


class Shell(InteractiveShell):
    """IPython without a kernel or a history."""

    displayhook_class = Plain
    display_pub_class = CapturingDisplayPublisher

    def init_history(self) -> None:
        super().init_history()
        self.history_manager.enabled = False

    def showtraceback(self, *_args: Any, **_options: Any) -> None:
        """Print nothing: `Ran.failed` has it."""


def words_in(shown: Any) -> Iterator[str]:
    """All that is written in a figure, or known to a widget."""
    if isinstance(shown, Figure):
        yield from (text.get_text() for text in shown.findobj(Text))
    elif isinstance(shown, Widget):
        state = {name: value for name, value in shown.get_state().items() if name not in CODE}
        yield json.dumps(state, default=str, ensure_ascii=False)
        for child in getattr(shown, "children", ()):
            yield from words_in(child)


def answer(shown: Any) -> None:
    """Lock a guess, as a learner would, so that the answer is revealed."""
    if isinstance(shown, ts.Predict) and shown._open:
        shown.lock(next(iter(shown._options), 2))


def run_cell(shell: Shell, source: str) -> Ran:
    said, warned = StringIO(), StringIO()
    shell.display_pub.outputs.clear()
    with redirect_stdout(said), redirect_stderr(warned):
        result = shell.run_cell(source)
        answer(result.result)
    shown = [output["data"].get("text/plain", "") for output in shell.display_pub.outputs]
    error = result.error_before_exec or result.error_in_exec
    failed = "".join(traceback.format_exception(error)) if error else ""
    texts = [said.getvalue(), *shown, *words_in(result.result)]
    return Ran(source, "\n".join(texts), warned.getvalue(), failed, isinstance(result.result, Checked))


def play(request: Request) -> None:
    """Run the cells on a machine and write what they say; nothing is drawn."""
    folder = Path(request.result).parent
    os.chdir(folder)
    switch_to(MACHINES[request.machine], folder)
    engine.PROCESS._live, engine.PROCESS.faster = Here(), SOONER
    Figure.savefig = lambda *_args, **_options: None
    sweep.tqdm = tqdm  # a widget, as in a kernel
    shell = Shell.instance()
    shell.display_formatter.active_types = ["text/plain"]
    ran = [asdict(run_cell(shell, source)) for source in request.cells]
    Path(request.result).write_text(json.dumps(ran, ensure_ascii=False), encoding="utf-8")


def keep_recordings() -> None:
    """Read all of them once, for all that will be forked."""
    read, kept = replay.read_measurement, {}
    replay.read_measurement = lambda file, number, label: kept[file.filename, number]
    for path in RECORDINGS:
        with zipfile.ZipFile(path) as file:
            kept.update({(path, number): read(file, number, label) for number, label in enumerate(read_labels(path))})


def main() -> None:
    """Serve requests, each in a process of its own, until the input ends."""
    keep_recordings()
    for line in sys.stdin:
        request = Request(**json.loads(line))
        if os.fork() == 0:
            try:
                play(request)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.wait()
        print(request.result, flush=True)


if __name__ == "__main__":
    main()
