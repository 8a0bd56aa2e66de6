"""Measure the recorded surfaces of this folder on this machine, which should be otherwise idle.

    python data/surfaces/make_surfaces.py                   # all, an hour and a half on two cores
    python data/surfaces/make_surfaces.py --task fashion    # one
    python data/surfaces/make_surfaces.py --processor avx2  # into fashion-avx2.csv, ...
    python data/surfaces/make_surfaces.py --store x.sqlite  # resumable

Every axis of a task: sizes, pruning, precisions, runtimes, threads, batch sizes; and, at one batch size, the points
of which only the accuracy can be known. Each is measured briefly; then, for longer, those that may be on a frontier.
"""

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import tradespace as ts
from tradespace.config import PRUNINGS, physical_cores
from tradespace.prepare.eager import WEIGHTS
from tradespace.surface.columns import configs_of
from tradespace.surface.objectives import OBJECTIVES

HERE = Path(__file__).parent
# Accuracy is that of the whole test set, however long that takes.
CI, BUDGET_S, SCORE_S = 0.05, 0.25, 3_600
# For points that may be on a frontier. Texts differ in length, so their intervals stay wide however long it takes.
LONGER_S = {"fashion": 3.0, "glosses": 2.0, "glosses-bucketed": 2.0}
CHANNELS = {
    "fashion": ["channels-25", "channels-50", "channels-75"],
    "glosses": ["channels-50"],
    "glosses-bucketed": ["channels-50"],
}
ZEROS = tuple(name for name in PRUNINGS if name.startswith("weights"))
TIMED = {
    "fashion": {
        "eager": ["fp32", "bf16", "int8"],
        "fused": ["fp32", "bf16"],
        "onnxruntime": ["fp32", "int8"],
        "openvino": ["fp32", "bf16", "int8"],
    },
    "glosses": {
        "eager": ["fp32", "bf16", "int8-dynamic"],
        "onnxruntime": ["fp32", "int8", "int8-dynamic"],
        "openvino": ["fp32", "bf16", "int8"],
    },
}
TIMED["glosses-bucketed"] = TIMED["glosses"]
BATCHES = {"fashion": [1, 2, 4, 16, 64, 256], "glosses": [1, 4, 16, 64], "glosses-bucketed": [1, 4, 16, 64]}
# Without the large encoders, whose test set takes up to a minute for every variant.
PRUNED = {
    "fashion": ["resnet4", "resnet8", "resnet16", "resnet32"],
    "glosses": ["textcnn", "encoder64"],
    "glosses-bucketed": ["textcnn", "encoder64"],
}
EXAMPLE = {"fashion": "resnet16", "glosses": "encoder64", "glosses-bucketed": "encoder64"}
LARGE = {"glosses-bucketed": ["encoder128", "encoder384"]}


def points_of(task: ts.Task) -> list[ts.Config]:
    """The dense grid, then what each further axis adds at one batch size."""
    name = task.name
    threads = sorted({1, physical_cores()})
    configs = []
    for runtime, precisions in TIMED[name].items():
        models = [model for model in task.models if model not in LARGE.get(name, [])]
        dense = {"precision": precisions, "runtime": runtime, "threads": threads, "batch_size": BATCHES[name]}
        configs += ts.grid(task, model=models, **dense)
        configs += ts.grid(task, model=PRUNED[name], pruning=CHANNELS[name], **dense)
    one = {"model": EXAMPLE[name], "batch_size": [1, 64]}
    configs += ts.grid(task, runtime="compile", precision=["fp32", "bf16"], **one)
    configs += ts.grid(task, precision=["fp16", "int8-dynamic"], **one)
    configs += ts.grid(task, model=PRUNED[name], pruning=ZEROS, runtime=["eager", "openvino"], batch_size=64)
    return configs + ts.grid(task, model=PRUNED[name], precision=WEIGHTS, batch_size=64)


def near_a_frontier(surface: pd.DataFrame) -> list[ts.Config]:
    """Configs that may be on the frontier of the whole surface, or of a part that lessons look at."""
    whole = surface[surface["pruning"] == "none"]
    parts = [surface, whole, *(part for _, part in whole.groupby("runtime"))]
    judged = [ts.frontier_confidence(part, OBJECTIVES) for part in parts]
    return list(dict.fromkeys(config for part in judged for config in configs_of(part[part["verdict"] != "off"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", nargs="*", default=list(TIMED), help="tasks to measure")
    parser.add_argument("--processor", help="the kind of this processor, for the file names")
    parser.add_argument("--store", type=Path, help="where to save points, to continue after an interruption")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "surfaces.sqlite"
        for name in arguments.task:
            task, start = ts.load_task(name), time.perf_counter()
            known = {"max_width": CI, "score_s": SCORE_S, "store": store}
            configs = points_of(task)
            near = near_a_frontier(ts.sweep(task, configs, budget_s=BUDGET_S, **known))
            print(f"{name}: {len(near)} may be on a frontier")
            ts.sweep(task, near, budget_s=LONGER_S[name], **known)
            # Everything is in the store now.
            surface = ts.sweep(task, configs, budget_s=BUDGET_S, **known)
            kind = f"-{arguments.processor}" if arguments.processor else ""
            ts.save_surface(surface, HERE / f"{name}{kind}.csv")
            print(f"{name}: {len(surface)} rows in {time.perf_counter() - start:.0f} s")
            print(surface["status"].value_counts().to_string())


if __name__ == "__main__":
    main()
