"""Does a sweep know how long it takes? The estimate against the clock, quiet and with one busy program a core."""

import numpy as np
import tradespace as ts
from burners import burners
from report import Finding, print_table
from tradespace.config import Config, most_threads
from tradespace.measuring.engine import PROCESS, measure_rounds
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import Work
from tradespace.tasks import Task, load_task

WITHIN, FROM, LOOKED_AT = 0.25, 0.25, (0.0, 0.1, 0.25, 0.5, 0.75)
# As in notebook 00.
CI, BUDGET_S, SCORE_S, MOST_S, MOST_TIMES = 0.05, 0.25, 1.5, 90.0, 3.0


def run(quick: bool) -> list[Finding]:
    """Two sweeps: that of notebook 00, and one of texts over three runtimes, each in a new measuring process."""
    fashion, glosses = load_task("fashion"), load_task("glosses")
    sizes = ["resnet4"] if quick else ["resnet4", "resnet8", "resnet16", "resnet32"]
    first = ts.grid(fashion, model=sizes, precision=["fp32", "bf16", "int8"], batch_size=[1, 4, 16, 64, 256])
    runtimes = ["eager"] if quick else ["eager", "onnxruntime", "openvino"]
    second = ts.grid(glosses, model=["textcnn", "encoder64"], runtime=runtimes, batch_size=[1, 8, 64])
    findings = []
    for name, task, configs in (("notebook 00", fashion, first), ("texts", glosses, second)):
        for busy in (False, True):
            with burners(most_threads() if busy else 0):
                findings += judged(f"{name}, {'busy' if busy else 'quiet'}", *timed(task, configs))
    return findings


def timed(task: Task, configs: list[Config]) -> tuple[list[tuple[float, float]], float]:
    """(seconds done, seconds left by the estimate) over the sweep, and how long it took."""
    PROCESS.kill()
    seen: list[tuple[float, float]] = []

    def look() -> None:
        # As often as a progress bar would: estimating takes some milliseconds.
        if not seen or work.done_s - seen[-1][0] > 0.5:
            seen.append((work.done_s, sum(work.left_s().values())))

    work = Work(look)
    for _ in measure_rounds(task, configs, Schedule(CI, BUDGET_S, SCORE_S), work=work):
        pass
    return seen, work.done_s


def judged(name: str, seen: list[tuple[float, float]], whole_s: float) -> list[Finding]:
    done, left = np.array(seen).T
    errors = (done + left) / whole_s - 1
    at = [int(np.searchsorted(done, share * whole_s)) for share in LOOKED_AT]
    print_table([name, *(f"at {share:.0%}" for share in LOOKED_AT)], [["error", *(f"{errors[i]:+.0%}" for i in at)]])
    worst = float(np.abs(errors[done > FROM * whole_s]).max())
    findings = [Finding("eta", f"{name}: error from a quarter on", f"{worst:.0%}", f"<= {WITHIN:.0%}", worst <= WITHIN)]
    if name.startswith("notebook"):
        most_s = MOST_S * (MOST_TIMES if name.endswith("busy") else 1)
        findings.append(Finding("eta", f"{name}: the sweep", f"{whole_s:.0f} s", f"< {most_s:.0f} s", whole_s < most_s))
    return findings
