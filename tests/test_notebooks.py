"""Every notebook as it is committed, and as it runs from top to bottom."""

import ast
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_LINES = 8

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_it_is_committed_without_outputs(path):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(path))


def test_its_cells_are_short_and_hold_no_helpers(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        nodes = ast.walk(ast.parse(cell.source))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes), cell.source


def test_its_prose_is_of_a_length_that_people_read(path):
    if path.stem == "app":
        return  # a page, not a lesson: its code is hidden, and it says nothing itself
    cells = nbformat.read(path, as_version=4).cells
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in cells if cell.cell_type == "markdown")
    assert 800 <= words <= 1_800


def test_it_runs_from_top_to_bottom_without_a_warning(path):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=420, resources={"metadata": {"path": path.parent}}).execute()
    printed = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if output.output_type == "stream"
    ]
    # tqdm's bar is a widget, and draws itself; what else comes on stderr is a warning.
    assert [output.text for output in printed if output.name == "stderr"] == []
