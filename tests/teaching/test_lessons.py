from textwrap import dedent

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from teaching import lessons
from teaching.lessons import Question, guide_table, questions, sections

NAMES = [path.stem for path in lessons.lessons()]


def code(*sources):
    return new_notebook(cells=[new_code_cell(dedent(source).strip()) for source in sources])


def test_lessons_are_numbered_and_the_app_is_none():
    assert NAMES[0] == "00_start_here"
    assert "app" not in NAMES


def test_a_lesson_is_cut_at_headings_also_within_a_cell():
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title\n\nOne two."),
            new_markdown_cell("Three.\n\n## 1. First\n\nFour."),
            new_code_cell("## no heading\nts.check.it(1)"),
            new_markdown_cell("### Smaller"),
            new_markdown_cell("## 2. Second"),
        ]
    )
    found = sections(notebook)
    assert [one.title for one in found] == ["Title", "1. First", "2. Second"]
    assert [len(one.cells) for one in found] == [2, 3, 1]
    assert [one.words for one in found] == [4, 4, 2]
    assert [one.exercises for one in found] == [0, 1, 0]


def test_questions_are_found_wherever_their_parts_are():
    asked = questions(
        code(
            """
            sizes, batches = 3, [1, 4]
            ts.Predict("Which?", options=batches, key="a")
            """,
            """
            question = f"On {cores} threads?"
            spread = ts.Predict(question, unit="times", key="b")
            """,
            'question = "Another?"\nts.Predict(question, options=["up", "down"])',
            'ways = ["up"]\nways += ["down"]\nts.Predict("Which way?", options=ways)',
        )
    )
    assert list(asked) == [
        Question("Which?", "", ["1", "4"]),
        Question("On … threads?", "times", []),
        Question("Another?", "", ["up", "down"]),
        Question("Which way?", "", ["up", "down"]),
    ]


@pytest.mark.parametrize("path", lessons.lessons(), ids=NAMES)
def test_every_question_of_a_lesson_has_words_and_a_unit_or_options(path):
    notebook = lessons.read(path)
    found = list(questions(notebook))
    assert len(found) == sum(cell.source.count("ts.Predict(") for cell in notebook.cells if cell.cell_type == "code")
    assert all(one.text and bool(one.unit) != bool(one.options) for one in found), found


@pytest.mark.parametrize("path", lessons.lessons(), ids=NAMES)
def test_every_exercise_has_a_reason_and_no_reason_is_left_over(path):
    assert set(lessons.reasons(path)) == set(lessons.solutions(path)), "wanted an entry in solutions/why.toml for each"
    assert all(len(why.split()) > 10 for why in lessons.reasons(path).values())


def test_a_heading_that_the_guide_lacks_is_named():
    with pytest.raises(ValueError, match=r"heading: wanted one of INSTRUCTOR\.md"):
        guide_table("No such thing")
