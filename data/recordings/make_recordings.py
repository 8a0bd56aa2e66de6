"""Record what recorded mode plays back, on this machine, which should be otherwise idle.

    python data/recordings/make_recordings.py          # twenty minutes on two cores
    python data/recordings/make_recordings.py --quick  # a poor one, to try the lessons with

The Configs of the lessons, and those that the Explorer's sliders reach from there, each measured twice, so that
measuring again gives other numbers.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import tradespace as ts
from tradespace.config import PRUNINGS, most_threads, physical_cores
from tradespace.measuring import worker
from tradespace.measuring.archive import write_layers, write_measurements
from tradespace.measuring.engine import Engine, measure_rounds
from tradespace.measuring.machine import machine, now
from tradespace.measuring.measurement import Failure
from tradespace.measuring.schedule import Schedule
from tradespace.prepare import Layer
from tradespace.prepare.eager import WEIGHTS
from tradespace.recording import Recording

HERE = Path(__file__).parent
# Accuracy is that of the whole test set, however long that takes.
TAKES, CI, SCORE_S = 2, 0.01, 3_600
SIZES = ["resnet4", "resnet8", "resnet16", "resnet32"]
BATCHES = [2**power for power in range(9)]


def careful(task: ts.Task) -> list[ts.Config]:
    """Configs that lessons measure one by one, with their percentiles."""
    threads = sorted({1, physical_cores()})
    return ts.grid(task, model=SIZES, precision=["fp32", "int8"], threads=threads, batch_size=[1, 32, 64, 256])


def wide(task: ts.Task) -> list[ts.Config]:
    """Configs of the Explorer's sliders and of the lessons' sweeps."""
    threads = sorted({1, physical_cores()})
    configs = ts.grid(task, model=SIZES, precision=["fp32", "bf16", "int8"], threads=threads, batch_size=BATCHES)
    others = {"fused": ["fp32", "bf16"], "onnxruntime": ["fp32", "int8"], "openvino": ["fp32", "bf16", "int8"]}
    for runtime, precisions in others.items():
        configs += ts.grid(task, model=SIZES, precision=precisions, runtime=runtime, batch_size=BATCHES[::2])
    return configs


def compressed(task: ts.Task) -> list[ts.Config]:
    """Configs of the lesson on compression, and pruned ones for the Explorer."""
    precisions, runtimes = ["fp32", "bf16", "int8", "int8-dynamic"], ["eager", "fused", "onnxruntime", "openvino"]
    configs = ts.grid(task, model="resnet8", precision=precisions, runtime=runtimes, batch_size=[1, 64])
    configs += ts.grid(task, model="resnet8", precision=WEIGHTS)
    configs += ts.grid(task, model="resnet8", pruning=PRUNINGS, batch_size=[1, 64])
    configs += ts.grid(task, model=["resnet4-distilled", "resnet8-distilled"])
    channels = [name for name in PRUNINGS if name.startswith("channels")]
    return configs + ts.grid(task, model=SIZES, pruning=channels, precision=["fp32", "int8"], batch_size=BATCHES[::2])


def record(task: ts.Task, configs: list[ts.Config], budget_s: float) -> list[ts.Measurement]:
    rounds = measure_rounds(task, configs, Schedule(CI, budget_s, SCORE_S))
    return [measurement for measurement, finished in rounds if finished]


def layers(task: ts.Task, configs: list[ts.Config]) -> dict[ts.Config, list[Layer]]:
    """By variant, what really runs: the layers of all that can be prepared."""
    engine, found = Engine(task), {}
    for variant in dict.fromkeys(config.variant for config in configs):
        answer = engine.request(worker.make_ready, variant)
        if not isinstance(answer, Failure):
            found[variant] = engine.request(worker.layers, variant)
        engine.request(worker.finish, variant)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    share = 0.1 if parser.parse_args().quick else 1.0
    task, start, made = ts.load_task("fashion"), time.perf_counter(), []
    with_care = careful(task)
    others = list(dict.fromkeys([*wide(task), *compressed(task)]))
    others = [config for config in others if config not in with_care]
    for _ in range(TAKES):
        made += record(task, with_care, 1.5 * share) + record(task, others, 0.3 * share)
    write_measurements(HERE / "measurements.zip", made)
    write_layers(HERE / "measurements.zip", task.name, layers(task, with_care + others))
    about = Recording(machine(), now(), physical_cores(), most_threads())
    (HERE / "machine.json").write_text(json.dumps(asdict(about), indent=2) + "\n", encoding="utf-8")
    print(f"{len(made)} measurements in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
