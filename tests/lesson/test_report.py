import base64
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tradespace as ts
from matplotlib.figure import Figure
from tradespace.config import Config
from tradespace.lesson.ledger import Ledger
from tradespace.lesson.predict import Predict
from tradespace.lesson.report import PROMPTS, RUBRIC, report
from tradespace.measuring.measurement import Measurement
from tradespace.show.common.style import note_machine
from tradespace.show.tradeoff.figure import plot_surface

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


def test_a_question_is_marked_up_as_on_its_card(ledger):
    ask(ledger, "01-marked", f"**One** image in `int8`?\n\nAnd {EVIL}?").lock(4)
    html, markdown = read(ledger)
    assert "<p><strong>One</strong> image in <code>int8</code>?</p><p>And &lt;img" in html
    assert "**One** image in `int8`?" in markdown


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


def measured_by(figure, *machines):
    note_machine(figure, pd.DataFrame({"machine": machines}))
    return figure


def test_a_chart_that_was_measured_names_its_machine_though_no_guess_was_revealed(ledger):
    for page in read(ledger, Mine=measured_by(Figure(), "a laptop")):
        assert re.search("Measured on: a laptop\\W", page)


def test_machines_of_guesses_and_charts_are_named_once_each(ledger, surface_of, monkeypatch):
    monkeypatch.setattr("tradespace.lesson.page._machine", lambda: "a laptop")
    ask(ledger, "01-warm", answer=2).lock(4)
    drawn = {"Mine": measured_by(Figure(), "a laptop"), "Another": plot_surface(surface_of({"machine": "a server"}))}
    for page in read(ledger, **drawn):
        assert re.search("Measured on: a laptop; a server\\W", page)


def test_of_a_chart_that_names_no_machine_it_does_not_say_that_nothing_was_measured(ledger):
    for page in read(ledger, Mine=Figure()):
        assert "Measured on: not known: the charts do not say" in page


CHARTS = {
    "plot_surface": lambda surface, task: plot_surface(surface),
    "plot_batch_curve": lambda surface, task: ts.plot_batch_curve(surface),
    "plot_attainment": lambda surface, task: ts.plot_attainment(surface),
    "plot_attainment_3d": lambda surface, task: ts.plot_attainment_3d(surface),
    "plot_parallel": lambda surface, task: ts.plot_parallel(surface),
    "plot_predicted": lambda surface, task: ts.plot_predicted(surface.assign(measured=True)),
    "plot_quantization": lambda surface, task: ts.plot_quantization(task, "resnet8", "w3", surface=surface),
    "plot_pruning": lambda surface, task: ts.plot_pruning(task, "resnet8", "weights-90", surface=surface),
}


@pytest.mark.parametrize("name", CHARTS)
def test_charts_of_a_surface_know_the_machine(name, surface_of, fashion):
    surface = surface_of({"machine": "a laptop"}, {"machine": "a laptop", "batch_size": 4, "latency_p50_ms": 1.0})
    assert CHARTS[name](surface, fashion).machines == ["a laptop"]


def test_charts_of_a_measurement_and_of_its_classes_know_the_machine(fashion):
    rights = np.arange(1_000) % 7 > 0
    one = Measurement("fashion", Config("resnet8", threads=1), scores=rights, machine="a laptop")
    assert ts.plot_latency(one).machines == ["a laptop"]
    assert ts.plot_verdict(one, one).machines == ["a laptop"]
    assert ts.plot_by_class(ts.accuracy_by_class(fashion, one, one)).machines == ["a laptop"]


def test_a_chart_without_rows_of_its_own_names_none(fashion):
    assert ts.plot_quantization(fashion, "resnet8", "w3").machines == []


def test_own_sentences_are_kept_and_what_is_missing_is_a_line_to_write_on(ledger):
    words = {"What I chose": " int8, since\nit keeps the limit. ", "What I doubt": "", PROMPTS[0]: EVIL}
    written = report("05_choice", words=words, ledger=ledger)
    html, markdown = (path.read_text(encoding="utf-8") for path in (written.html, written.markdown))
    assert '<p>What I chose:</p><p class="said">int8, since\nit keeps the limit.</p>' in html
    assert '<p>What I doubt:</p><div class="write"></div>' in html
    assert html.count('<div class="write">') == 2
    assert EVIL not in html
    assert "What I chose: int8, since\nit keeps the limit.\n" in markdown


def test_a_sentence_is_a_text(ledger):
    with pytest.raises(ValueError, match=r"^words: wanted a text about 'What I chose'; got Ellipsis"):
        report("05_choice", words={"What I chose": ...}, ledger=ledger)


def test_the_rubric_is_in_the_report_with_its_points(ledger):
    for page in read(ledger):
        for name, levels in RUBRIC.items():
            assert all(word in page for word in (name, *levels))
        assert "/ 12" in page


def test_the_guide_has_the_same_rubric():
    guide = (Path(__file__).parents[2] / "notebooks" / "INSTRUCTOR.md").read_text(encoding="utf-8")
    for name, levels in RUBRIC.items():
        assert f"| **{name}** | {' | '.join(levels)} |" in guide
