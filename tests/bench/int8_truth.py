"""int8 against the same integers in floating point and against fp32, on this processor and as on an older one."""

import json
import os
import subprocess
import sys

import torch
import tradespace as ts
from report import Finding, print_table
from torch import Tensor
from tradespace.config import most_threads
from tradespace.errors import Unsupported
from tradespace.measuring.measurement import UNTRUE_ABOVE
from tradespace.prepare import Source, prepare, unsupported
from tradespace.prepare.session import Call
from tradespace.tasks import Task, load_task

TASKS = ("fashion", "glosses")
INTEGERS = [
    ("eager", "int8"), ("eager", "int8-dynamic"),
    ("onnxruntime", "int8"), ("onnxruntime", "int8-dynamic"),
    ("openvino", "int8"),
]  # fmt: skip
# What oneDNN, in PyTorch and in OpenVINO, takes for an older processor. ONNX Runtime asks the processor itself.
CAPPED = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
BATCH, HELD, HELD_QUICKLY = 100, 500, 100
HEADER = ("model", "runtime", "precision", "departs", "capped", "accuracy, %", "capped", "fp32", "note")


def run(quick: bool) -> list[Finding]:
    """Every model of both tasks, in this process and in one that newer instructions are hidden from."""
    plain = measured(quick)
    environment = os.environ | CAPPED
    command = [sys.executable, __file__, *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    capped = json.loads(done.stdout.splitlines()[-1])
    print_table(HEADER, [_cells(one, other) for one, other in zip(plain, capped, strict=True)])
    return [_departure("as it is", plain), _departure("capped", capped), _lost(plain)]


def measured(quick: bool) -> list[dict[str, object]]:
    """One entry for each model, runtime and precision that runs here."""
    torch.set_num_threads(most_threads())
    found = []
    for name in TASKS:
        task = load_task(name)
        for model in list(task.models)[:1] if quick else task.models:
            source = Source(task, model, "none")
            exact = score(task, outputs(task, prepare(source, ts.Config(model)).session(1, None).call, quick))
            for runtime, precision in INTEGERS:
                entry = one(task, source, ts.Config(model, precision=precision, runtime=runtime), quick)
                if entry:
                    found.append({**entry, "fp32": exact})
                    print(*found[-1].values(), file=sys.stderr, flush=True)
    return found


def one(task: Task, source: Source, config: ts.Config, quick: bool) -> dict[str, object] | None:
    """How far the outputs are from the truth, and how many are right; None where this model cannot be had so."""
    if unsupported(task, config):
        return None
    try:
        made = prepare(source, config)
    except Unsupported:
        return None
    assert made.in_float is not None, "every one of these precisions has integers"
    session = made.session(most_threads(), None)
    found = outputs(task, session.call, quick)
    held = min(HELD_QUICKLY if quick else HELD, len(found))
    truth = outputs(task, made.in_float(), quick, held)
    departs = ((found[:held] - truth).square().mean() / truth.square().mean()).sqrt().item()
    notes = sorted({layer.note for layer in session.layers() if layer.note})
    knobs = {"model": config.model, "runtime": config.runtime, "precision": config.precision}
    return {**knobs, "departs": departs, "accuracy": score(task, found), "note": " ".join(notes)}


def outputs(task: Task, call: Call, quick: bool, items: int | None = None) -> Tensor:
    numbers = torch.arange(items or (HELD_QUICKLY if quick else len(task.test[1])))
    with torch.inference_mode():
        return torch.cat([call(*task.batch(some)) for some in numbers.split(BATCH)])


def score(task: Task, found: Tensor) -> float:
    """Share of the items that are right, in percent."""
    return 100 * float(task.score(found, task.test[1][: len(found)]).mean())


def _cells(plain: dict[str, object], capped: dict[str, object]) -> tuple[object, ...]:
    knobs = plain["model"], plain["runtime"], plain["precision"]
    departs = [f"{one['departs']:.2%}" for one in (plain, capped)]
    right = [f"{one['accuracy']:.2f}" for one in (plain, capped)]
    return *knobs, *departs, *right, f"{plain['fp32']:.2f}", plain["note"]


def _departure(how: str, found: list[dict[str, object]]) -> Finding:
    most = max(found, key=lambda one: one["departs"])
    text = f"{most['departs']:.2%} ({most['model']}, {most['runtime']}, {most['precision']}), of {len(found)}"
    reached = most["departs"] <= UNTRUE_ABOVE
    return Finding("int8_truth", f"furthest from its integers in float, {how}", text, f"<= {UNTRUE_ABOVE:.0%}", reached)


def _lost(found: list[dict[str, object]]) -> Finding:
    most = max(found, key=lambda one: one["fp32"] - one["accuracy"])
    text = f"{most['fp32'] - most['accuracy']:.2f} points ({most['model']}, {most['runtime']}, {most['precision']})"
    return Finding("int8_truth", "most accuracy lost against fp32", text)


if __name__ == "__main__":
    print(json.dumps(measured("--quick" in sys.argv)))
