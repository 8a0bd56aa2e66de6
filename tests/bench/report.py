"""What an experiment finds, and the table of all findings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADER = ("experiment", "figure", "found", "target", "reached")


@dataclass(frozen=True)
class Finding:
    """One line of the table at the end.

    Parameters
    ----------
    experiment, figure, found, target : str
    reached : bool or None
        None where there is no target, or where the machine gave nothing to judge it by.
    """

    experiment: str
    figure: str
    found: str
    target: str = "-"
    reached: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The words of its line."""
        reached = {True: "yes", False: "NO", None: "-"}[self.reached]
        return self.experiment, self.figure, self.found, self.target, reached


def print_findings(findings: Sequence[Finding]) -> None:
    """The table of findings."""
    print_table(HEADER, [finding.cells for finding in findings])


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their longest word; flushed, so that whoever waits sees how far it is."""
    lines = [tuple(header), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(flush=True)
