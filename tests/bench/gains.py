"""How far compression and runtimes go: the best points at no more than one point of accuracy lost."""

import pandas as pd
import tradespace as ts
from report import Finding, print_table
from tradespace.config import physical_cores
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.schedule import Schedule

LARGEST = {"fashion": "resnet32", "glosses": "encoder384"}
TARGETS = {"fashion": (8.0, 4.0), "glosses": (None, None)}
PRUNINGS = ("none", "channels-25", "channels-50", "channels-75")
BATCHES = {"fashion": [1, 32, 128], "glosses": [1, 16]}
# The baseline, and what the surfaces of these tasks have on their frontiers.
PRECISIONS = {
    "fashion": {"eager": ["fp32"], "onnxruntime": ["fp32", "int8"], "openvino": ["bf16", "int8"]},
    "glosses": {"eager": ["fp32"], "onnxruntime": ["int8", "int8-dynamic"], "openvino": ["bf16", "int8"]},
}
MOST_LOST = 0.01
SHOWN = [
    "model", "pruning", "precision", "runtime", "threads", "batch_size",
    "latency_p50_ms", "throughput_per_s", "accuracy", "flags",
]  # fmt: skip


def run(quick: bool) -> list[Finding]:
    """For each task: candidates chosen by the accuracy of fp32, then timed at every precision and runtime."""
    return [finding for name in (["fashion"] if quick else LARGEST) for finding in _of_task(name, quick)]


def _of_task(name: str, quick: bool) -> list[Finding]:
    task, largest = ts.load_task(name), LARGEST[name]
    exact = {(m.config.model, m.config.pruning): m.accuracy for m in _scored(task, quick)}
    least = exact[largest, "none"] - MOST_LOST
    threads = sorted({1, physical_cores()})
    configs = []
    for model, pruning in exact:
        # Int8 may gain as well as lose a little.
        if exact[model, pruning] < least - 0.005 and (model, pruning) != (largest, "none"):
            continue
        for runtime, precisions in PRECISIONS[name].items():
            configs += ts.grid(
                task, model=model, pruning=pruning, precision=precisions, runtime=runtime, threads=threads,
                batch_size=[1] if quick else BATCHES[name],
            )  # fmt: skip
    surface = ts.sweep(task, configs, budget_s=0.1 if quick else 0.25, max_width=0.05, progress=False)
    baseline = surface.query("runtime == 'eager' and precision == 'fp32' and model == @largest and pruning == 'none'")
    good = surface[surface["accuracy"] >= least]
    return [
        *_findings(name, "any model", baseline, good, TARGETS[name]),
        *_findings(
            name, f"{largest} unpruned", baseline, good[(good["model"] == largest) & (good["pruning"] == "none")]
        ),
    ]


def _scored(task: ts.Task, quick: bool) -> list[ts.Measurement]:
    """One short measurement of each model and pruning in fp32, for its accuracy."""
    prunings = PRUNINGS[:1] if quick else PRUNINGS
    configs = ts.grid(task, pruning=prunings, runtime="openvino", batch_size=32)
    return [m for m, finished in measure_rounds(task, configs, Schedule(1.0, 0.05)) if finished]


def _findings(
    task: str,
    among: str,
    baseline: pd.DataFrame,
    good: pd.DataFrame,
    targets: tuple[float | None, float | None] = (None, None),
) -> list[Finding]:
    fastest = good.loc[good["throughput_per_s"].idxmax()]
    single = good[good["batch_size"] == 1]
    quickest = single.loc[single["latency_p50_ms"].idxmin()]
    reference = baseline["throughput_per_s"].max()
    reference_ms = baseline.loc[baseline["batch_size"] == 1, "latency_p50_ms"].min()
    print_table(SHOWN, [[_short(row[column]) for column in SHOWN] for row in (*_best(baseline), fastest, quickest)])
    gains = (fastest["throughput_per_s"] / reference, reference_ms / quickest["latency_p50_ms"])
    figures = ("best throughput", "best batch-1 latency")
    return [
        Finding(
            "gains",
            f"{task}, {among}: {figure} at <= 1 point lost, over eager fp32's best",
            f"{gain:.1f} times",
            "-" if target is None else f"above {target:g}",
            None if target is None else gain > target,
        )
        for figure, gain, target in zip(figures, gains, targets, strict=True)
    ]


def _best(baseline: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    single = baseline[baseline["batch_size"] == 1]
    return baseline.loc[baseline["throughput_per_s"].idxmax()], single.loc[single["latency_p50_ms"].idxmin()]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
