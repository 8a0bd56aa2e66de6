import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradespace.show.predict.widget import Answer, PredictCard, by_factor, in_words, paragraphs, written

HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture
def heard():
    return []


@pytest.fixture
def card(heard):
    return PredictCard("How *many*?", "times", [], heard.append)


@pytest.mark.parametrize(
    ("markdown", "spans"),
    [
        ("plain", [["", "plain"]]),
        ("**a** and *b*", [["strong", "a"], ["", " and "], ["em", "b"]]),
        ("`a*b*c`", [["code", "a*b*c"]]),
        ("2 * 3 * 4", [["", "2 * 3 * 4"]]),
        ("**half", [["", "**half"]]),
        (HTML, [["", HTML]]),
    ],
)
def test_a_little_markdown_becomes_spans_of_text(markdown, spans):
    assert paragraphs(markdown) == [spans]


def test_empty_lines_part_paragraphs_and_line_ends_do_not():
    assert paragraphs("\na\nb\n \n\nc\n") == [[["", "a b"]], [["", "c"]]]


@given(st.text())
def test_whatever_is_written_its_words_survive(markdown):
    shown = "".join(text for spans in paragraphs(markdown) for _, text in spans)
    assert [c for c in shown if c not in "*`" and not c.isspace()] == [
        c for c in markdown if c not in "*`" and not c.isspace()
    ]


@pytest.mark.parametrize(
    ("guess", "answer", "unit", "words"),
    [
        (4.0, Answer(1.8, 1.7, 1.9), "times", "You said 4 times; measured 1.8 (1.7 to 1.9): off by a factor of 2.2."),
        (0.5, Answer(5.0), "ms", "You said 0.5 ms; measured 5: off by a factor of 10."),
        (1.85, Answer(1.8, 1.7, 1.9), "", "You said 1.85; measured 1.8 (1.7 to 1.9): within the interval."),
        (1.9, Answer(1.8), "ms", "You said 1.9 ms; measured 1.8: off by a factor of 1.06."),
        (1000.0, Answer(1001.0), "", "You said 1,000; measured 1,000: off by less than 0.5 %."),
        (3.0, Answer(3.0), "ms", "You said 3 ms; measured 3: the same."),
        (90.0, Answer(80.0), "%", "You said 90 %; measured 80: off by 10 points."),
        (0.0, Answer(3.0, 2.0, 4.0), "ms", "You said 0 ms; measured 3 (2 to 4): off by 3 ms."),
        (2.0, Answer(-1.0), "", "You said 2; measured -1: off by 3."),
        (None, Answer(1.8, 1.7, 1.9), "ms", "Skipped, without a guess; measured 1.8 ms (1.7 to 1.9)."),
        ("int8", Answer("int8", evidence="It took 1 ms."), "", "You said int8; measured int8: right. It took 1 ms."),
        (HTML, Answer("b"), "", f"You said {HTML}; measured b: not right."),
    ],
)
def test_guess_and_answer_in_words(guess, answer, unit, words):
    assert in_words(guess, answer, unit) == words


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100), st.sampled_from(["", "ms", "%"]))
def test_any_two_numbers_can_be_told_and_drawn(guess, value, unit):
    answer = Answer(value, value, value)
    assert in_words(guess, answer, unit).startswith("You said ")
    assert by_factor(guess, answer, unit) == (unit != "%" and guess > 0 and value > 0)


def test_numbers_are_written_as_people_write_them():
    numbers = (0.0, 1234567.0, 0.000123456, 2.0, 2.345)
    assert [written(number) for number in numbers] == ["0", "1,230,000", "0.000123", "2", "2.35"]


def test_the_browser_is_told_no_answer_that_is_not_shown(card):
    card.show("wait", open=True, guess=None, answer=None)
    assert card.state == {"open": True, "guess": None, "answer": None, "log": False, "again": False}
    card.show("there", open=False, guess=4.0, answer=Answer(1.8, 1.7, 1.9))
    assert card.state["log"]
    assert json.loads(json.dumps([card.asked, card.state], allow_nan=False))[1]["answer"]["low"] == 1.7


def test_what_a_person_did_is_handed_on(card, heard):
    card._handle_custom_msg({"lock": 4}, [])
    assert heard == [{"lock": 4}]


@pytest.mark.parametrize("answer", [None, Answer(1.8, 1.7, 1.9), Answer(2.0), Answer(0.0, -1.0, 2.0)])
@pytest.mark.parametrize("guess", [None, 4.0, -3.0, 2.0])
def test_a_still_picture_lies_beside_it(guess, answer):
    card = PredictCard(f"{HTML} at $5 $x$\n\n" + "long " * 80, "ms", [], print)
    card.show("In words.", open=answer is None, guess=guess, answer=answer)
    assert size(card)[1] > (180 if answer is None else 300)


def test_a_still_picture_of_a_choice_lists_the_options():
    heights = []
    for options in (["a", "b"], ["a", "b", HTML, "x" * 300]):
        card = PredictCard("Which?", "", options, print)
        card.show("No guess yet.", open=True, guess=None, answer=None)
        heights.append(size(card)[1])
    assert heights[1] > heights[0]


def size(card):
    """Width and height of the PNG beside the live card."""
    data, _ = card._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])
