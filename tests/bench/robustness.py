"""A second process burns a core on and off: whose median stays where it was?"""

import statistics
import time
from dataclasses import dataclass

import torch
import tradespace as ts
from burners import burners
from report import Finding, print_table
from torch.utils.benchmark import Timer
from tradespace.config import Config, most_threads
from tradespace.measuring.device import Cpu
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.loop import warm_up
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.worker import ROTATED_BATCHES
from tradespace.prepare import Source, prepare
from tradespace.tasks import Task, load_task
from untested import untested

RATIO, CI = 0.5, 0.02
STEADY_WITHIN = 0.05
# Seconds on and off. The second is that of a neighbour who builds or browses: as long as the timer stays at a Config.
PATTERNS = {"0.7 s on, 0.7 s off": (0.7, 0.7), "3 s on, 3 s off": (3.0, 3.0)}


@dataclass(frozen=True)
class Quiet:
    """One Config on the quiet machine, by both."""

    ours: Measurement
    timer_ms: float


@dataclass(frozen=True)
class Trial:
    """One Config measured by both on the disturbed machine, and on the quiet one before and after."""

    pattern: str
    before: Quiet
    after: Quiet
    ours: Measurement
    timer_ms: float

    @property
    def our_error(self) -> float:
        """Against our own quiet medians, so that only the disturbance counts; `against_timer` has the rest."""
        return error(self.ours.latency_p50_ms, self.our_reference_ms)

    @property
    def timers_error(self) -> float:
        """Against the timer's own quiet medians."""
        return error(self.timer_ms, self.timers_reference_ms)

    @property
    def our_reference_ms(self) -> float:
        return (self.before.ours.latency_p50_ms + self.after.ours.latency_p50_ms) / 2

    @property
    def timers_reference_ms(self) -> float:
        return (self.before.timer_ms + self.after.timer_ms) / 2

    @property
    def steady(self) -> bool:
        """Whether both have a reference at all: quiet medians before and after that agree."""
        apart = (
            error(self.after.ours.latency_p50_ms, self.before.ours.latency_p50_ms),
            error(self.after.timer_ms, self.before.timer_ms),
        )
        return max(apart) <= STEADY_WITHIN


def error(median: float, reference: float) -> float:
    return abs(median / reference - 1)


def run(quick: bool) -> list[Finding]:
    """For each pattern: both on the quiet machine, ours disturbed, the timer disturbed as long, both quiet again."""
    task = untested(load_task("fashion"))
    threads = sorted({1, most_threads()})
    models, batches = (["resnet8"], [64]) if quick else (["resnet8", "resnet16"], [1, 64])
    configs = ts.grid(task, model=models, threads=threads, batch_size=batches)
    budget_s = 0.3 if quick else 1.5
    for _ in measure_rounds(task, configs, Schedule(1e9, 0.01)):
        pass  # prepares the models: the timer finds them prepared, too
    trials = []
    before = quietly(task, configs, budget_s)
    for pattern, (on_s, off_s) in PATTERNS.items():
        with burners(1, on_s, off_s):
            disturbed, took_s = ours(task, configs, budget_s)
        with burners(1, on_s, off_s):
            timer_ms = timers(task, configs, took_s / len(configs))
        print(f"{pattern}: each method had {took_s:.0f} s for {len(configs)} Configs", flush=True)
        after = quietly(task, configs, budget_s)
        found = zip(before, after, disturbed, timer_ms, strict=True)
        trials += [Trial(pattern, *numbers) for numbers in found]
        before = after
    header = ("burner", "model", "threads", "batch", "ours ms", "quiet, before, after", "error", "timer ms")
    print_table((*header, "quiet, before, after", "error", "steady", "slices", "disturbed", "flags"), map(line, trials))
    judged = [judge(pattern, [trial for trial in trials if trial.pattern == pattern]) for pattern in PATTERNS]
    return [*judged, *flagged(trials)]


