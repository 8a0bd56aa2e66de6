"""Operating points: a Config is one setting of the knobs, and grid() lists many."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Protocol

import loky

from tradespace.errors import choose, whole_number
from tradespace.recording import recording

BITS = (8, 6, 5, 4, 3, 2)
# Precisions of rounded weights -> bits of a weight, and whether each channel has a step of its own.
WEIGHTS = {f"w{bits}{'' if own else '-tensor'}": (bits, own) for own in (True, False) for bits in BITS}
PRECISIONS = ("fp32", "bf16", "fp16", "int8", "int8-dynamic", *WEIGHTS, "fp8", "int4")
PRUNINGS = (
    "none", "channels-25", "channels-50", "channels-75",
    "weights-50", "weights-70", "weights-90", "weights-95",
)  # fmt: skip
# The files of `prepare/` of these names, and what people call them.
RUNTIMES = {
    "eager": "PyTorch", "fused": "PyTorch, fused", "compile": "torch.compile", "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}  # fmt: skip
DEVICES = ("cpu", "cuda", "mps", "xpu")

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def pruned_share(pruning: str) -> tuple[str, int]:
    """What a pruning takes, and how much of it in per cent.

    Examples
    --------
    >>> pruned_share("weights-50"), pruned_share("none")
    (('weights', 50), ('none', 0))
    """
    kind, _, percent = pruning.partition("-")
    return kind, int(percent or 0)


@cache
def physical_cores() -> int:
    """Number of physical cores this process may use, given its affinity and quota; hyper-threads do not count."""
    played = recording()
    return played.physical_cores if played else _within_quota(loky.cpu_count(only_physical_cores=True))


@cache
def most_threads() -> int:
    """Number of hardware threads this process may use; any further threads only wait for each other."""
    played = recording()
    return played.most_threads if played else _within_quota(loky.cpu_count())


def _within_quota(count: int) -> int:
    return math.ceil(min(count, quota()))


def quota() -> float:
    """Seconds of CPU time this process may use per second; infinite if its control groups set no limit.

    The limit may be that of a container, of `systemd` or of a job scheduler, in either version of Linux control groups.
    loky reads only the limits of the outermost group.
    """
    return min(map(_quota, _cgroups()), default=math.inf)


def _cgroups() -> Iterator[Path]:
    roots = {"": CGROUPS, "cpu": CGROUPS / "cpu"}  # where version 2 and version 1 are mounted
    yield from roots.values()
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for name in roots.keys() & set(controllers.split(",")):
            group = roots[name] / path.lstrip("/")
            yield from (group, *group.parents)


def _quota(cgroup: Path) -> float:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota_us, period_us = " ".join((cgroup / name).read_text() for name in names).split()
            if int(quota_us) > 0:
                return int(quota_us) / int(period_us)
        except (OSError, ValueError):
            continue  # the other version, or no limit
    return math.inf


@dataclass(frozen=True)
class Config:
    """One operating point: a model, its compression, its runtime, and the number of items per call.

    Parameters
    ----------
    model : str
        One of the task's models.
    pruning, precision, runtime, device : str
        One of `PRUNINGS`, `PRECISIONS`, `RUNTIMES` and `DEVICES`. Not every machine runs every combination; one that
        it cannot run becomes a row with a status and a reason.
    threads : int
        CPU threads that one call may use; by default, the number of physical cores.
    batch_size : int
        Items per call.

    Raises
    ------
    ValueError
        If a knob has a value that is valid on no machine.

    Examples
    --------
    >>> Config("resnet8", precision="bf16", threads=1, batch_size=32)
    Config('resnet8', bf16, eager, cpu, threads=1, batch_size=32)
    """

    model: str
    pruning: str = "none"
    precision: str = "fp32"
    runtime: str = "eager"
    device: str = "cpu"
    threads: int = field(default_factory=physical_cores)
    batch_size: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise ValueError(f"model: wanted a name; got {self.model!r}")
        choose("pruning", self.pruning, PRUNINGS)
        choose("precision", self.precision, PRECISIONS)
        choose("runtime", self.runtime, RUNTIMES)
        choose("device", self.device, DEVICES)
        # Stored as plain integers: a value read from a numpy array or a DataFrame makes an equal Config.
        object.__setattr__(self, "threads", whole_number("threads", self.threads, least=1))
        object.__setattr__(self, "batch_size", whole_number("batch_size", self.batch_size, least=1))

    @property
    def variant(self) -> "Config":
        """This Config with one thread and one item: what the prepared model and its accuracy depend on."""
        return replace(self, threads=1, batch_size=1)

    def __repr__(self) -> str:
        knobs = [repr(self.model), self.precision, self.runtime, self.device]
        knobs.insert(1, self.pruning) if self.pruning != "none" else None
        return f"Config({', '.join(knobs)}, threads={self.threads}, batch_size={self.batch_size})"


KNOBS = tuple(knob.name for knob in fields(Config))
# The knobs of `Config.variant`.
VARIANT = KNOBS[:-2]


class HasModels(Protocol):
    """The part of a task that a grid needs."""

    @property
    def models(self) -> tuple[str, ...]: ...


def check(task: HasModels, configs: Iterable[Config]) -> list[Config]:
    """Return `configs` as a list if each names a model of `task` and needs no more threads than this machine has.

    Raises
    ------
    ValueError
        If one does not, or if there are no Configs.
    """
    if not isinstance(configs, Iterable):
        raise ValueError(f"configs: wanted a list of Config objects, as ts.grid() makes it; got {configs!r}")
    checked = list(configs)
    if not checked:
        raise ValueError("configs: wanted at least one Config; got none")
    for config in checked:
        if not isinstance(config, Config):
            raise ValueError(f"configs: wanted Config objects, as ts.grid() makes them; got {config!r}")
        choose("model", config.model, task.models)
        whole_number("threads", config.threads, least=1, most=most_threads(), why=" on this machine")
    return checked


def grid(
    task: HasModels,
    *,
    model: str | Iterable[str] | None = None,
    pruning: str | Iterable[str] = "none",
    precision: str | Iterable[str] = "fp32",
    runtime: str | Iterable[str] = "eager",
    device: str | Iterable[str] = "cpu",
    threads: int | Iterable[int] | None = None,
    batch_size: int | Iterable[int] = 1,
) -> list[Config]:
    """List the Configs of every combination of the given knob values; the last knob varies fastest.

    A knob takes one value or several. By default, `model` is every model of the task and `threads` is the number of
    physical cores.

    Raises
    ------
    ValueError
        If a value is not valid, if the machine has fewer threads, or if a knob has no values.

    Examples
    --------
    >>> import tradespace as ts
    >>> configs = ts.grid(ts.load_task("fashion"), model="resnet8", precision=["fp32", "int8"], batch_size=[1, 32])
    >>> len(configs)
    4
    """
    knobs: dict[str, list[object]] = {
        "model": _values(task.models if model is None else model),
        "pruning": _values(pruning),
        "precision": _values(precision),
        "runtime": _values(runtime),
        "device": _values(device),
        "threads": _values(physical_cores() if threads is None else threads),
        "batch_size": _values(batch_size),
    }
    for name, values in knobs.items():
        if not values:
            raise ValueError(f"{name}: wanted at least one value; got none, so the grid is empty")
    combinations = product(*knobs.values())
    return check(task, (Config(*values) for values in combinations))  # type: ignore[arg-type]  # Config checks


def _values(knob: object) -> list[object]:
    if isinstance(knob, str) or not hasattr(knob, "__iter__"):
        return [knob]
    try:
        return list(knob)
    except TypeError:  # a 0-d numpy array has __iter__, but is not iterable
        return [knob]
