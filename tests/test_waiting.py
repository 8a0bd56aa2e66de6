"""How threads wait: what is set, where, and what is refused."""

import os

import pytest
import tradespace as ts
from tradespace.measuring.engine import PROCESS
from tradespace.spinning import VARIABLE, how_threads_wait


def spins():
    """What the measuring process was told."""
    return PROCESS.submit(os.getenv, "GOMP_SPINCOUNT").result()


def test_threads_of_the_measuring_process_wait_briefly_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    PROCESS.kill()
    assert spins() == "1000"
    with ts.waiting("spin"):
        assert (how_threads_wait(), spins()) == ("spin", None)
    assert (how_threads_wait(), spins()) == ("brief", "1000")
    assert "GOMP_SPINCOUNT" not in os.environ


def test_it_is_put_back_whatever_happens(monkeypatch):
    monkeypatch.setenv(VARIABLE, "spin")
    with pytest.raises(RuntimeError), ts.waiting("brief"):
        raise RuntimeError
    assert how_threads_wait() == "spin"


def test_another_way_is_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match=r"^way: wanted one of brief, spin; got 'brif'. Did you mean 'brief'"):
        ts.waiting("brif").__enter__()
    monkeypatch.setenv(VARIABLE, "passive")
    with pytest.raises(ValueError, match=rf"^{VARIABLE}: wanted one of brief, spin; got 'passive'"):
        how_threads_wait()
