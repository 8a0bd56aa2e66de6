"""Whether a machine is ready for the workbook: one look at it before a lesson, with what to do about what is wrong."""

import math
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tradespace.config import Config, most_threads, physical_cores, quota
from tradespace.lesson.ledger import VARIABLE as LEDGER
from tradespace.lesson.ledger import Ledger
from tradespace.recording import VARIABLE as RECORDED
from tradespace.recording import recording
from tradespace.text import counted

PASS, WARN, FAIL = "pass", "warn", "FAIL"
# As in pyproject.toml.
OLDEST_PYTHON, OLDEST_TORCH = (3, 11), (2, 13)
# In GB of 10^9 bytes. A kernel and its measuring process took 1.2 together, with all runtimes and batches of 256.
LEAST_MEMORY, ENOUGH_MEMORY = 1.5, 3.0
LEAST_DISK, ENOUGH_DISK = 0.2, 1.0
# Widths of the median's 95 % interval: what the notebooks ask for, and where two models can no longer be told apart.
NARROW, WIDE = 0.05, 0.2
# The timing takes about twice that: each slice is timed call by call, then back to back.
TIMED_S, TRIED_S = 5.0, 0.2
LAB_EXTENSIONS = "anywidget", "@jupyter-widgets/jupyterlab-manager"
BUNDLES = Path(__file__).parents[1] / "show" / "bundle"
INSTALL = "install again what requirements.txt lists"
PLAY_BACK = f"or use recorded mode ({RECORDED}=1)"
# Flags that say what went on while a machine was timed; the width of the interval is judged by itself.
MOODS = {"noisy", "drifting", "contended", "throttled"}


@dataclass(frozen=True)
class Check:
    """What was found about one thing: `pass`, `warn` or `FAIL`, and what to do."""

    about: str
    result: str
    found: str
    to_do: str = ""


@dataclass(frozen=True)
class Preflight:
    """The checks of a machine: a short table when printed or shown. It has `passed` if none failed."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed; warnings may remain."""
        return all(check.result != FAIL for check in self.checks)

    def __str__(self) -> str:
        width = max(len(check.about) for check in self.checks)
        lines = [f"{check.result}  {check.about:{width}}  {check.found}" for check in self.checks]
        hints = [f"\n{'':{width + 8}}-> {check.to_do}" if check.to_do else "" for check in self.checks]
        return "\n".join([*map(str.__add__, lines, hints), "", self._in_a_word()])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        bold = {PASS: PASS, WARN: f"**{WARN}**", FAIL: f"**{FAIL}**"}
        rows = (f"| {c.about} | {bold[c.result]} | {_cell(c.found)} | {_cell(c.to_do)} |" for c in self.checks)
        return "\n".join(["| | | found | what to do |", "|---|---|---|---|", *rows, "", f"**{self._in_a_word()}**"])

    def _in_a_word(self) -> str:
        failed, warned = (sum(check.result == result for check in self.checks) for result in (FAIL, WARN))
        if failed:
            return f"Not ready: {counted(failed, 'check')} failed."
        return f"Ready, with {counted(warned, 'warning')}." if warned else "Ready."


def preflight() -> Preflight:
    """Look whether this machine is ready for the workbook: about half a minute, of which ten seconds are a timing.

    From a command line, `python -m tradespace` prints the same and exits with 1 if a check failed. In recorded mode,
    nothing is timed.

    Returns
    -------
    Preflight
        What was found about Python, torch, cores, memory, disk, power, the ledger's folder and widgets; how steady a
        timing is; and whether ONNX Runtime, OpenVINO and int8 in eager PyTorch run. Nothing is raised: a check that
        breaks has failed, and says how.

    Examples
    --------
    >>> found = preflight()
    >>> found.checks[0].about, found.checks[0].result
    ('Python', 'pass')
    """
    looks = {
        "Python": _python,
        "torch": _torch,
        "cores": _cores,
        "memory": _memory,
        "disk": _disk,
        "power": _power,
        "ledger": _ledger,
        "widgets": _widgets,
    }
    timed = {
        "timing": _timing,
        "ONNX Runtime": lambda: _runs("onnxruntime", FAIL, f"{INSTALL}: notebooks 03 and 05 need it; {PLAY_BACK}"),
        "OpenVINO": lambda: _runs("openvino", WARN, f"{INSTALL}; without it, its rows say `unsupported`"),
        "int8 in eager": _int8,
    }
    looks |= {"recorded mode": _recorded} if recording() else timed
    return Preflight(tuple(_spared(about, look) for about, look in looks.items()))


Found = tuple[str, str] | tuple[str, str, str]


def _spared(about: str, look: Callable[[], Found]) -> Check:
    """A look that breaks is a finding as well: the machine is one that nobody has tried."""
    try:
        return Check(about, *look())
    except Exception as error:
        return Check(about, FAIL, f"{type(error).__name__}: {error}", INSTALL)


def _python() -> Found:
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON or sys.maxsize < 2**32:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return FAIL, found, f"install Python {wanted} or newer, of 64 bits, and make .venv again"
    return PASS, found


