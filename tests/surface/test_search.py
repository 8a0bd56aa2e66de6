import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
import tradespace.surface.sweep as sweeping
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from torch import nn, zeros
from tradespace.config import Config
from tradespace.measuring.measurement import Failure, Measurement, Scored, Slice
from tradespace.surface.columns import COLUMNS, configs_of, load_surface, save_surface
from tradespace.surface.hypervolume import hypervolume
from tradespace.surface.search import OBJECTIVES, Search, predicted
from tradespace.surface.store import Store
from tradespace.tasks import Task

KNOBS = {
    "model": ("a", "b", "c"),
    "pruning": ("none", "channels-50"),
    "precision": ("fp32", "bf16", "int8"),
    "runtime": ("eager", "onnxruntime"),
    "threads": (1, 2),
}
BATCHES = (1, 2, 4, 8, 16, 32, 64)


@pytest.fixture(scope="module")
def planted(surface_of):
    """seed -> a whole surface of t = a + b * batch size, in which each knob multiplies a, b and the error rate."""

    def of(seed, knobs=KNOBS, batches=BATCHES):
        rng = np.random.default_rng(seed)
        fixed, each = ({v: math.exp(0.7 * rng.standard_normal()) for vs in knobs.values() for v in vs} for _ in "ab")
        wrong = {v: math.exp(0.3 * rng.standard_normal()) for vs in knobs.values() for v in vs if isinstance(v, str)}
        rows = []
        for values in product(*knobs.values()):
            a, b = (math.prod(part[v] for v in values) for part in (fixed, each))
            error = min(0.1 * math.prod(wrong[v] for v in values[:3]), 0.9)
            for size in batches:
                ms = (a + 0.2 * b * size) * math.exp(0.01 * rng.standard_normal())
                known = {"latency_p50_ms": ms, "throughput_per_s": 1e3 * size / ms, "accuracy": 1 - error}
                rows.append(dict(zip(knobs, values, strict=True)) | {"batch_size": size} | known)
        return surface_of(*rows)

    return of


@pytest.fixture(scope="module")
def small(planted):
    """Forty-eight Configs."""
    knobs = KNOBS | {"model": ("a", "b"), "pruning": ("none",), "precision": ("fp32", "int8"), "threads": (1,)}
    return planted(0, knobs, BATCHES[:6])


def rows_of(surface, configs):
    return looking_up(surface)(configs)


def looking_up(surface):
    """(Configs) -> their rows of `surface`, whose own Configs are read once."""
    number = {config: i for i, config in enumerate(configs_of(surface))}
    return lambda configs: surface.iloc[[number[config] for config in configs]]


def found(surface, number, seed=0, at_once=8, budget_s=3.0):
    """The Configs that are asked for, each told before the next are."""
    search, rows = Search(configs_of(surface), budget_s, seed), looking_up(surface)
    asked = []
    while len(asked) < number:
        asked += (some := search.ask(min(at_once, number - len(asked))))
        search.tell(rows(some))
    return asked


def test_a_sixth_of_the_points_covers_more_than_as_many_at_random(planted):
    adaptive, random = [], []
    for seed in range(6):
        surface = planted(seed)
        number = round(0.15 * len(surface))
        whole = hypervolume(surface, OBJECTIVES)
        adaptive.append(1 - hypervolume(rows_of(surface, found(surface, number, seed)), OBJECTIVES) / whole)
        rng = np.random.default_rng(seed)
        drawn = (surface.iloc[rng.permutation(len(surface))[:number]] for _ in range(5))
        random.append(np.median([1 - hypervolume(one, OBJECTIVES) / whole for one in drawn]))
    assert np.median(adaptive) < 0.6 * np.median(random)
    assert sum(a < r for a, r in zip(adaptive, random, strict=True)) >= 4
    assert np.median(adaptive) < 0.05


def test_nothing_is_asked_for_twice_until_all_was_asked_for(small):
    asked = found(small, len(small), at_once=7)
    assert len(set(asked)) == len(asked) == len(small)
    assert set(asked) == set(configs_of(small))


