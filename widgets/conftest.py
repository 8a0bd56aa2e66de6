"""The examples of docstrings: what they measure is played back, so that they say the same on any machine, any day."""

from collections.abc import Iterator

import pytest
from tradespace import config, recording
from tradespace.measuring import engine
from tradespace.measuring.replay import Replay


@pytest.fixture(scope="session")
def replay() -> Replay:
    return Replay(recording.FOLDER / recording.USUAL / "measurements.zip", engine.PROCESS, faster=100)


@pytest.fixture(autouse=True)
def played_back(monkeypatch: pytest.MonkeyPatch, replay: Replay) -> Iterator[None]:
    cores = config.physical_cores, config.most_threads
    monkeypatch.setenv(recording.VARIABLE, "1")
    monkeypatch.setattr(config, "recording", recording.recording.__wrapped__)
    monkeypatch.setattr(engine, "PROCESS", replay)
    for one in cores:
        one.cache_clear()
    yield
    for one in cores:
        one.cache_clear()
