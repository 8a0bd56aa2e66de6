"""Recorded mode as a whole: a kernel of its own, which is told by a variable."""

import json
import os
import re
import subprocess
import sys

import pytest
from tradespace.measuring.archive import read_labels
from tradespace.recording import FOLDER, VARIABLE, machines

PRINT = """
import tradespace as ts
m = ts.measure(ts.load_task("fashion"), ts.Config("resnet4", batch_size=4), budget_s=0.1)
print(m.status, m.machine, sep="; ")
print(*(text.get_text() for text in ts.plot_latency(m).texts), sep="; ")
print(ts.LatencyMeter._css.count("nothing is measured here"))
"""


def run(code, value):
    environment = {**os.environ, VARIABLE: value}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)


def test_a_measurement_and_every_chart_say_that_they_are_recorded():
    told, mark, marks = run(PRINT, "1").stdout.splitlines()
    assert told.startswith("ok; recorded 20")
    assert mark.split("; ")[0] == "recorded"
    assert told.partition("; ")[2] in mark
    assert marks == "1"


@pytest.mark.parametrize("name", machines())
def test_a_machine_can_be_chosen_by_its_name(name):
    told = run("from tradespace.measuring.machine import machine; print(machine())", name).stdout
    assert json.loads((FOLDER / name / "machine.json").read_text())["machine"] in told


def test_the_threads_are_those_of_the_machine_that_was_recorded():
    code = "from tradespace.config import Config, most_threads; print(Config('m').threads, most_threads())"
    assert run(code, "1").stdout.split() == ["2", "2"]


@pytest.mark.parametrize("name", machines())
def test_a_recording_names_the_instructions_of_its_processor_in_every_label(name):
    told = json.loads((FOLDER / name / "machine.json").read_text())["machine"]
    assert re.match(r"\S.* \(.*\b(AVX2|AVX-512|NEON)\b.*\), 2 cores \(2 threads\), ", told)
    assert {label["machine"] for label in read_labels(FOLDER / name / "measurements.zip")} == {told}


@pytest.mark.parametrize("value", ["yes", "2"])
def test_another_value_is_an_error_that_says_what_was_wanted(value):
    failed = run("import tradespace as ts; ts.Config('m')", value)
    assert (
        "TRADESPACE_RECORDED: wanted 1, to play back what was measured elsewhere, the name of a machine (epyc, xeon), "
        f"or 0; got '{value}'"
    ) in failed.stderr
