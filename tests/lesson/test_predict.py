import math

import numpy as np
import pytest
from tradespace.lesson.ledger import Ledger
from tradespace.lesson.predict import NO_ANSWER, NO_GUESS, Predict


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADESPACE_LEDGER", str(tmp_path / "ledger.sqlite"))


def press(card, **did):
    """What the browser sends when a person acts."""
    card._handle_custom_msg(did, [])


def test_without_a_guess_nothing_blocks_and_nothing_is_revealed():
    p = Predict("How many?", 3, key="a")
    assert p.reveal(1.8, 1.7, 1.9) is p
    assert (p.guess, p.answer, p.skipped, p.label) == (None, None, False, NO_GUESS)
    assert p.state["answer"] is None
    assert not Ledger().path.exists()


def test_an_answer_that_was_there_before_the_guess_is_shown_with_it():
    p = Predict("How many?", unit="times")
    p.reveal(1.8, 1.7, 1.9)
    press(p, lock=4)
    assert (p.guess, p.answer.value, p.answer.low) == (4.0, 1.8, 1.7)
    assert p.label == "You said 4 times; measured 1.8 (1.7 to 1.9): off by a factor of 2.2."


def test_a_guess_before_the_answer_waits_for_it():
    p = Predict("How many?", unit="ms")
    press(p, lock=4)
    assert p.label == f"You said 4 ms. {NO_ANSWER}"
    p.reveal(2, math.nan, math.nan)
    assert (p.answer.value, p.answer.low) == (2.0, None)


def test_a_locked_guess_cannot_be_changed():
    p = Predict("How many?", 3)
    p.lock(4)
    press(p, lock=5)
    press(p, skip=True)
    p.lock(4)
    with pytest.raises(ValueError, match=r"guess: wanted the one that is locked, 4\.0; got 5"):
        p.lock(5)
    with pytest.raises(ValueError, match="is locked"):
        p.skip()
    with pytest.raises(AttributeError):
        p.guess = 5
    assert (p.guess, p.skipped) == (4.0, False)


def test_skipping_reveals_and_is_marked():
    p = Predict("How many?", 3, unit="ms", key="a")
    press(p, skip=True)
    assert (p.guess, p.skipped, p.label) == (None, True, "Skipped, without a guess; measured 3 ms.")
    again = Predict("How many?", 3, unit="ms", key="a")
    assert (again.skipped, again.state["open"]) == (True, False)


def test_a_function_is_asked_at_the_reveal_and_not_before():
    calls = []
    p = Predict("How many?", lambda: calls.append(1) or (2, 1, 3))
    assert calls == []
    press(p, lock=2.5)
    assert calls == [1]
    assert p.label == "You said 2.5; measured 2 (1 to 3): within the interval."


def test_a_function_that_fails_is_a_message_and_may_be_asked_again():
    measured = {}
    p = Predict("How many?", lambda: measured["int8"])
    press(p, lock=4)
    assert p.label == "You said 4. There is no answer yet: KeyError: 'int8'"
    assert p.state["again"]
    measured["int8"] = np.float64(2)
    press(p, again=True)
    assert p.label == "You said 4; measured 2: off by a factor of 2."
    assert not p.state["again"]


def test_a_function_that_knows_nothing_yet_leaves_the_guess_waiting():
    p = Predict("How many?", lambda: None)
    p.lock(4)
    assert p.label == f"You said 4. {NO_ANSWER}"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32("nan")])
def test_what_could_not_be_measured_says_so(value):
    p = Predict("How many?")
    p.lock(4)
    p.reveal(value)
    assert (p.label, p.answer) == ("You said 4. This could not be measured here.", None)


def test_of_options_one_is_right():
    p = Predict("Which?", options=["eager", "openvino"])
    press(p, lock="eager")
    p.reveal("openvino", evidence="openvino took 1.1 ms, eager 3.2 ms.")
    assert p.label == "You said eager; measured openvino: not right. openvino took 1.1 ms, eager 3.2 ms."


def test_options_may_be_numbers():
    p = Predict("Which batch size?", lambda: (np.int64(8), "It took 1 ms."), options=[1, 8])
    press(p, lock="8")
    assert (p.guess, p.label) == (8, "You said 8; measured 8: right. It took 1 ms.")


def test_a_guess_that_is_none_is_told_and_may_be_mended():
    p = Predict("Which?", "b", options=["alpha", "b"])
    press(p, lock="alpa")
    assert p.label.startswith("guess: wanted one of alpha, b; got 'alpa'. Did you mean 'alpha'?")
    press(p, lock="alpha")
    assert p.guess == "alpha"


