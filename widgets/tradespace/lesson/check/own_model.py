"""Exercises of notebook 08: answers that changed, a quick point that agrees, a batch axis, and refusals."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tradespace.lesson.check.answers import as_quick, listed, named, near, number
from tradespace.lesson.exercise import Judgement, exercise, right, unmeasured, wrong
from tradespace.recording import recording
from tradespace.surface.objectives import at_least, minimize
from tradespace.surface.solve import solve

AGREEING = 0.99


@exercise("08-changed")
def changed_answers(changed: Any, row: pd.DataFrame) -> Judgement:
    """Whether `changed` is the number of items on which the only row of `row` does not agree with the labels.

    Examples
    --------
    >>> row = pd.DataFrame({"precision": ["int8"], "accuracy": [0.98], "accuracy_n": [500]})
    >>> changed_answers(10, row)
    Right. Of 500 items, int8 answers 10 differently: 2 in a hundred.
    >>> changed_answers(0.02, row).passed
    False
    """
    known = row[row["accuracy_n"] > 0]
    if not len(known):
        return unmeasured("there is no row with an agreement to count from.")
    share, items = 1 - float(known["accuracy"].iloc[0]), int(known["accuracy_n"].iloc[0])
    wanted, answer = round(share * items), number(changed, "a number of items")
    told = f"It differs on {share:.2%} of {items:,} items: {wanted:,}."
    # Half an item is what rounding by hand leaves; one in a hundred, what reading a rounded share does.
    if abs(answer - wanted) <= 0.5 or near(answer, share * items):
        precision = known["precision"].iloc[0]
        return right(f"Of {items:,} items, {precision} answers {wanted:,} differently: {100 * share:.2g} in a hundred.")
    if near(answer, items - wanted):
        return wrong("That is how many it answers alike. The others are asked for.", told)
    if near(answer, share) or near(answer, 100 * share):
        return wrong("That is a share. Of how many items? `accuracy_n` says how many were scored.", told)
    if near(answer, 1 - share) or near(answer, 100 * (1 - share)):
        return wrong("That is the share on which they agree. How many items are left?", told)
    return wrong(
        "One minus the agreement is the share that changed. Multiply it by the number of items that were scored, "
        "`accuracy_n`.", told,
    )  # fmt: skip


@exercise("08-quickest")
def quickest_agreeing(choice: Any, surface: pd.DataFrame) -> Judgement:
    """Whether `choice`, a DataFrame of one row, is the quickest point that agrees on at least 99 % of the items.

    A point whose interval reaches down to the lowest latency is accepted too.

    Examples
    --------
    >>> import tradespace as ts
    >>> surface = ts.load_recorded("fashion").assign(accuracy=1.0)
    >>> quickest_agreeing(ts.solve(surface, ts.minimize("latency_p50_ms")), surface).passed
    True
    """
    best = solve(surface, minimize("latency_p50_ms"), [at_least("accuracy", AGREEING)])
    if not (surface["latency_p50_ms"].notna() & surface["accuracy"].notna()).any():
        return unmeasured("no row has both a latency and an agreement.")
    if not isinstance(choice, pd.DataFrame):
        raise TypeError(f"wanted the table that `ts.solve` returns; got {type(choice).__name__}")
    if not len(best):
        none = f"No point that was measured agrees on {AGREEING:.0%}: an empty table is the answer."
        return right(none) if not len(choice) else wrong("It does not agree often enough.", none)
    told = f"Minimise `latency_p50_ms`, subject to an accuracy of at least {AGREEING}: {named(best)}."
    if len(choice) != 1:
        return wrong(f"Wanted one row; got {len(choice)}. `ts.solve` returns the best alone.", told)
    row = choice.iloc[0]
    if not row["accuracy"] >= AGREEING:
        return wrong(f"It agrees on {row['accuracy']:.1%} alone. (99 % is written 0.99.)", told)
    if as_quick(row, best):
        return right(
            f"{row['precision']} in {row['runtime']} answers in {row['latency_p50_ms']:.3g} ms, and agrees on "
            f"{row['accuracy']:.1%}."
        )
    return wrong("It agrees often enough, but another point that does answers sooner.", told)


@exercise("08-axis")
def batch_axis(axis: Any, inputs: Any, labels: Any) -> Judgement:
    """Whether `axis` is the axis of `inputs` that has one entry for each of `labels`.

    Examples
    --------
    >>> import torch
    >>> batch_axis(2, torch.zeros(6, 120, 40), torch.zeros(40))
    Right. Axis 2 has 40 entries, one for each label.
    >>> batch_axis(3, torch.zeros(6, 120, 40), torch.zeros(40)).passed
    False
    """
    fitting = [i for i, length in enumerate(inputs.shape) if length == len(labels)]
    told = f"There are {len(labels)} labels, and the shape is {tuple(inputs.shape)}: {listed(map(str, fitting))}."
    answer = number(axis, "the number of an axis")
    if answer in fitting:
        return right(f"Axis {answer:.0f} has {len(labels)} entries, one for each label.")
    if answer == len(labels):
        return wrong("That is the length of the axis. Which axis is it?", told)
    if answer - 1 in fitting:
        return wrong("Axes are counted from 0.", told)
    if answer + inputs.ndim in fitting:
        return wrong("It is that axis, but `batch_axis` counts from the front.", told)
    return wrong("There is one label for each item. Which axis has as many entries as there are labels?", told)


@exercise("08-refused")
def refusing(runtimes: Any, table: pd.DataFrame) -> Judgement:
    """Whether `runtimes` names the runtimes of which every row of `table` is `unsupported`.

    Examples
    --------
    >>> table = pd.DataFrame({"runtime": ["eager", "openvino"], "status": ["unsupported", "ok"]})
    >>> refusing(["eager"], table)
    Right. eager refuses, and says why.
    >>> refusing(["openvino"], table).passed
    False
    """
    refused = table["status"].eq("unsupported").groupby(table["runtime"], sort=False).all()
    if recording() and refused.all():
        return unmeasured("recorded mode refuses every model of your own.")
    wanted, names = list(refused.index[refused]), _names(runtimes)
    told = f"Its status is `unsupported`: {listed(wanted)}."
    if unknown := [name for name in names if name not in refused.index]:
        return wrong(f"The column `runtime` has no {listed(map(repr, unknown))}.", told)
    if others := [name for name in names if name not in wanted]:
        return wrong(f"Look at the status of {listed(others)} again.", told)
    if missing := len(set(wanted) - set(names)):
        return wrong(f"{missing} more: look at the column `status`.", told)
    if not wanted:
        return right("None of them refuses.")
    end = "s" if len(wanted) == 1 else ""
    return right(f"{listed(wanted)} refuse{end}, and say{end} why.")


def _names(given: Any) -> list[str]:
    if isinstance(given, pd.DataFrame):
        given = given["runtime"]
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable) or not all(isinstance(name, str) for name in given):
        raise TypeError('wanted a list of names, such as ["eager"]')
    return list(given)
