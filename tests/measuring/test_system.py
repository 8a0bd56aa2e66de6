import sys

import numpy as np
import pytest
from tradespace.measuring import system

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can start a peak anew and counts waiting")


def test_counters_only_grow():
    before = system.usage()
    sum(range(1_000_000))
    after = system.usage()
    assert after.cpu_ns > before.cpu_ns
    assert after.waited_ns >= before.waited_ns
    assert after.involuntary_switches >= before.involuntary_switches


@linux
def test_waiting_is_that_of_all_threads(tmp_path, monkeypatch):
    for thread, line in (("1", "500 30 7\n"), ("2", "900 12 4\n"), ("3", "")):
        (tmp_path / "task" / thread).mkdir(parents=True)
        (tmp_path / "task" / thread / "schedstat").write_text(line)
    monkeypatch.setattr(system, "PROC", tmp_path)
    assert system.usage().waited_ns == 42


@linux
def test_the_peak_is_that_since_it_was_reset():
    assert system.reset_peak()
    before = system.peak_mb()
    block = np.ones(20_000_000)
    grown = system.peak_mb() - before
    del block
    assert system.reset_peak()
    assert 150 < grown < 250
    assert system.peak_mb() < before + 100


def test_a_system_without_proc_says_what_it_cannot_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "PROC", tmp_path / "nowhere")
    assert not system.reset_peak()
    assert np.isnan(system.peak_mb())
    assert system.usage().waited_ns == 0
    assert system.usage().cpu_ns > 0


@pytest.mark.parametrize("status", ["", "Name:\tpython\n", "VmHWM:\n", "VmHWM:\tmuch kB\n"])
def test_a_peak_that_the_kernel_does_not_tell_is_not_a_number(tmp_path, monkeypatch, status):
    (tmp_path / "status").write_text(status)
    monkeypatch.setattr(system, "PROC", tmp_path)
    assert np.isnan(system.peak_mb())


def test_files_that_may_not_be_read_are_as_if_they_were_not_there(tmp_path, monkeypatch):
    for name in ("clear_refs", "status", "task/1/schedstat"):
        (tmp_path / name).mkdir(parents=True)  # reading a folder is refused, even to the superuser
    monkeypatch.setattr(system, "PROC", tmp_path)
    assert not system.reset_peak()
    assert np.isnan(system.peak_mb())
    assert system.usage().waited_ns == 0


@pytest.mark.parametrize("line", ["", "500\n", "500 none 7\n"])
def test_a_kernel_that_counts_no_waiting_leaves_it_at_none(tmp_path, monkeypatch, line):
    (tmp_path / "task" / "1").mkdir(parents=True)
    (tmp_path / "task" / "1" / "schedstat").write_text(line)
    monkeypatch.setattr(system, "PROC", tmp_path)
    assert system.usage().waited_ns == 0


@pytest.mark.parametrize("error", [FileNotFoundError("/proc/stat"), system.psutil.NoSuchProcess(1)])
def test_memory_that_cannot_be_read_is_not_a_number(monkeypatch, error):
    def refuse():
        raise error

    monkeypatch.setattr(system.psutil, "Process", refuse)
    assert np.isnan(system.resident_mb())


def test_a_clock_that_cannot_be_read_is_not_a_number(monkeypatch):
    monkeypatch.setattr(system.psutil, "cpu_freq", lambda: None)
    assert np.isnan(system.clock_mhz())