@pytest.mark.parametrize("options", [["faster", "slower"], None])
def test_a_comparison_with_something_not_measured_is_revealed_as_that(options):
    p = Predict("Faster?", options=options)
    p.reveal("not measured", evidence="B is unsupported: no engine.")
    p.lock("faster" if options else 2)
    assert p.label.endswith("This could not be measured here. B is unsupported: no engine.")
    assert p.answer is None


@pytest.mark.parametrize("guess", ["4", None, True, math.nan, math.inf, 1e300, [], {"lock": 4}])
def test_what_is_no_number_is_no_guess(guess):
    p = Predict("How many?", 3)
    with pytest.raises(ValueError, match="guess: wanted a"):
        p.lock(guess)
    press(p, lock=guess)
    assert (p.guess, p.answer) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"question": ""}, "question: wanted a text"),
        ({"question": 3}, "question: wanted a text; got 3"),
        ({"key": " "}, "key: wanted a text, or None"),
        ({"options": ["a"]}, "options: wanted two or more that differ"),
        ({"options": ["a", "a"]}, "options: wanted two or more that differ"),
        ({"options": "ab"}, "options: wanted two or more that differ"),
        ({"options": ["a", "b"], "answer": "c"}, "answer: wanted one of a, b; got 'c'"),
        ({"options": ["a", "b"], "answer": ("a", 1, 2)}, r"answer: wanted an option, or \(option, evidence\)"),
        ({"answer": "many"}, "answer: wanted a number; got 'many'"),
        ({"answer": (1, 2)}, r"answer: wanted a number, or \(number, low, high\); got \(1, 2\)"),
    ],
)
def test_errors_name_the_argument_and_come_at_once(arguments, words):
    with pytest.raises(ValueError, match=words):
        Predict(**{"question": "How many?"} | arguments)


def test_a_restart_shows_the_locked_guess_and_what_was_measured():
    first = Predict("How many?", key="a", unit="times")
    first.lock(4)
    first.reveal(1.8, 1.7, 1.9)
    second = Predict("How many, again?", lambda: undefined, key="a", unit="times")  # noqa: F821
    assert (second.guess, second.state["open"]) == (4.0, False)
    assert second.label.startswith(
        "You said 4 times; measured 1.8 (1.7 to 1.9): off by a factor of 2.2. Measured on 20"
    )
    second.reveal(2)
    assert second.label == "You said 4 times; measured 2: off by a factor of 2."
    assert Ledger().find("measured", "a").value["answer"]["value"] == 2.0


def test_what_another_machine_measured_is_not_shown_as_this_ones(monkeypatch):
    first = Predict("How many?", 3, key="a")
    first.lock(4)
    monkeypatch.setattr("tradespace.lesson.page._machine", lambda: "another")
    assert Predict("How many?", key="a").label == f"You said 4. {NO_ANSWER}"


def test_of_two_kernels_the_first_guess_counts():
    one, other = Predict("How many?", 3, key="a"), Predict("How many?", 3, key="a")
    press(one, lock=4)
    press(other, lock=5)
    assert other.guess == 4.0


@pytest.mark.parametrize("changes", [{"unit": "ms"}, {"options": ["4", "5"]}])
def test_a_guess_in_another_unit_is_none_for_this_question(changes):
    Predict("How many?", key="a", unit="s").lock(4)
    p = Predict("How many?", key="a", **changes)
    assert p.guess is None
    p.lock(5)
    assert str(Predict("How many?", key="a", **changes).guess)[0] == "5"


def test_without_a_key_nothing_is_kept():
    Predict("How many?", 3).lock(4)
    assert not Ledger().path.exists()


def test_a_ledger_that_cannot_be_written_costs_a_sentence(tmp_path):
    p = Predict("How many?", 3, key="a", ledger=Ledger(tmp_path / "no folder" / "ledger.sqlite"))
    press(p, lock=4)
    assert p.guess == 4.0
    assert p.label.startswith("You said 4; measured 3: off by a factor of 1.33. (The ledger fails: OperationalError")


def test_what_others_wrote_under_the_key_does_no_harm():
    Predict("How many?", key="a").lock(4)
    Ledger().keep_last("measured", "a", {"something": "else"})
    assert "The ledger fails: KeyError" in Predict("How many?", key="a").label


def test_it_says_in_words_where_things_stand():
    assert repr(Predict("How many?")) == f"Predict('How many?'): {NO_GUESS}"