def test_what_was_told_without_being_asked_for_is_not_asked_for(small):
    search = Search(configs_of(small))
    search.tell(small.iloc[:20])
    assert set(search.ask(100)) == set(configs_of(small.iloc[20:]))
    search.tell(small.iloc[20:])
    assert search.ask(5) == []


@pytest.mark.parametrize("number", [48, 49, 10_000])
def test_all_are_asked_for_if_as_many_are_wanted(small, number):
    search = Search(configs_of(small))
    asked = search.ask(number)
    assert len(asked) == 48
    assert set(asked) == set(configs_of(small))


def test_as_many_are_asked_for_as_are_wanted(small):
    search = Search(configs_of(small))
    for number in (0, 1, 3, 20):
        asked = search.ask(number)
        assert len(asked) == len(set(asked)) == number
        search.tell(rows_of(small, asked))


def test_what_is_dear_to_prepare_is_asked_for_less(planted):
    surface = planted(0)
    assert dear_variants(surface, dear_s=60) < dear_variants(surface, dear_s=0.1) / 2


def dear_variants(surface, dear_s, number=50):
    """How many variants of ONNX Runtime are among the first Configs, if each takes so many seconds to prepare."""
    search, variants, rows = Search(configs_of(surface), 0.25), set(), looking_up(surface)
    for _ in range(number):
        (config,) = search.ask(1)
        row, variant = rows([config]), (config.model, config.pruning, config.precision, config.runtime)
        sampled_s = float((row["samples"] * row["latency_p50_ms"]).iloc[0] / 1e3)
        dear = variant not in variants and config.runtime == "onnxruntime"
        search.tell(row, sampled_s + (dear_s if dear else 0.1))
        variants.add(variant)
    return sum(runtime == "onnxruntime" for *_, runtime in variants)


@pytest.mark.parametrize("status", ["failed", "unsupported", "out_of_memory"])
def test_what_failed_is_not_asked_for_again_and_teaches_no_latency(small, status):
    search = Search(configs_of(small))
    failed = small.assign(status=status, latency_p50_ms=math.nan, throughput_per_s=math.nan, accuracy=math.nan)
    search.tell(failed.iloc[:24])
    believed = search.predicted()
    assert believed["tried"].tolist() == [True] * 24 + [False] * 24
    assert not believed["measured"].any()
    search.tell(small.iloc[24:40])
    assert set(search.ask(100)) == set(configs_of(small.iloc[40:]))


def test_if_everything_fails_everything_is_tried_once(small):
    failed = small.assign(status="failed", latency_p50_ms=math.nan, throughput_per_s=math.nan, accuracy=math.nan)
    assert set(found(failed, len(failed))) == set(configs_of(small))


def test_an_accuracy_without_a_latency_is_kept_and_its_config_not_asked_for_again(small):
    search = Search(configs_of(small))
    weights_alone = small.iloc[[0]].assign(status="unsupported", latency_p50_ms=math.nan, accuracy=0.77)
    search.tell(weights_alone)
    believed = search.predicted()
    assert believed["accuracy"].iloc[:6].tolist() == [0.77] * 6  # whatever the batch size
    assert configs_of(small)[0] not in search.ask(100)


def test_the_same_seed_asks_for_the_same_and_another_does_not(planted):
    surface = planted(0)
    first = found(surface, 40, seed=1)
    assert found(surface, 40, seed=1) == first
    assert found(surface, 40, seed=2) != first


def test_those_that_take_longer_to_measure_are_asked_for_less_readily(planted):
    # A dozen calls outlast a budget of a millisecond, and no call a budget of an hour.
    surfaces = [planted(seed) for seed in range(3)]
    short, long = (
        [rows_of(s, found(s, 40, budget_s=budget_s))["latency_p50_ms"].sum() for s in surfaces]
        for budget_s in (1e-3, 3600)
    )
    assert np.median(np.divide(short, long)) < 0.8


def test_the_first_asked_for_are_spread_over_the_knobs(planted):
    surface = planted(0)
    first = Search(configs_of(surface)).ask(16)
    for knob, values in KNOBS.items():
        assert {getattr(config, knob) for config in first} == set(values)
    assert {1, 64} <= {config.batch_size for config in first}


