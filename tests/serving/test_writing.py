"""Texts written token by token: by hand, where both ways are the same, and where one is better."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.serving.arrivals import Constant, Poisson
from tradespace.serving.writing import StepTimes, Texts, Written, write

STEPS = StepTimes(begin_ms=(2.0, 0.5), step_ms=(4.0, 0.1, 0.001))
WAYS = ["static", "continuous"]


def texts(arrived_ms, prompts, new):
    return Texts(np.array(arrived_ms) / 1e3, np.array(prompts), np.array(new))


def in_ms(times_s):
    return (times_s * 1e3).round(6).tolist()


@pytest.mark.parametrize("batching", WAYS)
def test_a_text_alone_takes_its_beginning_and_its_steps(batching):
    written = write(STEPS, texts([5.0], [10], [4]), max_batch=8, batching=batching)
    # Three steps, with 11, 12 and 13 tokens in the cache.
    assert in_ms(written.first_s) == [5 + 2 + 5]
    assert in_ms(written.end_s) == [12 + 3 * 4.1 + 0.036]
    assert written.ttft_ms == pytest.approx([7])
    assert written.e2e_ms == pytest.approx([7 + 12.336])
    assert written.tpot_ms == pytest.approx([12.336 / 3])
    assert (written.computed, written.wasted) == (4, 0)


@pytest.mark.parametrize("batching", WAYS)
def test_a_text_of_one_token_has_no_time_for_each_further_one(batching):
    written = write(STEPS, texts([0.0, 0.0], [10, 10], [1, 3]), max_batch=1, batching=batching)
    assert math.isnan(written.tpot_ms[0])
    assert in_ms(written.end_s)[0] == 7
    assert in_ms(written.first_s)[1] == 14
    # Its first token came in time, and there is none that did not.
    assert written.goodput_per_s(ttft_ms=8, tpot_ms=1) == pytest.approx(1 / written.end_s.max())


def test_texts_of_one_length_that_come_together_are_written_alike_in_both_ways():
    same = texts([0.0] * 6, [10] * 6, [5] * 6)
    static, continuous = (write(STEPS, same, max_batch=3, batching=way) for way in WAYS)
    np.testing.assert_allclose(static.end_s, continuous.end_s, rtol=1e-12)
    np.testing.assert_allclose(static.first_s, continuous.first_s, rtol=1e-12)
    assert (static.wasted, continuous.wasted) == (0, 0)


def test_a_static_batch_waits_for_its_longest_text_and_a_continuous_one_does_not():
    flat = StepTimes((3.0, 0.0), (10.0, 0.0, 0.0))
    three = texts([0.0, 0.0, 1.0], [4, 4, 4], [2, 11, 2])
    static = write(flat, three, max_batch=2, batching="static")
    assert in_ms(static.end_s) == [13, 103, 116]
    assert (static.computed, static.wasted) == (2 * 11 + 2, 9)
    continuous = write(flat, three, max_batch=2)
    # The third begins when the first is done, at 13; the second waits meanwhile.
    assert in_ms(continuous.first_s) == [3, 3, 16]
    assert in_ms(continuous.end_s) == [13, 106, 26]
    assert (continuous.computed, continuous.wasted) == (15, 0)


def test_the_waste_of_a_static_batch_is_that_of_the_longest_of_several_lengths():
    # Of two lengths that are drawn from 1 to 9 evenly, the longer one is 6 + 7 / 27 on average, and the mean is 5.
    lengths = np.random.default_rng(0).integers(1, 10, 40_000)
    many = Texts(np.zeros(len(lengths)), np.ones_like(lengths), lengths)
    written = write(STEPS, many, max_batch=2, batching="static")
    longest = sum(k * (2 * k - 1) for k in range(1, 10)) / 81
    assert written.wasted_share == pytest.approx(1 - 5 / longest, abs=0.01)


def test_under_load_continuous_batching_serves_more_in_time():
    asked = Texts.drawn(Poisson(20), 2_000, prompt_tokens=20, new_tokens=40, most_tokens=200)
    static, continuous = (write(STEPS, asked, max_batch=8, batching=way) for way in WAYS)
    good = [one.goodput_per_s(ttft_ms=100, tpot_ms=10) for one in (static, continuous)]
    assert good[1] > 1.5 * good[0]
    assert np.median(continuous.ttft_ms) < np.median(static.ttft_ms)


LENGTHS = st.lists(st.tuples(st.floats(0, 50), st.integers(1, 30), st.integers(1, 12)), min_size=1, max_size=25)


@given(asked=LENGTHS, most=st.integers(1, 5), batching=st.sampled_from(WAYS))
def test_each_text_is_written_once_in_order_and_never_before_it_is_asked_for(asked, most, batching):
    arrived, prompts, new = zip(*sorted(asked), strict=True)
    given_texts = texts(list(arrived), list(prompts), list(new))
    written = write(STEPS, given_texts, max_batch=most, batching=batching)
    least_ms = [STEPS.begin(p) + (n - 1) * STEPS.step(1, p) for p, n in zip(prompts, new, strict=True)]
    assert (written.e2e_ms >= np.array(least_ms) - 1e-6).all()
    assert (written.ttft_ms >= [STEPS.begin(p) - 1e-6 for p in prompts]).all()
    assert (np.diff(written.first_s) >= 0).all()  # first come, first begun
    assert written.computed - written.wasted == sum(new)


@given(asked=LENGTHS, most=st.integers(1, 5))
def test_if_a_step_costs_the_same_for_any_number_continuous_batching_is_never_done_later(asked, most):
    _, prompts, new = zip(*asked, strict=True)
    flat = StepTimes((0.0, 0.0), (5.0, 0.0, 0.0))
    ends = [
        write(flat, texts([0.0] * len(new), list(prompts), list(new)), max_batch=most, batching=way).end_s.max()
        for way in WAYS
    ]
    assert ends[1] <= ends[0] + 1e-9


def test_times_on_the_lines_are_fitted_exactly_and_the_furthest_is_told():
    begun = {(n, t): STEPS.begin(n * t) for n in (1, 4) for t in (8, 64)}
    stepped = {(n, c): STEPS.step(n, n * c) for n in (1, 4, 16) for c in (16, 256)}
    fitted = StepTimes.fitted(begun, stepped)
    assert (fitted.begin_ms, fitted.step_ms) == (pytest.approx(STEPS.begin_ms), pytest.approx(STEPS.step_ms))
    assert fitted.off == pytest.approx(0, abs=1e-9)
    stepped[16, 256] *= 1.5
    assert 0.05 < StepTimes.fitted(begun, stepped).off < 0.5


def test_no_fitted_time_is_negative():
    fitted = StepTimes.fitted({(1, 1): 1.0, (1, 100): 100.0}, {(1, 1): 1.0, (1, 9): 9.0, (1, 99): 99.0})
    assert min(*fitted.begin_ms, *fitted.step_ms) >= 0


def test_lengths_are_geometric_and_cut():
    asked = Texts.drawn(Constant(10), 20_000, prompt_tokens=7, new_tokens=30, most_tokens=100, seed=1)
    assert set(asked.prompt_tokens) == {7}
    assert asked.new_tokens.max() == 100
    # The mean of a geometric length that is cut at m: n (1 - (1 - 1 / n)^m).
    assert asked.new_tokens.mean() == pytest.approx(30 * (1 - (1 - 1 / 30) ** 100), rel=0.02)


BAD = [
    (lambda: texts([], [], []), "arrived_s: wanted at least one time"),
    (lambda: texts([2.0, 1.0], [1, 1], [1, 1]), "arrived_s: wanted finite times in ascending order"),
    (lambda: texts([math.nan], [1], [1]), "arrived_s: wanted finite times in ascending order"),
    (lambda: texts([0.0], [0], [1]), "prompt_tokens: wanted a whole number above 0 for each of 1 texts"),
    (lambda: texts([0.0], [1], [0]), "new_tokens: wanted a whole number above 0 for each of 1 texts"),
    (lambda: texts([0.0], [1], [1.5]), "new_tokens: wanted a whole number above 0 for each of 1 texts"),
    (lambda: StepTimes((1.0,), (1.0, 1.0, 1.0)), "begin_ms: wanted 2 numbers of milliseconds; got (1.0,)"),
    (lambda: StepTimes((1.0, -1.0), (1.0, 1.0, 1.0)), "begin_ms: wanted a number, at least 0; got -1.0"),
    (lambda: StepTimes.fitted({}, {}), "begun_ms: wanted at least 2 measured times; got 0"),
    (lambda: write(STEPS, texts([0.0], [1], [1]), max_batch=0), "max_batch: wanted a whole number, at least 1; got 0"),
    (
        lambda: write(STEPS, texts([0.0], [1], [1]), max_batch=1, batching="dynamic"),
        "batching: wanted one of static, continuous; got 'dynamic'",
    ),
    (
        lambda: Texts.drawn(Poisson(1), 5, prompt_tokens=1, new_tokens=0.5, most_tokens=9),
        "new_tokens: wanted at least 1; got 0.5",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_bad_input_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()


def test_it_says_what_became_of_the_texts():
    written = write(STEPS, texts([0.0, 0.0], [10, 10], [2, 4]), max_batch=2, batching="static")
    assert isinstance(written, Written)
    assert repr(written).startswith("static, 2 texts: ")
    assert "25% of the computed tokens wasted" in repr(written)
