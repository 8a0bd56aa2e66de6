"""How threads wait for each other: whether an idle one keeps its core."""

import os

from tradespace.errors import choose

VARIABLE = "TRADESPACE_WAITING"
WAYS = ("brief", "spin")

# A thread that has done its share of a layer waits for the others. Spinning, it is there at once when the next layer
# begins; but where other programs want the cores, it spends its turns on nothing. Left to itself OpenMP spins for some
# milliseconds: with one busy program a core, two threads of eager PyTorch took four to six times as long at the mean,
# and hundreds of times in bad moments. A thousand turns (some ten microseconds) lie between two layers, and no more.
OPENMP = {"brief": {"GOMP_SPINCOUNT": "1000"}, "spin": {}}
# Microseconds; None leaves ONNX Runtime as it is (it spins).
ONNXRUNTIME_SPIN_US = {"brief": 200, "spin": None}
# Threads bound to their cores must share them with what else runs there; the others are free to move.
OPENVINO_BINDS = {"brief": False, "spin": True}


def how_threads_wait() -> str:
    """`brief`, or what the environment variable TRADESPACE_WAITING says: `brief` or `spin`.

    Raises
    ------
    ValueError
        If the variable is neither.

    Examples
    --------
    >>> how_threads_wait()
    'brief'
    """
    return choose(VARIABLE, os.environ.get(VARIABLE) or "brief", WAYS)
