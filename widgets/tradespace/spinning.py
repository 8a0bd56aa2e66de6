"""How threads wait for each other: whether an idle thread keeps its core."""

import os

from tradespace.errors import choose

VARIABLE = "TRADESPACE_WAITING"
WAYS = ("brief", "spin")

# A thread that has done its share of a layer waits for the others. If it spins, it starts the next layer at once; but
# where other programs want the cores, it wastes its time slices. By default OpenMP spins for some milliseconds: with
# one busy program per core, two threads of eager PyTorch took four to six times as long on average, and hundreds of
# times as long in bad moments. A thousand spins (some ten microseconds) last from one layer to the next, and no longer.
OPENMP = {"brief": {"GOMP_SPINCOUNT": "1000"}, "spin": {}}
# In microseconds; None keeps ONNX Runtime's default (it spins).
ONNXRUNTIME_SPIN_US = {"brief": 200, "spin": None}
# Threads bound to their cores must share them with whatever else runs there; unbound threads are free to move.
OPENVINO_BINDS = {"brief": False, "spin": True}


def how_threads_wait() -> str:
    """Value of the environment variable TRADESPACE_WAITING, `brief` or `spin`; `brief` if it is not set.

    Raises
    ------
    ValueError
        If the variable has another value.

    Examples
    --------
    >>> how_threads_wait()
    'brief'
    """
    return choose(VARIABLE, os.environ.get(VARIABLE) or "brief", WAYS)