@pytest.mark.parametrize("number", [1, 2])
def test_one_or_two_candidates_are_enough(small, number):
    search = Search(configs_of(small.iloc[:number]))
    assert len(search.predicted()) == number
    assert math.isnan(search.error())
    assert len(search.ask(8)) == number
    search.tell(small.iloc[:number])
    assert search.ask(8) == []
    assert search.predicted()["latency_p50_ms"].tolist() == small["latency_p50_ms"].tolist()[:number]
    assert math.isnan(search.error()) == (number == 1)


def test_what_was_measured_is_predicted_as_it_was_measured(small):
    search = Search(configs_of(small))
    told = small.iloc[::3]
    search.tell(told)
    believed = search.predicted()
    assert believed["measured"].sum() == len(told)
    assert believed["tried"].equals(believed["measured"])
    columns = ["latency_p50_ms", "throughput_per_s", "accuracy"]
    assert_frame_equal(believed.loc[believed["measured"], columns], told[columns])
    assert configs_of(believed) == configs_of(small)


def test_what_was_not_measured_is_predicted_nearly(planted):
    surface = planted(1)
    search = Search(configs_of(surface))
    search.tell(surface.sample(90, random_state=0))
    believed = search.predicted()
    rest = ~believed["measured"]
    off = believed["latency_p50_ms"] / surface["latency_p50_ms"] - 1
    assert off[rest].abs().median() < 0.1
    assert (believed["accuracy"] - surface["accuracy"])[rest].abs().median() < 0.01
    per_s = 1e3 * believed["batch_size"] / believed["latency_p50_ms"]
    np.testing.assert_allclose(believed["throughput_per_s"][rest], per_s[rest])


def test_two_devices_are_not_taken_for_one(planted):
    cpu = planted(0, KNOBS | {"model": ("a",), "pruning": ("none",)})
    cuda = cpu.assign(
        device="cuda", latency_p50_ms=cpu["latency_p50_ms"] / 20, throughput_per_s=20 * cpu["throughput_per_s"]
    )
    surface = pd.concat([cpu, cuda], ignore_index=True)
    search = Search(configs_of(surface))
    search.tell(surface.sample(60, random_state=0))
    assert search.error() < 0.2


def test_what_is_told_in_any_order_and_index_is_learned_alike(small):
    forward, backward = (Search(configs_of(small)) for _ in range(2))
    told = small.iloc[::4]
    forward.tell(told)
    before = told[::-1].set_axis([0] * len(told)).copy(deep=True)
    again = before.copy(deep=True)
    backward.tell(again)
    assert_frame_equal(again, before)
    assert_frame_equal(forward.predicted(), backward.predicted())


@pytest.mark.parametrize("number", [30, 40])
def test_the_error_is_that_of_predicting_each_measured_one_from_the_others(small, number):
    told = small.sample(number, random_state=1)
    search = Search(configs_of(small))
    search.tell(told)
    assert search.error() == pytest.approx(np.median(off_from_the_others(small, told)), rel=1e-3)


@pytest.mark.parametrize("number", [2, 4, 8])
def test_the_error_is_so_with_few_measured_too(small, number):
    told = small.sample(number, random_state=1)
    search = Search(configs_of(small))
    search.tell(told)
    assert search.error() == pytest.approx(np.median(off_from_the_others(small, told)), rel=1e-3)


def off_from_the_others(small, told):
    """For each row, by what share of its prediction its latency differs, by another search without it."""
    off = []
    for i in range(len(told)):
        others = Search(configs_of(small))
        others.tell(told.iloc[[j for j in range(len(told)) if j != i]])
        guess = rows_of(others.predicted(), configs_of(told.iloc[[i]]))["latency_p50_ms"].iloc[0]
        off.append(abs(told["latency_p50_ms"].iloc[i] / guess - 1))
    return off


def test_the_error_falls_as_more_is_known(planted):
    errors = []
    for number in (12, 120):
        surface = planted(2)
        search = Search(configs_of(surface))
        search.tell(surface.sample(number, random_state=3))
        errors.append(search.error())
    assert errors[1] < errors[0]


