"""Capture what exporters and compilers print: it stays out of the notebook, but is at hand to explain a failure."""

import contextlib
import ctypes
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO, Any

LINES_KEPT = 3
LOGGED = re.compile(r"[IWE]\d{4} ")
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Log:
    """Captured output: what was printed, logged and warned about."""

    text = ""

    def tail(self) -> str:
        """Join its last lines into one, without what torch logs about itself."""
        lines = [line for line in COLOURS.sub("", self.text).strip().splitlines() if not LOGGED.match(line)]
        return " | ".join(lines[-LINES_KEPT:])


@contextlib.contextmanager
def quiet() -> Iterator[Log]:
    """Capture what Python or a C++ library prints in the block, together with warnings and log records.

    Examples
    --------
    >>> with quiet() as log:
    ...     print("[exporter] step 1 of 17")
    >>> log.text
    '[exporter] step 1 of 17\\n'
    """
    log = Log()
    shown = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    with tempfile.TemporaryFile("w+", errors="replace") as file, contextlib.ExitStack() as stack:
        stack.callback(_release, file)
        # A file rather than a StringIO, since a compiler started in the block asks for its descriptor.
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("default")
        for descriptor in (1, 2):
            stack.enter_context(_into(file, descriptor))
        for handler in _handlers():
            if handler.stream in shown:
                stack.callback(handler.setStream, handler.stream)
                handler.setStream(file)
        try:
            yield log
        finally:
            _flush()
            file.flush()
            file.seek(0)
            log.text = file.read() + "".join(f"{one.message}\n" for one in warned)


@contextlib.contextmanager
def _into(file: IO[str], descriptor: int) -> Iterator[None]:
    """Redirect a file descriptor of this process into `file`."""
    _flush()
    saved = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)


def _flush() -> None:
    """Flush the buffers of Python and of the C library, which each have their own streams."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    if sys.platform != "win32":
        ctypes.CDLL(None).fflush(None)


def _handlers() -> list["logging.StreamHandler[Any]"]:
    """Log handlers that write to a stream: each keeps the one it was created with."""
    loggers = [
        logging.root,
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    handlers = (handler for logger in loggers for handler in logger.handlers)
    return [h for h in handlers if isinstance(h, logging.StreamHandler) and not isinstance(h, logging.FileHandler)]


def _release(file: IO[str]) -> None:
    """Give handlers created in the meantime the stream they would have had otherwise."""
    for handler in _handlers():
        if handler.stream is file:
            # transformers binds that of the stream it finds, here the file.
            vars(handler).pop("flush", None)
            handler.setStream(sys.stderr)
