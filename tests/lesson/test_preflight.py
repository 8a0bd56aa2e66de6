import math
import os
import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from tradespace.config import Config
from tradespace.lesson import preflight as looks
from tradespace.lesson.ledger import VARIABLE as LEDGER
from tradespace.lesson.preflight import FAIL, PASS, WARN, Check, Preflight, preflight
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.recording import VARIABLE as RECORDED
from tradespace.recording import Recording

MS = 1_000_000


def timed(*slice_medians_ms, waited_ns=0, **about):
    slices = [Slice(np.full(100, round(ms * MS)), 100, round(100 * ms * MS)) for ms in slice_medians_ms]
    slices = [Slice(s.samples_ns, s.items, s.busy_ns, wall_ns=s.busy_ns, waited_ns=waited_ns) for s in slices]
    return Measurement("fashion", Config("resnet8", threads=1), tuple(slices), **about)


@pytest.fixture(autouse=True)
def ready(alone, monkeypatch):
    """A machine on which everything is well, however this one is."""
    monkeypatch.delenv(RECORDED, raising=False)
    monkeypatch.setattr(looks, "recording", lambda: None)
    monkeypatch.setattr(looks, "physical_cores", lambda: 4)
    monkeypatch.setattr(looks, "most_threads", lambda: 8)
    monkeypatch.setattr(looks, "quota", lambda: math.inf)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8e9))
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    monkeypatch.setattr(looks.shutil, "disk_usage", lambda path: SimpleNamespace(free=9e9))
    monkeypatch.setattr(looks, "_measured", lambda budget_s, **knobs: timed(*[2.0] * 12))


def only(about):
    found = preflight()
    others = [check for check in found.checks if check.about != about and check.result != PASS]
    assert others == []
    return next(check for check in found.checks if check.about == about), found


def test_on_a_good_machine_all_checks_pass():
    found = preflight()
    assert {check.result for check in found.checks} == {PASS}
    assert found.passed
    assert str(found).endswith("\nReady.")


def lacking(name):
    def imported(wanted):
        if wanted == name:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return __import__(wanted, fromlist=["it"])

    return imported


FAILURES = {
    "Python": ("sys", SimpleNamespace(version_info=(3, 10, 1), maxsize=sys.maxsize), "install Python 3.11"),
    "torch": ("import_module", lacking("torch"), "requirements.txt"),
    "widgets": ("import_module", lacking("anywidget"), "requirements.txt"),
    "cores": ("quota", lambda: 0.5, "quota of whole cores"),
    "memory": ("psutil", SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=1e9)), "close programs"),
    "disk": ("shutil", SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=1e8)), "make room"),
}


@pytest.mark.parametrize("about", FAILURES)
def test_what_is_missing_fails_and_says_what_to_do(about, monkeypatch):
    name, fake, to_do = FAILURES[about]
    monkeypatch.setattr(looks, name, fake)
    check, found = only(about)
    assert check.result == FAIL
    assert to_do in check.to_do
    assert not found.passed
    assert str(found).endswith("Not ready: 1 check failed.")


WARNINGS = {
    "cores": ("physical_cores", lambda: 1, "one notebook"),
    "memory": ("psutil", SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=2e9)), "shut down other"),
    "disk": ("shutil", SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=5e8)), "make room"),
}


@pytest.mark.parametrize("about", WARNINGS)
def test_what_is_scarce_is_a_warning_and_no_failure(about, monkeypatch):
    name, fake, to_do = WARNINGS[about]
    monkeypatch.setattr(looks, name, fake)
    check, found = only(about)
    assert check.result == WARN
    assert to_do in check.to_do
    assert found.passed
    assert str(found).endswith("Ready, with 1 warning.")


@pytest.mark.parametrize(("plugged", "result"), [(False, WARN), (True, PASS), (None, PASS)])
def test_a_laptop_is_to_be_plugged_in(plugged, result, monkeypatch):
    battery = SimpleNamespace(power_plugged=plugged, percent=40)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    assert only("power")[0].result == result


def test_a_torch_that_is_too_old_fails(monkeypatch):
    fakes = {"torch": SimpleNamespace(__version__="2.9.1+cpu")}
    monkeypatch.setattr(looks, "import_module", lambda name: fakes.get(name) or lacking("")(name))
    assert only("torch")[0] == Check("torch", FAIL, "2.9.1+cpu", looks.INSTALL)


def test_without_jupyterlabs_part_of_a_widget_it_says_that_widgets_would_be_blank(monkeypatch, tmp_path):
    (tmp_path / "anywidget").mkdir()
    fakes = {"jupyter_core.paths": SimpleNamespace(jupyter_path=lambda name: [str(tmp_path)])}
    monkeypatch.setattr(looks, "import_module", lambda name: fakes.get(name) or lacking("")(name))
    check, _ = only("widgets")
    assert check.result == FAIL
    assert check.found == "JupyterLab lacks @jupyter-widgets/jupyterlab-manager: widgets would be blank"


