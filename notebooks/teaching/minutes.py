"""How long each section takes newcomers: words, cells, exercises, and the seconds that a machine measures.

The machine's seconds are those of the recorded machine: a played-back notebook adds up what it would have waited.
"""

import os
import re
import tempfile
from pathlib import Path

import nbclient
import nbformat

from teaching.lessons import FOLDER, Section, lessons, read, renew, sections, solutions

# What newcomers need: to read; to solve an exercise, with its two cells; to read and run another cell, and look at it.
WORDS_A_MINUTE, MINUTES_AN_EXERCISE, MINUTES_A_CELL = 150, 4, 0.5
BEGIN, END = "<!-- minutes: made by `make guide` -->\n", "<!-- end of minutes -->\n"
HEAD = "| lesson | section | words | exercises | machine, s | min |\n|---|---|---:|---:|---:|---:|\n"
# Adds up in `_spent_s` what measuring took on the recorded machine: preparing, timing, and scoring for 5 s at most.
SPY = """
def _spy():
    from types import SimpleNamespace
    from tradespace.measuring import engine, replay, worker

    spent_s, played = [0.0], engine.PROCESS
    answers = dict(played._answers)

    def note(seconds):
        spent_s[0] += seconds if seconds == seconds else 0

    def make_ready(*asked):
        facts = answers[worker.make_ready](*asked)
        note(getattr(facts, "prepare_s", 0))
        return facts

    def score(key, config, *rest):
        scored = answers[worker.score_slice](key, config, *rest)
        note(min(len(scored) / played._tape(key, config).playing.throughput_per_s, 5))
        return scored

    replay.time = SimpleNamespace(sleep=lambda seconds: note(seconds * played.faster))
    played._answers |= {worker.make_ready: make_ready, worker.score_slice: score}
    return spent_s

_spent_s = _spy()
"""


def minutes(section: Section, machine_s: float) -> float:
    """Minutes that newcomers need for a section."""
    code = sum(cell.cell_type == "code" for cell in section.cells)
    reading = section.words / WORDS_A_MINUTE + (code - 2 * section.exercises) * MINUTES_A_CELL
    return reading + section.exercises * MINUTES_AN_EXERCISE + machine_s / 60


def machine_seconds(path: Path) -> dict[str, float]:
    """By cell, the seconds for which the recorded machine measured."""
    solved = solutions(path)
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    cells = [nbformat.v4.new_code_cell(SPY)]
    for cell in code:
        ask = f"try:\n{_indented(solved.get(cell.id, cell.source))}\nfinally:\n    print('spent', _spent_s[0])"
        cells.append(nbformat.v4.new_code_cell(ask))
    with tempfile.TemporaryDirectory() as folder:
        notebook = nbformat.v4.new_notebook(cells=cells)
        client = nbclient.NotebookClient(notebook, timeout=1_800, resources={"metadata": {"path": FOLDER}})
        ledger = str(Path(folder) / "ledger.sqlite")
        client.execute(env={**os.environ, "TRADESPACE_LEDGER": ledger, "TRADESPACE_RECORDED": "1"})
    said = ["".join(one.get("text", "") for one in cell.outputs if one.output_type == "stream") for cell in cells[1:]]
    totals = [float(re.findall(r"^spent (\S+)$", text, re.MULTILINE)[-1]) for text in said]
    return {cell.id: now - before for cell, before, now in zip(code, [0.0, *totals], totals, strict=False)}


def _indented(source: str) -> str:
    return "\n".join(f"    {line}" for line in source.splitlines())


def table() -> str:
    """The rows for the instructor's guide, with a sum for each lesson."""
    rows = []
    for path in lessons():
        spent_s, number = machine_seconds(path), path.stem.partition("_")[0]
        parts = [(one, sum(spent_s.get(cell.id, 0) for cell in one.cells)) for one in sections(read(path))]
        # Models of the learner's own were not recorded.
        known = any(machine_s for _, machine_s in parts)
        rows += [_row(number, *part, minutes(*part), known) for part in parts]
        whole = Section("**in all**", [cell for one, _ in parts for cell in one.cells])
        machine_s = sum(machine_s for _, machine_s in parts)
        rows.append(_row(number, whole, machine_s, minutes(whole, machine_s), known))
    return HEAD + "".join(rows)


def _row(lesson: str, section: Section, machine_s: float, took: float, known: bool) -> str:
    seconds = f"{machine_s:.0f}" if known else "?"
    return f"| {lesson} | {section.title} | {section.words} | {section.exercises} | {seconds} | {took:.0f} |\n"


def write() -> Path:
    """Renew the table in the instructor's guide."""
    return renew(BEGIN, END, table())
