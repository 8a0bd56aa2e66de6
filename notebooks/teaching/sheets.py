"""Two pages to print: the guesses of all lessons, and the formulas."""

from pathlib import Path

import mistune

from teaching.lessons import BUILD, lessons, questions, read, title_of
from teaching.pages import environment


def guess_sheet() -> str:
    """Every question that asks for a guess, with its unit and a line to write on."""
    asked = [(path.stem.partition("_")[0], title_of(read(path)), list(questions(read(path)))) for path in lessons()]
    # In one line, without a paragraph of its own.
    inline = mistune.create_markdown(renderer="html")
    return environment().get_template("guesses.html").render(lessons=asked, inline=lambda text: _line(inline(text)))


def _line(html: object) -> str:
    return str(html).strip().removeprefix("<p>").removesuffix("</p>")


def formula_page() -> str:
    return environment().get_template("formulas.html").render()


def write(folder: Path = BUILD / "sheets") -> Path:
    """Both pages, as HTML to print."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guesses.html").write_text(guess_sheet(), encoding="utf-8")
    (folder / "formulas.html").write_text(formula_page(), encoding="utf-8")
    return folder
