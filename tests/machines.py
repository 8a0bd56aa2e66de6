"""The recorded machines, and synthetic ones made from one of them, which nobody measured: lessons must hold on all."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from tradespace import config as knobs
from tradespace import recording
from tradespace.config import Config
from tradespace.measuring import engine
from tradespace.measuring.measurement import Failure, Measurement
from tradespace.measuring.replay import Replay

TIMES = "busy_ns", "wall_ns", "cpu_ns", "waited_ns", "warm_up_ns"
RECORDED_CORES = 2


@dataclass(frozen=True)
class Machine:
    """What differs from the recorded machine.

    Parameters
    ----------
    words : str
        For the machine line.
    change : callable
        A recorded Measurement -> what this machine would have measured.
    cores : int
        Calls on all of them are made from those on both recorded ones.
    recorded : str
        The machine that it is made from.
    """

    words: str
    change: Callable[[Measurement], Measurement] = lambda m: m
    cores: int = RECORDED_CORES
    recorded: str = recording.USUAL


def times(m: Measurement, factor: float) -> Measurement:
    """Every time multiplied by `factor`."""
    slices = [
        replace(
            one,
            samples_ns=np.maximum(one.samples_ns * factor, 1).astype(int),
            **{name: int(getattr(one, name) * factor) for name in TIMES},
        )
        for one in m.slices
    ]
    return replace(m, slices=tuple(slices))


def refused(m: Measurement, reason: str) -> Measurement:
    return replace(m, slices=(), scores=None, failure=Failure("unsupported", reason))


def chance(m: Measurement) -> np.random.Generator:
    """Random numbers that are the same for the same Measurement."""
    return np.random.default_rng(crc32(f"{m.config} {m.measured_at}".encode()))


def slow_bf16(m: Measurement) -> Measurement:
    return times(m, 10) if m.config.precision == "bf16" else m


def no_eager_int8(m: Measurement) -> Measurement:
    here = m.config.runtime == "eager" and m.config.precision.startswith("int8")
    return refused(m, "this build of PyTorch has no onednn engine, which runs int8 on a CPU") if here else m


def flat(m: Measurement) -> Measurement:
    """Nearly 0.3 ms, whatever the batch."""
    return times(m, (0.3 / m.latency_p50_ms) ** 0.98) if m.samples else m


def contended(m: Measurement) -> Measurement:
    """Threads wait half of the time; slices differ by a third, and calls in each of them by as much again."""
    draw = chance(m)
    slices = []
    for one in m.slices:
        samples = one.samples_ns * draw.lognormal(0.3, 0.3) * draw.lognormal(0, 0.3, len(one.samples_ns))
        spent = int(samples.sum())
        slices.append(
            replace(one, samples_ns=samples.astype(int), busy_ns=spent, wall_ns=spent, waited_ns=max(spent // 2, 10**7))
        )
    return replace(m, slices=tuple(slices))


def eager_alone(m: Measurement) -> Measurement:
    name = m.config.runtime
    missing = name in ("onnxruntime", "openvino")
    return refused(m, f"runtime {name} needs {name}: pip install {name}") if missing else m


def overflowing(m: Measurement) -> Measurement:
    """A twentieth of what int8 got right is wrong, since its sums overflow."""
    if m.scores is None or not m.config.precision.startswith("int8"):
        return m
    kept = chance(m).random(len(m.scores)) > 0.05
    facts = replace(m.facts, output_error=0.3, truth_error=0.3)
    return replace(m, scores=m.scores & kept, facts=facts)


def sixteen(m: Measurement) -> Measurement:
    """Large batches gain three times from more cores; single items lose by waiting."""
    if m.config.threads == 1:
        return m
    return times(m, 1.3 / min(m.config.batch_size, 64) ** 0.33)


def few_calls(m: Measurement, factor: int = 10) -> Measurement:
    """`factor` times as slow, and in the same time so many calls fewer: many percentiles are not known."""
    slow = times(m, factor)
    slices = []
    for one in slow.slices:
        samples_ns = one.samples_ns[::factor]
        spent_ns = int(samples_ns.sum())
        items = len(samples_ns) * m.config.batch_size
        slices.append(replace(one, samples_ns=samples_ns, items=items, busy_ns=spent_ns, wall_ns=spent_ns))
    return replace(slow, slices=tuple(slices))


MACHINES = {
    **{name: Machine("", recorded=name) for name in recording.machines()},
    "slow-bf16": Machine("bf16 takes ten times as long", slow_bf16),
    "no-eager-int8": Machine("eager PyTorch has no int8", no_eager_int8),
    "one-core": Machine("one core", lambda m: times(m, 1.6), cores=1),
    "flat": Machine("any batch takes the same time", flat),
    "contended": Machine("others want its cores", contended),
    "eager-alone": Machine("no ONNX Runtime and no OpenVINO", eager_alone),
    "overflowing": Machine("AVX2, sums of int8 overflow", overflowing),
    "sixteen-cores": Machine("sixteen cores", sixteen, cores=16),
    "slow": Machine("ten times as slow, and few calls", few_calls),
    "slower": Machine("thirty times as slow, and fewer calls", lambda m: few_calls(m, 30)),
}


def switch_to(machine: Machine, folder: Path) -> None:
    """Play back `machine` from now on. Its `machine.json` is written to `folder`."""
    os.environ[recording.VARIABLE] = machine.recorded
    where, caches = recording.folder(), (recording.recording, knobs.physical_cores, knobs.most_threads)
    assert where is not None
    engine.PROCESS._path = where / "measurements.zip"
    for known in caches:
        known.cache_clear()
    if not machine.words:
        return
    told = recording.recording()
    assert told is not None
    told = replace(
        told,
        machine=f"a synthetic machine ({machine.words})",
        physical_cores=machine.cores,
        most_threads=machine.cores,
    )
    (folder / "machine.json").write_text(json.dumps(asdict(told)), encoding="utf-8")
    recording.folder = lambda: folder
    for known in caches:
        known.cache_clear()
    recorded = Replay._takes

    def takes(replay: Replay, task: str, config: Config) -> list[Measurement]:
        alike = replace(config, threads=RECORDED_CORES) if config.threads == machine.cores else config
        return [machine.change(take) for take in recorded(replay, task, alike)]

    Replay._takes = takes
