import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tradespace.config import Config
from tradespace.measuring.measurement import Failure, Measurement, Slice
from tradespace.surface.columns import load_surface, row, save_surface, table
from tradespace.surface.confidence import frontier_confidence, worth_measuring
from tradespace.surface.derived import with_cost
from tradespace.surface.frontier import pareto
from tradespace.surface.objectives import maximize, minimize

MS = 1_000_000
FAST, MANY, RIGHT = minimize("latency_p50_ms"), maximize("throughput_per_s"), maximize("accuracy")


def measured(medians_ms, correct=None, task="t", **knobs):
    """A Measurement of one item at a time whose slices have the given medians."""
    slices = tuple(Slice(np.full(3, ms * MS), 3, round(3 * ms * MS)) for ms in medians_ms)
    correct = None if correct is None else np.asarray(correct, dtype=bool)
    return Measurement(task, Config(**{"model": "m", "threads": 1} | knobs), slices, correct, machine="this one")


def jittered(middle, spread=0.02, n=24, seed=0):
    return middle * np.exp(spread * np.random.default_rng(seed).standard_normal(n))


def probabilities(surface, *objectives, **given):
    return frontier_confidence(surface, objectives, **given)["on_frontier"].tolist()


def timed(ms, half=0.1, **other):
    """Knobs and columns of a row whose latency is known to so many ms."""
    return {"latency_p50_ms": ms, "latency_p50_lo_ms": ms - half, "latency_p50_hi_ms": ms + half} | other


def test_a_clear_winner_is_on_the_frontier_and_a_clear_loser_is_off_it(surface_of):
    judged = frontier_confidence(surface_of(timed(1.0), timed(9.0)), FAST)
    assert judged["on_frontier"].tolist() == [1, 0]
    assert judged["verdict"].tolist() == ["on", "off"]


def test_two_equals_win_as_often_as_each_other(surface_of):
    a, b = probabilities(surface_of(timed(1.0), timed(1.0)), FAST, draws=400)
    assert a + b == pytest.approx(1)
    assert a == pytest.approx(0.5, abs=0.1)


def test_equals_that_are_known_exactly_tie_in_every_draw():
    surface = pd.DataFrame({"noise": [1.0, 1.0, 2.0], "status": "ok"})
    assert probabilities(surface, minimize("noise"), draws=10) == [1, 1, 0]


def test_without_intervals_it_is_the_frontier_as_it_was_measured(surface_of):
    rng = np.random.default_rng(0)
    rows = [{"latency_p50_ms": rng.random(), "accuracy": rng.random(), "accuracy_n": 0} for _ in range(20)]
    surface = surface_of(*rows).drop(columns=["latency_p50_lo_ms", "latency_p50_hi_ms"])
    judged = frontier_confidence(surface, [FAST, RIGHT], draws=5)
    frontier = pareto(surface, [FAST, RIGHT])
    assert judged.index[judged["on_frontier"] == 1].tolist() == frontier.index.tolist()
    assert set(judged["on_frontier"]) == {0, 1}


@pytest.mark.parametrize(
    "lost",
    [
        {"status": "failed", "latency_p50_ms": math.nan},
        {"status": "unsupported", "latency_p50_ms": math.nan, "accuracy": 0.99},
        {"latency_p50_ms": math.nan},
        {"accuracy": math.nan},
    ],
)
def test_a_row_that_is_not_known_is_never_on_the_frontier_and_keeps_no_other_off_it(surface_of, lost):
    judged = frontier_confidence(surface_of(timed(1.0), timed(0.5) | lost), [FAST, RIGHT], draws=20)
    assert judged["on_frontier"].tolist() == [1, 0]
    assert judged["verdict"].tolist() == ["on", "off"]


