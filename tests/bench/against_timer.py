"""Our medians against those of torch.utils.benchmark, of the same calls in the same process, turn by turn."""

import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from report import Finding, print_table
from torch import Tensor, nn
from torch.utils.benchmark import Timer
from tradespace.config import Config
from tradespace.measuring.device import Cpu
from tradespace.measuring.loop import time_slice, warm_up
from tradespace.measuring.measurement import Measurement, Slice
from tradespace.tasks import load_task

BATCHES = (1, 32)
INPUTS = 4
MEDIAN_WITHIN, EACH_WITHIN = 0.02, 0.05
NOT_QUIET = {"contended", "noisy"}


class LastOfLstm(nn.Module):
    """A recurrent layer read out at its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        scores: Tensor = self.head(states[:, -1])
        return scores


@dataclass
class Duel:
    """One model at one batch size, and what the two have found so far."""

    name: str
    batch_size: int
    call: Callable[[int], object]
    slices: list[Slice] = field(default_factory=list)
    timer_s: list[float] = field(default_factory=list)

    def ours(self, seconds: float) -> None:
        """One slice, as the worker would take it."""
        self.slices.append(time_slice(self.call, Cpu(), self.batch_size, seconds))

    def timers(self, seconds: float) -> None:
        """As many blocks as fit; each of the timer's values is the mean of a block of calls."""
        turn = itertools.count()
        timer = Timer("call(next(turn))", globals={"call": self.call, "turn": turn}, num_threads=1)
        self.timer_s += timer.blocked_autorange(min_run_time=seconds).times

    @property
    def measurement(self) -> Measurement:
        """What the package makes of our slices."""
        return Measurement("bench", Config(self.name, threads=1, batch_size=self.batch_size), tuple(self.slices))

    @property
    def timer_ms(self) -> float:
        """The timer's median."""
        return statistics.median(self.timer_s) * 1e3

    @property
    def ratio(self) -> float:
        """Our median over the timer's."""
        return self.measurement.latency_p50_ms / self.timer_ms

    @property
    def mean_ratio(self) -> float:
        """The same with block means on both sides, which tells how much of the difference is median against mean."""
        return statistics.median(float(s.samples_ns.mean()) for s in self.slices) / 1e6 / self.timer_ms

    @property
    def quiet(self) -> bool:
        """Whether no flag speaks of a machine that did other work."""
        return not NOT_QUIET & set(self.measurement.flags.split())


def run(quick: bool) -> list[Finding]:
    """All duels, side by side: each round gives each of them two turns of ours and two of the timer's, A B B A."""
    seconds, rounds = (0.02, 3) if quick else (0.1, 8)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            duels = list(contestants())
            for duel in duels:
                warm_up(duel.call, Cpu())
            for _ in range(rounds):
                for duel in duels:
                    for turn in (duel.ours, duel.timers, duel.timers, duel.ours):
                        turn(seconds)
    finally:
        torch.set_num_threads(threads)
    print("one thread each, in one process, the same rotating inputs")
    print_table(("model", "batch", "ours ms", "timer ms", "ratio", "of means", "noise", "flags"), map(line, duels))
    return findings(duels)


def contestants() -> Iterator[Duel]:
    """Six kinds of model, small and large batch. Weights are random: they do not change the time."""
    vocabulary, words = 10_000, 20
    layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
    kinds: dict[str, tuple[nn.Module, Callable[[int], Tensor]]] = {
        "mlp": (mlp(), lambda n: torch.randn(n, 784)),
        "resnet": (load_task("fashion").load_model("resnet16"), lambda n: torch.randn(n, 1, 28, 28)),
        "depthwise": (depthwise(), lambda n: torch.randn(n, 3, 32, 32)),
        "lstm": (LastOfLstm(), lambda n: torch.randn(n, 20, 32)),
        "transformer": (nn.TransformerEncoder(layer, 2), lambda n: torch.randn(n, 32, 128)),
        "embedding": (embedding(vocabulary), lambda n: torch.randint(vocabulary, (n, words))),
    }
    for name, (model, make_inputs) in kinds.items():
        for batch_size in BATCHES:
            yield Duel(name, batch_size, caller(model.eval(), [make_inputs(batch_size) for _ in range(INPUTS)]))


def caller(model: nn.Module, inputs: list[Tensor]) -> Callable[[int], object]:
    """The worker's way of calling: inputs rotate with the number of the call."""
    return lambda i: model(inputs[i % len(inputs)])


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def depthwise() -> nn.Module:
    """Depthwise and pointwise convolutions in turn, as in MobileNet."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1)]
    for channels in (32, 64):
        layers += [nn.Conv2d(channels, channels, 3, 1, 1, groups=channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, 2 * channels, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def embedding(vocabulary: int) -> nn.Module:
    return nn.Sequential(nn.EmbeddingBag(vocabulary, 64), nn.Linear(64, 10))


def line(duel: Duel) -> tuple[object, ...]:
    m = duel.measurement
    numbers = f"{m.latency_p50_ms:.4f}", f"{duel.timer_ms:.4f}", f"{duel.ratio:.3f}", f"{duel.mean_ratio:.3f}"
    return duel.name, duel.batch_size, *numbers, f"{m.noise:.0%}", m.flags


def findings(duels: list[Duel]) -> list[Finding]:
    """The two targets: the median of all ratios, and the worst of those that were quiet."""
    median = statistics.median(duel.ratio for duel in duels)
    quiet = [duel for duel in duels if duel.quiet]
    worst = max(quiet, key=lambda duel: abs(duel.ratio - 1), default=None)
    found = "no point was quiet"
    if worst:
        found = f"worst of {len(quiet)} quiet: {worst.ratio:.3f} ({worst.name}, batch {worst.batch_size})"
    return [
        Finding(
            "against_timer",
            f"median of {len(duels)} ratios",
            f"{median:.3f}",
            f"within {MEDIAN_WITHIN:.0%}",
            abs(median - 1) <= MEDIAN_WITHIN,
        ),
        Finding(
            "against_timer",
            "every ratio, where quiet",
            found,
            f"within {EACH_WITHIN:.0%}",
            abs(worst.ratio - 1) <= EACH_WITHIN if worst else None,
        ),
    ]
