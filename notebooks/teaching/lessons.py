"""The lessons as a teacher needs them: sections, questions, exercises with solutions and reasons, and the guide."""

import ast
import re
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[1]
GUIDE = FOLDER / "INSTRUCTOR.md"
BUILD = FOLDER.parent / "build"
HEADING = re.compile(r"^(?=## )", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A part of a lesson under one heading; the first one is what stands before any."""

    title: str
    cells: list[NotebookNode] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Words of its prose."""
        return sum(len(re.findall(r"\w+", cell.source)) for cell in self.cells if cell.cell_type == "markdown")

    @property
    def exercises(self) -> int:
        """Number of answers that are checked."""
        return sum("ts.check." in cell.source for cell in self.cells if cell.cell_type == "code")


def lessons() -> list[Path]:
    """The notebooks that teach, in order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def title_of(notebook: NotebookNode) -> str:
    return str(notebook.cells[0].source.splitlines()[0].removeprefix("# "))


def solutions(path: Path) -> dict[str, str]:
    """By cell, the exercise solved."""
    file = path.parent / "solutions" / f"{path.stem}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def reasons(path: Path) -> dict[str, str]:
    """By cell, why the solution is right."""
    file = path.parent / "solutions" / "why.toml"
    return dict(tomllib.loads(file.read_text(encoding="utf-8")).get(path.stem, {}))


def sections(notebook: NotebookNode) -> list[Section]:
    """Cut a lesson at its headings, also where one stands within a cell."""
    cut = [Section(title_of(notebook))]
    for cell in notebook.cells:
        for part in HEADING.split(cell.source) if cell.cell_type == "markdown" else [cell.source]:
            if cell.cell_type == "markdown" and part.startswith("## "):
                cut.append(Section(part.splitlines()[0].removeprefix("## ")))
            if part.strip():
                copy = deepcopy(cell)
                copy.source = part.strip()
                cut[-1].cells.append(copy)
    return cut


@dataclass(frozen=True)
class Question:
    """What a lesson asks people to guess."""

    text: str
    unit: str
    options: list[str]


def questions(notebook: NotebookNode) -> Iterator[Question]:
    """The guesses of a lesson, in order; what only the learner's machine knows is a gap."""
    known: dict[str, ast.expr] = {}
    for cell in notebook.cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Assign):
                known |= dict(_assigned(node))
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                known[node.target.id] = _longer(known.get(node.target.id), node.value)
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ts.Predict":
                given = {word.arg: word.value for word in node.keywords}
                options = _resolved(given.get("options"), known)
                names = [_text(one, known) for one in options.elts] if isinstance(options, ast.List) else []
                yield Question(_text(node.args[0], known), _text(given.get("unit"), known), names)


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            yield from ((one.id, value) for one, value in pairs if isinstance(one, ast.Name))


def _longer(known: ast.expr | None, more: ast.expr) -> ast.expr:
    """A list that goes on in the next line."""
    lists = isinstance(known, ast.List) and isinstance(more, ast.List)
    return ast.List([*known.elts, *more.elts]) if lists else more


def _resolved(node: ast.expr | None, known: dict[str, ast.expr]) -> ast.expr | None:
    return known.get(node.id) if isinstance(node, ast.Name) else node


def _text(node: ast.expr | None, known: dict[str, ast.expr]) -> str:
    node = _resolved(node, known)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


@cache
def guide_table(heading: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading of the instructor's guide."""
    text = GUIDE.read_text(encoding="utf-8").partition(f"# {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    if lines is None:
        raise ValueError(f"heading: wanted one of INSTRUCTOR.md with a table below it; got {heading!r}")
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[0].splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def renew(begin: str, end: str, table: str) -> Path:
    """Put a table between two marks of the instructor's guide, in place of the one that is there."""
    before, _, rest = GUIDE.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    GUIDE.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8")
    return GUIDE