def _torch() -> Found:
    torch = import_module("torch")
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        return FAIL, torch.__version__, INSTALL
    if float(torch.ones(8, 8).mm(torch.ones(8, 8)).sum()) != 512:
        return FAIL, f"{torch.__version__}, which multiplies wrongly", INSTALL
    return PASS, torch.__version__


def _cores() -> Found:
    cores, share = physical_cores(), quota()
    found = f"{counted(cores, 'core')}, {counted(most_threads(), 'thread')}"
    if share < 1:
        return FAIL, f"{found}, for {share:.0%} of the time", f"ask for a quota of whole cores, {PLAY_BACK}"
    if cores < 2:
        return WARN, found, "one notebook open, nothing else; there is nothing to learn about threads (02)"
    return PASS, found


def _memory() -> Found:
    free = psutil.virtual_memory().available / 1e9
    return _enough(free, LEAST_MEMORY, ENOUGH_MEMORY, "close programs, and shut down other kernels")


def _disk() -> Found:
    return _enough(shutil.disk_usage(Path.cwd()).free / 1e9, LEAST_DISK, ENOUGH_DISK, "make room on this disk")


def _enough(free: float, least: float, enough: float, to_do: str) -> Found:
    found = f"{free:.1f} GB free"
    if free < enough:
        return FAIL if free < least else WARN, found, f"{to_do}: {enough:g} GB are enough"
    return PASS, found


def _power() -> Found:
    sensors: Callable[[], Any] = getattr(psutil, "sensors_battery", lambda: None)
    battery = sensors()
    if battery is None:
        return PASS, "no battery"
    if battery.power_plugged is False:
        return WARN, f"on battery, {battery.percent:.0f} %", "plug in, and choose the performance profile"
    return PASS, "plugged in"


def _ledger() -> Found:
    folder = Ledger().path.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return PASS, f"{folder} can be written"
    except OSError as error:
        return FAIL, f"{folder}: {error.strerror}", f"set {LEDGER} to a file on a local disk that can be written"


def _widgets() -> Found:
    names = "ipywidgets", "anywidget", "jupyterlab"
    for name in names:
        import_module(name)
    paths = import_module("jupyter_core.paths").jupyter_path("labextensions")
    missing = [name for name in LAB_EXTENSIONS if not any((Path(path) / name).is_dir() for path in paths)]
    if missing:
        return FAIL, f"JupyterLab lacks {', '.join(missing)}: widgets would be blank", INSTALL
    if not any(BUNDLES.glob("*.js")):
        return FAIL, f"{BUNDLES} has no scripts: widgets would be blank", "copy the workbook's folder again, whole"
    return PASS, ", ".join(f"{name} {version(name)}" for name in names)


def _measured(budget_s: float, **knobs: Any) -> Any:
    # Imported here because it imports torch, and a look at a machine without torch should say so.
    from tradespace.measuring.engine import measure
    from tradespace.tasks import load_task

    # So narrow an interval ends no measurement: it takes the whole of its time.
    return measure(load_task("fashion"), Config("resnet8", **knobs), max_width=1e-6, budget_s=budget_s, score_s=0.1)


def _timing() -> Found:
    one = replace(_measured(TIMED_S, threads=1), max_width=NARROW)
    if one.status != "ok":
        return FAIL, f"{one.status}: {one.reason}", f"{INSTALL}, {PLAY_BACK}"
    moods = [flag for flag in one.flags.split() if flag in MOODS]
    known = "without an interval" if math.isnan(one.width) else f"known to {one.width:.0%}"
    found = ", ".join([f"{one.latency_p50_ms:.3g} ms", known, *moods])
    close = "plug in, close other programs and browser tabs, let updates finish, and look again"
    if math.isnan(one.width) or one.width > WIDE:
        return FAIL, found, f"{close}, {PLAY_BACK}"
    return (WARN, found, close) if moods or one.width > NARROW else (PASS, found)


def _runs(runtime: str, otherwise: str, to_do: str) -> Found:
    return _judged(_measured(TRIED_S, runtime=runtime), otherwise, to_do)


def _int8() -> Found:
    to_do = f"expect `unsupported` in 00 and 03; int8 in ONNX Runtime runs everywhere; {PLAY_BACK}"
    return _judged(_measured(TRIED_S, precision="int8"), WARN, to_do)


def _judged(one: Any, otherwise: str, to_do: str) -> Found:
    if one.status != "ok":
        return otherwise, f"{one.status}: {one.reason}", to_do
    found = f"{one.latency_p50_ms:.3g} ms"
    if "output_mismatch" in one.flags:
        return (
            WARN,
            f"{found}, output_mismatch",
            f"it answers otherwise than fp32 does: {one.reason or 'say so in class'}",
        )
    return PASS, found


def _recorded() -> Found:
    played = recording()
    where = played.machine if played else ""
    return WARN, f"nothing was timed here: numbers are those of {where}", f"to measure, start without {RECORDED}"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
