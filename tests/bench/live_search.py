"""Adaptive search once live: a tenth of the wall-clock seconds that the recorded surface of this machine took."""

import time

import pandas as pd
import tradespace as ts
from report import Finding
from tradespace.measuring.machine import machine
from tradespace.surface.columns import configs_of
from tradespace.surface.objectives import OBJECTIVES

TASK, SHARE, QUICK_S = "fashion", 0.1, 20.0
TARGET = 0.97
# As the recorded surface was measured; what does not finish a point for longer than this is an interruption.
CI, BUDGET_S, PAUSE_S = 0.05, 0.25, 120.0


def run(quick: bool) -> list[Finding]:
    """Hypervolume of what a live search finds, over that of the recorded surface, measured on other minutes."""
    full = ts.load_recorded(TASK)
    full = full[full["status"] == "ok"]
    where = set(full["machine"])
    if where != {machine()}:
        return [Finding("live_search", "hypervolume", f"not run: the surface was recorded on {', '.join(where)}")]
    brute_s = wall_s(full)
    budget_s = QUICK_S if quick else SHARE * brute_s
    start = time.perf_counter()
    found = ts.sweep(
        ts.load_task(TASK), configs_of(full), search="adaptive", total_s=budget_s, max_width=CI, budget_s=BUDGET_S,
        progress=False,
    )  # fmt: skip
    spent_s = time.perf_counter() - start
    worst = {o.column: (full[o.column].min() if o.maximize else full[o.column].max()) for o in OBJECTIVES}
    # What was found is also looked up in the recorded surface: the machine may have been faster then, or now.
    number = {config: i for i, config in enumerate(configs_of(full))}
    recorded = full.iloc[[number[config] for config in configs_of(found)]]
    now, then, whole = (ts.hypervolume(frame, OBJECTIVES, reference=worst) for frame in (found, recorded, full))
    words = f"hypervolume after {spent_s:.0f} s, {len(found)} points, over {brute_s:.0f} s, {len(full)} points"
    return [
        Finding("live_search", f"{words}, as measured now", f"{now / whole:.3f}"),
        Finding("live_search", f"{words}, as recorded", f"{then / whole:.3f}", f">= {TARGET}", then / whole >= TARGET),
    ]


def wall_s(surface: pd.DataFrame) -> float:
    """Seconds from one finished point to the next, all together, interruptions left out."""
    gaps = pd.to_datetime(surface["measured_at"]).sort_values().diff().dt.total_seconds().dropna()
    return float(gaps[gaps < PAUSE_S].sum())
