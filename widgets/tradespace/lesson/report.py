"""The report: a learner's guesses, measurements and answers from one notebook, on a page to hand in."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import jinja2

from tradespace.lesson.ledger import Entry, Ledger
from tradespace.show.predict.widget import Answer, in_words, paragraphs, written

DPI = 110
# What a report asks for below all else; `words` may answer it, and it is a line to write on otherwise.
PROMPTS = ("What surprised me, and which number shows it", "What I would measure next, and why")
# How a report is marked: what earns no point, one, and two. A slow machine is no fault.
RUBRIC = {
    "Objective": ("none, or “the best”", "an objective or limits", "an objective and limits, with a reason for each"),
    "Evidence": (
        "bare numbers",
        "numbers with units and the machine",
        "intervals, sample sizes and flags too; recorded ones named as such",
    ),
    "Reasoning": (
        "the choice is asserted",
        "the choice is on the frontier, shown",
        "which limit binds, and what loosening it would buy",
    ),
    "Doubt": (
        "none",
        "noise or flags are mentioned",
        "the choice was measured again; a loss of accuracy was tested in pairs",
    ),
    "Learning": ("guesses are missing", "guesses beside results", "a wrong guess is explained"),
    "Clarity": ("cannot be followed", "a colleague could follow it", "a colleague could repeat it, or argue with it"),
}
MOST_POINTS = 2
NOT_REVEALED = "You said {}; the answer was not revealed."
SKIPPED = "No guess: the answer was asked for at once."


class Picture(Protocol):
    """Anything with a `savefig`: a matplotlib Figure, without importing matplotlib here."""

    def savefig(self, fname: Any, /, **options: Any) -> None: ...


@dataclass(frozen=True)
class _Chart:
    caption: str
    name: str
    png: bytes

    @property
    def base64(self) -> str:
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Report:
    """The files of a report, shown in a notebook as links."""

    html: Path
    markdown: Path

    def _repr_markdown_(self) -> str:
        # In the ledger's folder, which is usually the notebook's.
        links = (f"[{path.name}]({path.parent.name}/{path.name})" for path in (self.html, self.markdown))
        return f"Your report is in `{self.html.parent}`: {' and '.join(links)}. Print the first, or hand in both."


def report(
    notebook: str,
    charts: Mapping[str, Picture] | None = None,
    *,
    words: Mapping[str, str] | None = None,
    ledger: Ledger | None = None,
) -> Report:
    """Write the report of one notebook, as HTML and Markdown: guesses, answers, charts, own words and a rubric.

    It names every machine that measured something in it: an answer that was revealed, or a chart of the package's.

    Parameters
    ----------
    notebook : str
        Its name, such as "01_latency". The report covers ledger entries whose key begins with its number.
    charts : mapping of str to matplotlib Figure, optional
        The learner's own charts, by caption.
    words : mapping of str to str, optional
        The learner's own sentences, by what each is about. One that is empty is a line to write on, as are `PROMPTS`.
    ledger : Ledger, optional
        By default the one in the current folder. The report is written to a folder beside it.

    Raises
    ------
    ValueError
        If `notebook` has no number, or a sentence is not a text.

    Examples
    --------
    >>> import tempfile
    >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "ledger.sqlite")
    >>> page = report("01_latency", ledger=ledger)
    >>> page.markdown.read_text().splitlines()[0]
    '# Report: 01 latency'
    """
    number, _, name = notebook.partition("_")
    if not (number.isdigit() and name):
        raise ValueError(f"notebook: wanted its number and name, such as '01_latency'; got {notebook!r}")
    words = dict.fromkeys(PROMPTS, "") | _checked(words or {})
    ledger = ledger or Ledger()
    entries = [entry for entry in ledger.entries() if entry.key.startswith(f"{number}-")]
    drawn = [_drawn(i, caption, figure) for i, (caption, figure) in enumerate((charts or {}).items(), start=1)]
    content = {
        "title": notebook.replace("_", " "),
        "date": f"{date.today():%Y-%m-%d}",
        "machines": _machines(entries, charts or {}),
        "predictions": _predictions(entries),
        "answers": [{"key": entry.key, **entry.value} for entry in entries if entry.kind == "answer"],
        "charts": drawn,
        "words": words,
        "rubric": RUBRIC,
        "most": MOST_POINTS,
    }
    folder = ledger.path.parent / f"report-{notebook}"
    folder.mkdir(exist_ok=True)
    for one in drawn:
        (folder / one.name).write_bytes(one.png)
    paths = folder / "report.html", folder / "report.md"
    for path in paths:
        path.write_text(_template(path.name).render(content), encoding="utf-8")
    return Report(*paths)


def _checked(words: Mapping[str, str]) -> dict[str, str]:
    for about, said in words.items():
        if not isinstance(said, str):
            raise ValueError(f"words: wanted a text about {about!r}; got {said!r}")
    return {about: said.strip() for about, said in words.items()}


def _machines(entries: list[Entry], charts: Mapping[str, Picture]) -> str:
    names = {entry.value["machine"] for entry in entries if entry.kind == "measured"}
    names = names.union(*(getattr(figure, "machines", ()) for figure in charts.values()))
    return "; ".join(sorted(names)) or ("not known: the charts do not say" if charts else "nothing measured yet")


def _predictions(entries: list[Entry]) -> list[dict[str, Any]]:
    answers = {entry.key: Answer(**entry.value["answer"]) for entry in entries if entry.kind == "measured"}
    guesses = [(entry.value["question"], entry) for entry in entries if entry.kind == "guess"]
    return [
        {"question": question, "paragraphs": paragraphs(question), "words": _said(entry.value, answers.get(entry.key))}
        for question, entry in guesses
    ]


def _said(guess: Mapping[str, Any], answer: Answer | None) -> str:
    if answer is not None:
        return in_words(guess["value"], answer, guess["unit"])
    return SKIPPED if guess["value"] is None else NOT_REVEALED.format(written(guess["value"], guess["unit"]))


def _drawn(number: int, caption: str, figure: Picture) -> "_Chart":
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, bbox_inches="tight")
    return _Chart(caption, f"chart-{number}.png", picture.getvalue())


def _template(name: str) -> jinja2.Template:
    # What a learner typed is text: HTML is escaped in the page.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=jinja2.select_autoescape()
    )
    return environment.get_template(name)
