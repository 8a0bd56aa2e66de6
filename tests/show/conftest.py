import math
import threading

import numpy as np
import pytest
import torch
import tradespace as ts
from tradespace.measuring.machine import machine
from tradespace.surface.columns import table

ACCURACY = {"small": 0.80, "large": 0.90}


@pytest.fixture(scope="session")
def task():
    x = torch.randn(100, 4)
    modules = {"small": torch.nn.Linear(4, 2), "large": torch.nn.Linear(4, 2)}
    return ts.Task.from_model(modules, example=x[:1], test=(x, torch.zeros(100, dtype=torch.long)), name="toy")


def toy_row(model, precision, batch_size, **changes):
    """A row whose latency is 1 + 0.1 * batch_size milliseconds; large models take twice, bf16 half of that."""
    latency = (1 + 0.1 * batch_size) * (2 if model == "large" else 1) * (0.5 if precision == "bf16" else 1)
    row = {
        "task": "toy", "model": model, "pruning": "none", "precision": precision, "runtime": "eager",
        "device": "cpu", "threads": 1, "batch_size": batch_size,
        "latency_p50_ms": latency, "latency_p50_lo_ms": 0.9 * latency, "latency_p50_hi_ms": 1.2 * latency,
        "latency_p90_ms": math.nan, "latency_p99_ms": math.nan, "throughput_per_s": batch_size / latency * 1e3,
        "accuracy": ACCURACY[model], "accuracy_lo": ACCURACY[model] - 0.02, "accuracy_hi": ACCURACY[model] + 0.02,
        "accuracy_n": 100, "model_mb": 0.1, "memory_mb": math.nan, "energy_j_per_item": math.nan,
        "prepare_s": 0.1, "samples": 500, "noise": 0.01, "flags": "", "status": "ok", "reason": "",
        "machine": machine(), "measured_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return row | changes


@pytest.fixture
def surface():
    """Twelve rows and one that cannot run. None of it was measured: the numbers are made to be checked by hand."""
    rows = [toy_row(m, p, b) for m in ("small", "large") for p in ("fp32", "bf16") for b in (1, 8, 64)]
    broken = dict.fromkeys(["latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms", "throughput_per_s"], math.nan)
    unsupported = toy_row("small", "int8", 8, status="unsupported", reason="no calibration inputs", **broken)
    return table([*rows, unsupported])


@pytest.fixture
def wait_until_measured():
    """Waits for the end of what is measured in the background; the test itself ends no sooner."""

    def wait():
        for thread in threading.enumerate():
            if thread.name == "tradespace-background":
                thread.join(60)
                assert not thread.is_alive()

    yield wait
    wait()


@pytest.fixture(scope="session")
def service():
    """Service times along a line, 1 ms and 0.1 ms a request, that scatter by a tenth; batches up to 16."""
    spread = np.linspace(0.9, 1.1, 41)
    config = ts.Config("small", threads=1)
    return ts.ServiceTimes({size: (1 + 0.1 * size) * spread for size in (1, 2, 4, 8, 16)}, config=config, task="toy")
