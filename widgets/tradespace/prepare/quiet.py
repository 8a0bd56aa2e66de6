"""Keep what exporters and compilers print out of the notebook, and at hand for the reason of a failure."""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

LINES_KEPT = 3


class Log:
    """What was printed, logged and warned about."""

    text = ""

    def tail(self) -> str:
        """Its last lines, in one."""
        return " | ".join(self.text.strip().splitlines()[-LINES_KEPT:])


@contextlib.contextmanager
def quiet() -> Iterator[Log]:
    """Capture what is printed inside, by Python or by a C++ library, together with warnings and log records.

    Examples
    --------
    >>> with quiet() as log:
    ...     print("[exporter] step 1 of 17")
    >>> log.text
    '[exporter] step 1 of 17\\n'
    """
    log = Log()
    printed = io.StringIO()
    level = logging.root.manager.disable
    with tempfile.TemporaryFile("w+", errors="replace") as file, contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("default")
        for descriptor in (1, 2):
            stack.enter_context(_into(file, descriptor))
        logging.disable(logging.WARNING)
        try:
            yield log
        finally:
            logging.disable(level)
            file.seek(0)
            log.text = printed.getvalue() + file.read() + "".join(f"{one.message}\n" for one in warned)


@contextlib.contextmanager
def _into(file: IO[str], descriptor: int) -> Iterator[None]:
    """Send what is written to a file descriptor of this process into `file`."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
    saved = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
