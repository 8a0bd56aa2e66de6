"""Exercises of notebook 06: a rate by utilisation, a batch under a deadline, a report that lies, flattering claims."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tradespace.lesson.check.answers import near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.serving.arrivals import Poisson
from tradespace.serving.service import ServiceTimes
from tradespace.serving.simulate import simulate
from tradespace.surface.derived import MS_PER_S
from tradespace.text import figures, rate

# Tolerance for rounding by hand.
ROUNDED = 0.02
# By Little's law, rate times response is what is inside. Counts of queues scatter by some per cent.
TRUE_WITHIN = 0.15


@exercise("06-busy")
def busy_rate(rate_per_s: Any, service: ServiceTimes, busy: float = 0.7) -> Judgement:
    """Whether one server is busy for the share `busy` of the time if `rate_per_s` requests arrive, one at a time.

    Parameters
    ----------
    rate_per_s : float
    service : ServiceTimes
    busy : float
        Between 0 and 1.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([2.0]), 8: np.array([4.0])})
    >>> busy_rate(350, service)
    Right. 350 requests/s of 2 ms each are 0.7 s of work a second. In a simulation it was busy 70 % of the time.
    >>> busy_rate(0.35, service)
    Not yet. That is per millisecond. The question asks for requests a second.
    """
    said, call_ms = number(rate_per_s, "a number of requests a second"), service.mean_ms(1)
    capacity = MS_PER_S / call_ms
    wanted = busy * capacity
    answer = f"{busy:g} = rate x {figures(call_ms)} ms, so the rate is {busy:g} x 1,000 / {figures(call_ms)}: "
    answer += f"{rate(wanted)} requests/s."
    if near(said, wanted, ROUNDED):
        ran = simulate(service, Poisson(wanted))
        return right(
            f"{rate(said)} requests/s of {figures(call_ms)} ms each are {figures(said * call_ms / MS_PER_S)} s of work "
            f"a second. In a simulation it was busy {100 * ran.busy:.0f} % of the time."
        )
    offline = busy * service.capacity_per_s(service.largest)
    for value, hint in (
        (busy / call_ms, "That is per millisecond. The question asks for requests a second."),
        (capacity, "At that rate it is busy all the time, and the queue grows."),
        (capacity / busy, "That is more than it can serve. Do you divide by the share, or multiply?"),
        ((1 - busy) * capacity, "At that rate it is idle for that share of the time."),
        (busy * call_ms, "That is a time: how long it works for one request, times the share."),
        (offline, "That is a share of what full batches serve. Here each request is served alone."),
    ):
        if near(said, value, ROUNDED):
            return wrong(hint, answer)
    if not said > 0:
        return wrong("Wanted a rate above 0.", answer)
    if said > capacity:
        return wrong(f"It serves at most {rate(capacity)} requests/s, one at a time.", answer)
    share = 100 * said / capacity
    return wrong(f"At that rate it is busy {share:.3g} % of the time: rate times the seconds of a call.", answer)


@exercise("06-full")
def full_batch(batch_size: Any, service: ServiceTimes, rate_per_s: float, deadline_ms: float) -> Judgement:
    """Whether `batch_size` is the largest with which the first request of a full batch is answered by the deadline.

    Requests come at regular intervals. The first one waits for the others, (B - 1) / rate, and for the call.

    Parameters
    ----------
    batch_size : int
    service : ServiceTimes
        Batches up to its largest are asked about.
    rate_per_s : float
    deadline_ms : float

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([1.0]), 32: np.array([32.0])})
    >>> full_batch(10, service, rate_per_s=1000, deadline_ms=20)  # 9 ms of waiting and 10 ms of service
    Right. The first request waits 9 ms for the others and 10 ms for the call: 19 ms of 20. With 11 it would be 21 ms.
    >>> full_batch(20, service, rate_per_s=1000, deadline_ms=20)
    Not yet. The call alone takes 20 ms. But the first request has waited 19 ms before it starts.
    """
    said = number(batch_size, "a batch size")
    sizes = range(1, service.largest + 1)
    calls_ms = {size: service.mean_ms(size) for size in sizes}
    waits_ms = {size: MS_PER_S * (size - 1) / rate_per_s for size in sizes}
    kept = [size for size in sizes if waits_ms[size] + calls_ms[size] <= deadline_ms]
    if not kept:
        return unmeasured("no batch keeps this deadline, not even a single request.")
    best = max(kept)
    total_ms = waits_ms[best] + calls_ms[best]
    answer = f"(B - 1) / rate + t(B) is {figures(total_ms)} ms at B = {best}, the last that is within the deadline."
    if said == best:
        beyond = ""
        if best < service.largest:
            beyond = f" With {best + 1} it would be {figures(waits_ms[best + 1] + calls_ms[best + 1])} ms."
        return right(
            f"The first request waits {figures(waits_ms[best])} ms for the others and {figures(calls_ms[best])} ms for "
            f"the call: {figures(total_ms)} ms of {figures(deadline_ms)}.{beyond}"
        )
    if said not in calls_ms:
        return wrong(f"Wanted a whole number from 1 to {service.largest}: a batch has no part of a request.", answer)
    wait_ms, call_ms = waits_ms[int(said)], calls_ms[int(said)]
    if said in kept:
        return wrong("It keeps the deadline, but so does a larger batch.", answer)
    if wait_ms > deadline_ms:
        return wrong(f"The first request would wait {figures(wait_ms)} ms for the others: longer than that.", answer)
    if said == max((size for size in sizes if calls_ms[size] <= deadline_ms), default=0):
        return wrong(
            f"The call alone takes {figures(call_ms)} ms. But the first request has waited {figures(wait_ms)} ms "
            "before it starts.",
            answer,
        )
    return wrong(
        f"The first request waits {figures(wait_ms)} ms for the others and {figures(call_ms)} ms for the call: "
        f"{figures(wait_ms + call_ms)} ms of {figures(deadline_ms)}.",
        answer,
    )


@exercise("06-little")
def lying_report(letter: Any, claims: pd.DataFrame) -> Judgement:
    """Whether `letter` names the one report that breaks Little's law.

    Parameters
    ----------
    letter : str, or the row
    claims : DataFrame
        From `ts.claims`: rates in requests a second, responses in milliseconds, requests inside.

    Examples
    --------
    >>> told = {"requests_per_s": [100, 200], "response_ms": [50, 20], "inside": [5, 8]}
    >>> claims = pd.DataFrame(told, index=["A", "B"])
    >>> lying_report("B", claims)
    Right. 200 requests/s of 20 ms each make 4 inside; 8 were counted. Somebody waited where its clock did not run.
    >>> lying_report("A", claims).passed
    False
    """
    by_law = claims["requests_per_s"] * claims["response_ms"] / MS_PER_S
    off = (by_law / claims["inside"] - 1).abs()
    named = _letter(letter, claims)
    liar = str(off.idxmax())
    if not off.max() > TRUE_WITHIN:
        return unmeasured("all reports agree with Little's law.")
    answer = f"Rate x response / 1,000 is {figures(by_law[liar])} for {liar}, and {figures(claims['inside'][liar])} "
    answer += "were counted."
    counted = f"{figures(claims['inside'][named])} were counted"
    product = f"{rate(claims['requests_per_s'][named])} requests/s of {figures(claims['response_ms'][named])} ms each"
    if named == liar:
        return right(
            f"{product} make {figures(by_law[named])} inside; {counted}. Somebody waited where its clock did not run."
        )
    return wrong(f"{product} make {figures(by_law[named])} inside, and {counted}: that can be.", answer)


def _letter(given: Any, claims: pd.DataFrame) -> str:
    """The label of a report that was named, in whatever form."""
    if isinstance(given, pd.Series):
        given = given.name
    elif isinstance(given, pd.DataFrame | pd.Index | list | tuple | np.ndarray):
        if len(given) != 1:
            raise ValueError(f"wanted one report; got {len(given)}")
        given = given.index[0] if isinstance(given, pd.DataFrame) else given[0]
    named = str(given).strip().upper()
    if named not in claims.index:
        raise ValueError(f"wanted one of the letters {', '.join(claims.index)}; got {given!r}")
    return named


@exercise("06-flattering")
def flattering(mistakes: Any, bench: pd.DataFrame) -> Judgement:
    """Whether `mistakes` are those whose claim is below the whole interval of its truth.

    Parameters
    ----------
    mistakes : list of str, or the rows
        Empty if there are none.
    bench : DataFrame
        From `ts.liars`.

    Examples
    --------
    >>> bench = {"mistake": ["a", "b", "c"], "claimed": [1, 3, 2], "truth": [2, 2, 2.1], "truth_lo": [1.9, 1.9, 1.9]}
    >>> bench = pd.DataFrame(bench | {"truth_hi": [2.2, 2.2, 2.2], "why": ["", "", ""]})
    >>> flattering(["a"], bench).passed
    True
    >>> flattering(["a", "c"], bench)
    Not yet. c: its claim lies within the interval of the truth, so it is not caught.
    """
    rows = bench.set_index("mistake")
    said = _names(mistakes, list(rows.index))
    judged = rows[rows[["claimed", "truth_lo", "truth_hi"]].notna().all(axis=1)]
    if judged.empty:
        return unmeasured("no claim has a truth with an interval.")
    caught = judged.index[judged["claimed"] < judged["truth_lo"]].tolist()
    answer = f"Below `truth_lo`: {'; '.join(caught) or 'nothing'}."
    extra = [name for name in said if name not in caught]
    if not extra and len(said) == len(caught):
        if not caught:
            return right("No claim is below the interval of its truth. Another machine may say otherwise.")
        worst = str((judged["truth"] / judged["claimed"])[caught].idxmax())
        return right(
            f"These flatter: {'; '.join(caught)}. The one that flatters most claims "
            f"{figures(judged['claimed'][worst])} ms instead of {figures(judged['truth'][worst])}. "
            f"{_others(judged, caught)}"
        )
    for name in extra:
        if name not in judged.index:
            return wrong(f"{name}: it has no truth to hold it against here.", answer)
        if judged["claimed"][name] > judged["truth_hi"][name]:
            return wrong(f"{name}: it is wrong, but its claim is above the truth. That flatters nobody.", answer)
        return wrong(f"{name}: its claim lies within the interval of the truth, so it is not caught.", answer)
    missing = len(caught) - len(said)
    return wrong(f"Those flatter, but {missing} more {'does' if missing == 1 else 'do'}.", answer)


def _others(judged: pd.DataFrame, caught: list[str]) -> str:
    above = judged.index[judged["claimed"] > judged["truth_hi"]].tolist()
    if above:
        return f"Too high, and as wrong: {'; '.join(above)}."
    return "A claim that is not caught may still be of the wrong thing."


def _names(given: Any, known: list[str]) -> list[str]:
    """The mistakes that were named: in a list, a column, or the rows themselves."""
    if isinstance(given, pd.DataFrame):
        given = given.get("mistake", given.index)
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable):
        raise TypeError("wanted a list of mistakes")
    names = list(dict.fromkeys(given))
    strange = next((name for name in names if name not in known), None)
    if strange is not None:
        raise ValueError(f"wanted names from the column `mistake`; got {strange!r}")
    return names
