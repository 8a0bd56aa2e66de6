"""The guide keeps up with the notebooks: its minutes, plans and references."""

import re

import pytest
from teaching import lessons, minutes, ranges
from teaching.lessons import GUIDE, guide_table, read, sections
from teaching.pages import places

RENEW = "run `make guide`"
COUNTED = "Minutes, section by section"
PLANS = "90 minutes", "Half a day", "A day"
TITLES = {path.stem.partition("_")[0]: [one.title for one in sections(read(path))] for path in lessons.lessons()}
WHOLE = "**in all**"
DASH = "\N{EN DASH}"
# Small changes to a notebook need no new count.
NEAR = 0.1


def rows_of(lesson):
    return [row for row in guide_table(COUNTED) if row["lesson"] == lesson and row["section"] != WHOLE]


@pytest.mark.parametrize("path", lessons.lessons(), ids=TITLES)
def test_minutes_are_those_of_the_notebook(path):
    rows = rows_of(path.stem.partition("_")[0])
    found = sections(read(path))
    assert [row["section"] for row in rows] == [one.title for one in found], RENEW
    for row, section in zip(rows, found, strict=True):
        assert int(row["exercises"]) == section.exercises, RENEW
        assert abs(int(row["words"]) - section.words) <= max(NEAR * section.words, 10), RENEW
        machine_s = float(row["machine, s"].replace("?", "0"))
        assert abs(int(row["min"]) - minutes.minutes(section, machine_s)) <= 1, RENEW


def test_a_section_takes_reading_running_solving_and_measuring():
    cells = lessons.Section("x", [])
    assert minutes.minutes(cells, 90) == 1.5
    text = lessons.nbformat.v4.new_markdown_cell("word " * 300)
    run, stub, check = (lessons.nbformat.v4.new_code_cell(source) for source in ("a", "b = ...", "ts.check.b(b)"))
    assert minutes.minutes(lessons.Section("x", [text]), 0) == 2
    assert minutes.minutes(lessons.Section("x", [run]), 0) == 0.5
    assert minutes.minutes(lessons.Section("x", [text, run, stub, check]), 60) == 2 + 0.5 + 4 + 1


def test_of_what_is_played_back_the_seconds_of_the_recorded_machine_are_counted(tmp_path):
    cells = [
        'import tradespace as ts\ntask = ts.load_task("fashion")',
        'one = ts.measure(task, ts.Config("resnet16", batch_size=1))',
        "print(one)",
    ]
    notebook = lessons.nbformat.v4.new_notebook(cells=[lessons.nbformat.v4.new_code_cell(cell) for cell in cells])
    lessons.nbformat.write(notebook, tmp_path / "00_x.ipynb")
    spent_s = list(minutes.machine_seconds(tmp_path / "00_x.ipynb").values())
    assert spent_s[0] == spent_s[2] == 0
    # Three seconds of calls at most, as long again back to back, warming up, and five of scoring.
    assert 1 < spent_s[1] < 20


def sections_in(what):
    """(lesson, section) of all that a row of a plan has people do; the numbers of sections, or all of a lesson."""
    for lesson, numbers in re.findall(rf"`(\d\d)`((?:,? §\d+(?:{DASH}\d+)?)*)", what):
        wanted = set()
        for first, last in re.findall(rf"§(\d+)(?:{DASH}(\d+))?", numbers):
            wanted |= set(range(int(first), int(last or first) + 1))
        yield from ((lesson, row) for row in rows_of(lesson) if not wanted or _number(row["section"]) in wanted)


def _number(title):
    return int(title.partition(".")[0]) if title[0].isdigit() else None


def test_a_plans_words_are_understood():
    assert len(list(sections_in(f"`02` §1{DASH}2; knees"))) == 2
    assert len(list(sections_in(f"`05` §1{DASH}3, §7; then home"))) == 4
    assert len(list(sections_in("`00`"))) == len(TITLES["00"])


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_adds_up_and_gives_each_section_its_minutes(plan):
    rows = guide_table(plan)
    starts = [60 * int(hours) + int(minutes) for hours, minutes in (row["start"].split(":") for row in rows)]
    for start, row, following in zip(starts, rows, [*starts[1:], None], strict=True):
        assert following is None or start + int(row["min"]) == following, row
        # What is homework comes after a semicolon.
        needed = sum(int(section["min"]) for _, section in sections_in(row["what"].partition(";")[0]))
        assert needed <= int(row["min"]), f"{row['what']}: wanted {needed} minutes"
    total = starts[-1] + int(rows[-1]["min"]) - starts[0]
    assert {"90 minutes": total == 90, "Half a day": total <= 240, "A day": total <= 480}[plan]
    assert max(_without_break(rows)) <= 110


def _without_break(rows):
    together = 0
    for row in rows:
        together = 0 if row["what"].startswith(("break", "lunch")) else together + int(row["min"])
        yield together


@pytest.mark.parametrize(
    ("heading", "column", "lesson"),
    [("Misconceptions, and their cure", "where", None), ("What to cut", "cut first", "lesson"),
     ("What to cut", "then", "lesson"), ("What to cut", "never", "lesson")],
)  # fmt: skip
def test_sections_that_the_guide_names_are_there(heading, column, lesson):
    for row in guide_table(heading):
        named = (
            places(row[column]) if lesson is None else [(row[lesson], n) for n in re.findall(r"§(\d+)", row[column])]
        )
        assert named, row
        for number, section in named:
            assert not section or any(title.startswith(f"{section}. ") for title in TITLES[number]), (row, section)


def test_each_lesson_has_its_words_and_its_cuts():
    assert [row["notebook"] for row in guide_table("What to say")] == [*TITLES]
    assert [row["lesson"] for row in guide_table("What to cut")] == [*TITLES]


def test_what_to_expect_is_what_was_recorded():
    assert ranges.BEGIN + ranges.table() + ranges.END in GUIDE.read_text(encoding="utf-8"), RENEW


def test_a_ratio_is_of_points_that_differ_in_one_thing(surface_of):
    base = {
        "model": "resnet8",
        "threads": 1,
        "precision": "fp32",
        "runtime": "eager",
        "batch_size": 1,
        "pruning": "none",
    }
    base |= {"latency_p50_ms": 2.0, "device": "cpu"}
    surface = surface_of(
        base,
        base | {"precision": "int8", "latency_p50_ms": 1.0},
        base | {"precision": "int8", "batch_size": 64, "latency_p50_ms": 7.0},
        base | {"precision": "int8", "threads": 2, "latency_p50_ms": 5.0},
        base | {"model": "resnet4", "precision": "int8", "latency_p50_ms": 3.0},
    )
    found = ranges.ratios(surface, {"precision": "int8"}, {})
    assert found.to_dict() == {("resnet8", 1): 0.5}


def test_a_variable_is_set_as_each_windows_shell_wants_it():
    guide = GUIDE.read_text(encoding="utf-8")
    assert "$env:TRADESPACE_RECORDED=1" in guide
    assert "set TRADESPACE_RECORDED=1" in guide


@pytest.mark.parametrize("symptom", ["kernel is dead", "widget is blank", "`contended`", "int8 is empty"])
def test_there_is_a_drill(symptom):
    assert any(
        symptom in row["symptom"] and row["cause"] and row["do"] for row in guide_table("Drills: one minute each")
    )
