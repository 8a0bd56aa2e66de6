"""Other programs that want the cores."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Each ends by itself once its parent is gone, should that be killed before it can end it.
BURN = """
import os, sys, time
on_s, off_s, parent = float(sys.argv[1]), float(sys.argv[2]), os.getppid()
while os.getppid() == parent:
    end = time.monotonic() + on_s
    while time.monotonic() < end:
        pass
    time.sleep(off_s)
"""


@contextmanager
def burners(number: int, on_s: float = 1.0, off_s: float = 0.0) -> Iterator[None]:
    """So many other processes that each burn a core, on and off, as long as this block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", BURN, str(on_s), str(off_s)]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
