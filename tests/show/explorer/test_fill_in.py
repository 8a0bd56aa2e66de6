import math
import re

import numpy as np
import pytest
from tradespace.config import KNOBS, Config, physical_cores
from tradespace.measuring.schedule import Schedule
from tradespace.show.explorer import fill_in
from tradespace.show.explorer.fill_in import AT_ONCE, BATCHES, FillIn, candidates, offer
from tradespace.surface.columns import configs_of, table

CONFIGS = [Config("small", precision=p, threads=1, batch_size=b) for p in ("fp32", "bf16") for b in (1, 8, 64)]


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which a test may set."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    one = Clock()
    monkeypatch.setattr(fill_in, "time", one)
    return one


def rows_of(surface, configs, **changes):
    like = surface.iloc[0].to_dict()
    return table([like | {knob: getattr(config, knob) for knob in KNOBS} | changes for config in configs])


def test_candidates_are_what_can_be_timed_here(task):
    found = candidates(task, "none", "cpu", ("fp32", "bf16", "w4"), ("eager", "compile"), lambda config: None)
    assert {config.runtime for config in found} == {"eager"}
    assert {config.precision for config in found} == {"fp32", "bf16"}
    assert {config.model for config in found} == {"small", "large"}
    assert {config.batch_size for config in found} == set(BATCHES)
    assert {config.threads for config in found} == {1, physical_cores()}


def test_candidates_leave_out_what_cannot_run(task):
    def why(config):
        return "no kernel" if config.precision == "bf16" else None

    found = candidates(task, "channels-50", "cpu", ("fp32", "bf16"), ("eager",), why)
    assert {config.precision for config in found} == {"fp32"}
    assert {config.pruning for config in found} == {"channels-50"}
    assert candidates(task, "none", "cpu", ("fp32",), ("eager",), lambda config: "nothing runs") == []


def test_it_begins_with_nothing_known(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    assert one.words == "filling in: 6 points to choose from"
    asked = one.ask(surface[:0])
    assert len(asked) == AT_ONCE
    assert set(asked) <= set(CONFIGS)
    assert one.words == "filling in: 0 of 6 points"


def test_it_goes_on_to_the_end_and_asks_nothing_twice(surface, clock):
    one, known, asked = FillIn(CONFIGS, 1.0), surface[:0], []
    while new := one.ask(known):
        asked += new
        known = rows_of(surface, asked)
        clock.now += 30
    assert sorted(asked, key=repr) == sorted(CONFIGS, key=repr)
    assert one.words == "filling in: 6 of 6 points"


def test_what_fails_is_not_asked_for_again(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    failed = rows_of(surface, CONFIGS[:5], status="crashed", accuracy=math.nan, latency_p50_ms=math.nan)
    assert one.ask(failed) == CONFIGS[5:]
    everything = rows_of(surface, CONFIGS, status="crashed", accuracy=math.nan, latency_p50_ms=math.nan)
    assert one.ask(everything) == []


def test_the_time_left_is_that_of_the_pace_so_far(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    one.ask(surface[:0])
    clock.now += 120
    one.ask(rows_of(surface, CONFIGS[:2]))
    assert re.fullmatch(r"filling in: 2 of 6 points, predictions off by \d+%, all in about 4 min", one.words)
    clock.now += 1
    one.ask(rows_of(surface, CONFIGS[:5]))
    assert one.words.endswith("all in under a minute")


def test_what_was_known_before_is_no_part_of_the_pace(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    one.ask(rows_of(surface, CONFIGS[:4]))
    assert one.words == "filling in: 4 of 6 points"
    clock.now += 300
    one.ask(rows_of(surface, CONFIGS[:5]))
    assert one.words.endswith("all in about 5 min")


def test_an_error_that_is_not_known_is_not_told(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    one.ask(surface[:0])
    clock.now += 60
    one.ask(rows_of(surface, CONFIGS[:1]))
    assert one.words == "filling in: 1 of 6 points, all in about 5 min"


def test_rows_of_other_configs_and_repeats_do_not_count(surface, clock):
    one = FillIn(CONFIGS[:3], 1.0)
    others = rows_of(surface, [Config("large", threads=96, batch_size=3), CONFIGS[0], CONFIGS[0]])
    assert set(one.ask(others)) == set(CONFIGS[1:3])
    assert one.words == "filling in: 1 of 3 points"


def test_with_nothing_to_choose_from_nothing_is_asked(surface, clock):
    assert FillIn([], 1.0).ask(surface) == []


def test_a_surface_without_accuracy_can_be_filled_in(surface, clock):
    one = FillIn(CONFIGS, 1.0)
    known = rows_of(surface, CONFIGS[:5], accuracy=np.nan, accuracy_lo=np.nan, accuracy_hi=np.nan)
    assert one.ask(known) == CONFIGS[5:]
    assert configs_of(known) == CONFIGS[:5]


def test_what_it_would_take_is_said_before_it_begins():
    configs = [Config("resnet4", threads=1, batch_size=size) for size in (1, 4)]
    asked = "Fill in: 2 points to choose from; all of them take about {}, and scoring their models"
    assert offer(configs, Schedule(budget_s=1.0)) == asked.format("a minute")
    # Five minutes of samples, and what comes on top.
    minutes = re.fullmatch(asked.format(r"(\d+) min"), offer(configs, Schedule(budget_s=150.0)))
    assert 5 <= int(minutes[1]) < 10
