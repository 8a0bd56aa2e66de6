"""One colour and one shape for each precision, in both live charts and still figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """A colour (Okabe and Ito, 2008; safe for colour-blind readers) and a shape, by its D3 and its matplotlib name."""

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
    """Return the mark of `precision`. Precisions without a mark of their own share a grey one."""
    return MARKS.get(precision, OTHER)
