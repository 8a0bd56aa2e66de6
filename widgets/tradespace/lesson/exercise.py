"""Exercises: a check is one line in a notebook that says whether an answer fits what was measured."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
import pandas as pd

from tradespace.config import KNOBS
from tradespace.lesson.ledger import Ledger
from tradespace.show.common.words import in_brief
from tradespace.surface.columns import configs_of

NOT_ATTEMPTED = "Not attempted yet: put your answer in the place of `...`, and run both cells again."
# After this many wrong answers, the answer follows the hint.
HINTS = 2
NOT_MEASURED = "Not measured here:"
MARKS = {True: "Right.", False: "Not yet.", None: ""}

Given = ParamSpec("Given")

_wrong: Counter[str] = Counter()


@dataclass(frozen=True)
class Judgement:
    """The verdict on an answer: why it is right, or a hint together with the right answer.

    `right` is None if there is nothing to judge it by.
    """

    right: bool | None
    words: str
    answer: str = ""


def right(words: str) -> Judgement:
    """The answer is right, for the reason given."""
    return Judgement(True, words)


def wrong(hint: str, answer: str) -> Judgement:
    """The answer is wrong: a hint that does not give the answer away, and the answer with its reason."""
    return Judgement(False, hint, answer)


def unmeasured(words: str) -> Judgement:
    """The answer cannot be judged, since what it is about was not measured: what was missing."""
    return Judgement(None, f"{NOT_MEASURED} {words}")


@dataclass(frozen=True)
class Checked:
    """The result of a check. `passed` is None if the exercise was not attempted, or nothing measured can judge it."""

    passed: bool | None
    words: str

    def __repr__(self) -> str:
        return f"{MARKS[self.passed]} {self.words}".strip()

    def _repr_markdown_(self) -> str:
        mark = f"**{MARKS[self.passed]}** " if self.passed is not None else ""
        return f"{mark}{self.words}"


def exercise(
    key: str,
) -> Callable[[Callable[Concatenate[Any, Given], Judgement]], Callable[Concatenate[Any, Given], Checked]]:
    """Turn a function that judges an answer, (answer, what was measured...) -> Judgement, into a check.

    An answer that is still `...` is neither judged nor an error. An answer that the judge cannot read is wrong, with
    the error as its hint. After `HINTS` wrong answers the right one is shown too. Every answer that is judged goes into
    the ledger.

    Parameters
    ----------
    key : str
        Names the exercise in the ledger: the notebook's number and a word.

    Examples
    --------
    >>> @exercise("00-larger")
    ... def larger(answer, low):
    ...     return right("It is larger.") if answer > low else wrong("Think bigger.", f"Anything above {low}.")
    >>> larger(..., 3)
    Not attempted yet: put your answer in the place of `...`, and run both cells again.
    >>> larger(4, 3)
    Right. It is larger.
    >>> larger(2, 3)
    Not yet. Think bigger.
    >>> larger(1, 3)
    Not yet. Think bigger. Anything above 3.
    """

    def decorate(judge: Callable[Concatenate[Any, Given], Judgement]) -> Callable[Concatenate[Any, Given], Checked]:
        @wraps(judge)
        def check(answer: Any, /, *given: Given.args, **options: Given.kwargs) -> Checked:
            if answer is ...:
                return Checked(None, NOT_ATTEMPTED)
            try:
                found = judge(answer, *given, **options)
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                found = wrong(f"The answer cannot be read: {error}", "")
            if found.right is None:
                return Checked(None, found.words)
            _wrong[key] = 0 if found.right else _wrong[key] + 1
            words = found.words if found.right or _wrong[key] < HINTS else f"{found.words} {found.answer}".strip()
            _note(key, answer, found.right, words)
            return Checked(found.right, words)

        return check

    return decorate


def _note(key: str, answer: Any, passed: bool, words: str) -> None:
    """Record the answer for the report. If the ledger fails, the report lacks a line, and the lesson goes on."""
    try:
        Ledger().keep_last("answer", key, {"answer": _in_words(answer)[:500], "passed": passed, "words": words})
    except (OSError, sqlite3.Error):
        return


def _in_words(answer: Any) -> str:
    """The answer on one line: rows of a surface by what they run, a number without its type."""
    if isinstance(answer, pd.DataFrame) and set(KNOBS) <= set(answer):
        return "; ".join(in_brief(config) for config in configs_of(answer)) or "no row"
    return repr(answer.item() if isinstance(answer, np.generic) else answer)
