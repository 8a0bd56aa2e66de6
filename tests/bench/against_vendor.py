"""Our point against the vendor's own tool on the same file: OpenVINO's benchmark_app, and a bare ONNX Runtime loop."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tradespace as ts
from report import Finding, print_table
from tradespace.prepare import Source
from tradespace.prepare.openvino import HINTS
from tradespace.tasks import load_task
from untested import untested

MODEL = "resnet32"
LEAST = 0.95
ROUNDS = 5
# No interval is as narrow: all of the budget is used.
EXACT = 1e-9
HEADER = ("runtime", "precision", "batch", "threads", "ours, items/s", "vendor, items/s", "ours / vendor")
BARE_LOOP = """
import sys, time
import numpy as np, onnxruntime
path, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
shape = [batch, *session.get_inputs()[0].shape[1:]]
feed = {session.get_inputs()[0].name: np.random.default_rng(0).standard_normal(shape, np.float32)}
end = time.perf_counter() + seconds / 4
while time.perf_counter() < end:
    session.run(None, feed)
calls, start = 0, time.perf_counter()
while time.perf_counter() < start + seconds:
    session.run(None, feed)
    calls += 1
print(calls * batch / (time.perf_counter() - start))
"""


def run(quick: bool) -> list[Finding]:
    """Throughput of each point over the vendor's at the same batch size, threads and precision, taken in turns.

    The best of the rounds counts, for both: other work on the machine or its host only ever slows.
    """
    task = load_task("fashion")
    seconds = 0.3 if quick else 1.0
    batches = [1] if quick else [1, 32]
    configs = ts.grid(task, model=MODEL, precision=["fp32", "bf16", "int8"], runtime="openvino", batch_size=batches)
    configs += ts.grid(task, model=MODEL, precision=["fp32", "int8"], runtime="onnxruntime", batch_size=batches)
    timed = untested(task)
    source = Source(task, MODEL, "none")
    ratios = {}
    with tempfile.TemporaryDirectory() as folder:
        for config in configs:
            file = Path(folder) / f"{config.precision}.onnx"
            file.write_bytes(source.onnx("int8" if config.precision == "int8" else "fp32"))
            tool = benchmark_app if config.runtime == "openvino" else bare_loop
            pairs = [
                (
                    ts.measure(timed, config, max_width=EXACT, budget_s=seconds).throughput_per_s,
                    tool(file, config, seconds),
                )
                for _ in range(1 if quick else ROUNDS)
            ]
            ratios[config] = np.array(pairs)
    print_table(HEADER, [_cells(config, pairs) for config, pairs in ratios.items()])
    return [_finding(name, configs, ratios) for name in ("openvino", "onnxruntime")]


def benchmark_app(file: Path, config: ts.Config, seconds: float) -> float:
    """Items a second that OpenVINO's tool reports, one request at a time as ours are."""
    shape = f"[{config.batch_size},1,28,28]"
    command = [
        str(Path(sys.executable).parent / "benchmark_app"),
        *("-m", str(file), "-d", "CPU", "-shape", shape, "-hint", "none", "-api", "sync"),
        *("-nireq", "1", "-nstreams", "1", "-nthreads", str(config.threads)),
        *("-infer_precision", HINTS[config.precision], "-ip", "f32", "-t", str(max(round(seconds), 1))),
        *("-json_stats", "-report_type", "no_counters", "-report_folder", str(file.parent)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"benchmark_app: {done.stdout[-500:]} {done.stderr[-500:]}")
    report = json.loads((file.parent / "benchmark_report.json").read_text())
    return float(report["execution_results"]["throughput"])


def bare_loop(file: Path, config: ts.Config, seconds: float) -> float:
    """Items a second of ONNX Runtime called in a loop that does nothing else, in a process of its own."""
    command = [sys.executable, "-c", BARE_LOOP, file, config.batch_size, config.threads, seconds]
    return float(subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout)


def _cells(config: ts.Config, pairs: np.ndarray) -> tuple[object, ...]:
    ours, vendor = pairs.max(axis=0)
    knobs = config.runtime, config.precision, config.batch_size, config.threads
    return *knobs, f"{ours:,.0f}", f"{vendor:,.0f}", f"{_ratio(pairs):.3f}"


def _ratio(pairs: np.ndarray) -> float:
    ours, vendor = pairs.max(axis=0)
    return float(ours / vendor)


def _finding(runtime: str, configs: list[ts.Config], ratios: dict[ts.Config, np.ndarray]) -> Finding:
    found = [_ratio(ratios[config]) for config in configs if config.runtime == runtime]
    tool = {"openvino": "benchmark_app", "onnxruntime": "a bare loop"}[runtime]
    text = f"least {min(found):.3f}, median {np.median(found):.3f}"
    return Finding("vendor", f"{runtime}: our throughput over that of {tool}", text, f">= {LEAST}", min(found) >= LEAST)