def test_without_a_test_set_the_accuracy_is_unknown_and_not_zero(small):
    search = Search(configs_of(small))
    search.tell(small.iloc[::4].assign(accuracy=math.nan))
    assert search.predicted()["accuracy"].isna().all()
    assert len(search.ask(5)) == 5


@settings(max_examples=20)
@given(accuracies=st.lists(st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]), min_size=4, max_size=4))
def test_a_predicted_accuracy_is_a_share(small, accuracies):
    search = Search(configs_of(small))
    search.tell(small.iloc[[0, 6, 12, 18]].assign(accuracy=accuracies))
    assert search.predicted()["accuracy"].between(0, 1).all()


def test_before_anything_is_told_nothing_is_said_to_be_measured(small):
    believed = Search(configs_of(small)).predicted()
    assert not believed[["measured", "tried"]].any(axis=None)


# --- sweep(search="adaptive")


@pytest.fixture
def told(monkeypatch, planted):
    """The rounds of a planted measuring process that takes no time; `fail` and `interrupt` say of what and where."""

    class Rounds:
        def __init__(self):
            self.asked, self.fail, self.interrupt = [], set(), math.inf
            knobs = KNOBS | {"model": ("narrow", "wide"), "pruning": ("none",), "threads": (1,)}
            surface = planted(0, knobs)
            self.configs = configs_of(surface)
            self.ms = dict(zip(self.configs, surface["latency_p50_ms"], strict=True))

        def measure(self, task, configs, schedule, **given):
            for config in configs:
                if len(self.asked) >= self.interrupt:
                    raise KeyboardInterrupt
                self.asked.append(config)
                given["scores"][config.variant] = Scored(whole=True)
                yield self.measurement(task, config), True

        def measurement(self, task, config):
            if config in self.fail:
                failure = Failure("unsupported", "not here")
                return Measurement(task.name, config, failure=failure, machine="this one")
            ns = np.full(20, self.ms[config] * 1e6)
            slices = tuple(Slice(ns, 20 * config.batch_size, round(ns.sum())) for _ in range(8))
            return Measurement(task.name, config, slices, np.arange(100) < 80, machine="this one")

    rounds = Rounds()
    monkeypatch.setattr(sweeping, "measure_rounds", rounds.measure)
    sweeping._folder.cache_clear()
    return rounds


def clock(monkeypatch, step):
    """A clock that goes on by `step` seconds every time it is read."""
    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic():
            now[0] += step
            return now[0]

    monkeypatch.setattr(sweeping, "time", Clock)


ADAPTIVE = {"search": "adaptive", "progress": False}


def test_with_time_enough_everything_is_measured_once(tiny, told):
    surface = sweeping.sweep(tiny, told.configs, total_s=1e9, **ADAPTIVE)
    assert configs_of(surface) == told.configs
    assert sorted(map(repr, told.asked)) == sorted(map(repr, told.configs))
    assert tuple(surface.columns) == COLUMNS


def test_when_the_time_is_up_the_rows_there_are_come_back_in_the_order_given(tiny, told, monkeypatch):
    clock(monkeypatch, step=1)
    surface = sweeping.sweep(tiny, told.configs, total_s=2.5, **ADAPTIVE)
    assert len(surface) == len(told.asked) == 3 * sweeping.ASKED_AT_ONCE
    order = [told.configs.index(config) for config in configs_of(surface)]
    assert order == sorted(order)
    assert surface.index.tolist() == list(range(len(surface)))
    assert set(configs_of(surface)) == set(told.asked)


def test_however_little_time_there_is_something_comes_back(tiny, told, monkeypatch):
    clock(monkeypatch, step=1)
    surface = sweeping.sweep(tiny, told.configs, total_s=0.5, **ADAPTIVE)
    assert len(surface) == sweeping.ASKED_AT_ONCE


def test_what_was_skipped_is_predicted(tiny, told, monkeypatch):
    clock(monkeypatch, step=1)
    surface = sweeping.sweep(tiny, told.configs, total_s=2.5, **ADAPTIVE)
    believed = predicted(surface, told.configs)
    assert configs_of(believed) == told.configs
    assert believed["measured"].sum() == 3 * sweeping.ASKED_AT_ONCE
    assert (believed["latency_p50_ms"] > 0).all()