def quietly(task: Task, configs: list[Config], budget_s: float) -> list[Quiet]:
    """Both on the quiet machine, in the same time."""
    measurements, took_s = ours(task, configs, budget_s)
    return [Quiet(*both) for both in zip(measurements, timers(task, configs, took_s / len(configs)), strict=True)]


def ours(task: Task, configs: list[Config], budget_s: float) -> tuple[list[Measurement], float]:
    """A sweep, and how long it took."""
    start, finished = time.perf_counter(), {}
    for m, is_finished in measure_rounds(task, configs, Schedule(CI, budget_s)):
        if is_finished:
            finished[m.config] = m
    return [finished[config] for config in configs], time.perf_counter() - start


def timers(task: Task, configs: list[Config], seconds: float) -> list[float]:
    """Medians in milliseconds by blocked_autorange, one Config after the other."""
    return [timer_median_ms(task, config, seconds) for config in configs]


def timer_median_ms(task: Task, config: Config, seconds: float) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    ready = prepare(Source(task, config.model, config.pruning), config).session(config.threads, config.batch_size)
    batches = task.load_data().inputs[: ROTATED_BATCHES * config.batch_size].split(config.batch_size)
    try:
        with torch.inference_mode():
            warm_up(lambda i: ready.call(batches[i % len(batches)]), Cpu())
            names = {"call": ready.call, "batch": batches[0]}
            timer = Timer("call(batch)", globals=names, num_threads=config.threads)
            return timer.blocked_autorange(min_run_time=seconds).median * 1e3
    finally:
        torch.set_num_threads(before)


def line(trial: Trial) -> tuple[object, ...]:
    m, before, after = trial.ours, trial.before, trial.after
    knobs = m.config.model, m.config.threads, m.config.batch_size
    our_quiet = f"{before.ours.latency_p50_ms:.3f} {after.ours.latency_p50_ms:.3f}"
    timers_quiet = f"{before.timer_ms:.3f} {after.timer_ms:.3f}"
    our_numbers = f"{m.latency_p50_ms:.3f}", our_quiet, f"{trial.our_error:.1%}"
    timers_numbers = f"{trial.timer_ms:.3f}", timers_quiet, f"{trial.timers_error:.1%}"
    slices = len(m.slices), f"{m.disturbed:.0%}", m.flags
    return trial.pattern, *knobs, *our_numbers, *timers_numbers, "yes" if trial.steady else "no", *slices


def judge(pattern: str, trials: list[Trial]) -> Finding:
    """The mean errors and their ratio, over the Configs that have a reference."""
    steady = [trial for trial in trials if trial.steady]
    figure, target = f"{pattern}: our error over the timer's", f"<= {RATIO:g}"
    if not steady:
        return Finding("robustness", figure, f"none of {len(trials)} steady when quiet", target)
    our_error = statistics.mean(trial.our_error for trial in steady)
    timers_error = statistics.mean(trial.timers_error for trial in steady)
    ratio = our_error / timers_error
    found = f"{ratio:.2f} ({our_error:.1%} against {timers_error:.1%}, {len(steady)} of {len(trials)} steady)"
    return Finding("robustness", figure, found, target, ratio <= RATIO)


def flagged(trials: list[Trial]) -> list[Finding]:
    """Whether points are flagged that were in fact contended: those that need all cores, so that one was taken."""
    on_all_cores = [trial.ours for trial in trials if trial.ours.config.threads == most_threads()]
    count = sum("contended" in m.flags.split() for m in on_all_cores)
    quiet = [m for trial in trials for m in (trial.before.ours, trial.after.ours)]
    quiet_count = sum("contended" in m.flags.split() for m in quiet)
    reached = count == len(on_all_cores) if on_all_cores else None
    return [
        Finding("robustness", "flagged contended, on all cores", f"{count} of {len(on_all_cores)}", "all", reached),
        Finding("robustness", "flagged contended when quiet", f"{quiet_count} of {len(quiet)}"),
    ]
