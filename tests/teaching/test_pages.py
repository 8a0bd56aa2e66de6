import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from teaching import lessons, pages, sheets
from teaching.lessons import FOLDER

LESSONS = lessons.lessons()
IDS = [path.stem for path in LESSONS]
# Whatever a browser would fetch: scripts, styles, pictures, fonts, imports of either.
FETCHED = re.compile(
    r"""(?:\ssrc=|<link[^>]*\shref=|url\(|@import\s+(?:url\()?|import\()\s*["']?(?!data:|#)([^"')\s>]+)"""
)
SECTION = re.compile(r"<section\b")


def fetched(html):
    return set(FETCHED.findall(html))


def test_what_a_page_would_fetch_is_seen():
    html = """<script src="https://a/b.js"></script><link rel=x href='c.css'><style>@import "d.css"; e{x:url(f.png)}
    g{x:url(data:image/png;base64,AA)}</style><a href="https://h">i</a><script>import('j.js')</script>"""
    assert fetched(html) == {"https://a/b.js", "c.css", "d.css", "f.png", "j.js"}


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_solutions_show_each_solved_cell_and_why(path):
    html = pages.solved_page(path)
    tagged = (len(re.findall(rf'class="[^"]*celltag_{tag}', html)) for tag in ("solved", "why"))
    assert [*tagged] == [len(lessons.solutions(path))] * 2
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))
    for key, why in lessons.reasons(path).items():
        first = re.sub(r"[`*]", "", why).split()[:4]
        assert "Why. " + " ".join(first).replace("&", "&amp;").replace("<", "&lt;") in words, key
    assert fetched(html) == set()
    assert '=</span> <span class="o">...</span>' not in html


def test_in_a_solved_page_the_reason_follows_the_solved_cell(tmp_path, monkeypatch):
    cells = [new_markdown_cell("# T\n\n[Glossary](GLOSSARY.md), [a paper](https://a.b)"), new_code_cell("x = ...")]
    cells[1].id = "x-exercise"
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "00_t.toml").write_text('x-exercise = "x = 41 + 1"')
    (tmp_path / "solutions" / "why.toml").write_text('[00_t]\nx-exercise = "Since **it** is."')
    lessons.nbformat.write(new_notebook(cells=cells), tmp_path / "00_t.ipynb")
    html = pages.solved_page(tmp_path / "00_t.ipynb")
    assert re.search(r"celltag_solved.*41.*celltag_why.*Since <strong>it</strong> is", html, re.DOTALL)
    assert "..." not in html
    assert "GLOSSARY.md" not in html
    assert 'href="https://a.b"' in html


def kinds(cells):
    return [cell.metadata["slideshow"]["slide_type"] for cell in cells]


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_each_heading_begins_a_slide_and_no_word_is_lost(path):
    cells = pages.slides_of(path)
    begins = [cell.source for cell, kind in zip(cells, kinds(cells), strict=True) if kind == "slide"]
    titles = [one.title for one in lessons.sections(lessons.read(path))]
    assert [source.splitlines()[0].lstrip("# ") for source in begins] == titles
    prose = [c.source for c, kind in zip(cells, kinds(cells), strict=True) if kind != "notes" and c.cell_type != "code"]
    whole = [cell.source for cell in lessons.read(path).cells if cell.cell_type == "markdown"]
    assert " ".join(prose).split() == " ".join(whole).split()


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_slides_load_nothing_from_elsewhere_and_have_notes(path):
    html = pages.slides(path)
    loaded = {one for one in fetched(html) if not one.startswith("reveal.js/")}
    assert loaded == set()
    scripts = re.findall(r"<script[^>]*\ssrc=\"([^\"]+)", html)
    assert scripts == ["reveal.js/dist/reveal.js", "reveal.js/plugin/notes/notes.js"]
    notes = re.findall(r'<aside class="notes">(.*?)</aside>', html, re.DOTALL)
    assert len(notes) > len(lessons.sections(lessons.read(path)))
    assert "Open with:" in notes[0]
    # nbconvert opens one section for a slide and one for each part of it.
    assert len(SECTION.findall(html)) == html.count("</section>")


def test_notes_of_an_exercise_are_its_solution_and_why():
    cells = pages.slides_of(FOLDER / "01_latency.ipynb")
    place = next(i for i, cell in enumerate(cells) if cell.id == "floor-exercise")
    assert kinds(cells)[place + 1] == "notes"
    assert lessons.solutions(FOLDER / "01_latency.ipynb")["floor-exercise"].strip() in cells[place + 1].source
    assert not any(cell.source.startswith("ts.check.") for cell in cells)


def test_text_that_is_too_long_for_a_slide_goes_on_below():
    long = [new_markdown_cell(("word " * 80).strip()) for _ in range(4)]
    assert sum(map(pages._lines, long)) > pages.LINES
    path = FOLDER / "01_latency.ipynb"
    cells = [cell for cell in pages.slides_of(path) if cell.metadata["slideshow"]["slide_type"] != "notes"]
    used = 0
    for cell, kind in zip(cells, kinds(cells), strict=True):
        used = pages._lines(cell) + (used if kind == "-" else 0)
        assert used <= pages.LINES or kind != "-"


def test_written_slides_have_all_that_they_load(tmp_path):
    reveal = tmp_path / "package"
    for name in pages.REVEAL_FILES:
        target = reveal / name / "font.woff" if name.endswith("pro") else reveal / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("x")
    folder = pages.write_slides(tmp_path / "slides", reveal)
    for page in folder.glob("*.html"):
        for one in fetched(page.read_text(encoding="utf-8")):
            assert (folder / one).is_file(), one
    assert (folder / "reveal.js" / "LICENSE").is_file()
    assert len([*folder.glob("*.html")]) == len(LESSONS)


def test_without_reveal_it_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match=r"run `npm ci` in widgets/"):
        pages.write_slides(tmp_path / "slides", tmp_path / "none")


def test_the_styles_that_are_copied_load_nothing_from_elsewhere():
    if not pages.REVEAL.is_dir():
        pytest.skip("reveal.js is not installed: npm ci in widgets/")
    for name in ("dist/reveal.css", "dist/theme/white.css"):
        loaded = fetched((pages.REVEAL / name).read_text(encoding="utf-8"))
        assert all(one.startswith("./fonts/source-sans-pro") for one in loaded)


def test_the_guess_sheet_has_every_question_once():
    html = sheets.guess_sheet()
    asked = [one for path in LESSONS for one in lessons.questions(lessons.read(path))]
    assert html.count('class="question"') == len(asked) + 1  # and the head
    assert fetched(html) == fetched(sheets.formula_page()) == set()


def test_the_formula_page_gives_each_formula_units():
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", sheets.formula_page())
    assert len(rows) > 15
    assert all(formula and words for formula, words in rows)


def test_the_command_names_what_it_can_make():
    ran = subprocess.run([sys.executable, "-m", "teaching", "tea"], cwd=FOLDER, capture_output=True, text=True)
    assert ran.returncode == 1
    assert "wanted some of solutions, slides, sheets, minutes, ranges; got tea" in ran.stderr


def test_what_is_made_is_not_for_git():
    ignored = (FOLDER.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f"{lessons.BUILD.name}/" in ignored
