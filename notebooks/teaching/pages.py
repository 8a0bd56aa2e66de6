"""Solutions and slides: the notebooks as HTML that needs no network."""

import os
import re
import shutil
from pathlib import Path

import jinja2
from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from pygments.formatters import HtmlFormatter

from teaching.lessons import BUILD, FOLDER, guide_table, lessons, read, reasons, sections, solutions, title_of

TEMPLATES = Path(__file__).parent / "templates"
REVEAL = FOLDER.parent / "widgets" / "node_modules" / "reveal.js"
# What slides load of reveal.js, beside its licence.
REVEAL_FILES = (
    *("LICENSE", "dist/reveal.css", "dist/reveal.js", "dist/theme/white.css", "dist/theme/fonts/source-sans-pro"),
    "plugin/notes/notes.js",
)
# A link to a file beside the notebooks leads nowhere from a page that is handed out.
FILE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:)[^)]+\)")
# A slide holds about so many lines, of so many characters; code has a frame, and a picture is so many lines tall.
LINES, CHARACTERS, FRAME, PICTURE = 15, 88, 2, 9
# Cells that say nothing before they are run.
SKIPPED = ("ts.check.", "ts.report(")
Cells = list[NotebookNode]


def environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)


def _exported(exporter: HTMLExporter, path: Path, cells: Cells) -> str:
    notebook = read(path)
    notebook.cells = cells
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = FILE_LINK.sub(r"\1", cell.source)
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"path": str(FOLDER), "name": path.stem}})
    return str(html)


def solved_page(path: Path) -> str:
    """A lesson with its exercises solved, and below each one why that is right."""
    solved, why, cells = solutions(path), reasons(path), []
    for cell in read(path).cells:
        cells.append(cell)
        if cell.id in solved:
            cell.source = solved[cell.id].strip()
            cell.metadata["tags"] = ["solved"]
            cells.append(new_markdown_cell(f"**Why.** {why[cell.id].strip()}", metadata={"tags": ["why"]}))
    exporter = HTMLExporter(
        template_name="basic", embed_images=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    styles = HtmlFormatter(style="default").get_style_defs(".highlight")
    page = environment().get_template("solutions.html")
    return page.render(title=title_of(read(path)), body=_exported(exporter, path, cells), styles=styles)


def write_solutions(folder: Path = BUILD / "solutions") -> Path:
    """One page for each lesson that has exercises."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in lessons():
        if solutions(path):
            (folder / f"{path.stem}.html").write_text(solved_page(path), encoding="utf-8")
    return folder


def slides_of(path: Path) -> Cells:
    """The cells of a lesson, cut into slides: one for each heading, more below it where its text is long, and notes."""
    cells: Cells = []
    for number, section in enumerate(sections(read(path))):
        used = LINES  # so that the first cell begins a slide
        kind = "slide"
        shown = (cell for cell in section.cells if not cell.source.startswith(SKIPPED))
        for cell in (part for whole in shown for part in _parts(whole)):
            fits = kind == "-" and used + _lines(cell) <= LINES
            kind = "-" if fits else "subslide" if kind != "slide" else "slide"
            used = _lines(cell) + (used if fits else 0)
            cell.metadata["slideshow"] = {"slide_type": kind}
            cells.append(cell)
            if kind == "slide":
                cells += _notes(notes_of_section(path, number, section.title))
            if cell.id in solutions(path):
                why = reasons(path).get(cell.id, "")
                cells += _notes([f"```python\n{solutions(path)[cell.id].strip()}\n```", why.strip()])
            kind = "-"
    return cells


def _parts(cell: NotebookNode) -> Cells:
    """A cell of prose, paragraph by paragraph; a list stays whole."""
    if cell.cell_type != "markdown":
        return [cell]
    parts = [part for part in cell.source.split("\n\n") if part.strip()]
    # What follows a heading stays with it.
    while len(parts) > 1 and parts[0].startswith("#") and "\n" not in parts[0]:
        parts[:2] = ["\n\n".join(parts[:2])]
    return [new_markdown_cell(part) for part in parts]


def _lines(cell: NotebookNode) -> int:
    lines = [
        PICTURE if line.startswith("![") else max(1, -(-len(line) // CHARACTERS)) for line in cell.source.splitlines()
    ]
    return sum(lines) + (FRAME if cell.cell_type == "code" else 1)


def _notes(parts: list[str]) -> Cells:
    words = "\n\n".join(part for part in parts if part)
    return [new_markdown_cell(words, metadata={"slideshow": {"slide_type": "notes"}})] if words else []


def notes_of_section(path: Path, number: int, title: str) -> list[str]:
    """What the guide says about a section: its minutes, what to say, and misconceptions with their cure."""
    lesson = path.stem.partition("_")[0]
    notes = [
        f"**{row['min']} min.**"
        for row in guide_table("Minutes, section by section")
        if (row["lesson"], row["section"]) == (lesson, title)
    ]
    said = [row for row in guide_table("What to say") if row["notebook"] == lesson]
    if number == 0:
        notes += [f"Open with: {row['open with']} Watch for: {row['watch for']}." for row in said]
    if title.startswith("What to carry"):
        notes += [f"Say: {row['say when they are done']}" for row in said]
    for row in guide_table("Misconceptions, and their cure"):
        if (lesson, title.partition(".")[0]) in places(row["where"]):
            notes.append(f"Misconception: “{row['misconception']}” Cure: {row['cure']}")
    return notes


def places(where: str) -> list[tuple[str, str]]:
    """Lessons and numbers of sections, as in "00 §6, 03 §3"."""
    return [(lesson, section) for lesson, section in re.findall(r"(\d\d)(?: §(\d+))?", where)]


def slides(path: Path) -> str:
    exporter = SlidesExporter(
        template_name="slides", extra_template_basedirs=[str(TEMPLATES)], reveal_url_prefix="reveal.js",
        reveal_theme="white", reveal_transition="none", reveal_number="c/t", embed_images=True,
        exclude_input_prompt=True, exclude_output_prompt=True,
    )  # fmt: skip
    return _exported(exporter, path, slides_of(path))


def write_slides(folder: Path = BUILD / "slides", reveal: Path = REVEAL) -> Path:
    """One file for each lesson, and what reveal.js needs beside them."""
    if not reveal.is_dir():
        raise SystemExit(f"wanted reveal.js in {os.path.relpath(reveal)}: run `npm ci` in widgets/ (it needs Node)")
    for name in REVEAL_FILES:
        target = folder / "reveal.js" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (reveal / name).is_dir():
            shutil.copytree(reveal / name, target, dirs_exist_ok=True)
        else:
            shutil.copy(reveal / name, target)
    for path in lessons():
        (folder / f"{path.stem}.slides.html").write_text(slides(path), encoding="utf-8")
    return folder