def test_without_bundles_widgets_would_be_blank(monkeypatch, tmp_path):
    monkeypatch.setattr(looks, "BUNDLES", tmp_path)
    assert only("widgets")[0].result == FAIL


def test_a_folder_that_cannot_be_written_fails(monkeypatch, tmp_path):
    monkeypatch.setenv(LEDGER, str(tmp_path / "gone" / "ledger.sqlite"))
    check, _ = only("ledger")
    assert check.result == FAIL
    assert LEDGER in check.to_do


# Twelve slices: what was timed, and what is said of it.
TIMINGS = {
    "steady": (timed(*[2.0] * 12), PASS, "2 ms, known to 0%"),
    "busy": (timed(*[2.0] * 12, waited_ns=100 * MS), WARN, "contended"),
    "a little unsteady": (timed(*[2.0, 2.2] * 6), WARN, "known to 10%"),
    "unsteady": (timed(*[2.0, 3.0] * 6), FAIL, "known to 40%"),
    "too slow for an interval": (timed(2.0, 2.0), FAIL, "2 ms, without an interval"),
    "broken": (timed(failure=Failure("crashed", "it died")), FAIL, "crashed: it died"),
}


@pytest.mark.parametrize("case", TIMINGS)
def test_a_timing_says_how_steady_the_machine_is(case, monkeypatch):
    one, result, words = TIMINGS[case]
    monkeypatch.setattr(looks, "_measured", lambda budget_s, **knobs: one if "threads" in knobs else timed(*[2.0] * 12))
    check, _ = only("timing")
    assert check.result == result
    assert words in check.found
    assert bool(check.to_do) == (result != PASS)


UNSUPPORTED = timed(failure=Failure("unsupported", "it is not installed"))
WRONG = timed(*[2.0] * 12, facts=Facts(output_error=0.5))


@pytest.mark.parametrize(
    ("about", "knobs", "one", "result"),
    [
        ("ONNX Runtime", {"runtime": "onnxruntime"}, UNSUPPORTED, FAIL),
        ("OpenVINO", {"runtime": "openvino"}, UNSUPPORTED, WARN),
        ("int8 in eager", {"precision": "int8"}, UNSUPPORTED, WARN),
        ("int8 in eager", {"precision": "int8"}, WRONG, WARN),
    ],
)
def test_what_cannot_run_here_says_why_and_what_to_do(about, knobs, one, result, monkeypatch):
    monkeypatch.setattr(looks, "_measured", lambda budget_s, **asked: one if asked == knobs else timed(*[2.0] * 12))
    check, _ = only(about)
    assert check.result == result
    assert ("it is not installed" if one is UNSUPPORTED else "output_mismatch") in check.found
    assert check.to_do


def test_a_check_that_breaks_has_failed(monkeypatch):
    def broken(budget_s, **knobs):
        raise OSError("no such library")

    monkeypatch.setattr(looks, "_measured", broken)
    failed = [check for check in preflight().checks if check.result == FAIL]
    assert [check.about for check in failed] == ["timing", "ONNX Runtime", "OpenVINO", "int8 in eager"]
    assert {check.found for check in failed} == {"OSError: no such library"}


def test_in_recorded_mode_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(looks, "recording", lambda: Recording("a server", "2026-01-01", 2, 2))
    monkeypatch.setattr(looks, "_measured", None)
    check, found = only("recorded mode")
    assert check.result == WARN
    assert "a server" in check.found
    assert "timing" not in [one.about for one in found.checks]


def test_shown_in_a_notebook_it_is_a_table():
    found = Preflight((Check("disk", FAIL, "a|b", "make\nroom"), Check("power", PASS, "no battery")))
    lines = found._repr_markdown_().splitlines()
    assert lines[2] == "| disk | **FAIL** | a\\|b | make room |"
    assert lines[3] == "| power | pass | no battery |  |"
    assert lines[-1] == "**Not ready: 1 check failed.**"


def test_the_command_exits_with_1_as_a_check_failed(tmp_path):
    # In recorded mode it times nothing.
    environment = os.environ | {RECORDED: "1", LEDGER: str(tmp_path / "gone" / "ledger.sqlite")}
    ran = subprocess.run([sys.executable, "-m", "tradespace"], env=environment, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Not ready" in ran.stdout


@pytest.mark.parametrize(("verdict", "code"), [(PASS, 0), (WARN, 0), (FAIL, 1)])
def test_the_command_prints_what_was_found_and_ends_with_its_code(monkeypatch, capsys, verdict, code):
    found = Preflight((Check("disk", verdict, "full", "make room"),))
    monkeypatch.setattr(looks, "preflight", lambda: found)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tradespace", run_name="__main__")
    assert int(end.value.code) == code
    assert str(found) in capsys.readouterr().out
