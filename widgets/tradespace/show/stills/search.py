"""How fast a search finds the frontier: hypervolume against the time spent on measuring."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tradespace.show.common.style import INK, canvas_in, figure_of, legend_below, name_machine, styled
from tradespace.surface.hypervolume import REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("strategy", "seconds", "hypervolume", "seed")
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("-", "--", "-.", ":", (0, (8, 2, 1, 2, 1, 2)), (0, (1, 3)))
BAND = 10, 90
# Legend entries per row.
KEYS = 3
CAPTION = (
    "Hypervolume in powers of ten of latency and throughput, and in accuracy; reference point: "
    f"{REFERENCE['latency_p50_ms']:,g} ms, {REFERENCE['throughput_per_s']:g} item/s, accuracy {REFERENCE['accuracy']:g}"
)


def plot_search(
    runs: pd.DataFrame, full: float | None = None, *, caption: str = CAPTION, ax: "Axes | None" = None
) -> "Figure":
    """Plot the hypervolume that each strategy has found against the seconds it has spent: the median over its seeds.

    The band covers 80 % of the seeds. A run keeps its hypervolume after its last row, and has 0 before its first.

    Parameters
    ----------
    runs : DataFrame
        Columns `strategy`, `seconds`, `hypervolume` and `seed`, with one row each time a run has found more.
    full : float, optional
        The hypervolume of the full surface, with all Configs measured.
    caption : str
        Which objectives the hypervolume is over, and its reference point. By default, those of `hypervolume`: latency,
        throughput and accuracy.
    ax : matplotlib Axes, optional
        Axes to draw on. By default, a new figure, which also names the machine.

    Raises
    ------
    ValueError
        If columns are missing, or every row has missing values.

    Examples
    --------
    >>> runs = pd.DataFrame({"strategy": "random", "seconds": [1, 2, 1, 2], "hypervolume": [4.0, 6.0, 5.0, 7.0],
    ...                      "seed": [0, 0, 1, 1]})
    >>> plot_search(runs, full=8).axes[0].get_xlabel()
    'time spent on measuring, s'
    """
    missing = [column for column in COLUMNS if column not in runs]
    if missing:
        raise ValueError(f"runs: wanted the columns {', '.join(COLUMNS)}; got none named {', '.join(missing)}")
    known = runs.dropna(subset=list(COLUMNS))
    if known.empty:
        raise ValueError("runs: wanted at least one row without missing values; there is none")
    end = known["seconds"].max()
    with styled():
        where, axes = canvas_in(ax, 11, 6.5)
        for i, (strategy, some) in enumerate(known.groupby("strategy", sort=False)):
            colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            seconds, found = _found(some, end)
            low, middle, high = np.percentile(found, [BAND[0], 50, BAND[1]], axis=0)
            axes.fill_between(seconds, low, high, step="post", color=colour, alpha=0.18, lw=0)
            axes.step(seconds, middle, where="post", color=colour, ls=dash, lw=3, label=str(strategy))
        if full is not None:
            axes.axhline(full, color=INK, lw=1.5, label="full surface, all Configs measured")
        axes.set(xlabel="time spent on measuring, s", ylabel="hypervolume found", xlim=(0, end or 1))
        axes.set_title(f"{_seeds(known)}\n{caption}", size=11, color="0.35", loc="left")
        keys, _ = axes.get_legend_handles_labels()
        legend_below(where, [keys[i : i + KEYS] for i in range(0, len(keys), KEYS)])
        name_machine(where, runs)
    return figure_of(axes)


def _seeds(runs: pd.DataFrame) -> str:
    numbers = runs.groupby("strategy")["seed"].nunique()
    least, most = numbers.min(), numbers.max()
    if most == 1:
        return "Lines: one seed each"
    seeds = f"{most}" if least == most else f"{least} to {most}"
    return f"Lines: median of {seeds} seeds. Bands: {BAND[0]}th to {BAND[1]}th percentile"


def _found(runs: pd.DataFrame, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return when anything changes, from 0 to `end`, and what each seed has found by then: shape (seeds, times)."""
    seconds = np.unique([0.0, *runs["seconds"], end])
    found = []
    for _, one in runs.sort_values("seconds", kind="stable").groupby("seed"):
        volumes = np.concatenate([[0.0], np.maximum.accumulate(one["hypervolume"])])
        found.append(volumes[np.searchsorted(one["seconds"], seconds, side="right")])
    return seconds, np.array(found)
