"""Predict: a guess that is locked before the answer is shown, and kept in the ledger."""

import threading
from collections.abc import Callable, Sequence
from math import isfinite, isnan, nan
from typing import Any, Self

from tradespace.errors import choose
from tradespace.lesson.ledger import Ledger
from tradespace.lesson.page import Page
from tradespace.show.predict.widget import Answer, PredictCard, in_words, written
from tradespace.text import NOT_MEASURED

NO_GUESS = "No guess yet: answer first."
NO_ANSWER = "The answer comes when it is measured."
NO_NUMBERS = "This could not be measured here."
# Larger numbers are typing errors, and would break the axis.
LARGEST = 1e100


class Predict(PredictCard):
    """A question that asks for a guess before it shows the answer. A locked guess cannot be changed.

    The notebook does not wait: without a guess it runs to the end, and nothing is revealed.

    Parameters
    ----------
    question : str
        Plain text. `**strong**`, `*emphasis*`, code in back quotes and blank lines are rendered.
    answer : optional
        A number, or (number, low, high) with its measured interval. With options: one of them, or (option, evidence in
        words). Or a function without arguments that returns one of these and is called when the guess is locked; it
        should look results up, not measure. If omitted, call `reveal` later.
    unit : str
        Unit of guess and answer, such as "ms" or "times". The card compares "%" and "points" by their difference and
        other units by their ratio.
    options : sequence, optional
        The choices, if the answer is not a number.
    key : str, optional
        Name of the question in the ledger: after a restart, the same key shows the locked guess again. Without a key
        nothing is kept.
    ledger : Ledger, optional
        By default the one in the current folder.

    Raises
    ------
    ValueError
        If the question or the key is empty, if there are fewer than two distinct options, or if the answer is invalid.

    Examples
    --------
    >>> p = Predict("How many times faster is `int8` than `fp32`?", unit="times")
    >>> p.lock(4)
    >>> p.reveal(1.8, 1.7, 1.9)
    Predict('How many times faster is `int8` than `fp32`?'): You said 4 times; measured 1.8 (1.7 to 1.9): ...
    """

    def __init__(
        self,
        question: str,
        answer: Any = None,
        *,
        unit: str = "",
        options: Sequence[Any] | None = None,
        key: str | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        if not isinstance(question, str) or not question.strip():
            raise ValueError(f"question: wanted a text; got {question!r}")
        if key is not None and not (isinstance(key, str) and key.strip()):
            raise ValueError(f"key: wanted a text, or None; got {key!r}")
        self._question, self._unit, self._options = question, unit, _by_name(options)
        self._source: Callable[[], Any] = answer if callable(answer) else _always(self._read(answer))
        self._turn = threading.RLock()  # cells and buttons run in different threads
        self._page = Page(key, ledger, question, unit, list(self._options))
        self._open = True
        self._guess: float | str | None = None
        self._answer: Answer | None = None
        super().__init__(question, unit, list(self._options), self._heard)
        if (kept := self._page.read()) is not None:
            self._open = False
            self._guess, self._answer = kept[0].value["value"], kept[1]
        self._settle()

    @property
    def guess(self) -> Any:
        """The locked guess, a number or one of the options; None if there is none yet, or if it was skipped."""
        return self._options[str(self._guess)] if self._options and self._guess is not None else self._guess

    @property
    def skipped(self) -> bool:
        """Whether the answer was asked for without a guess."""
        return not self._open and self._guess is None

    @property
    def answer(self) -> Answer | None:
        """The revealed answer; None until then."""
        return self._answer

    def lock(self, guess: Any) -> None:
        """Commit to a guess, as the button does.

        Raises
        ------
        ValueError
            If it is not a number or not one of the options, or if another guess is locked already.
        """
        self._close(self._checked_guess(guess))

    def skip(self) -> None:
        """Ask for the answer without a guess, as the button does."""
        self._close(None)

    def reveal(self, value: Any, low: float | None = None, high: float | None = None, *, evidence: str = "") -> Self:
        """Give the answer, which is shown once there is a guess. Return the card, so that a cell displays it.

        Parameters
        ----------
        value : float, or one of the options
            If NaN or "not measured", the card says that it could not be measured.
        low, high : float, optional
            The interval of the measurement.
        evidence : str
            A sentence that says what was measured.
        """
        given = [value, evidence] if self._options else [value, low, high, evidence]
        self._source = _always(self._read(given))
        self._settle()
        return self

    def __repr__(self) -> str:
        return f"Predict({self._question!r}): {self.label}"

    def _heard(self, did: dict[str, Any]) -> None:
        """Handle what a person did in the browser. Of two views of one card, the first to answer counts."""
        with self._turn:
            if did.get("again") and not self._open:
                self._settle()
            elif self._open and did.get("skip"):
                self.skip()
            elif self._open and "lock" in did:
                try:
                    self.lock(did["lock"])
                except ValueError as error:
                    self._show(str(error))

    def _close(self, guess: float | str | None) -> None:
        with self._turn:
            if not self._open and guess != self._guess:
                raise ValueError(f"guess: wanted the one that is locked, {self._guess!r}; got {guess!r}")
            if self._open:
                self._guess, self._open = self._page.keep_guess(guess), False
            self._settle()

    def _settle(self) -> None:
        """Update the card: with a guess, show the answer."""
        with self._turn:
            if self._open:
                self._show(NO_GUESS)
                return
            said = f"You said {self._named(self._guess)}." if self._guess is not None else "Skipped, without a guess."
            if self._answer is None:
                self._show(f"{said} {NO_ANSWER}")  # now, since the answer may take a while
            try:
                answer = self._read(self._source())
            except Exception as error:  # the notebook's own code failed: show why, and go on
                if self._answer is None:
                    self._show(f"{said} There is no answer yet: {type(error).__name__}: {error}", again=True)
                    return
                answer = None
            if answer is not None and isinstance(answer.value, float) and isnan(answer.value):
                self._answer = None
                self._show(f"{said} {NO_NUMBERS} {answer.evidence}".strip())
                return
            self._answer = answer or self._answer
            if self._answer is not None:
                self._show(in_words(self._guess, self._answer, self._unit))
            if answer is not None:
                self._page.keep_answer(answer)

    def _show(self, label: str, *, again: bool = False) -> None:
        words = f"{label} {self._page.trouble}".strip()
        self.show(words, open=self._open, guess=self._guess, answer=self._answer, again=again)

    def _named(self, guess: float | str) -> str:
        return written(guess, self._unit, digits=10)

    def _checked_guess(self, guess: Any) -> float | str:
        if self._options:
            return choose("guess", str(guess), self._options)
        number = _number("guess", guess)
        if not abs(number) < LARGEST:
            raise ValueError(f"guess: wanted a finite number; got {guess!r}")
        return number

    def _read(self, given: Any) -> Answer | None:
        """Parse an answer in any of its forms; None if there is none yet."""
        if given is None or isinstance(given, Answer):
            return given
        value, *rest = given if isinstance(given, tuple | list) else [given]
        words = rest.pop() if rest and isinstance(rest[-1], str) else ""
        if isinstance(value, str) and value == NOT_MEASURED:
            return Answer(nan, evidence=words)
        if self._options and not rest:
            return Answer(choose("answer", str(value), self._options), evidence=words)
        if self._options or len(rest) not in (0, 2):
            wanted = "an option, or (option, evidence)" if self._options else "a number, or (number, low, high)"
            raise ValueError(f"answer: wanted {wanted}; got {given!r}")
        low, high = (_number("answer", nan if end is None else end) for end in rest or (None, None))
        number = _number("answer", value)
        known = isfinite(low) and isfinite(high)
        return Answer(number if abs(number) < LARGEST else nan, low if known else None, high if known else None, words)


def _by_name(options: Sequence[Any] | None) -> dict[str, Any]:
    named = {str(option): option for option in options or ()}
    if options is not None and (len(named) < 2 or len(named) != len(options) or isinstance(options, str)):
        raise ValueError(f"options: wanted two or more that differ; got {options!r}")
    return named


def _always(answer: Answer | None) -> Callable[[], Answer | None]:
    return lambda: answer


def _number(argument: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{argument}: wanted a number; got {value!r}") from None
