"""Surfaces that ship: dense, measured once on a machine that each row names."""

from pathlib import Path

import pandas as pd

from tradespace.errors import choose
from tradespace.surface.columns import load_surface

FOLDER = Path(__file__).parents[3] / "data" / "surfaces"


def list_recorded() -> list[str]:
    """The names that `load_recorded` takes: of a task or, where it was measured again elsewhere, of task and processor.

    Examples
    --------
    >>> "fashion" in list_recorded()
    True
    """
    return sorted(path.name.removesuffix(".csv") for path in FOLDER.glob("*.csv"))


def load_recorded(name: str) -> pd.DataFrame:
    """A surface measured elsewhere: to look at when there is no time, or no machine, to measure one of your own.

    Its `machine` says where it comes from; `data/surfaces/DATASHEET.md` how it was measured. What is put beside numbers
    of this machine says so: `pareto`, `solve` and the others refuse rows of two machines.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> surface = load_recorded("fashion")
    >>> surface["machine"].nunique()
    1
    """
    return load_surface(FOLDER / f"{choose('name', name, list_recorded())}.csv")
