from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from tradespace.config import Config
from tradespace.lesson.exercise import NOT_ATTEMPTED, NOT_MEASURED, exercise, right, unmeasured, wrong
from tradespace.lesson.ledger import VARIABLE


@pytest.fixture(autouse=True)
def ledger(alone):
    return alone


@exercise("99-above")
def above(answer, low):
    if not isinstance(answer, int):
        raise TypeError("wanted a whole number")
    if low is None:
        return unmeasured("no lowest.")
    return right("It is.") if answer > low else wrong("Higher.", f"More than {low}.")


def test_what_is_not_attempted_is_neither_right_nor_wrong_nor_noted(ledger):
    found = above(..., 3)
    assert (found.passed, str(found)) == (None, NOT_ATTEMPTED)
    assert ledger.entries() == []


def test_what_cannot_be_judged_is_neither_right_nor_wrong_nor_noted(ledger):
    found = above(4, None)
    assert (found.passed, str(found)) == (None, f"{NOT_MEASURED} no lowest.")
    assert found._repr_markdown_() == str(found)
    assert ledger.entries() == []


def test_what_cannot_be_judged_changes_nothing_in_what_hints_are_given():
    assert [repr(above(1, low)) for low in (3, None, 3)][2] == "Not yet. Higher. More than 3."


def test_a_right_answer_is_told_why_and_noted(ledger):
    found = above(4, 3)
    assert (found.passed, repr(found)) == (True, "Right. It is.")
    assert ledger.find("answer", "99-above").value == {"answer": "4", "passed": True, "words": "It is."}


@exercise("99-any")
def anything(_answer):
    return right("It is.")


ROWS = pd.DataFrame([asdict(Config("small", threads=2, batch_size=4)), asdict(Config("large", threads=1))])


@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (np.float64(33.25), "33.25"),
        (["a", "b"], "['a', 'b']"),
        (ROWS[:1], "small, fp32, eager, batch 4, 2 threads"),
        (ROWS, "small, fp32, eager, batch 4, 2 threads; large, fp32, eager, batch 1, 1 thread"),
        (ROWS[:0], "no row"),
    ],
)
def test_an_answer_is_noted_as_a_person_would_write_it(ledger, answer, noted):
    anything(answer)
    assert ledger.find("answer", "99-any").value["answer"] == noted


def test_the_hint_comes_before_the_answer():
    assert [repr(above(1, 3)) for _ in range(3)] == ["Not yet. Higher.", *2 * ["Not yet. Higher. More than 3."]]


def test_a_right_answer_begins_anew():
    above(1, 3)
    above(4, 3)
    assert repr(above(1, 3)) == "Not yet. Higher."


def test_what_cannot_be_read_is_wrong_and_says_why():
    found = above("four", 3)
    assert found.passed is False
    assert "wanted a whole number" in found.words


def test_a_ledger_that_cannot_be_written_stops_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no" / "such" / "folder.sqlite"))
    assert above(4, 3).passed


def test_in_a_notebook_it_is_markdown():
    assert above(4, 3)._repr_markdown_() == "**Right.** It is."
    assert above(..., 3)._repr_markdown_() == NOT_ATTEMPTED
