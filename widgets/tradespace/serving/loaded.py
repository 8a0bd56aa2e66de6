"""The columns of a surface for the loaded case: the highest rate of arrivals that each server stands."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from tradespace.config import KNOBS, Config
from tradespace.errors import positive
from tradespace.measuring.measurement import Measurement
from tradespace.serving.arrivals import Arrivals
from tradespace.serving.batcher import Batcher
from tradespace.serving.max_rate import AT_RANDOM, max_rate_of
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import deadline_for
from tradespace.surface.columns import check_one, configs_of
from tradespace.surface.objectives import check_one_machine, measured
from tradespace.text import figures

SERVER = [name for name in KNOBS if name != "batch_size"]


def with_max_rate(
    surface: pd.DataFrame,
    services: Iterable[ServiceTimes | Measurement],
    *,
    p99_ms: float,
    batcher: Batcher | None = None,
    arrivals: Arrivals = AT_RANDOM,
    requests: int = 50_000,
) -> pd.DataFrame:
    """One row of `surface` per server, with the highest rate of arrivals at which 99 in 100 responses meet a deadline.

    A server is a setting of all knobs but the batch size, which its batcher chooses. It gets the row of its least
    measured batch size. The rates are simulated: `max_rate` confirms that of a choice by a real run.

    Parameters
    ----------
    surface : DataFrame
        Of one task and one machine.
    services : iterable of ServiceTimes or Measurement
        Their times of single calls; for instance `Store.measurements`, which a sweep filled.
    p99_ms, batcher, arrivals, requests
        As in `max_rate_of`, which simulates each server, here more briefly.

    Returns
    -------
    DataFrame
        With `max_rate_per_s`, `max_rate_per_s_lo` and `max_rate_per_s_hi`, and with `max_rate_at`, which says for which
        deadline, arrivals and batches. A rate is 0 if none meets the deadline, and NaN if the times of the server are
        not known up to the largest batch, or too few requests tell.

    Raises
    ------
    ValueError
        If the deadline is not above 0, or a request may wait for a batch longer, or if times are of another machine or
        task than the surface.

    Examples
    --------
    The most accurate model that serves 400 requests a second, 99 in 100 of them within 10 ms:

    >>> from tradespace.surface.objectives import at_least, maximize
    >>> from tradespace.surface.solve import solve
    >>> knobs = {"pruning": "none", "precision": "fp32", "runtime": "eager", "device": "cpu", "threads": 1}
    >>> rows = [{"model": "small", "accuracy": 0.8}, {"model": "large", "accuracy": 0.9}]
    >>> surface = pd.DataFrame([row | knobs | {"batch_size": 1, "status": "ok"} for row in rows])
    >>> services = [ServiceTimes({1: [1.0]}, config=Config("small", threads=1)),
    ...             ServiceTimes({1: [4.0]}, config=Config("large", threads=1))]
    >>> loaded = with_max_rate(surface, services, p99_ms=10, requests=5_000)
    >>> loaded["max_rate_at"].iloc[0]
    'p99 of 10 ms, Poisson arrivals, one request at a time'
    >>> solve(loaded, maximize("accuracy"), [at_least("max_rate_per_s", 400)])["model"].tolist()
    ['small']
    """
    batcher = batcher or Batcher()
    p99_ms = deadline_for(batcher, positive("p99_ms", p99_ms))
    check_one_machine(surface)
    if "task" in surface:
        check_one(surface, "task")
    known = {_server(one.config): one for one in _services(services) if one.config}
    rows = _one_a_server(surface)
    found = []
    for config in configs_of(rows):
        service = known.get(_server(config))
        if service is None or service.largest < batcher.max_batch:
            found.append((np.nan, np.nan, np.nan))
            continue
        _check_same(rows, service)
        rate = max_rate_of(service, batcher, p99_ms=p99_ms, arrivals=arrivals, requests=requests)
        found.append((rate.rate_per_s, rate.lo, rate.hi))
    names = ["max_rate_per_s", "max_rate_per_s_lo", "max_rate_per_s_hi"]
    columns = dict(zip(names, np.array(found, dtype=float).reshape(-1, 3).T, strict=True))
    said = f"p99 of {figures(p99_ms)} ms, {type(arrivals).__name__} arrivals, {batcher}"
    return rows.assign(**columns, max_rate_at=said)


def _server(config: Config) -> Config:
    return replace(config, batch_size=1)


def _services(services: Iterable[ServiceTimes | Measurement]) -> list[ServiceTimes]:
    """ServiceTimes as they are; Measurements together with those that differ in batch size only."""
    together: dict[tuple[str, str, Config], list[Measurement]] = {}
    ready = []
    for one in services:
        if isinstance(one, ServiceTimes):
            ready.append(one)
        elif one.samples:
            together.setdefault((one.task, one.machine, _server(one.config)), []).append(one)
    return ready + [ServiceTimes.of(several) for several in together.values()]


def _one_a_server(surface: pd.DataFrame) -> pd.DataFrame:
    """The row of the least batch size of each server that was measured, or of any if none was; in their order."""
    first = surface.assign(unmeasured=~measured(surface)).reset_index(drop=True)
    first = first.sort_values(["unmeasured", "batch_size"], kind="stable").drop_duplicates(SERVER)
    rows: pd.DataFrame = surface.iloc[np.sort(first.index)]
    return rows


def _check_same(rows: pd.DataFrame, service: ServiceTimes) -> None:
    """Raise a ValueError if times are from another machine, or of another task, than the rows."""
    for name, value in (("machine", service.machine), ("task", service.task)):
        if value and name in rows and value != rows[name].iloc[0]:
            raise ValueError(f"services: wanted times of the {name} {rows[name].iloc[0]!r}; got those of {value!r}")
