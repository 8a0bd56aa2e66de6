"""Record what recorded mode plays back, on this machine, which should be otherwise idle.

    python data/recordings/make_recordings.py NAME          # twenty minutes on two cores, into a folder of that name
    python data/recordings/make_recordings.py NAME --quick  # a poor one, to try the lessons with
    python data/recordings/make_recordings.py NAME --peaks  # only the peaks anew, on the machine of the others

`TRADESPACE_RECORDED=NAME` plays it back.

The Configs of the lessons, and those that the Explorer's sliders reach from there, each measured twice, so that
measuring again gives other numbers.
"""

import argparse
import json
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

import tradespace as ts
from tradespace.config import PRUNINGS, most_threads, physical_cores
from tradespace.measuring import worker
from tradespace.measuring.archive import read_labels, read_layers, read_measurement, write_layers, write_measurements
from tradespace.measuring.engine import Engine, measure_rounds
from tradespace.measuring.machine import machine, now
from tradespace.measuring.measurement import Failure
from tradespace.measuring.peaks import BATCHES as BATCHES_OF_PRODUCTS
from tradespace.measuring.peaks import PRECISIONS, STREAM_MIB
from tradespace.measuring.schedule import Schedule
from tradespace.prepare import Layer
from tradespace.prepare.eager import WEIGHTS
from tradespace.recording import Recording
from tradespace.tasks.probes import TINY, probes

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


def probing(task: ts.Task) -> list[ts.Config]:
    """Configs of `ts.peaks`: matrix products, an array that is copied, and chains of tiny layers."""
    threads = sorted({1, physical_cores()})
    configs = ts.grid(task, model="product", precision=PRECISIONS, threads=threads, batch_size=BATCHES_OF_PRODUCTS)
    configs += ts.grid(task, model="stream", threads=threads, batch_size=STREAM_MIB)
    for precision in PRECISIONS:
        kinds = TINY[:1] if precision == "int8" else TINY if precision == "fp32" else TINY[:2]
        configs += ts.grid(task, model=kinds, precision=precision, threads=threads)
    return configs


def record_peaks(share: float) -> list[ts.Measurement]:
    task = probes()
    return [one for _ in range(TAKES) for one in record(task, probing(task), 0.6 * share)]


def without_peaks(folder: Path) -> list[ts.Measurement]:
    """What was recorded here before, apart from the peaks."""
    path = folder / "measurements.zip"
    labels = [(number, label) for number, label in enumerate(read_labels(path)) if label["task"] != probes().name]
    elsewhere = {label["machine"] for _, label in labels} - {machine()}
    if elsewhere:
        raise SystemExit(f"--peaks: wanted the machine of the recording, {', '.join(elsewhere)}; got {machine()}")
    with zipfile.ZipFile(path) as file:
        return [read_measurement(file, number, label) for number, label in labels]


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
    parser.add_argument("name", help="of the machine, for instance that of its processor")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    parser.add_argument("--peaks", action="store_true", help="only the peaks anew; what else was recorded here stays")
    given = parser.parse_args()
    folder = HERE / given.name
    folder.mkdir(exist_ok=True)
    share = 0.1 if given.quick else 1.0
    if given.peaks:
        path = folder / "measurements.zip"
        kept, found = without_peaks(folder), read_layers(path)
        write_measurements(path, kept + record_peaks(share))
        write_layers(path, "fashion", {variant: some for (_, variant), some in found.items()})
        return
    task, start, made = ts.load_task("fashion"), time.perf_counter(), []
    with_care = careful(task)
    others = list(dict.fromkeys([*wide(task), *compressed(task)]))
    others = [config for config in others if config not in with_care]
    for _ in range(TAKES):
        made += record(task, with_care, 1.5 * share) + record(task, others, 0.3 * share)
    made += record_peaks(share)
    write_measurements(folder / "measurements.zip", made)
    write_layers(folder / "measurements.zip", task.name, layers(task, with_care + others))
    about = Recording(machine(), now(), physical_cores(), most_threads())
    (folder / "machine.json").write_text(json.dumps(asdict(about), indent=2) + "\n", encoding="utf-8")
    print(f"{len(made)} measurements in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
