"""States that were left, to go back to and forth again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
# Nobody goes back further.
KEPT = 200


class History(Generic[T]):
    """Undo and redo.

    Examples
    --------
    >>> history = History[str]()
    >>> history.leave("a")
    >>> history.undo("b"), history.redo("a"), history.redo("b")
    ('a', 'b', None)
    """

    def __init__(self) -> None:
        self._past: list[T] = []
        self._future: list[T] = []
        self._grabbed: T | None = None
        self._paused = False

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def leave(self, state: T) -> None:
        """Note the state before a move. What was taken back before can then not be made again."""
        self._past = [*self._past[1 - KEPT :], state]
        self._future = []

    def moved(self, before: T, now: T, held: bool = False) -> None:
        """Note a move, if it is one. While a control is `held`, only the state in which that began counts."""
        if held:
            self._grabbed = self._grabbed or before
        elif before != now and not self._paused:
            self.leave(before)

    def let_go(self, now: T) -> None:
        """Note the drag that has come to its end, if any: it is one move."""
        grabbed, self._grabbed = self._grabbed, None
        if grabbed is not None:
            self.moved(grabbed, now)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """In this block, moves are not noted: they go back or forth."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def undo(self, now: T) -> T | None:
        """The state before `now`, or None."""
        return self._step(self._past, self._future, now)

    def redo(self, now: T) -> T | None:
        """The state that was left by `undo`, or None."""
        return self._step(self._future, self._past, now)

    @staticmethod
    def _step(source: list[T], other: list[T], now: T) -> T | None:
        if not source:
            return None
        other.append(now)
        return source.pop()
