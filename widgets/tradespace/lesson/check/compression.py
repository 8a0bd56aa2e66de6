"""Exercises of notebook 03: a quantization step, the fewest bits, real losses, and the faster of two prunings."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tradespace.lesson.check.answers import listed, near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.measuring.compare import compare_accuracy, compare_rows
from tradespace.measuring.measurement import Measurement
from tradespace.text import NOT_MEASURED, probability

POINT = 0.01
# Accuracies that differ by less than this are equal: it is a hundredth of one item in ten thousand.
TIE = 1e-6
WIDTH = re.compile(r"w?(\d+)(-tensor)?")
UNTOLD = "can't tell"


@exercise("03-step")
def quantization_step(step: Any, largest: float, bits: int) -> Judgement:
    """Whether `step` is the distance between two neighbouring levels.

    The levels are symmetric around zero, which is one of them. The largest weight is on the outermost.

    Parameters
    ----------
    step, largest : float
        In the unit of the weights; `largest` is the largest magnitude.
    bits : int

    Examples
    --------
    >>> quantization_step(0.5, 1.5, bits=3)
    Right. 7 levels are zero and 3 on each side, and 3 steps of 0.5 reach 1.5. The rounding error is at most 0.25.
    >>> quantization_step(3 / 8, 1.5, bits=3)
    Not yet. 3 bits can represent 8 numbers, but one of them is left out, so that zero lies in the middle.
    """
    said = number(step)
    sides = 2 ** (bits - 1) - 1
    levels, wanted = 2 * sides + 1, largest / sides
    answer = f"{levels} levels are zero and {sides} on each side: {largest:.4g} / {sides} = {wanted:.4g}."
    if near(said, wanted):
        reached = f"{sides} step{'s' * (sides > 1)} of {wanted:.4g} reach{'es' * (sides == 1)} {largest:.4g}"
        return right(
            f"{levels} levels are zero and {sides} on each side, and {reached}. "
            f"The rounding error is at most {wanted / 2:.4g}."
        )
    if near(said, wanted / 2):
        return wrong("That is half a step: the largest rounding error.", answer)
    if near(said, 2 * largest / 2**bits):
        return wrong(
            f"{bits} bits can represent {2**bits} numbers, but one of them is left out, so that zero lies "
            "in the middle.",
            answer,
        )
    if near(said, 2 * largest / levels):
        return wrong(f"{levels} fence posts: how many gaps are between the first and the last?", answer)
    if any(near(said, largest / parts) for parts in (2**bits, levels)):
        return wrong("How far is it from the lowest level to the highest? The weights have two signs.", answer)
    if near(said, -wanted):
        return wrong("A distance has no sign.", answer)
    return wrong("How many levels lie above zero? The largest weight is on the last of them.", answer)


@exercise("03-bits")
def fewest_bits(bits: Any, ladder: pd.DataFrame) -> Judgement:
    """Whether `bits` is the smallest width whose accuracy is at most one percentage point below that of fp32.

    Parameters
    ----------
    bits : int, or the precision as the table names it
        None if no width is within a point.
    ladder : DataFrame
        Rows of one model in fp32 and in `w8` ... `w2`, which have a step per channel; other rows are ignored. Accuracy
        is a fraction.

    Examples
    --------
    >>> import tradespace as ts
    >>> ladder = ts.load_recorded("fashion").query("model == 'resnet8' and pruning == 'none' and runtime == 'eager'")
    >>> fewest_bits(4, ladder)
    Right. w4 is 0.86 points below fp32, and w3 is 17.42 points below it.
    >>> fewest_bits("w5", ladder)
    Not yet. That is within a point, but so are fewer bits.
    """
    known = ladder[ladder["accuracy"].notna()].groupby("precision")["accuracy"].first()
    if "fp32" not in known or not any(WIDTH.fullmatch(str(name)) for name in known.index):
        return unmeasured("the table has no accuracy of fp32, or of no width.")
    exact = float(known["fp32"])
    lost = {
        int(match[1]): exact - float(known[name])
        for name in known.index
        if (match := WIDTH.fullmatch(str(name))) and not match[2]
    }
    kept = {width for width, loss in lost.items() if loss <= POINT + TIE}
    least = exact - POINT
    nearest = min(lost, key=lambda width: lost[width])
    if bits is None and not kept:
        return right(f"The nearest is w{nearest}, and it is {_points(lost[nearest])} fp32.")
    if not kept:
        return wrong(
            "Compare the accuracy of each width with that of fp32: which of them are within a point?",
            f"None of them is: the nearest, w{nearest}, is {_points(lost[nearest])} fp32. The answer is `None`.",
        )
    best = min(kept)
    answer = f"fp32 has {exact:.2%}, so the limit is {least:.2%}, and the fewest bits that reach it are {best}."
    if isinstance(bits, pd.DataFrame | pd.Series | np.ndarray | list | tuple):
        bits = _only(bits)
    match = WIDTH.fullmatch(str(bits).removesuffix(".0"))
    if bits is None:
        return wrong("At least one width is within a point of fp32.", answer)
    if isinstance(bits, bool) or match is None:
        raise TypeError(f"wanted a number of bits; got {bits!r}")
    said = int(match[1])
    # If accuracy goes up and down, the width from which on it stays within a point is right too.
    steady = min(
        (width for width in kept if all(wider in kept for wider in lost if wider > width)),
        default=best,
    )
    # In floating point, a loss of exactly one point may come out on either side.
    strict = min((width for width in kept if lost[width] <= POINT), default=best)
    if not match[2] and said in (best, steady, strict):
        below = max((width for width in lost if width < said), default=None)
        then = f", and w{below} is {_points(lost[below])}" if below is not None else ""
        return right(f"w{said} is {_points(lost[said])} fp32{then}{' it' * bool(then)}.")
    if match[2]:
        return wrong("That has one step for the whole tensor. Take the widths with a step per channel.", answer)
    if said not in lost:
        return wrong(f"Name a width that is in the table: {listed(str(width) for width in sorted(lost))} bits.", answer)
    if said in kept:
        return wrong("That is within a point, but so are fewer bits.", answer)
    if said == min(lost):
        return wrong(
            "An accuracy of 1 is 100 %, so a point is 0.01. Did you subtract that from the accuracy of fp32?", answer
        )
    return wrong(
        f"It has {exact - lost[said]:.2%}, and fp32 has {exact:.2%}: subtract one from the other.",
        answer,
    )


@exercise("03-real")
def real_losses(names: Any, baseline: Measurement, rounded: Mapping[str, Measurement]) -> Judgement:
    """Whether `names` are those of `rounded` that the paired test shows to be less accurate than `baseline`.

    Parameters
    ----------
    names : list of str
        Empty if there are none. One that has no test results here has lost nothing that is known.
    baseline : Measurement
    rounded : dict of str to Measurement
        Scored on the same test items as the baseline.

    Examples
    --------
    >>> from tradespace.config import Config
    >>> right_of = np.arange(1000) < 900
    >>> exact = Measurement("fashion", Config("resnet8"), scores=right_of)
    >>> few, many = (Measurement("fashion", Config("resnet8"), scores=np.arange(1000) < n) for n in (898, 860))
    >>> real_losses(["w4"], exact, {"w6": few, "w4": many})
    Right. w6: 2 lost, 0 gained, p = 0.5. w4: 40 lost, 0 gained, p < 0.001. Below 5 %, with more lost than gained: w4.
    >>> real_losses(["w6", "w4"], exact, {"w6": few, "w4": many})
    Not yet. A lower figure is not enough: by chance alone, one of the two is lower nearly always.
    """
    compared = {name: compare_accuracy(baseline, one) for name, one in rounded.items()}
    missing = [name for name, one in compared.items() if one.verdict == NOT_MEASURED]
    compared = {name: one for name, one in compared.items() if name not in missing}
    if not compared:
        return unmeasured(f"there are no test results of {listed(rounded)} to compare with the baseline.")
    real = {name for name, one in compared.items() if one.verdict == "worse"}
    lower = {name for name, one in compared.items() if one.difference < 0}
    apart = {name for name in compared if rounded[name].accuracy_hi < baseline.accuracy_lo}
    counts = " ".join(
        f"{name}: {one.only_a} lost, {one.only_b} gained, {probability(one.p_value)}." for name, one in compared.items()
    )
    counts += "".join(f" {name}: not measured here." for name in missing)
    counts += f" Below 5 %, with more lost than gained: {listed(sorted(real))}."
    if isinstance(names, Mapping):
        names = [name for name, true in names.items() if true]
    if not isinstance(names, str | Iterable) or isinstance(names, pd.DataFrame):
        raise TypeError("wanted a list of names")
    said = {names} if isinstance(names, str) else {str(name) for name in names}
    if unknown := said - set(rounded):
        return wrong(f"Wanted names from {listed(rounded)}; got {listed(sorted(unknown))}.", counts)
    if said & set(missing):
        return wrong(f"Nothing is known of {listed(sorted(said & set(missing)))}: it was not measured here.", counts)
    if said == real:
        return right(counts)
    if said == lower:
        return wrong("A lower figure is not enough: by chance alone, one of the two is lower nearly always.", counts)
    if said == apart:
        return wrong(
            "Overlapping intervals do not mean that nothing was lost: both models saw the same images, and the "
            "intervals ignore that.",
            counts,
        )
    if said & {name for name, one in compared.items() if one.verdict == "better"}:
        return wrong("One of yours is better than the baseline.", counts)
    if said < real:
        return wrong("Those are real losses, but not all of them.", counts)
    return wrong("Compare each with the baseline by `ts.compare_accuracy`: which verdict means a loss?", counts)


@exercise("03-faster")
def faster_pruning(
    choice: Any, pruned: pd.DataFrame, first: str = "weights-90", second: str = "channels-50"
) -> Judgement:
    """Whether `choice` is the faster of two prunings by `ts.compare`, or `can't tell` if it says neither.

    Parameters
    ----------
    choice : str
        One of the two names, `same` or `can't tell`.
    pruned : DataFrame
        One row for each of the two; latency in ms.
    first, second : str

    Examples
    --------
    >>> times = {"latency_p50_lo_ms": [7.0, 4.1], "latency_p50_ms": [7.2, 4.3], "latency_p50_hi_ms": [7.5, 4.6]}
    >>> pruned = pd.DataFrame({"pruning": ["weights-90", "channels-50"], "status": "ok", **times})
    >>> faster_pruning("channels-50", pruned)
    Right. channels-50 is 1.67 times as fast as weights-90 (95 % interval 1.56 to 1.78): faster.
    >>> faster_pruning("weights-90", pruned).passed
    False
    """
    rows = {name: pruned[pruned["pruning"] == name] for name in (first, second)}
    if any(found.empty for found in rows.values()):
        return unmeasured(f"the table lacks {first} or {second}.")
    a, b = ({str(k): v for k, v in found.iloc[0].items()} for found in rows.values())
    found = compare_rows(a, b)
    if found.verdict == NOT_MEASURED:
        return unmeasured(found.reason.replace("A is", f"{first} is").replace("B is", f"{second} is"))
    interval = f"95 % interval {found.ratio_lo:.2f} to {found.ratio_hi:.2f}"
    if np.isnan(found.ratio_lo):
        interval = "too few samples for an interval"
    answer = f"{second} is {found.ratio:.2f} times as fast as {first} ({interval}): {found.verdict}."
    expected = {"faster": second, "slower": first}.get(found.verdict, found.verdict)
    if isinstance(choice, pd.DataFrame) and len(choice) == 1:
        choice = choice["pruning"].iloc[0]
    if not isinstance(choice, str):
        raise TypeError(f"wanted one of {first}, {second}, same and {UNTOLD}, in quotes")
    said = choice.strip().lower().replace("cannot", "can't")
    if said not in (first, second, "same", UNTOLD):
        return wrong(f"Wanted one of {first}, {second}, same and {UNTOLD}, in quotes.", answer)
    if said == expected:
        return right(answer)
    if expected == UNTOLD:
        return wrong("Its interval reaches from slower to faster: measured again, the other might come first.", answer)
    if expected == "same":
        return wrong("The difference is within the margin of 2 %: too small to matter.", answer)
    if said in ("same", UNTOLD):
        return wrong("Look at the interval of the ratio: is all of it on one side of 1, by more than 2 %?", answer)
    if said == first:
        return wrong("That has the most weights removed. Which of the two has the lower latency?", answer)
    return wrong("Which of the two comes first in `ts.compare(a, b)`? The verdict is about the second.", answer)


def _only(given: Any) -> Any:
    """Return the precision of the only row, or the only element."""
    values = given["precision"] if isinstance(given, pd.DataFrame) else given
    if isinstance(values, pd.Series) and "precision" in values.index:
        return values["precision"]
    if len(values) != 1:
        raise ValueError(f"wanted one width; got {len(values)}")
    return next(iter(values))


def _points(loss: float) -> str:
    """Format a loss: how far below, or above."""
    return f"{100 * loss:.2f} points below" if loss >= 0 else f"{-100 * loss:.2f} points above"
