"""The pictures of the notebooks: drawn by hand, for eyes and for screen readers, and complete in themselves."""

import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
PICTURES = sorted((FOLDER / "images").glob("*.svg"))
SVG = "http://www.w3.org/2000/svg"
MOST_BYTES = 30_000
# As wide as it is shown. A notebook's own text has 14 pixels.
WIDTH, LEAST_FONT_SIZE = 700, 16
pictures = pytest.mark.parametrize("path", PICTURES, ids=[path.stem for path in PICTURES])


def references():
    """The target and the alternative text of each image that a notebook shows."""
    cells = (cell for path in FOLDER.glob("*.ipynb") for cell in nbformat.read(path, as_version=4).cells)
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    # One of HTML could have no alternative text, and would go unseen here.
    assert "<img" not in prose
    return [(target, alt.strip()) for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose)]


def test_each_image_in_a_notebook_is_there_and_has_an_alternative_text():
    assert references()
    for target, alt in references():
        assert (FOLDER / target).is_file(), target
        assert alt, target


@pictures
def test_a_notebook_shows_it(path):
    assert f"images/{path.name}" in {target for target, _ in references()}


@pictures
def test_a_screen_reader_finds_its_title_and_its_description(path):
    root = ElementTree.parse(path).getroot()
    assert root.tag == f"{{{SVG}}}svg"
    assert root.get("role") == "img"
    parts = [root.find(f"{{{SVG}}}{name}") for name in ("title", "desc")]
    assert all((part.text or "").strip() for part in parts)
    assert (root.get("aria-labelledby") or "").split() == [part.get("id") for part in parts]


@pictures
def test_it_needs_no_font_or_file_from_elsewhere(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert set(re.findall(r"https?:[^\"'\s)]*", text)) == {SVG}
    assert not re.search(r"@import|@font-face|<image|<script|data:|url\((?!#)|href=\"(?!#)", text)
    families = [one.get("font-family") for one in ElementTree.parse(path).iter() if one.get("font-family")]
    assert set(families) == {"system-ui, sans-serif"}


@pictures
def test_its_words_are_as_large_as_those_of_the_notebook(path):
    root = ElementTree.parse(path).getroot()
    assert root.get("viewBox") == f"0 0 {WIDTH} {root.get('height')}"
    assert root.get("width") == str(WIDTH)
    # Scaled, they could be smaller than they say.
    assert not any("scale" in one.get("transform", "") or one.get("style") for one in root.iter())
    sizes = [float(one.get("font-size")) for one in root.iter() if one.get("font-size")]
    assert root.get("font-size")
    assert min(sizes) >= LEAST_FONT_SIZE
