"""What a browser needs to look numbers up: it computes no statistics, and makes no words of its own."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, VARIANT, Config
from tradespace.recording import recording
from tradespace.scale import Scale
from tradespace.show.attainment.numbers import stairs
from tradespace.show.batch_curve.numbers import fit_state, with_rates
from tradespace.show.common.json import column, number, packed
from tradespace.show.common.view import none_known, none_within
from tradespace.show.common.words import FLAGS
from tradespace.show.controls.widget import Choice, Group, Number
from tradespace.show.explorer import settings
from tradespace.show.explorer.mission import Mission
from tradespace.show.explorer.readouts import OF_LATENCY, Column, predicted_rows, tiles_of_rows
from tradespace.show.explorer.rows import Rows
from tradespace.show.explorer.shown import not_known, sentence
from tradespace.show.explorer.state import GOALS, RECORDED, State
from tradespace.surface.columns import configs_of
from tradespace.surface.margin import gains
from tradespace.surface.objectives import measured, numbers
from tradespace.surface.predict import BatchFit, is_ok, line

# In the order in which they are said.
LIMITS = ("max_latency_ms", "min_accuracy", "min_throughput_per_s", "max_cost")
CURVE = [knob for knob in KNOBS if knob != "batch_size"]
DERIVED = ["throughput_lo_per_s", "throughput_hi_per_s", "cost_per_million"]
# The lines over batch size, each with its other knobs and the sizes that have a row.
Fits = list[tuple[BatchFit, Config, set[int]]]
# Of these controls, a table has one option.
FIXED = ("task", "data")


def saved(rows: Rows, state: State, groups: Sequence[Group], score: Scale) -> dict[str, Any]:
    """What a page looks numbers up in, and what it says of itself.

    Objectives and latencies that no row has are left out.

    Raises
    ------
    ValueError
        If no row was measured.
    """
    if not rows.measured:
        raise ValueError("save: wanted at least one measured point; got none")
    goals = _goals(rows, state, score)
    known = {name for some in goals.values() for name, goal in some.items() if goal["lacks"] is None}
    kept = {"latency": goals, "objective": [name for name in GOALS if name in known or name == state.objective]}
    groups = _narrowed(groups, kept)
    page = {
        "title": f"tradespace: {state.task}",
        "doing": _doing(state.mission),
        "whose": _whose(rows.surface),
        "groups": [group.sent for group in groups],
    }
    for part in _parts(rows, state, groups, score, goals, _fits(rows.surface)):
        page |= part
    return page


def foretold(rows: Rows, state: State, groups: Sequence[Group], score: Scale) -> Iterator[dict[str, Any]]:
    """What a browser looks moves up in that need not wait for its kernel: as a page, and what is predicted.

    It comes in parts of one dictionary, some of them again with more in them, so that moves need not wait for all.
    """
    fits = _fits(rows.surface)
    yield {}
    goals = _goals(rows, state, score)
    yield {}
    yield from _parts(rows, state, groups, score, goals, fits)
    sizes = next(one.options for group in groups for one in group.controls if one.name == "batch_size")
    yield {"predicted": _predicted(rows, state, fits, sizes, score) | {"unknown": not_known(state.data)}}


def _parts(
    rows: Rows, state: State, groups: Sequence[Group], score: Scale, goals: Mapping[str, Any], fits: Fits
) -> Iterator[dict[str, Any]]:
    """The rows as columns, and what the controls show of them, in words, ranks and row numbers.

    Price, power and distances are those of `state`.
    """
    surface, over = rows.surface, _over(rows, state)
    origin = "recorded" if state.data == RECORDED or recording() else "measured"
    groups, now = _choices(groups), dict(**state.values)
    controls = {control.name: control for group in groups for control in group.controls}
    options = {name: control.options for name, control in controls.items()}
    priced = with_rates(rows.priced(state.mission, state.latency).surface)
    yield {
        "origin": origin,
        "surface": {name: packed(column(surface[name])) for name in surface},
        "derived": {name: packed(column(priced[name])) for name in DERIVED},
        "options": options,
        "values": {name: control.index(now[name]) for name, control in controls.items()},
        "failed": _failed(surface),
        "fits": [[fit_state(fit), *_of(config, CURVE)] for fit, config, _ in fits],
        "flags": FLAGS,
        "pins": [-1 if row is None else row for row in map(rows.number, state.pins)],
        "pinned": sentence(rows, state),
    }
    tiles: list[dict[str, Any]] = []
    latencies: dict[str, dict[str, Any]] = {}
    for tile in _tiles(rows, state, origin, score):
        tiles.append(_packed(tile()))
        yield {"tiles": tiles}
    for latency, one in over.items():
        limits = [limit for name in LIMITS for limit in _limit(rows, one, name, options[name], score)]
        own = [] if latency == state.latency else _tiles(rows, one, origin, score)
        latencies[latency] = {
            "limits": limits,
            "goals": goals[latency],
            "landscape": stairs(surface, latency),
            "tiles": {i: _packed(own[i]()) for i in OF_LATENCY if own},
        }
        yield {"latencies": latencies}


def _over(rows: Rows, state: State) -> dict[str, State]:
    """The state over each latency that some row has, by its column."""
    over = {name: replace(state, latency=name) for name in settings.LATENCIES}
    return {name: one for name, one in over.items() if name == state.latency or rows.surface[name].notna().any()}


def _choices(groups: Sequence[Group]) -> list[Group]:
    """The groups without what a table cannot answer: numbers, and other rows than its own."""
    some = [[one for one in group.controls if isinstance(one, Choice) and one.name not in FIXED] for group in groups]
    return [replace(group, controls=tuple(one)) for group, one in zip(groups, some, strict=True) if one]


def _narrowed(groups: Sequence[Group], kept: Mapping[str, Collection[str]]) -> list[Group]:
    """The choices of the groups, with those options of a menu that are `kept`."""

    def narrowed(control: Choice | Number) -> Choice | Number:
        if isinstance(control, Number):
            return control
        there = kept.get(control.name, control.options)
        texts = control.texts or tuple(map(str, control.options))
        pairs = [(one, text) for one, text in zip(control.options, texts, strict=True) if one in there]
        return replace(control, options=tuple(one for one, _ in pairs), texts=tuple(text for _, text in pairs))

    return [replace(group, controls=tuple(map(narrowed, group.controls))) for group in _choices(groups)]


def _goals(rows: Rows, state: State, score: Scale) -> dict[str, dict[str, Any]]:
    """What `_goals_over` returns, for each latency that some row has."""
    return {latency: _goals_over(rows, one, score) for latency, one in _over(rows, state).items()}


def _goals_over(rows: Rows, state: State, score: Scale) -> dict[str, Any]:
    """For each objective its words, and the rank of each row: the higher, the better; -1 if it is not known."""
    surface = rows.priced(state.mission, state.latency).surface
    limits = replace(state.limits, score=str(score))
    goals: dict[str, Any] = {}
    for name in GOALS:
        goal = replace(state, objective=name).goal
        worth, target = gains(goal.objective, surface), goal.objective.column
        known = ~np.isnan(worth)
        ranks = np.full(len(worth), -1)
        ranks[known] = np.unique(worth[known], return_inverse=True)[1]
        goals[name] = {
            "words": goal.words(score).capitalize(),
            "ranks": ranks.tolist(),
            "lacks": None if known.any() else none_known(target, limits),
            "beyond": none_within(target, limits),
        }
    return goals


def _limit(rows: Rows, state: State, name: str, options: Sequence[Any], score: Scale) -> list[dict[str, Any]]:
    """The number and the words of a limit for each option; nothing if there is nothing to limit."""
    none: dict[str, Any] = dict.fromkeys(LIMITS)
    states = [replace(state, **none | {name: option}) for option in options]
    alone = [replace(one.limits, score=str(score)) for one in states]
    constraints = [next(iter(limits.constraints), None) for limits in alone]
    some = next(filter(None, constraints), None)
    if some is None:
        return []
    surface = rows.priced(state.mission, state.latency).surface
    known = ~np.isnan(numbers(surface[measured(surface)], some.column))
    return [
        {
            "name": name,
            "column": some.column,
            "least": some.at_least,
            "values": [one and one.limit for one in constraints],
            "words": [limits.words for limits in alone],
            "lacks": None if known.any() else none_known(some.column, alone[0]),
        }
    ]


def _tiles(rows: Rows, state: State, origin: str, score: Scale) -> list[Callable[[], Column]]:
    """For each tile the function of its columns: a value for each row, and one for a selection without a row."""
    priced = rows.priced(state.mission, state.latency).surface
    several = priced.reset_index(drop=True).reindex(range(len(priced) + 1))
    several["wh_is"] = several["wh_is"].fillna("")
    return tiles_of_rows(several, len(several), state.mission.items, state.latency, origin, score)


def _packed(tile: Column) -> dict[str, Any]:
    return {part: packed(values) for part, values in tile.items()}


def _failed(surface: pd.DataFrame) -> list[list[Any]]:
    """The variants that failed, each after the reason."""
    why = settings.could_not_run(surface)
    reasons = [(why(config), config) for config in configs_of(surface.drop_duplicates(list(VARIANT)))]
    return [[reason, *_of(config, VARIANT)] for reason, config in reasons if reason]


def _fits(surface: pd.DataFrame) -> Fits:
    """The lines over batch size, each with its other knobs and the sizes that have a row."""
    # Both in the order of their first rows.
    configs, curves = configs_of(surface.drop_duplicates(CURVE)), surface.groupby(CURVE, sort=False).ngroup().to_numpy()
    batch, latency = (surface[name].to_numpy() for name in ("batch_size", "latency_p50_ms"))
    timed = is_ok(surface) & ~np.isnan(latency)
    found: Fits = []
    for number_of_it, config in enumerate(configs):
        mine = curves == number_of_it
        if fit := line(batch[mine & timed], latency[mine & timed]):
            found.append((fit, config, set(batch[mine].tolist())))
    return found


def _predicted(rows: Rows, state: State, fits: Fits, sizes: Sequence[int], score: Scale) -> dict[str, Any]:
    """What the lines predict of those of the `sizes` that have no row: each before its knobs; and the tiles of each."""
    surface = rows.surface
    scored = surface[is_ok(surface) & surface["accuracy"].notna().to_numpy()].drop_duplicates(list(VARIANT))
    accuracy = dict(zip((one.variant for one in configs_of(scored)), scored["accuracy"], strict=True))
    found = [
        (fit.predict(size, accuracy.get(config.variant, math.nan)), replace(config, batch_size=size))
        for fit, config, there in fits
        for size in sizes
        if size not in there
    ]
    foretold = predicted_rows([one for one, _ in found], state.mission, state.latency)
    tiles = tiles_of_rows(foretold, len(foretold), state.mission.items, state.latency, "predicted", score)
    return {
        "points": [[{name: number(value) for name, value in vars(one).items()}, *_of(to, KNOBS)] for one, to in found],
        "tiles": [_packed(tile()) for tile in tiles],
    }


def _of(config: Config, knobs: Sequence[str]) -> list[Any]:
    return [getattr(config, knob) for knob in knobs]


def _doing(mission: Mission) -> str:
    """What the page does, and what it does not change."""
    costs = f"{mission.items:,.0f} items at {mission.price_per_hour:g} per hour, {mission.watts:g} W assumed"
    drone = f"a drone sees {mission.sensing_range_m:g} m, brakes at {mission.braking_m_s2:g} m/s²"
    return f"A saved page, which measures nothing. Cost of {costs}; {drone}"


def _whose(surface: pd.DataFrame) -> str:
    """Whose numbers these are, and when they were measured and saved."""
    days = sorted({when[:10] for when in surface["measured_at"]})
    when = " to ".join(dict.fromkeys([days[0], days[-1]]))
    machine = "; ".join(surface["machine"].unique())
    return f"Machine: {machine}. Measured {when}; saved {datetime.now(UTC):%Y-%m-%d}."
