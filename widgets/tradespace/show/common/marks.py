"""One colour and one shape for each precision, in live charts and still figures alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """A colour (Okabe and Ito, 2008, told apart by colour-blind readers too) and a shape, named for each library."""

    colour: str
    symbol: str
    marker: str


MARKS = {
    "fp32": Mark("#0072B2", "symbolCircle", "o"),
    "bf16": Mark("#E69F00", "symbolSquare", "s"),
    "fp16": Mark("#56B4E9", "symbolDiamond", "D"),
    "int8": Mark("#009E73", "symbolTriangle", "^"),
    "int8-dynamic": Mark("#CC79A7", "symbolCross", "P"),
}
OTHER = Mark("#7F7F7F", "symbolWye", "X")


def mark(precision: str) -> Mark:
    """The mark of `precision`; one grey mark for those that have none of their own."""
    return MARKS.get(precision, OTHER)
