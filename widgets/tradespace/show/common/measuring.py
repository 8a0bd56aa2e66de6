"""Widgets that measure while they are shown: a thread waits for the measuring process, the notebook goes on."""

import threading
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import anywidget
import traitlets

from tradespace.show.common.still import Still

# Waiting in short turns, since on Windows a wait without end cannot be interrupted.
TURN_S = 0.2


class MeasuringWidget(Still, anywidget.AnyWidget):
    """Buttons Start and Stop over a thread that takes in, step by step, what the measuring process brings.

    A subclass says what is measured (`_steps`, which runs in the thread), what to keep of each step (`_land`), and
    what is shown of that (`_shown`, `_still`).

    Parameters
    ----------
    start : bool
        Whether measuring starts by itself once the widget is displayed; else it waits for the button.
    """

    state: "traitlets.Dict[str, Any]" = traitlets.Dict({}).tag(sync=True)
    _run: threading.Thread | None = None

    def __init__(self, start: bool) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._by_itself, self._began = start, False
        # Why the last run ended before its end; empty if it did not.
        self._cut_short = ""
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: self._asked(content))
        self._begin()
        self._show()

    @abstractmethod
    def _begin(self) -> None:
        """Forget what an earlier run brought."""

    @abstractmethod
    def _steps(self) -> Iterator[Any]: ...

    @abstractmethod
    def _land(self, step: Any) -> None: ...

    @abstractmethod
    def _shown(self) -> dict[str, Any]:
        """What the browser draws, as JSON."""

    @property
    def running(self) -> bool:
        """Whether measuring is under way."""
        return self._run is not None

    def start(self) -> None:
        """Measure afresh; what is under way is dropped."""
        with self._changed:
            self._by_itself, self._began, self._cut_short = False, True, ""
            self._run = threading.Thread(target=self._follow, name="tradespace-measuring", daemon=True)
            self._begin()
            self._show()
            self._run.start()

    def stop(self) -> None:
        """Measure no longer: what is known stays, and the thread ends with the slice that is under way."""
        with self._changed:
            if self.running:
                self._end("stopped")

    def wait(self) -> Self:
        """Wait for the end, in a cell that needs the result; if nothing was started yet, start."""
        with self._changed:
            try:
                if not self._began:
                    self.start()
                while self.running:
                    self._changed.wait(TURN_S)
            except KeyboardInterrupt:
                self._end("interrupted")
                raise
        return self

    def close(self) -> None:
        """Stop, and take the widget off the page."""
        if self.running:
            self.stop()
        super().close()

    def _follow(self) -> None:
        me, cut_short = threading.current_thread(), ""
        try:
            for step in self._steps():
                with self._changed:
                    if self._run is not me:
                        return
                    self._land(step)
                    self._show()
        except KeyboardInterrupt:
            # That of the measuring process, which hands it on.
            cut_short = "interrupted"
        except Exception as error:
            cut_short = f"{type(error).__name__}: {error}"
        with self._changed:
            if self._run is me:
                self._end(cut_short)

    def _end(self, cut_short: str) -> None:
        self._run, self._cut_short = None, cut_short
        self._show()
        self._changed.notify_all()

    def _show(self) -> None:
        self.state = {"running": self.running, **self._shown()}

    def _asked(self, content: dict[str, str]) -> None:
        """A button was pressed, or the widget came onto the page (inside a box, nothing else tells)."""
        if content.get("do") == "start":
            self.start()
        elif content.get("do") == "stop":
            self.stop()
        elif self._by_itself:
            self.start()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        with self._changed:
            bundle = super()._repr_mimebundle_(**options)
        if bundle and self._by_itself:
            # Not sooner, since drawing would disturb it.
            self.start()
        return bundle
