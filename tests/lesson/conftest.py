"""What tests of the lessons share: a ledger of their own, and no wrong answers before them."""

from collections import Counter

import pytest
from tradespace.lesson import exercise
from tradespace.lesson.ledger import VARIABLE, Ledger


@pytest.fixture
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger.sqlite"))
    monkeypatch.setattr(exercise, "_wrong", Counter())
    return Ledger()
