"""Ask the measuring process to end a long run early, and to answer with what it has measured so far."""

import shutil
import tempfile
import weakref
from pathlib import Path


class Stop:
    """Ends a run when it is called: it makes a file for which the measuring process looks.

    Examples
    --------
    >>> stop = Stop()
    >>> stop.path.exists()
    False
    >>> stop()
    >>> stop.path.exists()
    True
    """

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="tradespace-"))
        self.path = folder / "stop"
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __call__(self) -> None:
        """End the run."""
        self.path.touch()
