"""Errors that name the argument, what was wanted, what was given, and the nearest valid choice."""

import operator
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

# How the libraries that run models say that there is not enough memory.
OUT_OF_MEMORY = (
    "out of memory", "allocate memory", "not enough memory", "bad_alloc", "bad allocation", "unable to allocate",
    "failed to allocate",
)  # fmt: skip


class Unsupported(Exception):
    """The request cannot run here, for the reason given: it becomes a row of the surface, not a failure."""


def choose(argument: str, value: object, valid: Iterable[str]) -> str:
    """Return `value` if it is one of `valid`.

    Raises
    ------
    ValueError
        Otherwise; the message lists the valid values and the one most similar to `value`.

    Examples
    --------
    >>> choose("precision", "int9", ["fp32", "int8"])
    Traceback (most recent call last):
    ...
    ValueError: precision: wanted one of fp32, int8; got 'int9'. Did you mean 'int8'?
    """
    names = list(valid)
    if isinstance(value, str) and value in names:
        return value
    spelled = {name.lower(): name for name in names}
    nearest = get_close_matches(str(value).lower(), spelled, n=1)
    hint = f". Did you mean {spelled[nearest[0]]!r}?" if nearest else ""
    raise ValueError(f"{argument}: wanted one of {', '.join(names)}; got {value!r}{hint}")


def whole_number(argument: str, value: object, least: int, most: int | None = None, why: str = "") -> int:
    """Return `value` as an int if it is an integer from `least` to `most` (numpy integers count, a bool does not).

    Examples
    --------
    >>> whole_number("batch_size", 0, least=1)
    Traceback (most recent call last):
    ...
    ValueError: batch_size: wanted a whole number, at least 1; got 0. The nearest valid choice is 1
    """
    limits = f"at least {least}" if most is None else f"from {least} to {most}"
    wanted = f"{argument}: wanted a whole number, {limits}{why}; got {value!r}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # a value without an index is refused below
    except TypeError:
        raise ValueError(wanted) from None
    if isinstance(value, bool):
        raise ValueError(wanted)
    if number < least:
        raise ValueError(f"{wanted}. The nearest valid choice is {least}")
    if most is not None and number > most:
        raise ValueError(f"{wanted}. The nearest valid choice is {most}")
    return number


def positive(argument: str, value: object) -> float:
    """Return `value` as a float if it is a finite number above zero."""
    try:
        number = float(value)  # type: ignore[arg-type]  # a value that float() refuses is refused below
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if isinstance(value, str | bytes | bool) or not 0 < number < float("inf"):
        raise ValueError(f"{argument}: wanted a finite number above 0; got {value!r}")
    return number


def not_negative(argument: str, value: object) -> float:
    """Return `value` as a float if it is a number, at least zero; it may be infinite.

    Examples
    --------
    >>> not_negative("max_wait_ms", -1)
    Traceback (most recent call last):
    ...
    ValueError: max_wait_ms: wanted a number, at least 0; got -1
    """
    try:
        number = float(value)  # type: ignore[arg-type]  # a value that float() refuses is refused below
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if isinstance(value, str | bytes | bool) or not number >= 0:
        raise ValueError(f"{argument}: wanted a number, at least 0; got {value!r}")
    return number


def renamed(**names: str) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Refuse arguments by their old names, with an error that gives the new ones.

    Examples
    --------
    >>> @renamed(budget="total_s")
    ... def search(total_s): ...
    >>> search(budget=3)
    Traceback (most recent call last):
    ...
    TypeError: search: budget is now called total_s
    """

    def decorate(function: Callable[Given, Result]) -> Callable[Given, Result]:
        @wraps(function)
        def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
            for old in names.keys() & kwargs.keys():
                name = function.__qualname__.removesuffix(".__init__")
                raise TypeError(f"{name}: {old} is now called {names[old]}")
            return function(*args, **kwargs)

        return call

    return decorate


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of any of the runtimes means that there is not enough memory.

    Examples
    --------
    >>> out_of_memory(RuntimeError("Failed to allocate memory for requested buffer of size 256"))
    True
    """
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY)
