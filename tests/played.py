"""Runs lessons without kernels: the cells of each run in a process forked from one that has imported everything.

A kernel takes seconds to import. Here, what a cell returns or displays is kept as text: that of a figure or a widget is
all that is written in it. Run as a script, it plays what it reads from its input, one request a line (`Request`, as
JSON), and writes the path of each finished result. In recorded mode lessons are played back, and draw nothing. Else
they measure on less (`hurry.py`), all of them in one measuring process, which so prepares each model once.
"""

import gc
import json
import os
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from io import StringIO
from multiprocessing import Pipe
from multiprocessing.connection import Connection
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
from tradespace.recording import FOLDER, machines, recording
from tradespace.surface import sweep

LOADED = plt, scipy.stats, torch._dynamo, *(getattr(ts, name) for name in ts.__all__)
SOONER = 1_000
RECORDINGS = [str(FOLDER / name / "measurements.zip") for name in machines()]
CODE = ("_esm", "_css", "layout")


@dataclass(frozen=True)
class Request:
    """The sources of cells to run one after another, and where the result goes: a list of `Ran`, as JSON.

    `machine` is one of `MACHINES`, and of no meaning where lessons measure.
    """

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


class Asking(Executor):
    """Stands in for that of `engine.PROCESS`, which asks one thing at a time: passes it on to the measuring process."""

    def __init__(self, measuring: Connection) -> None:
        self._measuring = measuring

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future[Any]:
        self._measuring.send((function, args))
        answered: Future[Any] = Future()
        answered.set_result(self._measuring.recv())
        return answered


def answer_all(asked: Connection) -> None:
    """Measure for one lesson after another, until there is nobody left who might ask."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(EOFError):
        while True:
            function, args = asked.recv()
            asked.send(function(*args))


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


def play_back(name: str, folder: Path) -> None:
    """Replay that machine from now on, fast, and draw nothing."""
    switch_to(MACHINES[name], folder)
    engine.PROCESS._live, engine.PROCESS.faster = Here(), SOONER
    Figure.savefig = lambda *_args, **_options: None


def measure(measuring: Connection) -> None:
    """Measure from now on, on less."""
    import hurry  # noqa: F401  # it changes what it is imported into

    engine.PROCESS._executor = Asking(measuring)


def play(request: Request, measuring: Connection | None) -> None:
    """Run the cells and write what they say."""
    folder = Path(request.result).parent
    os.chdir(folder)
    if measuring is None:
        play_back(request.machine, folder)
    else:
        measure(measuring)
    sweep.tqdm = tqdm  # a widget, as in a kernel
    shell = Shell.instance()
    shell.display_formatter.active_types = ["text/plain"]
    try:
        ran = [asdict(run_cell(shell, source)) for source in request.cells]
        Path(request.result).write_text(json.dumps(ran, ensure_ascii=False), encoding="utf-8")
    finally:
        # What a thread has asked for is answered before this process ends, and not to the next.
        engine.PROCESS._lock.acquire()


def keep_recordings() -> None:
    """Read all of them once, for all that will be forked."""
    read, kept = replay.read_measurement, {}
    replay.read_measurement = lambda file, number, label: kept[file.filename, number]
    for path in RECORDINGS:
        with zipfile.ZipFile(path) as file:
            kept.update({(path, number): read(file, number, label) for number, label in enumerate(read_labels(path))})


def forked(function: Callable[..., None], *args: Any) -> int:
    """The id of a process that calls `function` and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*args)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    return pid


def start_measuring() -> Connection:
    """Where to ask the measuring process."""
    measuring, asked = Pipe()
    forked(lambda: (measuring.close(), answer_all(asked)))
    asked.close()
    return measuring


def main() -> None:
    """Serve requests, each in a process of its own, until the input ends."""
    if recording():
        keep_recordings()
    # Forked processes share what the garbage collector does not look through.
    gc.collect()
    gc.freeze()
    measuring = None if recording() else start_measuring()
    for line in sys.stdin:
        request = Request(**json.loads(line))
        os.waitpid(forked(play, request, measuring), 0)
        print(request.result, flush=True)


if __name__ == "__main__":
    main()
