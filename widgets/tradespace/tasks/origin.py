"""Whose code it is: the user's own, or that of a library."""

import sys
import sysconfig
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

PACKAGES = {"site-packages", "dist-packages"}
HERE = Path(__file__).resolve().parents[1]
LIBRARIES = (*(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")), HERE)
MAIN = ("__main__", "__mp_main__")


def is_own(name: str | None) -> bool:
    """Whether the module called `name` is the user's own: a notebook, a script, or a file outside the libraries.

    The libraries are Python's own, whatever is installed in a folder `site-packages` or `dist-packages`, and this
    package. A module without a file is the user's own if nothing imported it, such as one made by `types.ModuleType`.

    Examples
    --------
    >>> is_own("__main__"), is_own("torch"), is_own("json.decoder"), is_own("sys")
    (True, False, False, False)
    """
    module = sys.modules.get(name or "")
    if module is None or name in MAIN:
        return True
    # Some modules have no file, or a name that is not a path; those are where their package is.
    for candidate in (module, sys.modules.get(str(name).partition(".")[0])):
        if place := _place(candidate):
            return not _in_library(place)
    return getattr(module, "__spec__", None) is None


def _place(module: object) -> str:
    # Not by getattr: some modules import others when they are asked for what they lack.
    names = getattr(module, "__dict__", {})
    for place in (names.get("__file__"), *(names.get("__path__") or ())):
        if isinstance(place, str) and Path(place).is_absolute():
            return place
    return ""


@cache
def _in_library(file: str) -> bool:
    path = Path(file).resolve()
    compiled = path.name.endswith(tuple(EXTENSION_SUFFIXES))
    return compiled or not PACKAGES.isdisjoint(path.parts) or any(path.is_relative_to(folder) for folder in LIBRARIES)
