"""One busy program a core: how much slower are two threads, and what does it cost a quiet machine to stand that?"""

import statistics
from collections.abc import Iterator

import tradespace as ts
from burners import burners
from report import Finding, print_table
from tradespace.config import Config, most_threads
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.schedule import Schedule
from tradespace.spinning import WAYS
from tradespace.tasks import Task, load_task
from untested import untested

MOST_WHEN_BUSY, MOST_WHEN_QUIET = 4.0, 1.05
CI = 1e-9


def run(quick: bool) -> list[Finding]:
    """Each way of waiting in turns, quiet and busy: ratios of medians of the same Config, all in one run."""
    task = untested(load_task("fashion"))
    models, rounds, budget_s = (["resnet8"], 1, 0.3) if quick else (["resnet8", "resnet16"], 5, 1.0)
    configs = [
        config
        for runtime in ("eager", "onnxruntime", "openvino")
        for config in ts.grid(task, model=models, runtime=runtime, threads=most_threads(), batch_size=[1, 32])
    ]
    medians: dict[tuple[str, bool], dict[Config, list[float]]] = {}
    for _ in range(rounds):
        for busy in (False, True):
            for way in WAYS:
                with ts.waiting(way), burners(most_threads() if busy else 0):
                    for config, median_ms in measured(task, configs, budget_s):
                        medians.setdefault((way, busy), {}).setdefault(config, []).append(median_ms)
    middle = {
        at: {config: statistics.median(values) for config, values in found.items()} for at, found in medians.items()
    }
    print_table(
        ("runtime", "model", "batch", *(f"{way}, {'busy' if busy else 'quiet'}, ms" for way, busy in middle)),
        [
            (config.runtime, config.model, config.batch_size, *(f"{found[config]:.2f}" for found in middle.values()))
            for config in configs
        ],
    )
    slower = {c: middle["brief", True][c] / middle["brief", False][c] for c in configs}
    spinning = {c: middle["spin", True][c] / middle["spin", False][c] for c in configs}
    cost = {c: middle["brief", False][c] / middle["spin", False][c] for c in configs}
    typical = statistics.geometric_mean(cost.values())
    return [
        Finding(
            "busy", "median when busy over quiet, largest", f"{max(slower.values()):.2f}", f"<= {MOST_WHEN_BUSY:g}",
            max(slower.values()) <= MOST_WHEN_BUSY,
        ),
        Finding("busy", "the same if threads spin, largest", f"{max(spinning.values()):.2f}"),
        Finding(
            "busy", "quiet: waiting briefly over spinning, geometric mean; largest",
            f"{typical:.3f}; {max(cost.values()):.3f}", f"<= {MOST_WHEN_QUIET:g}", typical <= MOST_WHEN_QUIET,
        ),
    ]  # fmt: skip


def measured(task: Task, configs: list[Config], budget_s: float) -> Iterator[tuple[Config, float]]:
    for m, finished in measure_rounds(task, configs, Schedule(CI, budget_s)):
        if finished:
            yield m.config, m.latency_p50_ms
