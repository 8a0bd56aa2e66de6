"""How long a learner waits for a surface of 60 points."""

import time

import numpy as np
import tradespace as ts
from report import Finding
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.schedule import Schedule
from tradespace.tasks import load_task

CI, BUDGET_S = 0.02, 3.0


def run(quick: bool) -> list[Finding]:
    """A sweep as in the notebooks, in one fell swoop: preparing, timing and scoring on the whole test set."""
    task = load_task("fashion")
    batches = [1, 4] if quick else [1, 4, 16, 64, 256]
    models = ["resnet4"] if quick else None
    configs = ts.grid(task, model=models, precision=["fp32", "bf16", "int8"], batch_size=batches)
    start, finished = time.perf_counter(), []
    for m, is_finished in measure_rounds(task, configs, Schedule(CI, 0.3 if quick else BUDGET_S)):
        if is_finished:
            finished.append(m)
    wall_s = time.perf_counter() - start
    sampled_s = sum(int(m.samples_ns.sum()) for m in finished) / 1e9
    unconverged = sum("unconverged" in m.flags.split() for m in finished)
    contended = sum("contended" in m.flags.split() for m in finished)
    widths = np.nanpercentile([m.width for m in finished], [10, 50, 90])
    print(f"widths of the intervals, 10th, 50th, 90th percentile: {', '.join(f'{width:.1%}' for width in widths)}\n")
    return [
        Finding("cost", f"{len(configs)} Configs at {CI:.0%}", f"{wall_s:.0f} s, of which timing {sampled_s:.0f} s"),
        Finding("cost", "unconverged; contended", f"{unconverged}; {contended} of {len(finished)}"),
    ]
