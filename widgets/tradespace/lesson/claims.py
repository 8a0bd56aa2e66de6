"""What several load tests claim of runs of a server: one of them has started its clocks too late."""

from string import ascii_uppercase

import numpy as np
import pandas as pd

from tradespace.errors import whole_number
from tradespace.serving.served import Served

# How often somebody looks how many requests are inside.
LOOKS = 10_000


def claims(*served: Served, looks: int = LOOKS) -> pd.DataFrame:
    """One report per run, by three numbers that Little's law ties together; one of the reports cannot be true.

    Its clocks start when the server takes a request, as those of a closed loop do, so its mean response leaves out the
    queue (`Served.uncorrected_ms`). Which one it is depends on the runs alone: the same runs give the same reports.

    Parameters
    ----------
    *served : Served
        Two or more, from `simulate` or `serve`.
    looks : int
        How often requests inside are counted, at regular intervals, from the first arrival to the last.

    Returns
    -------
    DataFrame
        By letter: `requests_per_s`, how many were answered a second on average; `response_ms`, their mean response;
        `inside`, how many requests were in the system on average.

    Raises
    ------
    ValueError
        If there are fewer than two runs, or one has no numbers.

    Examples
    --------
    >>> import tradespace as ts
    >>> service = ts.ServiceTimes({1: np.array([2.0])})
    >>> runs = [ts.simulate(service, ts.arrivals.Poisson(rate)) for rate in (300, 400)]
    >>> told = claims(*runs)
    >>> (told["requests_per_s"] * told["response_ms"] / 1000 / told["inside"]).round(1).sort_values().tolist()
    [0.3, 1.0]
    """
    if len(served) < 2:
        raise ValueError(f"served: wanted two or more runs; got {len(served)}")
    empty = next((one for one in served if not isinstance(one, Served) or not len(one)), None)
    if empty is not None:
        raise ValueError(f"served: wanted runs with numbers, from ts.simulate or ts.serve; got {empty!r}")
    looks = whole_number("looks", looks, least=1)
    liar = np.random.default_rng(len(served[0]) + round(1e6 * served[0].response_mean_ms)).integers(len(served))
    rows = [_report(one, one.uncorrected_ms if n == liar else one.response_ms, looks) for n, one in enumerate(served)]
    columns = ["requests_per_s", "response_ms", "inside"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(list(ascii_uppercase[: len(served)]), name="report"))


def _report(served: Served, response_ms: np.ndarray, looks: int) -> tuple[float, float, float]:
    arrived_s, left_s = served.arrived_s[: len(served)], np.repeat(served.batches.end_s, served.batches.sizes)
    moments_s = np.linspace(arrived_s[0], arrived_s[-1], looks)
    inside = np.searchsorted(arrived_s, moments_s, side="right") - np.searchsorted(left_s, moments_s, side="right")
    return len(served) / float(left_s[-1] - arrived_s[0]), float(response_ms.mean()), float(inside.mean())
