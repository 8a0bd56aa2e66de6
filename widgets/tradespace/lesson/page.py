"""The ledger's entries for one question: the guess, and the answer that was shown."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime

from tradespace.lesson.ledger import Entry, Ledger
from tradespace.show.predict.widget import Answer


class Page:
    """Reads and writes the entries of one question. If the ledger fails, `trouble` says so, and the lesson goes on.

    Parameters
    ----------
    key : str or None
        The question's name. If None, nothing is kept.
    ledger : Ledger, optional
        By default the one in the current folder.
    question, unit, options
        The question as it is asked. A kept guess with another unit or other options does not count.

    Examples
    --------
    >>> Page(None, None, "How many?", "ms", []).keep_guess(4.0)
    4.0
    """

    def __init__(
        self, key: str | None, ledger: Ledger | None, question: str, unit: str, options: Sequence[str]
    ) -> None:
        self.trouble = ""
        self._key, self._ledger = key, ledger
        self._question, self._form = question, {"unit": unit, "options": list(options)}

    def read(self) -> tuple[Entry, Answer | None] | None:
        """The guess from an earlier kernel, and the answer shown for it, if that was measured on this machine."""
        with self._spared():
            if self._key is None:
                return None
            self._ledger = self._ledger or Ledger()
            guess, measured = (self._ledger.find(kind, self._key) for kind in ("guess", "measured"))
            if guess is None or not self._fits(guess):
                return None
            if measured is None or measured.value["machine"] != _machine():
                return guess, None
            answer = Answer(**measured.value["answer"])
            then = f"Measured on {datetime.fromisoformat(measured.at).astimezone():%Y-%m-%d}."
            return guess, replace(answer, evidence=f"{answer.evidence} {then}".strip())
        return None

    def keep_guess(self, guess: float | str | None) -> float | str | None:
        """Record a guess, or None if it was skipped. Return the one that counts: another kernel may have been first."""
        if self._key is None or self._ledger is None:
            return guess
        with self._spared():
            value = {"question": self._question, **self._form, "value": guess}
            entry = self._ledger.keep_first("guess", self._key, value)
            if not self._fits(entry):
                entry = self._ledger.keep_last("guess", self._key, value)
            kept: float | str | None = entry.value["value"]
            return kept
        return guess

    def keep_answer(self, answer: Answer) -> None:
        """Record the answer that was shown and the machine it was measured on."""
        with self._spared():
            if self._key is not None and self._ledger is not None:
                self._ledger.keep_last("measured", self._key, {"answer": asdict(answer), "machine": _machine()})

    def _fits(self, guess: Entry) -> bool:
        return {name: guess.value.get(name) for name in self._form} == self._form

    @contextmanager
    def _spared(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, LookupError, TypeError) as error:
            self.trouble = f"(The ledger fails: {type(error).__name__}: {error}.)"


def _machine() -> str:
    # Imported here because it imports torch, which questions and recorded surfaces do not need.
    try:
        from tradespace.measuring.machine import machine
    except ImportError:
        return "unknown"
    return machine()
