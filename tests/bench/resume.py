"""A sweep killed with -9 after 70 % of its time: how much of it has to be done again?"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Finding

KILLED_AFTER, MOST = 0.7, 0.45
SWEEP = """
import sys
import tradespace as ts

task = ts.load_task("fashion")
configs = ts.grid(task, model=sys.argv[3].split(","), precision=["fp32", "int8"], batch_size=[1, 8, 64])
ts.sweep(task, configs, store=sys.argv[1], ci=1e-9, budget_s=float(sys.argv[2]), progress=False)
"""


def run(quick: bool) -> list[Finding]:
    """Once whole; once killed and begun again, in a store of its own."""
    arguments = ["0.2", "resnet4"] if quick else ["3.0", "resnet4,resnet8,resnet16"]
    with tempfile.TemporaryDirectory() as folder:
        whole_s = seconds(Path(folder) / "whole.sqlite", arguments)
        killed = begin(Path(folder) / "killed.sqlite", arguments)
        time.sleep(KILLED_AFTER * whole_s)
        killed.kill()
        killed.wait()
        resumed_s = seconds(Path(folder) / "killed.sqlite", arguments)
    share = resumed_s / whole_s
    found = f"{share:.2f} ({resumed_s:.1f} s of {whole_s:.1f} s)"
    return [Finding("resume", "after kill -9 at 70 %, time over the whole", found, f"<= {MOST}", share <= MOST)]


def begin(store: Path, arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SWEEP, str(store), *arguments])


def seconds(store: Path, arguments: list[str]) -> float:
    """How long the sweep takes, Python's start and all."""
    start = time.perf_counter()
    if begin(store, arguments).wait():
        raise RuntimeError("the sweep failed; what it said stands above")
    return time.perf_counter() - start
