import base64
import re

import pytest
from matplotlib.figure import Figure
from tradespace.lesson.ledger import Ledger
from tradespace.lesson.predict import Predict
from tradespace.lesson.report import report

EVIL = "<img onerror=alert(1)>"


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def ask(ledger, key, question="How many?", **options):
    return Predict(question, unit="times", key=key, ledger=ledger, **options)


def read(ledger, **charts):
    written = report("01_latency", charts, ledger=ledger)
    return written.html.read_text(encoding="utf-8"), written.markdown.read_text(encoding="utf-8")


def test_without_anything_in_the_ledger_it_says_so(ledger):
    for page in read(ledger):
        assert "No guess was locked." in page
        assert "None was attempted." in page
        assert "nothing measured yet" in page


def test_guesses_stand_beside_what_was_measured(ledger):
    card = ask(ledger, "01-warm")
    card.lock(4)
    card.reveal(2, 1.9, 2.1)
    ask(ledger, "01-open").lock(3)
    ask(ledger, "01-skipped").skip()
    for page in read(ledger):
        assert re.search(r"You said 4 times; measured 2.*1\.9 to 2\.1", page)
        assert "You said 3 times; the answer was not revealed." in page
        assert "No guess: the answer was asked for at once." in page


def test_other_notebooks_are_left_out(ledger):
    ask(ledger, "02-knee", "Where is the knee?").lock(4)
    ledger.keep_last("answer", "010-x", {"answer": "1", "passed": True, "words": "Ten."})
    for page in read(ledger):
        assert "knee" not in page
        assert "Ten." not in page


def test_answers_are_told_with_what_the_check_said(ledger):
    ledger.keep_last("answer", "01-cutoff", {"answer": "5.0", "passed": True, "words": "Since it is."})
    ledger.keep_last("answer", "01-floor", {"answer": "20", "passed": False, "words": "More."})
    html, markdown = read(ledger)
    assert "- 01-cutoff: right. Since it is." in markdown
    assert "- 01-floor: not yet. More." in markdown
    assert html.count('class="right"') == html.count('class="wrong"') == 1


def test_charts_are_in_the_page_and_beside_the_markdown(ledger):
    figure = Figure()
    figure.subplots().plot([1, 2])
    written = report("01_latency", {"Two points": figure}, ledger=ledger)
    png = (written.html.parent / "chart-1.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert base64.b64encode(png).decode() in written.html.read_text(encoding="utf-8")
    assert "![Two points](chart-1.png)" in written.markdown.read_text(encoding="utf-8")


def test_what_was_typed_is_text(ledger):
    ledger.keep_last("answer", "01-x", {"answer": EVIL, "passed": False, "words": EVIL})
    html, _ = read(ledger, **{EVIL: Figure()})
    assert EVIL not in html
    assert "&lt;img onerror" in html


def test_written_again_it_is_up_to_date(ledger):
    read(ledger)
    ask(ledger, "01-warm").lock(4)
    assert "You said 4 times" in read(ledger)[0]


def test_it_links_to_both(ledger):
    links = report("01_latency", ledger=ledger)._repr_markdown_()
    assert "(report-01_latency/report.html)" in links
    assert "(report-01_latency/report.md)" in links


@pytest.mark.parametrize("name", ["latency", "", "01", "x_1"])
def test_a_notebook_has_a_number_and_a_name(ledger, name):
    with pytest.raises(ValueError, match=r"^notebook: wanted its number and name"):
        report(name, ledger=ledger)
