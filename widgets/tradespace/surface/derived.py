"""Columns derived from the measured ones: products of two of them, cost, and a drone's speed."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from tradespace.errors import choose, positive
from tradespace.surface.reading import check_columns, check_values, floats, measured_rows

Column = Callable[[pd.DataFrame], pd.Series]

MS_PER_S = 1e3
ITEMS = 1_000_000
J_PER_WH = 3600.0
# What a cost is computed from.
PRICED = ("throughput_per_s", "energy_j_per_item", "latency_p50_ms", "latency_p50_lo_ms", "latency_p50_hi_ms")


def power(surface: pd.DataFrame) -> pd.Series:
    """Throughput over latency, in items per second squared (Kleinrock, 1979): the gain on both axes together."""
    return surface["throughput_per_s"] / (surface["latency_p50_ms"] / MS_PER_S)


def latency_throughput_product(surface: pd.DataFrame) -> pd.Series:
    """Latency times throughput: the items in flight (Little, 1961); with one batch in flight, the batch size."""
    return surface["latency_p50_ms"] / MS_PER_S * surface["throughput_per_s"]


def energy_delay(surface: pd.DataFrame) -> pd.Series:
    """Energy per item times latency, in joule seconds (Gonzalez and Horowitz, 1996); NaN if the energy is unknown."""
    return surface["energy_j_per_item"] * (surface["latency_p50_ms"] / MS_PER_S)


# Columns that objectives and constraints may name even if a surface lacks them: (function, columns that it needs).
PRODUCTS: dict[str, tuple[Column, tuple[str, ...]]] = {
    "power": (power, ("throughput_per_s", "latency_p50_ms")),
    "latency_throughput_product": (latency_throughput_product, ("throughput_per_s", "latency_p50_ms")),
    "energy_delay": (energy_delay, ("energy_j_per_item", "latency_p50_ms")),
}


def computed(surface: pd.DataFrame, product: str) -> pd.Series:
    """One of `PRODUCTS`, from the columns that it needs."""
    compute, needed = PRODUCTS[product]
    return compute(_in_floats(surface, needed))


def with_products(surface: pd.DataFrame) -> pd.DataFrame:
    """`surface` with the columns `power`, `latency_throughput_product` and `energy_delay` added.

    Examples
    --------
    >>> row = {"latency_p50_ms": [2.0], "throughput_per_s": [4000.0], "energy_j_per_item": [0.001]}
    >>> with_products(pd.DataFrame(row))[["power", "latency_throughput_product"]].values.tolist()
    [[2000000.0, 8.0]]
    """
    check_columns(surface, ())
    known = [name for name, (_, needed) in PRODUCTS.items() if set(needed) <= set(surface)]
    check_values(surface, {column for name in known for column in PRODUCTS[name][1]})
    return surface.assign(**{name: computed(surface, name) if name in known else np.nan for name in PRODUCTS})


def with_cost(
    surface: pd.DataFrame, *, price_per_hour: float, watts: float | None = None, utilisation: float = 1.0
) -> pd.DataFrame:
    """`surface` with the cost of a million items on this machine, in money and in watt-hours.

    Where `with_max_rate` has added the rate that meets a deadline, a million served requests get their cost, too. It is
    higher: to meet a deadline, a server has to be idle at times, or run batches that are not full.

    Parameters
    ----------
    price_per_hour : float
        Price of the machine in any currency; costs are in the same currency.
    watts : float, optional
        Assumed power draw of the machine, used where no counter was read.
    utilisation : float
        Share of the paid time in which the machine works on items, above 0 and at most 1.

    Returns
    -------
    DataFrame
        With `cost_per_million` and `wh_per_million`, each with `_lo` and `_hi`, and `wh_is`: `measured`, `assumed`, or
        empty if the energy is unknown. The intervals follow from the 95 % interval of latency, since the cost of a call
        is proportional to its time. Measured energy is that of the items only, whatever the utilisation; assumed watts
        are drawn for all of the paid time. With `cost_per_million_served`, `_lo` and `_hi` if there is a column
        `max_rate_per_s`: requests arrive at that rate for all of the paid time, whatever the utilisation. That cost is
        infinite if no rate meets the deadline.

    Raises
    ------
    ValueError
        If a number is not positive, the utilisation is above 1, or the surface has a value that cannot be.

    Examples
    --------
    >>> row = {"latency_p50_ms": [1.0], "latency_p50_lo_ms": [0.9], "latency_p50_hi_ms": [1.2],
    ...        "throughput_per_s": [1000.0], "energy_j_per_item": [np.nan]}
    >>> priced = with_cost(pd.DataFrame(row), price_per_hour=3.6, watts=50)
    >>> priced[["cost_per_million", "cost_per_million_hi", "wh_per_million"]].round(2).values.tolist()
    [[1.0, 1.2, 13.89]]
    >>> priced["wh_is"].tolist()
    ['assumed']
    >>> loaded = pd.DataFrame(row).assign(max_rate_per_s=500.0, max_rate_per_s_lo=400.0, max_rate_per_s_hi=600.0)
    >>> with_cost(loaded, price_per_hour=3.6)[["cost_per_million", "cost_per_million_served"]].round(2).values.tolist()
    [[1.0, 2.0]]
    """
    price_per_hour, utilisation = positive("price_per_hour", price_per_hour), positive("utilisation", utilisation)
    if utilisation > 1:
        raise ValueError(f"utilisation: wanted a share of the time, at most 1; got {utilisation:g}")
    check_columns(surface, ())
    for column in PRICED:
        choose("surface: column", column, surface.columns)
    read = _in_floats(surface, PRICED)
    check_values(surface, PRICED)
    hours = ITEMS / (read["throughput_per_s"] * utilisation) / 3600
    measured = read["energy_j_per_item"] * ITEMS / J_PER_WH
    assumed = hours * positive("watts", watts) if watts is not None else hours * np.nan
    energy = measured.where(measured.notna(), assumed)
    known = np.where(measured.notna(), "measured", np.where(assumed.notna(), "assumed", ""))
    low = read["latency_p50_lo_ms"] / read["latency_p50_ms"]
    high = read["latency_p50_hi_ms"] / read["latency_p50_ms"]
    cost = hours * price_per_hour
    return surface.assign(
        cost_per_million=cost,
        cost_per_million_lo=cost * low,
        cost_per_million_hi=cost * high,
        wh_per_million=energy,
        wh_per_million_lo=energy * low,
        wh_per_million_hi=energy * high,
        wh_is=known,
        **_served_cost(surface, price_per_hour),
    )


def _served_cost(surface: pd.DataFrame, price_per_hour: float) -> dict[str, pd.Series]:
    """The cost of a million requests that arrive at `max_rate_per_s`; nothing if that is not known."""
    ends = {"": "", "_lo": "_hi", "_hi": "_lo"}  # the dearest is the slowest
    if "max_rate_per_s" not in surface:
        return {}
    rates = _in_floats(surface, [f"max_rate_per_s{end}" for end in ends])
    return {
        f"cost_per_million_served{end}": price_per_hour * ITEMS / 3600 / rates[f"max_rate_per_s{other}"]
        for end, other in ends.items()
    }


def safe_speed_m_s(latency_ms: float, *, sensing_range_m: float, braking_m_s2: float) -> float:
    """Highest speed from which a drone stops before an obstacle that it sees at the edge of its sensing range.

    The drone flies on for the latency t, then brakes: the sensing range is v·t + v² / 2a.

    Parameters
    ----------
    latency_ms : float
        Zero or more; NaN gives NaN.
    sensing_range_m, braking_m_s2 : float

    Raises
    ------
    ValueError
        If the range or the braking is not positive, or the latency is negative.

    Examples
    --------
    >>> round(safe_speed_m_s(0, sensing_range_m=10, braking_m_s2=5), 6)
    10.0
    >>> round(safe_speed_m_s(100, sensing_range_m=10, braking_m_s2=5), 2)
    9.51
    """
    distance, braking = positive("sensing_range_m", sensing_range_m), positive("braking_m_s2", braking_m_s2)
    if isinstance(latency_ms, str) or latency_ms is None or latency_ms < 0:
        raise ValueError(f"latency_ms: wanted zero or more; got {latency_ms!r}")
    return float(_safe_speed(np.asarray(latency_ms, float), distance, braking))


def with_safe_speed(
    surface: pd.DataFrame, *, sensing_range_m: float, braking_m_s2: float, latency: str = "latency_p50_ms"
) -> pd.DataFrame:
    """`surface` with the `safe_speed_m_s` of each row; `latency` may name a percentile instead of the median.

    Examples
    --------
    >>> surface = pd.DataFrame({"latency_p50_ms": [0.0, 100.0]})
    >>> with_safe_speed(surface, sensing_range_m=10, braking_m_s2=5)["safe_speed_m_s"].round(2).tolist()
    [10.0, 9.51]
    """
    distance, braking = positive("sensing_range_m", sensing_range_m), positive("braking_m_s2", braking_m_s2)
    check_columns(surface, ())
    choose("latency", latency, surface.columns)
    values = _in_floats(surface, [latency])[latency].to_numpy()
    for i in np.flatnonzero((values < 0) | np.isinf(values))[:1]:
        raise ValueError(
            f"latency: wanted zero or more in {latency}, and finite; got {values[i]:g} in row {surface.index[i]}"
        )
    return surface.assign(safe_speed_m_s=_safe_speed(values, distance, braking))


def _safe_speed(latency_ms: np.ndarray, distance: float, braking: float) -> np.ndarray:
    flown = braking * latency_ms / MS_PER_S
    # The positive root of v^2 / 2a + v t - d, written to avoid subtracting large, nearly equal numbers.
    speeds: np.ndarray = 2 * braking * distance / (flown + np.hypot(flown, np.sqrt(2 * braking * distance)))
    return speeds


def _in_floats(surface: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """These columns, with NaN in rows that were not measured."""
    read = pd.DataFrame({name: floats(surface, name) for name in columns}, index=surface.index)
    if "status" in surface:
        read.loc[~measured_rows(surface)] = np.nan
    return read
