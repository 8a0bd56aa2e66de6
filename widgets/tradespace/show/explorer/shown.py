"""What the Explorer shows, as pure functions of its rows and its state."""

from dataclasses import dataclass, replace

from tradespace.config import Config
from tradespace.recording import recording
from tradespace.scale import Scale
from tradespace.show.common.view import Limits, View, in_words, view
from tradespace.show.common.words import FLAGS, describe_row, in_brief
from tradespace.show.explorer.moves import Row, in_a_sentence
from tradespace.show.explorer.readouts import predicted_rows, tiles_of
from tradespace.show.explorer.rows import Rows, row_of
from tradespace.show.explorer.state import HERE, PINS, RECORDED, State
from tradespace.show.tiles.widget import Tile


@dataclass(frozen=True)
class Shown:
    """What the charts draw, and the words beside them.

    Parameters
    ----------
    view : View
        Row numbers, by role.
    limits : Limits
    pins : list of int
        Row numbers; -1 for a pin without a row.
    words : str
        The selection with its numbers, then the best choice within the limits.
    here : str
        The selection, and where its numbers are from or why it has none.
    flags : dict
        Why they are to be trusted less: the name of each flag, and what it means.
    tiles : list of Tile
    """

    view: View
    limits: Limits
    pins: list[int]
    words: str
    here: str
    flags: dict[str, str]
    tiles: list[Tile]

    @property
    def best(self) -> str:
        """The best choice within the limits, in words."""
        return self.words.split("\n", 1)[1]


def shown(rows: Rows, state: State, score: Scale) -> Shown:
    """What to show of `rows` in `state`, where scores are written as `score` says."""
    limits, goal = replace(state.limits, score=str(score)), state.goal
    priced = rows.priced(state.mission, state.latency)
    seen = view(priced.surface, state.config, decided=priced.within(limits, goal.objective))
    unknown = not_known(state.data)
    row = row_of(priced.surface, rows.number(state.config))
    origin = "recorded" if state.data == RECORDED or recording() else "measured"
    if row is None and seen.predicted is not None:
        row, origin = row_of(predicted_rows([seen.predicted], state.mission, state.latency), 0), "predicted"
    return Shown(
        view=seen,
        limits=limits,
        pins=[-1 if number is None else number for number in map(rows.number, state.pins)],
        words=in_words(priced.surface, seen, state.config, limits, goal.words(score), goal.objective, unknown),
        here=_here(row, state.config, origin, unknown),
        flags={name: FLAGS[name] for name in (row or {}).get("flags", "").split()},
        tiles=tiles_of(row, state.mission.items, state.latency, origin, score),
    )


def not_known(data: str) -> str:
    """What is said of a selection without a row."""
    return "not measured yet" if data == HERE else "not among the recorded points"


def _here(row: Row | None, config: Config, origin: str, unknown: str) -> str:
    if row is None:
        return f"{in_brief(config)}: {unknown}"
    if origin == "predicted":
        return f"{in_brief(config)}: predicted; {unknown}"
    return f"{in_brief(config)}: {origin}" if row["status"] == "ok" else describe_row(row)


def sentence(rows: Rows, state: State, before: Config | None = None) -> str:
    """What changed from `before` to the selection, and how the pins compare, one line each."""
    lines = [_compared(rows, before, state.config)] if before else []
    if len(state.pins) == PINS:
        said = _compared(rows, *state.pins) or "nothing to compare, as one of them was not timed."
        lines.append(f"From pin A to pin B: {said}")
    return "\n".join(line for line in lines if line)


def _compared(rows: Rows, before: Config, after: Config) -> str:
    """The sentence about two Configs; empty unless both have a row."""
    old, new = rows.row(before), rows.row(after)
    if old is None or new is None:
        return ""
    a, b = rows.scored.get(before), rows.scored.get(after)
    return in_a_sentence(old, new, (a, b) if a and b else None)
