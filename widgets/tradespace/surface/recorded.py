"""Shipped surfaces: dense, measured once on a machine that each row names."""

from pathlib import Path

import pandas as pd

from tradespace.errors import choose
from tradespace.surface.columns import load_surface

FOLDER = Path(__file__).parents[3] / "data" / "surfaces"


def list_recorded() -> list[str]:
    """Names for `load_recorded`: of a task or, if it was measured again elsewhere, of a task and a processor.

    Examples
    --------
    >>> "fashion" in list_recorded()
    True
    """
    return sorted(path.name.removesuffix(".csv") for path in FOLDER.glob("*.csv"))


def load_recorded(name: str) -> pd.DataFrame:
    """Load a surface measured elsewhere, to look at when you have no time or no machine to measure your own.

    Its column `machine` says where it comes from, and `data/surfaces/DATASHEET.md` how it was measured. It cannot be
    mixed with numbers of this machine unnoticed: `pareto`, `solve` and the others refuse rows of two machines.

    Raises
    ------
    ValueError
        If no surface has that name.

    Examples
    --------
    >>> surface = load_recorded("fashion")
    >>> surface["machine"].nunique()
    1
    """
    return load_surface(FOLDER / f"{choose('name', name, list_recorded())}.csv")
