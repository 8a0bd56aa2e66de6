"""Widgets that measure while they are shown."""

import threading
from abc import abstractmethod
from collections.abc import Generator
from concurrent.futures import Executor
from typing import Any, Self

import anywidget
import traitlets

from tradespace.config import Config
from tradespace.measuring.background import Background, Ended
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.show.common.still import Still
from tradespace.show.common.words import cut_short
from tradespace.tasks.task import Task


class MeasuringWidget(Still, anywidget.AnyWidget):
    """Start and Stop buttons for a measurement in the background.

    A subclass defines what is measured (`_steps`, which runs in a thread), which Measurement to keep (`_land`), and
    what to show (`_shown`, `_still`).

    Parameters
    ----------
    start : bool
        Whether measuring starts when the widget is displayed; otherwise it waits for the button.
    """

    state: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)

    def __init__(
        self, task: Task, configs: list[Config], schedule: Schedule, executor: Executor | None, start: bool
    ) -> None:
        self._task, self._configs, self._schedule, self._executor = task, configs, schedule, executor
        self._lock = threading.RLock()
        self._background = Background[Measurement](self._lock, self._take, self._over)
        self._by_itself, self._began = start, False
        # Why the last run ended early; empty if it did not.
        self._cut_short = ""
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: self._asked(content))
        self._begin()
        self._show()

    def _begin(self) -> None:
        """Discard the results of an earlier run."""
        width, score = self._schedule.max_width, self._task.score.label
        for config in self._configs:
            self._land(Measurement(self._task.name, config, max_width=width, score=score))

    @abstractmethod
    def _steps(self) -> Generator[Measurement, None, None]: ...

    @abstractmethod
    def _land(self, step: Measurement) -> None: ...

    @abstractmethod
    def _shown(self) -> dict[str, Any]:
        """What the browser draws, as JSON."""

    @property
    def running(self) -> bool:
        """Whether measuring is under way."""
        return self._background.running

    def start(self) -> None:
        """Start over, dropping any run under way."""
        with self._lock, self.hold_sync(), self._background.guarded():
            self._background.start(self._steps)
            self._by_itself, self._began, self._cut_short = False, True, ""
            self._begin()
            self._show()

    def stop(self) -> None:
        """Stop measuring, keeping the results so far; the current slice is the last."""
        self._background.stop()

    def wait(self) -> Self:
        """Wait for the end, for a cell that needs the result; start first if necessary."""
        with self._background.guarded():
            if not self._began:
                self.start()
            self._background.wait()
        return self

    def close(self) -> None:
        """Stop, and remove the widget from the page."""
        # Called for partly constructed widgets too.
        if "_background" in vars(self):
            self.stop()
        super().close()

    def _take(self, step: Measurement) -> None:
        self._land(step)
        self._show()

    def _over(self, end: Ended) -> None:
        self._cut_short = cut_short(end)
        self._show()

    def _show(self) -> None:
        self.state = {"running": self.running, **self._shown()}

    def _asked(self, content: dict[str, str]) -> None:
        """Handle a button, or the widget's appearance on the page, which nothing else reports inside a box."""
        if content.get("do") == "start":
            self.start()
        elif content.get("do") == "stop":
            self.stop()
        elif self._by_itself:
            self.start()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        with self._lock:
            bundle = super()._repr_mimebundle_(**options)
        if bundle and self._by_itself:
            # Not earlier, since drawing would disturb it.
            self.start()
        return bundle