def test_the_surface_stays_as_it_is_and_only_two_columns_are_added(surface_of):
    surface = surface_of(timed(1.0), timed(1.05), timed(3.0)).set_axis([7, 7, 1])
    before = surface.copy(deep=True)
    judged = frontier_confidence(surface, [FAST, MANY, RIGHT], draws=10)
    assert_frame_equal(surface, before)
    assert_frame_equal(judged[before.columns], before)
    assert judged.columns.drop(before.columns).tolist() == ["on_frontier", "verdict"]


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(surface_of, rows):
    judged = frontier_confidence(surface_of(*[timed(1.0)] * rows), [FAST, RIGHT], draws=5)
    assert judged["on_frontier"].tolist() == [1] * rows


def test_the_same_seed_draws_the_same_and_another_does_not(surface_of):
    surface = surface_of(*(timed(1 + 0.01 * i, accuracy=0.9 - 0.001 * i, accuracy_n=1000) for i in range(6)))
    first, again, other = (probabilities(surface, FAST, RIGHT, draws=50, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_more_of_the_draws_decide_a_wider_gap(surface_of):
    closer, wider = (
        probabilities(surface_of(timed(1.0), timed(1.0 + gap)), FAST, draws=300)[0] for gap in (0.02, 0.12)
    )
    assert 0.5 < closer < wider < 1


def test_a_draw_is_as_wide_as_the_interval_says(surface_of):
    # A difference of one standard error of itself is on the right side in 84 draws of 100.
    error = math.log(1.1 / 0.9) / 2 / 1.959964
    gap = math.sqrt(2) * error
    surface = surface_of(timed(1.0), {**timed(math.exp(gap)), "latency_p50_lo_ms": 0.9, "latency_p50_hi_ms": 1.1})
    assert probabilities(surface, FAST, draws=1000)[0] == pytest.approx(0.84, abs=0.04)


def test_throughput_falls_in_a_draw_in_which_latency_rises(surface_of):
    # Two rows of one latency and one throughput: whichever is drawn the faster has the greater throughput too.
    same = timed(1.0, throughput_per_s=1000.0)
    a, b = probabilities(surface_of(same, same), FAST, MANY, draws=200)
    assert a + b == pytest.approx(1)


def test_power_follows_from_what_is_drawn_of_its_parts(surface_of):
    # Of one item at a time it is one over the square of latency.
    surface = surface_of(timed(1.0, throughput_per_s=1000.0), timed(1.01, throughput_per_s=1000.0 / 1.01))
    powers, latencies = (probabilities(surface, objective, draws=200) for objective in (maximize("power"), FAST))
    np.testing.assert_allclose(powers, latencies, atol=0.01)


def test_energy_times_delay_follows_from_what_is_drawn_of_latency(surface_of):
    surface = surface_of(timed(1.0, energy_j_per_item=0.1), timed(1.01, energy_j_per_item=0.1))
    assert probabilities(surface, minimize("energy_delay"), draws=200) == probabilities(surface, FAST, draws=200)


def test_a_cost_with_an_interval_is_drawn_from_it(surface_of):
    rows = (timed(ms, throughput_per_s=1000.0 / ms) for ms in (1.0, 1.001))
    surface = with_cost(surface_of(*rows), price_per_hour=1)
    a, b = probabilities(surface, minimize("cost_per_million"), draws=200)
    assert min(a, b) > 0.3


def test_other_columns_are_taken_as_known(surface_of):
    surface = surface_of(timed(1.0, model_mb=2.0), timed(1.0, model_mb=1.0))
    assert probabilities(surface, minimize("model_mb"), draws=20) == [0, 1]


def test_raw_slices_and_intervals_agree_roughly():
    rng = np.random.default_rng(0)
    raw = [measured(jittered(1 + 0.004 * b, seed=int(rng.integers(1e9))), batch_size=b) for b in range(1, 7)]
    surface = table(row(m) for m in raw)
    by_slices = probabilities(surface, FAST, measurements=raw, draws=300)
    by_intervals = probabilities(surface, FAST, draws=300)
    np.testing.assert_allclose(by_slices, by_intervals, atol=0.2)
    assert by_slices != by_intervals


def test_raw_data_may_come_from_any_iterable_in_any_order_and_with_failures():
    raw = [measured(jittered(1.0, seed=1)), measured(jittered(1.01, seed=2), batch_size=2)]
    failed = Measurement("t", Config("m", threads=1, batch_size=4), failure=Failure("failed", "no"), machine="this one")
    surface = table(row(m) for m in [*raw, failed])
    forward = probabilities(surface, FAST, measurements=raw, draws=50)
    assert probabilities(surface, FAST, measurements=iter([failed, *raw[::-1]]), draws=50) == forward
    assert forward[2] == 0


def test_raw_data_of_some_rows_leaves_the_others_to_their_intervals():
    raw = [measured(jittered(1.0, seed=1)), measured(jittered(1.0, seed=2), batch_size=2)]
    a, b = probabilities(table(row(m) for m in raw), FAST, measurements=raw[:1], draws=300)
    assert a + b == pytest.approx(1)
    assert 0.2 < a < 0.8


def scored(share, n=1000, seed=0):
    return np.random.default_rng(seed).random(n) < share


def test_two_models_that_are_right_about_the_same_items_tie_in_every_draw():
    correct = scored(0.8)
    raw = [measured(jittered(1.0), correct, model=model) for model in "ab"]
    assert probabilities(table(row(m) for m in raw), RIGHT, measurements=raw, draws=100) == [1, 1]


def test_a_model_that_is_right_wherever_the_other_is_never_loses_to_it():
    fewer = scored(0.8)
    more = fewer | scored(0.01, seed=1)
    raw = [measured(jittered(1.0), fewer, model="a"), measured(jittered(1.0), more, model="b")]
    surface = table(row(m) for m in raw)
    paired = probabilities(surface, RIGHT, measurements=raw, draws=200)
    apart = probabilities(surface, RIGHT, draws=200)
    assert paired[1] == 1
    assert apart[1] < 1


def test_rows_that_were_scored_together_share_what_is_drawn():
    # Of one model at two batch sizes the accuracy is one number: the faster row has always the other's accuracy.
    correct = scored(0.8)
    raw = [measured(jittered(ms), correct, batch_size=b) for ms, b in ((1.0, 1), (5.0, 2))]
    surface = table(row(m) for m in raw)
    for measurements in ((), raw):
        assert probabilities(surface, FAST, RIGHT, measurements=measurements, draws=50) == [1, 0]


def test_accuracy_is_as_uncertain_as_the_number_of_test_items_makes_it(surface_of):
    def of(items):
        rows = ({"model": model, "accuracy": share, "accuracy_n": items} for model, share in (("a", 0.8), ("b", 0.82)))
        return probabilities(surface_of(*rows), RIGHT, draws=300)[1]

    # A difference of 0.02 has standard error 0.0124 at 2,000 items: normal probability 0.947.
    assert of(2_000) == pytest.approx(0.947, abs=0.04)
    assert of(100) < of(2_000) < of(1_000_000) == 1


def test_raw_and_plain_accuracy_agree_roughly():
    raw = [measured(jittered(1.0), scored(share, 500, seed=i), model=f"m{i}") for i, share in enumerate((0.8, 0.82))]
    surface = table(row(m) for m in raw)
    plain = probabilities(surface, RIGHT, draws=200)
    np.testing.assert_allclose(probabilities(surface, RIGHT, measurements=raw, draws=200), plain, atol=0.15)


def test_two_models_that_are_right_as_often_about_other_items_win_as_often_as_each_other():
    correct = np.arange(1000) < 800
    raw = [measured(jittered(1.0), one, model=model) for model, one in (("a", correct), ("b", correct[::-1]))]
    a, b = probabilities(table(row(m) for m in raw), RIGHT, measurements=raw, draws=200)
    assert a == pytest.approx(0.5, abs=0.15)
    assert b == pytest.approx(0.5, abs=0.15)


def test_of_models_scored_on_different_numbers_of_items_the_shorter_results_are_of_the_first():
    right = np.arange(900) % 10 > 0
    raw = [measured(jittered(1.0), right[:n], model=model) for model, n in (("a", 450), ("b", 900))]
    a, b = probabilities(table(row(m) for m in raw), RIGHT, measurements=raw, draws=200)
    assert a == pytest.approx(0.5, abs=0.15)
    assert b == pytest.approx(0.5, abs=0.15)
    # The same but for two of the items that both have: whatever is drawn, it is no less accurate.
    better = right[:450].copy()
    better[[0, 10]] = True
    raw = [measured(jittered(1.0), one, model=model) for model, one in (("a", better), ("b", right[:450]))]
    a, b = probabilities(table(row(m) for m in raw), RIGHT, measurements=raw, draws=200)
    assert a == 1


def test_the_raw_data_of_another_task_is_not_taken():
    # One store may hold several tasks, and what a module alone is called is "model" in each.
    here = [
        measured(jittered(1.0, seed=i), scored(s, seed=i), model=f"m{i}", task="here") for i, s in enumerate((0.9, 0.5))
    ]
    elsewhere = [
        measured(jittered(1.0, seed=i), scored(s, seed=i), model=f"m{i}", task="there")
        for i, s in enumerate((0.1, 0.9))
    ]
    surface = table(row(m) for m in here)
    assert probabilities(surface, RIGHT, measurements=[*here, *elsewhere], draws=20) == [1, 0]


def test_the_raw_data_of_older_weights_is_not_taken():
    # A store keeps both, under one name, one machine and one Config.
    old, new = (
        replace(measured(jittered(ms, seed=seed), scored(share, seed=seed), batch_size=b), measured_at=when)
        for ms, share, seed, b, when in ((1.0, 0.9, 1, 1, "2026-01-01"), (1.001, 0.5, 2, 1, "2026-01-02"))
    )
    other = replace(measured(jittered(1.0, seed=3), scored(0.5, seed=2), model="n"), measured_at="2026-01-02")
    surface = table(row(m) for m in (new, other))
    for goal in (FAST, RIGHT):
        without = probabilities(surface, goal, measurements=[other], draws=50)
        assert probabilities(surface, goal, measurements=[old, other], draws=50) == without
        own = probabilities(surface, goal, measurements=[new, other], draws=50)
        assert own != without
        assert probabilities(surface, goal, measurements=[new, old, other], draws=50) == own
        assert probabilities(surface, goal, measurements=[old, new, other], draws=50) == own


def test_raw_data_is_found_again_for_a_surface_from_a_file_but_not_for_changed_numbers(tmp_path):
    raw = [measured(jittered(1 + b / 100, seed=b), batch_size=b) for b in (1, 2)]
    surface = table(row(m) for m in raw)
    save_surface(surface, tmp_path / "surface.csv")
    own = probabilities(surface, FAST, measurements=raw, draws=50)
    assert probabilities(load_surface(tmp_path / "surface.csv"), FAST, measurements=raw, draws=50) == own
    rounded = surface.round({"latency_p50_ms": 2})
    assert probabilities(rounded, FAST, measurements=raw, draws=50) == probabilities(rounded, FAST, draws=50)


def test_a_surface_without_the_time_of_its_rows_has_no_raw_data():
    raw = [measured(jittered(1 + b / 100, seed=b), batch_size=b) for b in (1, 2)]
    surface = table(row(m) for m in raw).drop(columns="measured_at")
    assert probabilities(surface, FAST, measurements=raw, draws=50) == probabilities(surface, FAST, draws=50)


def test_a_median_without_an_interval_is_not_taken_as_certain(surface_of):
    # Too few slices for an interval is less known than one that has it, not more.
    unknown = {"latency_p50_lo_ms": math.nan, "latency_p50_hi_ms": math.nan, "flags": "few_samples"}
    judged = frontier_confidence(surface_of(timed(1.0) | unknown, timed(1.001) | unknown), FAST, draws=100)
    assert judged["verdict"].tolist() == ["can't tell", "can't tell"]


def test_verdicts_are_true_about_as_often_as_they_say(surface_of):
    told, true = {"on": 0, "off": 0}, {"on": 0, "off": 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        error = 0.03
        planted = pd.DataFrame({"latency_p50_ms": np.exp(rng.normal(0, 0.15, 12)), "status": "ok"})
        planted["noise"] = np.exp(0.15 * rng.standard_normal(12)) / planted["latency_p50_ms"]
        truth = planted.index.isin(pareto(planted, [FAST, minimize("noise")]).index)
        seen = planted["latency_p50_ms"] * np.exp(error * rng.standard_normal(12))
        low, high = seen * math.exp(-1.96 * error), seen * math.exp(1.96 * error)
        surface = planted.assign(latency_p50_ms=seen, latency_p50_lo_ms=low, latency_p50_hi_ms=high)
        judged = frontier_confidence(surface, [FAST, minimize("noise")], draws=60, seed=seed)
        for verdict, right in (("on", truth), ("off", ~truth)):
            given = (judged["verdict"] == verdict).to_numpy()
            told[verdict] += given.sum()
            true[verdict] += (given & right).sum()
    assert min(told.values()) > 30
    assert true["on"] / told["on"] > 0.93
    assert true["off"] / told["off"] > 0.93


@pytest.mark.parametrize("objective", ["latency_p50_ms", None])
def test_a_column_name_in_the_place_of_an_objective_is_refused(surface_of, objective):
    with pytest.raises(ValueError, match=r"^objectives: wanted "):
        frontier_confidence(surface_of({}), objective)


def test_no_objective_is_refused(surface_of):
    with pytest.raises(ValueError, match=r"^objectives: wanted at least one"):
        frontier_confidence(surface_of({}), [])


def test_a_frame_without_a_status_is_refused():
    with pytest.raises(ValueError, match="status"):
        frontier_confidence(pd.DataFrame({"ms": [1.0]}), minimize("ms"))


@pytest.mark.parametrize("draws", [0, -1, 2.5])
def test_fewer_than_one_draw_is_refused(surface_of, draws):
    with pytest.raises(ValueError, match=r"^draws: wanted a whole number, at least 1; got "):
        frontier_confidence(surface_of({}), FAST, draws=draws)


def test_an_unknown_column_is_refused_with_the_nearest(surface_of):
    with pytest.raises(ValueError, match=r"^column: .*got 'acuracy'\. Did you mean 'accuracy'"):
        frontier_confidence(surface_of({}), maximize("acuracy"))


def test_rows_of_two_machines_are_refused(surface_of):
    with pytest.raises(ValueError, match=r"^surface: wanted rows of one machine"):
        frontier_confidence(surface_of({"machine": "a"}, {"machine": "b"}), FAST)


def test_what_cannot_be_told_is_worth_measuring_least_certain_first(surface_of):
    rows = [(1, 1.0, "on"), (2, 0.9, "can't tell"), (4, 0.4, "can't tell"), (8, 0.1, "can't tell"), (16, 0.0, "off")]
    judged = surface_of(*({"batch_size": b} for b, _, _ in rows)).set_axis([3, 3, 1, 0, 3])
    judged = judged.assign(on_frontier=[p for _, p, _ in rows], verdict=[v for *_, v in rows])
    before = judged.copy(deep=True)
    assert [config.batch_size for config in worth_measuring(judged)] == [4, 2, 8]
    assert worth_measuring(judged)[0] == Config("resnet8", threads=1, batch_size=4)
    assert_frame_equal(judged, before)


def test_of_two_as_uncertain_the_first_comes_first(surface_of):
    judged = surface_of({"batch_size": 8}, {"batch_size": 2}, {"batch_size": 4})
    judged = judged.assign(on_frontier=[0.75, 0.25, 0.75], verdict="can't tell")
    assert [config.batch_size for config in worth_measuring(judged)] == [8, 2, 4]


def test_where_all_is_told_nothing_is_worth_measuring(surface_of):
    judged = frontier_confidence(surface_of(timed(1.0), timed(9.0, batch_size=2)), FAST, draws=10)
    assert worth_measuring(judged) == []
    assert worth_measuring(judged.iloc[:0]) == []