def test_what_cannot_run_is_a_row_and_tried_once(tiny, told):
    told.fail = {config for config in told.configs if config.runtime == "onnxruntime"}
    surface = sweeping.sweep(tiny, told.configs, total_s=1e9, **ADAPTIVE)
    assert (surface["status"] == "unsupported").sum() == len(told.fail)
    assert len(told.asked) == len(told.configs)
    believed = predicted(surface, told.configs)
    assert believed["tried"].all()
    assert (believed["measured"] == (surface["status"] == "ok")).all()


@pytest.mark.parametrize("after", [0, 3, 8, 21])
def test_interrupted_it_says_what_it_has_and_called_again_with_no_time_left_it_returns_that(
    tiny, told, monkeypatch, after
):
    clock(monkeypatch, step=1)
    told.interrupt = after
    with pytest.raises(KeyboardInterrupt) as interrupt:
        sweeping.sweep(tiny, told.configs, total_s=1e9, **ADAPTIVE)
    assert interrupt.value.__notes__ == [
        f"{after} of {len(told.configs)} points were measured and are kept: the same call continues from there"
    ]
    told.interrupt = math.inf
    surface = sweeping.sweep(tiny, told.configs, total_s=max(after - 0.5, 0.5), **ADAPTIVE)
    assert set(configs_of(surface)) == set(told.asked)
    assert len(surface) == max(after, 1)
    assert tuple(surface.columns) == COLUMNS
    believed = rows_of(predicted(surface, told.configs), configs_of(surface))
    assert believed["measured"].all()
    assert believed["latency_p50_ms"].tolist() == surface["latency_p50_ms"].tolist()


def test_interrupted_and_called_again_nothing_is_measured_twice(tiny, told):
    told.interrupt = 13
    with pytest.raises(KeyboardInterrupt):
        sweeping.sweep(tiny, told.configs, total_s=1e9, **ADAPTIVE)
    told.interrupt = math.inf
    surface = sweeping.sweep(tiny, told.configs, total_s=1e9, **ADAPTIVE)
    assert len(told.asked) == len(set(told.asked)) == len(surface) == len(told.configs)


def test_a_store_keeps_what_was_measured(tiny, told, monkeypatch, tmp_path):
    clock(monkeypatch, step=1)
    store = tmp_path / "points.sqlite"
    first = sweeping.sweep(tiny, told.configs, total_s=1.5, store=store, **ADAPTIVE)
    again = sweeping.sweep(tiny, told.configs, total_s=1.5, store=store, **ADAPTIVE)
    assert len(told.asked) == len(first) == 2 * sweeping.ASKED_AT_ONCE
    assert_frame_equal(again, first)
    assert {m.config for m in Store(store).measurements()} == set(told.asked)


def test_a_search_that_came_to_its_end_leaves_nothing_for_the_next_sweep(tiny, told):
    configs = told.configs[:4]
    sweeping.sweep(tiny, configs, total_s=1e9, **ADAPTIVE)
    sweeping.sweep(tiny, configs, progress=False)
    assert len(told.asked) == 8


@pytest.mark.parametrize("number", [1, 2])
def test_a_sweep_of_one_or_two_ends(tiny, told, number):
    assert len(sweeping.sweep(tiny, told.configs[:number], total_s=1e9, **ADAPTIVE)) == number


def test_repeats_are_merged(tiny, told):
    assert len(sweeping.sweep(tiny, told.configs[:3] * 2, total_s=1e9, **ADAPTIVE)) == 3


def test_the_bar_tells_by_how_much_predictions_are_off(tiny, told, capsys):
    sweeping.sweep(tiny, told.configs, total_s=1e9, search="adaptive")
    assert "predictions off by " in capsys.readouterr().err


def test_without_a_test_set_it_searches_too(monkeypatch, inline):
    task = Task.from_model(nn.Linear(4, 2), example=zeros(1, 4))
    configs = [Config("model", threads=1, batch_size=b) for b in (1, 2)]
    surface = sweeping.sweep(task, configs, total_s=60, max_width=0.9, budget_s=0.02, executor=inline, **ADAPTIVE)
    assert surface["status"].tolist() == ["ok", "ok"]
    assert surface["accuracy"].isna().all()


