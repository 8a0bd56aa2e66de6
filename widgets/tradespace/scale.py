"""How a score is written: an accuracy in per cent, any other score as a number with its name and unit."""

import math
from dataclasses import dataclass

from tradespace.text import figures

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Scale:
    """The name and unit of a score, and how its values are written.

    Parameters
    ----------
    name : str
        `accuracy` is a fraction, which is written in per cent.
    unit : str

    Examples
    --------
    >>> print(Scale(), Scale("negative squared error", "m²"), sep="; ")
    accuracy; negative squared error, m²
    >>> Scale().axis, Scale("negative squared error", "m²").axis
    ('accuracy, %', 'negative squared error, m²')
    """

    name: str = ACCURACY
    unit: str = ""

    @classmethod
    def of(cls, score: str) -> "Scale":
        """The scale that a surface's column `score` names.

        Examples
        --------
        >>> Scale.of("negative squared error, m²")
        Scale(name='negative squared error', unit='m²')
        """
        name, _, unit = score.partition(", ")
        return cls(name, unit)

    def __str__(self) -> str:
        return f"{self.name}, {self.unit}" if self.unit else self.name

    @property
    def is_accuracy(self) -> bool:
        """Whether values are fractions of right answers."""
        return self.name == ACCURACY

    @property
    def percent(self) -> float:
        """What a value is multiplied by before it is written."""
        return 100.0 if self.is_accuracy else 1.0

    @property
    def percent_unit(self) -> str:
        """The unit of a value that was multiplied by `percent`."""
        return "%" if self.is_accuracy else self.unit

    @property
    def axis(self) -> str:
        """The label of an axis."""
        return str(Scale(self.name, self.percent_unit))

    @property
    def title(self) -> str:
        """The name as a title begins."""
        return f"{self.name[:1].upper()}{self.name[1:]}"

    @property
    def one(self) -> str:
        """The name with its article.

        Examples
        --------
        >>> Scale().one, Scale("gain").one
        ('an accuracy', 'a gain')
        """
        return f"{'an' if self.name[:1].lower() in 'aeiou' else 'a'} {self.name}"

    def write(self, value: float) -> str:
        """Format a value with its unit.

        Examples
        --------
        >>> Scale().write(0.9123), Scale("negative squared error", "m²").write(-0.01234567)
        ('91.2%', '-0.01235 m²')
        """
        return f"{value:.1%}" if self.is_accuracy else f"{figures(value, 4)}{self._unit}"

    def write_between(self, value: float, low: float, high: float) -> str:
        """Format a value with its interval, which is left out if it is not known.

        Examples
        --------
        >>> Scale().write_between(0.9, 0.88, 0.92), Scale("gain", "dB").write_between(2.0, 1.5, 2.5)
        ('90.0% (88.0% to 92.0%)', '2 dB (1.5 to 2.5)')
        """
        if math.isnan(low) or math.isnan(high):
            return self.write(value)
        ends = [self.write(end) if self.is_accuracy else figures(end, 4) for end in (low, high)]
        return f"{self.write(value)} ({ends[0]} to {ends[1]})"

    def mark(self, value: float) -> str:
        """Format a value that was multiplied by `percent`, for a place in a chart."""
        return f"{value:g} %" if self.is_accuracy else figures(value, 4)

    def signed(self, value: float) -> str:
        """Format the difference of two values with its sign, without its unit: of accuracies, in percentage points.

        Examples
        --------
        >>> Scale().signed(-0.0125), Scale("gain", "dB").signed(0.5)
        ('-1.25', '+0.5')
        """
        return f"{100 * value:+.2f}" if self.is_accuracy else f"{'-' if value < 0 else '+'}{figures(abs(value))}"

    def difference(self, value: float) -> str:
        """As `signed`, with the unit.

        Examples
        --------
        >>> Scale().difference(-0.0125), Scale("gain", "dB").difference(0.5)
        ('-1.25 points', '+0.5 dB')
        """
        return f"{self.signed(value)}{' points' if self.is_accuracy else self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""
