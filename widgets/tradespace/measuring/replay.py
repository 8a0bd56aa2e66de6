"""A replacement for the measuring process in recorded mode: it answers as that did on the recorded machine."""

import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tradespace.config import Config
from tradespace.measuring import worker
from tradespace.measuring.archive import config_of, read_labels, read_layers, read_measurement
from tradespace.measuring.measurement import Facts, Failure, Measurement, Slice
from tradespace.prepare import Layer
from tradespace.tasks.parcel import unpack

FASTER = 10
NO_SERVER = Failure("unsupported", "recorded mode: no server was recorded; ts.simulate serves from the times that were")
NOT_RECORDED = Failure("unsupported", "recorded mode: this was not measured on the machine that was recorded")


class Process(Protocol):
    """A process that answers requests."""

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]": ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Tape:
    """The recordings of one Config, and the position in the one that is playing.

    Parameters
    ----------
    takes : list of Measurement
        Each measurement gets the next one: repeated measurements differ a little, as real ones do.
    """

    takes: list[Measurement]
    _take: int = -1
    _position: int = 0
    _players: int = 0

    @property
    def playing(self) -> Measurement:
        """The recording whose slices are being returned."""
        return self.takes[self._take]

    def begin(self) -> None:
        """Begin a measurement. Two at once, as in an A/A test, get the slices of one recording in turns."""
        if not self._players or self._position == len(self.playing.slices):
            self._take, self._position, self._players = (self._take + 1) % len(self.takes), 0, 0
        self._players += 1

    def next_slice(self) -> Slice | None:
        """Return the next slice; None after the last, since repeated slices would make a result look too certain."""
        if self._position == len(self.playing.slices):
            return None
        self._position += 1
        return self.playing.slices[self._position - 1]

    def end(self) -> None:
        """End a measurement."""
        self._players = max(0, self._players - 1)


class Replay:
    """A file of Measurements that replaces the measuring process.

    Parameters
    ----------
    path : Path
        Written by `write_measurements`.
    live : Process
        Does what depends on no machine, such as finding the channels that a pruning leaves.
    faster : float
        How many times faster it is than measuring was.
    """

    def __init__(self, path: Path, live: Process, faster: float = FASTER) -> None:
        self._path, self._live, self.faster = path, live, faster
        self._lock = threading.Lock()
        self._payloads: dict[str, bytes] = {}
        self._names: dict[str, str] = {}
        self._tapes: dict[tuple[str, Config], Tape] = {}
        self._answers: dict[Callable[..., Any], Callable[..., Any]] = {
            worker.make_ready: self._make_ready,
            worker.run_slice: self._run_slice,
            worker.score_slice: self._score,
            worker.energy: self._energy,
            worker.layers: self._layers_of,
            worker.finish: self._finish,
            worker.forget: self._forget,
            worker.serve: lambda *_: NO_SERVER,
            worker.time_calls: lambda *_: NOT_RECORDED,
            worker.run_after_pauses: lambda *_: NOT_RECORDED,
        }

    def submit(self, function: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Answer a request of the engine."""
        answered: Future[Any] = Future()
        key, *others = args or (None,)
        if function is worker.learn:
            self._payloads[key], self._names[key] = others[0], unpack(others[0]).name
            answered.set_result(None)
        elif function in self._answers:
            answer = self._answers[function](key, *others) if key in self._names else worker.UNKNOWN_TASK
            answered.set_result(answer)
        elif function is worker.operations and (refused := self._refusal(key, *others)):
            answered.set_result(refused)
        else:
            if key in self._payloads:
                self._live.submit(worker.learn, key, self._payloads[key])
            return self._live.submit(function, *args)
        return answered

    def start(self) -> None:
        """Do nothing: there is nothing to start."""

    def kill(self) -> None:
        """End the live process, if it is running."""
        self._live.kill()

    def _make_ready(self, key: str, config: Config) -> Facts | Failure:
        tape = self._tape(key, config)
        if tape is None:
            return NOT_RECORDED
        with self._lock:
            tape.begin()
        failure = tape.playing.failure
        # The accuracy of a Config that cannot be timed here may still be known.
        return tape.playing.facts if failure is None or tape.playing.scores is not None else failure

    def _run_slice(self, key: str, config: Config, _seconds: float) -> Slice | None:
        with self._lock:
            played = self._tapes[self._names[key], config].next_slice()
        if played is not None:
            time.sleep((played.wall_ns + played.busy_ns + played.warm_up_ns) / 1e9 / self.faster)
        return played

    def _score(self, key: str, config: Config, _seconds: float, known: int) -> np.ndarray:
        scores = self._tapes[self._names[key], config].playing.scores
        return np.empty(0, bool) if scores is None else scores[known:]

    def _energy(self, key: str, config: Config) -> float:
        return self._tapes[self._names[key], config].playing.energy_j_per_item

    def _refusal(self, key: str, config: Config) -> Failure | None:
        """Why the recorded machine could not run `config`: then there are no operations to count here either."""
        tape = self._tape(key, config) if key in self._names else None
        return tape.playing.failure if tape else None

    def _layers_of(self, key: str, config: Config) -> list[Layer] | Failure:
        return self._layers.get((self._names[key], config.variant), NOT_RECORDED)

    def _finish(self, key: str, config: Config) -> None:
        with self._lock:
            if tape := self._tape(key, config):
                tape.end()

    def _forget(self, key: str) -> None:
        """Do nothing: what is played back takes no memory in a process of its own."""

    def _tape(self, key: str, config: Config) -> Tape | None:
        about = self._names[key], config
        if about not in self._tapes and (takes := self._takes(*about)):
            self._tapes[about] = Tape(takes)
        return self._tapes.get(about)

    def _takes(self, task: str, config: Config) -> list[Measurement]:
        where = self._index.get((task, config), [])
        return [read_measurement(self._file, number, label) for number, label in where]

    @cached_property
    def _layers(self) -> dict[tuple[str, Config], list[Layer]]:
        return read_layers(self._path)

    @cached_property
    def _file(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self._path)

    @cached_property
    def _index(self) -> dict[tuple[str, Config], list[tuple[int, dict[str, Any]]]]:
        """Where in the file the recordings of each Config of a task are."""
        index: dict[tuple[str, Config], list[tuple[int, dict[str, Any]]]] = {}
        for number, label in enumerate(read_labels(self._path)):
            index.setdefault((label["task"], config_of(label)), []).append((number, label))
        return index
