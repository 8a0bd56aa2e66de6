"""Format numbers and names as people write them."""

import math
from collections.abc import Callable

# The verdict on what has no numbers to judge it by.
NOT_MEASURED = "not measured"


def figures(value: float, digits: int = 3) -> str:
    """Format a number to `digits` significant digits, without an exponent where people would write none.

    Examples
    --------
    >>> figures(1234.5), figures(0.031), figures(2.0)
    ('1,230', '0.031', '2')
    """
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def rate(value: float) -> str:
    """Format items per second, as a whole number from 100 on.

    Examples
    --------
    >>> rate(1234.5), rate(12.345)
    ('1,234', '12.3')
    """
    return f"{value:,.0f}" if value >= 100 else figures(value)


def counted(number: int, noun: str) -> str:
    """Format a number of things.

    Examples
    --------
    >>> counted(1, "slice"), counted(2000, "slice")
    ('1 slice', '2,000 slices')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def between(low: float, high: float, write: Callable[[float], str] = figures) -> str:
    """Format the interval that follows a number, in brackets; return "" if it is not known.

    Examples
    --------
    >>> between(1.0, 1.5), between(float("nan"), float("nan")), between(0.9, 0.92, "{:.1%}".format)
    (' (1 to 1.5)', '', ' (90.0% to 92.0%)')
    """
    return "" if math.isnan(low) or math.isnan(high) else f" ({write(low)} to {write(high)})"


def probability(p: float) -> str:
    """Format a p-value. Chance is never impossible, so a tiny one is no 0.

    Examples
    --------
    >>> probability(0.046), probability(1e-320), probability(0.0)
    ('p = 0.046', 'p < 0.001', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def sentence(words: str) -> str:
    """Return words as a sentence, with a capital letter and a full stop.

    Examples
    --------
    >>> sentence("stopped at 2 MHz"), sentence("It died.")
    ('Stopped at 2 MHz.', 'It died.')
    """
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."
