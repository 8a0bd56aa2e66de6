"""How many times as fast rows of a surface are that differ in one knob only."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tradespace.config import KNOBS
from tradespace.errors import choose
from tradespace.measuring.compare import MARGIN, compare_rows
from tradespace.surface.objectives import check_one_machine
from tradespace.surface.reading import check_columns


def speedup(surface: pd.DataFrame, *, margin: float = MARGIN, **knob: tuple[object, object]) -> pd.DataFrame:
    """How many times as fast the second value of a knob is as the first, for all rows that differ in that knob only.

    Parameters
    ----------
    surface : DataFrame
    margin : float
        Differences up to this share are too small to matter, as in `compare`.
    **knob : tuple of two values
        One knob of `Config` and the two values to compare, such as `precision=("fp32", "int8")`.

    Returns
    -------
    DataFrame
        One row for each pair, in the order of the surface. Columns: the other knobs, as far as they vary; `speedup`,
        the ratio of the median latencies, with its 95 % interval `speedup_lo` and `speedup_hi`; and `verdict`:
        `faster`, `slower`, `same`, `can't tell` or, if one of the two has no latency, `not measured`.

    Raises
    ------
    ValueError
        If not exactly one knob is given with two values, or the surface lacks one of them.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").query("model == 'resnet4' and precision == 'fp32' and batch_size == 1")
    >>> speedup(surface, runtime=("eager", "onnxruntime"))["verdict"].unique().tolist()
    ['faster']
    """
    if len(knob) != 1:
        raise ValueError(f"knob: wanted one, such as precision=('fp32', 'int8'); got {', '.join(knob) or 'none'}")
    ((name, values),) = knob.items()
    choose("knob", name, KNOBS)
    if isinstance(values, str) or not isinstance(values, tuple | list) or len(values) != 2:
        raise ValueError(f"{name}: wanted two values to compare, such as ('fp32', 'int8'); got {values!r}")
    ends = ("latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms")
    check_columns(surface, (*KNOBS, "status", *ends))
    check_one_machine(surface)
    for value in values:
        choose(name, str(value), dict.fromkeys(surface[name].astype(str)))
    others = [one for one in KNOBS if one != name]
    first, second = (_by_knobs(surface[surface[name] == value], others) for value in values)
    found = []
    for key in (key for key in first if key in second):
        pair = compare_rows(first[key], second[key], margin)
        ratios = {"speedup": pair.ratio, "speedup_lo": pair.ratio_lo, "speedup_hi": pair.ratio_hi}
        found.append({**dict(zip(others, key, strict=True)), **ratios, "verdict": pair.verdict})
    table = pd.DataFrame(found, columns=[*others, "speedup", "speedup_lo", "speedup_hi", "verdict"])
    return table.drop(columns=[one for one in others if table[one].nunique() < 2])


def _by_knobs(rows: pd.DataFrame, others: list[str]) -> dict[tuple[object, ...], Mapping[str, Any]]:
    """The rows, by the values of their other knobs."""
    named = ({str(name): value for name, value in row.items()} for row in rows.to_dict("records"))
    return dict(zip(rows[others].itertuples(index=False, name=None), named, strict=True))
