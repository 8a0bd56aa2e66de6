"""What our loop itself costs: the time of a callable that does nothing."""

import numpy as np
from report import Finding
from tradespace.measuring.device import Cpu
from tradespace.measuring.loop import time_slice

CALL_NS = 100_000
MOST = 0.01


def run(quick: bool) -> list[Finding]:
    """Two costs: what is inside each sample, and what a call adds to the wall time that throughput is taken from."""
    slices = [time_slice(do_nothing, Cpu(), 1, 0.02 if quick else 0.2) for _ in range(12)]
    inside_ns = float(np.median(np.concatenate([s.samples_ns for s in slices])))
    around_ns = float(np.median([s.busy_ns / s.items for s in slices]))
    return [
        Finding("overhead", "empty call, median latency", f"{inside_ns:.0f} ns"),
        Finding("overhead", "its share of a 100 us call", *judged(inside_ns)),
        Finding("overhead", "empty call, wall time of the loop", f"{around_ns:.0f} ns"),
        Finding("overhead", "its share of a 100 us call", *judged(around_ns)),
    ]


def judged(overhead_ns: float) -> tuple[str, str, bool]:
    """Found, target and whether it was reached."""
    share = overhead_ns / CALL_NS
    return f"{share:.2%}", f"below {MOST:.0%}", share < MOST


def do_nothing(_call: int) -> None:
    """As a prepared model is called, with the number of the call."""
