"""How long a sweep takes, on a process and a clock that are made up."""

from dataclasses import replace

import pytest
from tradespace.config import grid
from tradespace.measuring.engine import measure_rounds
from tradespace.measuring.measurement import Failure
from tradespace.measuring.schedule import Schedule
from tradespace.measuring.work import Work, in_words

WITHIN = 0.25
# Seconds for one item, and what it costs to call at all.
MODELS = {"narrow": 0.0002, "wide": 0.0008}
PRECISIONS = {"fp32": 1.0, "bf16": 10.0, "int8": 0.4}
CALL_S = 0.0005


def call_s(config):
    return CALL_S + config.batch_size * item_s(config)


def item_s(config):
    return MODELS[config.model] * PRECISIONS[config.precision]


def prepare_s(config):
    return {"eager": 0.2, "onnxruntime": 3.0}[config.runtime]


@pytest.fixture
def configs(tiny):
    made = grid(tiny, precision=list(PRECISIONS), threads=1, batch_size=[1, 4, 16, 64, 256])
    return made + grid(tiny, runtime="onnxruntime", precision=["fp32", "int8"], threads=1, batch_size=[1, 16, 256])


def estimates(fake, task, configs, every_s=0.0, seed=0, **limits):
    """(seconds done, seconds left by stage) whenever something changed, and how long it took in all."""
    seen = []

    def look():
        if not seen or work.done_s >= seen[-1][0] + every_s:
            seen.append((work.done_s, work.left_s()))

    work = Work(look)
    for _ in measure_rounds(task, configs, Schedule(1e-9, **limits), executor=fake, work=work, seed=seed):
        pass
    return seen, work.done_s


@pytest.mark.parametrize(("budget_s", "score_s"), [(0.5, 5.0), (3.0, 1.0), (0.1, 20.0)])
@pytest.mark.parametrize("seed", range(2))
def test_from_a_quarter_of_the_way_on_the_estimate_is_within_a_quarter_of_the_truth(
    tiny, configs, process, budget_s, score_s, seed
):
    fake = process(call_s=call_s, item_s=item_s, prepare_s=prepare_s, items=10_000)
    task = tiny_with(tiny, fake.items)
    seen, whole_s = estimates(fake, task, configs, 0.5, budget_s=budget_s, score_s=score_s, seed=seed)
    errors = [(done + sum(left.values())) / whole_s - 1 for done, left in seen if done > whole_s / 4]
    assert max(map(abs, errors)) < WITHIN
    assert len(errors) > 20


def tiny_with(task, items):
    """`task` with so many test items."""
    inputs, labels = task.test
    test = inputs[:1].expand(items, *inputs.shape[1:]), labels[:1].expand(items)
    return replace(task, load_data=lambda: replace(task.load_data(), test=test))


def test_before_anything_is_done_the_estimate_is_of_the_right_size(tiny, configs, process):
    fake = process(call_s=call_s, item_s=item_s, prepare_s=prepare_s, items=10_000)
    seen, whole_s = estimates(fake, tiny_with(tiny, fake.items), configs, 1e9, budget_s=0.1, score_s=5.0)
    (done_s, left_s), *_ = seen
    assert done_s == 0
    assert set(left_s) == {"preparing", "timing", "scoring"}
    assert whole_s / 2 < sum(left_s.values()) < 2 * whole_s


def test_at_the_end_nothing_is_left(tiny, configs, process):
    fake = process(call_s=call_s, item_s=item_s, prepare_s=prepare_s)
    seen, _ = estimates(fake, tiny, configs, budget_s=0.1, score_s=1.0)
    assert seen[-1][1] == {"preparing": 0, "timing": 0, "scoring": 0}


def test_a_task_without_test_items_is_not_scored(tiny, process):
    task = replace(tiny, load_data=lambda: replace(tiny.load_data(), test=None))
    fake = process(items=0)
    seen, _ = estimates(fake, task, grid(task, threads=1), budget_s=0.1, score_s=1.0)
    assert {left["scoring"] for _, left in seen} == {0.0}


def test_what_fails_takes_no_more_time(tiny, process):
    fake = process()
    configs = grid(tiny, threads=1)
    fake._make_ready = lambda config: Failure("failed", "it does")
    seen, _ = estimates(fake, tiny, configs, budget_s=0.1, score_s=1.0)
    assert sum(seen[-1][1].values()) == 0


def test_what_is_being_done_is_said_before_it_begins(tiny, process):
    said = []
    work = Work(lambda: said.append(work.doing))
    for _ in measure_rounds(
        tiny, grid(tiny, model="wide", threads=1), Schedule(0.9, 0.02), executor=process(), work=work
    ):
        pass
    stages = list(dict.fromkeys(words.split()[0] for words in said))
    assert stages == ["preparing", "timing", "scoring", "finishing"]
    assert said[0] == "preparing wide fp32 eager, batch 1"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (599, "9 min 59 s"), (3600, "60 min")]
)
def test_a_duration_is_as_precise_as_an_estimate(seconds, words):
    assert in_words(seconds) == words
