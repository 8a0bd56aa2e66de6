"""Experiments that put the measuring engine to the proof: `make bench`, or `python tests/bench [name ...]`."""

import argparse
import time
from collections.abc import Callable

import accuracy_table
import against_timer
import against_vendor
import busy
import cost
import drag
import eta
import explorer
import gains
import int8_truth
import interval_coverage
import live_search
import overhead
import own_models
import resume
import robustness
import search
import serving
import serving_explorer
from report import Finding, print_findings
from tradespace.measuring.machine import machine

Experiment = Callable[[bool], list[Finding]]

# Those that judge single microseconds come first, before other work has warmed the machine.
EXPERIMENTS: dict[str, Experiment] = {
    "overhead": overhead.run,
    "against_timer": against_timer.run,
    "vendor": against_vendor.run,
    "gains": gains.run,
    "coverage": interval_coverage.run,
    "robustness": robustness.run,
    "busy": busy.run,
    "cost": cost.run,
    "eta": eta.run,
    "resume": resume.run,
    "serving": serving.run,
    "accuracy": accuracy_table.run,
    "int8_truth": int8_truth.run,
    "own_models": own_models.run,
    "search": search.run,
    "live_search": live_search.run,
    "drag": drag.run,
    "explorer": explorer.run,
    "serving_explorer": serving_explorer.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(EXPERIMENTS)}; all of them if left out")
    parser.add_argument("--quick", action="store_true", help="a minute to see that all run; its figures mean nothing")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(EXPERIMENTS))
    if unknown:
        parser.error(f"name: wanted one of {', '.join(EXPERIMENTS)}; got {', '.join(unknown)}")
    start, findings = time.perf_counter(), []
    for name, experiment in EXPERIMENTS.items():
        if name in arguments.names or not arguments.names:
            print(f"== {name}", flush=True)
            findings += experiment(arguments.quick)
    print(f"== all, {time.perf_counter() - start:.0f} s{', QUICK: not to be quoted' if arguments.quick else ''}")
    print(f"{machine()}\n")
    print_findings(findings)


if __name__ == "__main__":
    main()
