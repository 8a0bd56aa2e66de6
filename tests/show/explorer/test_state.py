import random
from dataclasses import replace

import pytest
from tradespace.config import Config
from tradespace.scale import Scale
from tradespace.show.common.view import Limits
from tradespace.show.controls.widget import Choice, Controls
from tradespace.show.explorer.mission import Mission
from tradespace.show.explorer.settings import groups
from tradespace.show.explorer.state import GOALS, HERE, RECORDED, VERSION, State, read
from tradespace.surface.objectives import minimize

START = Config("small", threads=1)
STATE = State("toy", HERE, START)
A, B, C = (replace(START, batch_size=size) for size in (1, 8, 64))
# With a name that is awkward in an address and in a list.
ODD = Config("a,b&c=d %+ü", threads=1, batch_size=8)
ODD_TASK = State("toy", HERE, ODD)


@pytest.fixture
def controls(task, surface):
    odd = surface.iloc[[0]].assign(model=ODD.model)
    return Controls(groups(task, odd, START, (HERE, RECORDED)), STATE.values)


def test_at_first_nothing_is_asked():
    assert STATE.limits == Limits()
    assert STATE.mission == Mission()
    assert STATE.goal.words(Scale()) == "highest throughput"


def test_there_is_a_value_for_every_control_and_no_other(controls):
    assert controls.chosen == STATE.values


def test_a_state_says_what_the_controls_say(controls):
    controls.move(
        max_latency_ms=1.0, min_accuracy=0.8, min_throughput_per_s=1000.0, max_cost=2.0, items=500_000,
        latency="latency_p99_ms", precision="bf16", batch_size=8, braking_m_s2=3.0, data=RECORDED,
    )  # fmt: skip
    state = STATE.with_pin(A).with_values(controls.chosen)
    assert state.values == controls.chosen
    assert state.limits == Limits(1.0, 0.8, 1000.0, 4.0, "latency_p99_ms")
    assert state.config == Config("small", precision="bf16", threads=1, batch_size=8)
    assert state.mission == Mission(items=500_000, braking_m_s2=3.0)
    assert (state.data, state.pins) == (RECORDED, (A,))


def test_the_lowest_latency_is_the_one_that_is_shown():
    late = replace(STATE, latency="latency_p99_ms")
    assert replace(late, objective="latency").goal.objective == minimize("latency_p99_ms")
    for name in set(GOALS) - {"latency"}:
        assert replace(late, objective=name).goal == GOALS[name]


def test_a_third_pin_takes_the_place_of_the_first_and_none_is_pinned_twice():
    assert STATE.with_pin(A).with_pin(A).pins == (A,)
    assert STATE.with_pin(A).with_pin(B).with_pin(C).pins == (B, C)


# As text


def test_the_text_has_a_version_ids_and_numbers(controls):
    assert STATE.text == (
        "v=1&task=toy&data=here&max_latency_ms=&min_throughput_per_s=&min_accuracy=&max_cost=&latency=latency_p50_ms&"
        "objective=throughput&model=small&pruning=none&precision=fp32&runtime=eager&device=cpu&threads=1&batch_size=1&"
        "price_per_hour=1.0&watts=100.0&items=1000000.0&sensing_range_m=10.0&braking_m_s2=5.0&pin="
    )
    assert STATE.with_pin(B).text.endswith("&pin=small,none,fp32,eager,cpu,1,8")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_chosen_is_read_as_it_was_written(controls, seed):
    dice, states = random.Random(seed), []
    for _ in range(3):
        for name, control in controls._controls.items():
            if name != "task":
                ends = dice.uniform(control.least, control.most) if not isinstance(control, Choice) else None
                controls.move(**{name: dice.choice(control.options) if isinstance(control, Choice) else ends})
        states.append(STATE.with_values(controls.chosen))
    state = replace(states[-1], pins=tuple(one.config for one in states[: dice.randrange(3)]))
    for text in (state.text, f"?{state.text}"):
        assert read(text, ODD_TASK.with_pin(C), controls.parse) == state


def test_names_may_be_anything(controls):
    state = ODD_TASK.with_pin(ODD).with_pin(A)
    assert read(state.text, STATE, controls.parse) == state


def test_a_part_changes_that_part(controls):
    state = STATE.with_pin(A)
    assert read("", state, controls.parse) == state
    assert read("batch_size=8", state, controls.parse) == replace(state, config=B)
    assert read("pin=small,none,fp32,eager,cpu,1,64", state, controls.parse) == replace(state, pins=(C,))
    assert read("pin=", state, controls.parse) == STATE


def test_what_has_no_version_is_of_this_one(controls):
    assert read(f"v={VERSION}&batch_size=8", STATE, controls.parse) == read("batch_size=8", STATE, controls.parse)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v=2&colour=red", r"^state: wanted version 1; got '2', which a newer tradespace wrote$"),
        ("v=10", r"^state: wanted version 1; got '10', which a newer tradespace wrote$"),
        ("v=0", r"^state: wanted version 1; got '0'$"),
        ("v=", r"^state: wanted version 1; got ''$"),
        ("v=one", r"^state: wanted version 1; got 'one'$"),
        # What the words were that a control shows.
        ("data=measured here", r"^data: wanted one of here, recorded; got 'measured here'"),
        ("objective=lowest cost", r"^objective: wanted one of throughput, .*; got 'lowest cost'"),
        ("latency=median", r"^latency: wanted one of latency_p50_ms, latency_p99_ms; got 'median'"),
        # From a larger machine.
        (
            "threads=960",
            r"^threads: wanted one of the \d+ steps from 1 to \d+; got '960'\. The nearest valid choice is",
        ),
        ("device=mps", r"^device: wanted one of .*cpu.*; got 'mps'"),
        ("model=smal", r"^model: wanted one of .*; got 'smal'\. Did you mean 'small'\?"),
        ("pin=small", r"^pin: wanted model,pruning,precision,runtime,device,threads,batch_size; got 'small'$"),
        ("pin=small,none,int9,eager,cpu,1,8", r"^pin: precision: wanted one of .*; got 'int9'\. Did you mean 'int8'\?"),
        ("pin=small,none,fp32,eager,cpu,960,8", r"^pin: threads: .*; got '960'\. The nearest valid choice is"),
        ("pins=", r"^state: wanted one of .*; got 'pins'\. Did you mean 'pin'\?"),
    ],
)
def test_what_is_not_there_is_refused(controls, text, message):
    with pytest.raises(ValueError, match=message):
        read(text, STATE, controls.parse)


def test_rows_that_nobody_recorded_are_refused(task, surface):
    controls = Controls(groups(task, surface, START, (HERE,)), STATE.values)
    with pytest.raises(ValueError, match=r"^data: wanted one of here; got 'recorded'"):
        read(replace(STATE, data=RECORDED).text, STATE, controls.parse)
