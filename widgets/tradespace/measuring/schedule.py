"""How precisely Configs are measured, and in what portions."""

import math
from dataclasses import dataclass

from tradespace.errors import positive
from tradespace.measuring.statistics import FEWEST_SLICES

SLICES_A_BUDGET = 24


@dataclass(frozen=True)
class Schedule:
    """When the measuring of a Config ends, and how it is split into slices.

    Parameters
    ----------
    max_width : float
        Measuring ends when the 95 % interval of the median latency is at most this fraction of the median wide.
    budget_s : float
        It also ends when this many seconds of samples were taken.
    score_s : float
        Seconds of scoring on test items, per variant.
    most_budgets : int
        A Config that is slow, or disturbed by other work, may take up to this many budgets to get the six good slices
        without which the median has no 95 % interval.
    slice_limits_s : tuple of float
        Seconds of samples in the shortest and the longest slice.
    take_turns : int
        The most Configs that take turns. Others wait until some are finished; else, turns would be minutes apart, and
        hundreds of sessions would be in memory at once.

    Raises
    ------
    ValueError
        If `max_width`, `budget_s` or `score_s` is not a finite number above 0.

    Examples
    --------
    >>> Schedule(budget_s=0.3).slice_s
    0.025
    """

    max_width: float = 0.02
    budget_s: float = 3.0
    score_s: float = 5.0
    most_budgets: int = 4
    slice_limits_s: tuple[float, float] = (0.025, 0.3)
    take_turns: int = 128

    def __post_init__(self) -> None:
        for name in ("max_width", "budget_s", "score_s"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    @property
    def slice_s(self) -> float:
        """Requested length of a slice, in seconds of samples."""
        shortest, longest = self.slice_limits_s
        return min(max(self.budget_s / SLICES_A_BUDGET, shortest), longest)

    def sampling_s(self, call_s: float) -> float:
        """Return the seconds of samples until the budget is spent, in whole calls of `call_s`."""
        one_s = math.ceil(self.slice_s / call_s) * call_s
        most = math.ceil(self.most_budgets * self.budget_s / one_s)
        return max(math.ceil(self.budget_s / one_s), min(FEWEST_SLICES, most)) * one_s