def test_in_a_real_process_it_measures_and_stops_at_an_interrupt(tiny, monkeypatch, inline):
    inline.interrupted = lambda: any(name == "finish" for name, *_ in inline.requests)
    configs = [Config("narrow", threads=1, batch_size=b) for b in (1, 2, 4)]
    with pytest.raises(KeyboardInterrupt) as interrupt:
        sweeping.sweep(tiny, configs, total_s=600, max_width=0.9, budget_s=0.02, executor=inline, **ADAPTIVE)
    assert interrupt.value.__notes__[0].startswith("1 of 3 points")


def test_a_surface_that_was_saved_predicts_the_same(tiny, told, tmp_path, monkeypatch):
    clock(monkeypatch, step=1)
    surface = sweeping.sweep(tiny, told.configs, total_s=2.5, **ADAPTIVE)
    save_surface(surface, tmp_path / "surface.csv")
    again = predicted(load_surface(tmp_path / "surface.csv"), told.configs)
    assert_frame_equal(again, predicted(surface, told.configs))


def test_each_config_asked_for_is_predicted_once_in_its_order(surface_of):
    surface = surface_of(*({"batch_size": b, "latency_p50_ms": float(b)} for b in (1, 2, 4, 8)))
    asked = [Config("resnet8", threads=1, batch_size=b) for b in (16, 2, 16)]
    believed = predicted(surface, asked)
    assert believed["batch_size"].tolist() == [16, 2]
    assert believed["measured"].tolist() == [False, True]
    assert believed["latency_p50_ms"].iloc[1] == 2


def test_the_interval_of_a_prediction_holds_it_and_that_of_a_measurement_is_its_own(small):
    some = small.iloc[::3]
    believed = predicted(some, configs_of(small))
    unseen = believed[~believed["measured"]]
    assert (unseen["latency_p50_lo_ms"] < unseen["latency_p50_ms"]).all()
    assert (unseen["latency_p50_ms"] < unseen["latency_p50_hi_ms"]).all()
    assert believed.loc[believed["measured"], "latency_p50_hi_ms"].tolist() == some["latency_p50_hi_ms"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[["model"]], r"^surface: wanted the columns of a surface; it lacks task, pruning"),
        (lambda s: s.iloc[:0], r"^surface: wanted at least one row that was measured; got none"),
        (lambda s: s.assign(status="failed"), r"^surface: wanted at least one row that was measured; got none"),
        (lambda s: s.assign(machine=["a", "b"]), r"^surface: wanted rows of one machine; got 'a', 'b'"),
        (lambda s: s.assign(task=["b", "a"]), r"^surface: wanted rows of one task; got a, b"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(surface_of, change, message):
    surface = surface_of({"batch_size": 1}, {"batch_size": 2})
    with pytest.raises(ValueError, match=message):
        predicted(change(surface), configs_of(surface))


def test_somebody_has_to_say_of_what(surface_of):
    with pytest.raises(ValueError, match=r"^configs: wanted at least one Config; got none"):
        predicted(surface_of({}), [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"search": "adaptative"}, r"^search: wanted one of all, adaptive; got 'adaptative'\. Did you mean 'adaptive'"),
        ({"search": None}, r"^search: wanted one of all, adaptive; got None"),
        ({"search": "adaptive"}, r"^total_s: wanted seconds for search='adaptive'.*got None, 'adaptive'"),
        ({"search": "all", "total_s": 5}, r"^total_s: wanted seconds for search='adaptive', and none for 'all'; got 5"),
        ({"total_s": 5}, r"^total_s: wanted seconds"),
        *(
            ({"search": "adaptive", "total_s": b}, r"^total_s: wanted .*")
            for b in (0, -1, math.nan, math.inf, "5", True)
        ),
    ],
)
def test_a_bad_search_or_budget_is_refused_before_any_work(tiny, told, tmp_path, monkeypatch, given, message):
    monkeypatch.setattr(type(tiny), "fingerprint", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(ValueError, match=message):
        sweeping.sweep(tiny, told.configs, store=tmp_path / "x.sqlite", progress=False, **given)
    assert told.asked == []
    assert not (tmp_path / "x.sqlite").exists()
