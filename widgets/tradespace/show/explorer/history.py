"""States that were left, to go back to and forth again."""

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
