"""What a learner guessed, measured and answered, the cards that ask, and the checks that answer."""

from tradespace.lesson import check

__all__ = ["check"]
