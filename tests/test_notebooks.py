"""Every notebook as it is committed, as it runs from top to bottom, and with its exercises solved.

Live on less data than a learner has, and in recorded mode.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace

import nbclient
import nbformat
import pytest
from machines import MACHINES
from tradespace.lesson.exercise import MARKS, NOT_ATTEMPTED, NOT_MEASURED
from tradespace.lesson.ledger import VARIABLE as LEDGER
from tradespace.measuring.engine import ENVIRONMENT
from tradespace.measuring.replay import NOT_RECORDED
from tradespace.recording import USUAL
from tradespace.recording import VARIABLE as RECORDED
from tradespace.spinning import OPENMP, how_threads_wait

FOLDER = Path(__file__).parents[1] / "notebooks"
# A page, not a lesson: its code is hidden, and it says nothing itself.
APP = FOLDER / "app.ipynb"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if path != APP]
# On models of the learner's own: recorded mode has none of them, and must not pretend to.
UNRECORDED = FOLDER / "08_your_own_model.ipynb"
EXERCISED = [path for path in LESSONS if (FOLDER / "solutions" / f"{path.stem}.toml").exists()]
MOST_LINES, MOST_CELLS = 8, 45
WORDS = 800, 1_500
# For one cell: a busy machine is no failure.
TIMEOUT_S = 1_800
SOONER = "from tradespace.measuring import engine\nengine.PROCESS.faster = 1_000\n"
# All others run without a kernel.
IN_A_KERNEL, MEASURED_IN_A_KERNEL = FOLDER / "00_start_here.ipynb", FOLDER / "01_latency.ipynb"
ON_MACHINES = [path for path in EXERCISED if path != UNRECORDED]
# Where a synthetic machine lacks all that an exercise is about: how many checks cannot judge.
UNJUDGED = {("04_the_tradeoff_surface", "eager-alone"): 1}
# What no sentence says: numbers that are not known, what is impossible, and one of what has a plural.
FALSE = re.compile(
    r"\bnan\b|\bp = 0\b(?!\.)|(?<![\w.,-])1 (calls|cores|images|items|layers|pairs|points|samples|slices|threads)\b"
)
HURRY = (Path(__file__).parent / "hurry.py").read_text(encoding="utf-8")


def parameters(paths):
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def solutions(path):
    """By cell, the exercise solved: kept once, beside the notebook."""
    return tomllib.loads((FOLDER / "solutions" / f"{path.stem}.toml").read_text(encoding="utf-8"))


def is_stub(cell):
    return any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(ast.parse(cell.source)))


def cells_of(path, solved):
    cells = nbformat.read(path, as_version=4).cells
    answers = solutions(path) if solved else {}
    for cell in cells:
        cell.source = answers.get(cell.id, cell.source).strip()
    return cells


def code(source):
    return nbformat.v4.new_code_cell(source)


def run(cells, **environment):
    """Execute cells one after another in one kernel, where the notebooks are; their outputs are then in them."""
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": FOLDER}})
    client.execute(env={**os.environ, **environment})


def outputs_of(cells):
    return [output for cell in cells for output in cell.get("outputs", ())]


def solving_beside(path):
    """The cells as they are, and those that solve an exercise by the check that they come after.

    A solution is followed by its check, and by the exercise as it was: the rest of the notebook finds it untouched.
    """
    cells, answers = cells_of(path, solved=False), solutions(path) if path in EXERCISED else {}
    written = [cell for cell in cells if cell.cell_type == "code"]
    exercises = {check.id: (stub, check) for stub, check in pairwise(written) if stub.id in answers}
    solving = {
        key: [code(answers[stub.id]), code(check.source), code(stub.source)] for key, (stub, check) in exercises.items()
    }
    return cells, solving


def warnings_of(outputs):
    # tqdm's bar is a widget, and draws itself; what else comes on stderr is a warning.
    return [one.text for one in outputs if one.output_type == "stream" and one.name == "stderr"]


def checks_of(outputs):
    """What the checks of the exercises say."""
    texts = [one.data.get("text/plain", "") for one in outputs if one.output_type == "execute_result"]
    return [text for text in texts if text.startswith((NOT_ATTEMPTED, NOT_MEASURED, *filter(None, MARKS.values())))]


@parameters(NOTEBOOKS)
def test_it_is_committed_without_outputs(path):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))


@parameters(NOTEBOOKS)
def test_its_cells_are_short_and_hold_no_helpers(path):
    assert len(nbformat.read(path, as_version=4).cells) <= MOST_CELLS
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        nodes = ast.walk(ast.parse(cell.source))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes), cell.source


@parameters(LESSONS)
def test_its_prose_is_of_a_length_that_people_read(path):
    cells = nbformat.read(path, as_version=4).cells
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in cells if cell.cell_type == "markdown")
    assert WORDS[0] <= words <= WORDS[1]


@parameters(LESSONS)
def test_what_it_links_to_is_there(path):
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", cell.source) if cell.cell_type == "markdown" else ():
            assert (FOLDER / target).exists(), target


@parameters(EXERCISED)
def test_a_stub_differs_from_its_solution_in_its_dots_alone(path):
    solved = solutions(path)
    assert {cell.id for cell in code_cells(path) if is_stub(cell)} == set(solved)
    for cell in code_cells(path):
        if cell.id in solved:
            pattern = "(.+?)".join(re.escape(part) for part in cell.source.split("..."))
            assert re.fullmatch(pattern, solved[cell.id].strip(), re.DOTALL), cell.id


@parameters(EXERCISED)
def test_each_exercise_is_followed_by_its_check(path):
    checks = [cell.id for cell in code_cells(path) if "ts.check." in cell.source]
    after = [check.id for stub, check in pairwise(code_cells(path)) if stub.id in solutions(path)]
    assert checks == after


@parameters([path for path in EXERCISED if path != MEASURED_IN_A_KERNEL])
def test_measured_here_every_solution_passes(path, measure):
    ran = measure([cell.source for cell in cells_of(path, solved=True) if cell.cell_type == "code"])
    assert_fine(ran)
    assert_all_right([one.said for one in ran if one.is_check])


@parameters([MEASURED_IN_A_KERNEL])
def test_measured_here_in_a_kernel_every_solution_passes(path, tmp_path):
    cells = cells_of(path, solved=True)
    run([code(HURRY), *cells], **{LEDGER: str(tmp_path / "ledger.sqlite")})
    outputs = outputs_of(cells)
    assert warnings_of(outputs) == []
    assert_all_right(checks_of(outputs))


def assert_all_right(checks):
    assert checks
    assert [said for said in checks if not said.startswith(MARKS[True])] == []


def assert_fine(ran):
    for one in ran:
        assert not one.failed, f"{one.source}\n\n{one.failed}"
        assert not one.warned, f"{one.source}\n\n{one.warned}"


@parameters([IN_A_KERNEL])
def test_played_back_in_a_kernel_it_runs_untouched_and_every_solution_passes(path, tmp_path):
    cells, solving = solving_beside(path)
    run(
        [code(SOONER), *chain.from_iterable([cell, *solving.get(cell.id, ())] for cell in cells)],
        **{LEDGER: str(tmp_path / "ledger.sqlite"), RECORDED: "1"},
    )
    untouched, solved = outputs_of(cells), outputs_of(chain.from_iterable(solving.values()))
    assert warnings_of(untouched + solved) == []
    assert checks_of(untouched) == [NOT_ATTEMPTED] * len(solving)
    assert [text[: len(MARKS[True])] for text in checks_of(solved)] == [MARKS[True]] * len(solving)


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    """(sources of cells, name of a machine) -> what each cell said in recorded mode."""
    settings = {RECORDED: "1", "OMP_NUM_THREADS": "1"}
    with player(tmp_path_factory, settings) as ask:
        yield ask


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    """(sources of cells) -> what each cell said, on less data than a learner has."""
    with player(tmp_path_factory, ENVIRONMENT | OPENMP[how_threads_wait()]) as ask:
        yield ask


@contextmanager
def player(tmp_path_factory, settings):
    """What runs lessons, in a process that imports everything once."""
    settings |= {"MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, Path(__file__).with_name("played.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, **settings}, **pipes) as process:

        def ask(cells, machine=""):
            result = tmp_path_factory.mktemp("played") / "result.json"
            request = {"cells": cells, "machine": machine, "result": str(result)}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{result}\n"
            return [SimpleNamespace(**ran) for ran in json.loads(result.read_text(encoding="utf-8"))]

        yield ask


def play_lesson(play, path, machine):
    """What the cells of a lesson say, and what those say that solve its exercises beside them."""
    cells, solving = solving_beside(path)
    pairs = [(cell, [cell, *solving.get(cell.id, ())]) for cell in cells if cell.cell_type == "code"]
    ran = play([one.source for _, run_together in pairs for one in run_together], machine)
    own = [one is cell for cell, run_together in pairs for one in run_together]
    assert len(ran) == len(own)
    assert_fine(ran)
    untouched = [one for one, is_own in zip(ran, own, strict=True) if is_own]
    solved = [one for one, is_own in zip(ran, own, strict=True) if not is_own]
    assert [one.said.strip() for one in untouched if one.is_check] == [NOT_ATTEMPTED] * len(solving)
    return untouched, solved


@parameters([path for path in LESSONS if path != IN_A_KERNEL])
def test_played_back_it_runs_untouched_and_every_solution_passes(path, play):
    untouched, solved = play_lesson(play, path, USUAL)
    fine = (MARKS[True], NOT_MEASURED) if path == UNRECORDED else MARKS[True]
    assert [one.said for one in solved if one.is_check and not one.said.startswith(fine)] == []
    said = "".join(one.said for one in untouched + solved)
    assert (NOT_RECORDED.reason in said) == (path == UNRECORDED)


@pytest.mark.parametrize("machine", [name for name in MACHINES if name != USUAL])
@parameters(ON_MACHINES)
def test_on_another_machine_it_runs_untouched_and_every_solution_passes(path, machine, play):
    untouched, solved = play_lesson(play, path, machine)
    checks = [one.said for one in solved if one.is_check]
    assert [said for said in checks if not said.startswith((MARKS[True], NOT_MEASURED))] == []
    assert len([said for said in checks if said.startswith(NOT_MEASURED)]) == UNJUDGED.get((path.stem, machine), 0)
    for one in untouched + solved:
        assert NOT_RECORDED.reason not in one.said
        assert not FALSE.search(one.said), one.said
        assert contradictions(one.said) == []


def contradictions(said):
    """Verdicts on speed that their own interval does not bear out."""
    found = re.findall(r"(faster|slower); [\d.,]+ times as fast \(95 % interval ([\d.]+) to ([\d.]+)", said)
    return [one for one in found if not (float(one[1]) > 1 if one[0] == "faster" else float(one[2]) < 1)]
