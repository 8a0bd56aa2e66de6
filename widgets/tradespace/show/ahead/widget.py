"""A table of what is measured, from which the browser shows a move before the kernel has answered."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anywidget
import traitlets

from tradespace.show.common.assets import assets

# So long must rows and controls rest: gathering takes a tenth of a second of a core for 500 rows, which keeps every
# answer of the kernel waiting.
REST_S = 0.1

Make = Callable[[], Iterable[Mapping[str, Any]]]


class Ahead(anywidget.AnyWidget):
    """Keeps a table in the browser that goes with what the kernel has; nothing is to be seen of it.

    Parameters
    ----------
    widgets : mapping of str to Widget
        The controls and what they move, by the names that `lookup.js` has for them.
    busy : callable
        Whether something is being measured, which needs all cores for itself: then gathering waits.

    Examples
    --------
    >>> ahead = Ahead({})
    >>> ahead.keep("first", lambda: [{"rows": 1}, {"tiles": []}])
    >>> ahead.table is None
    True
    """

    _esm = assets("ahead")[0]
    widgets: "traitlets.Dict[str, str]" = traitlets.Dict({}).tag(sync=True)
    table = traitlets.Any(None).tag(sync=True)
    asked = traitlets.Bool(False).tag(sync=True)

    def __init__(self, widgets: Mapping[str, Any], busy: Callable[[], bool] = lambda: False) -> None:
        super().__init__(widgets={name: widget.model_id for name, widget in widgets.items()})
        self._lock, self._busy = threading.Lock(), busy
        self._key: Any = None
        self._make: Make | None = None
        self._moved_s = 0.0
        self._timer: threading.Timer | None = None
        self.observe(lambda _: self._wait(), "asked")

    def keep(self, key: Any, make: Make | None) -> None:
        """Show by the table whose parts `make` gathers, once `key` has not changed for a while; by none until then.

        To be called at every move: while they come one after the other, gathering waits.
        """
        self._moved_s = time.monotonic()
        with self._lock:
            if key == self._key:
                return
            self._key, self._make = key, make
        if self.table is not None:
            self.table = None
        self._wait()

    def close(self) -> None:
        """Gather nothing any more."""
        with self._lock:
            self._key = None
            self._stop()
        super().close()

    def _wait(self) -> None:
        with self._lock:
            self._stop()
            if self.asked and self._make is not None:
                self._timer = threading.Timer(REST_S, self._gather, (self._key, self._make))
                self._timer.daemon = True
                self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _gather(self, key: Any, make: Make) -> None:
        if self._busy():
            self._wait()
            return
        table: dict[str, Any] = {}
        for part in make():
            table |= part
            while (rest_s := self._moved_s + REST_S - time.monotonic()) > 0:
                time.sleep(rest_s)
            if key != self._key:
                return
        with self._lock:
            if key == self._key:
                self.table = table
