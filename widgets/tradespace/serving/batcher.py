"""The dynamic batcher: when a server stops waiting for more requests, and takes those that are there as one batch."""

import math
from dataclasses import dataclass

from tradespace.errors import not_negative, whole_number
from tradespace.text import figures


@dataclass(frozen=True)
class Batcher:
    """Requests that wait are served together, oldest first, by a server that runs one batch at a time.

    A batch is ready as soon as it is full, or its oldest request has waited for `max_wait_ms`. It starts once the
    server is free, with as many of those that have arrived by then as fit.

    Parameters
    ----------
    max_batch : int
        The most requests in a batch.
    max_wait_ms : float
        How long the oldest request waits for others while the server is free. 0, the default: not at all; then a batch
        is what arrived while the one before it was running. Infinity: until the batch is full.

    Raises
    ------
    ValueError
        If `max_batch` is no whole number above 0, or `max_wait_ms` is negative or no number.

    Examples
    --------
    >>> print(Batcher(16, max_wait_ms=5))
    batches of at most 16, waiting at most 5 ms for more
    """

    max_batch: int = 1
    max_wait_ms: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_batch", whole_number("max_batch", self.max_batch, least=1))
        object.__setattr__(self, "max_wait_ms", not_negative("max_wait_ms", self.max_wait_ms))

    def __str__(self) -> str:
        if self.max_batch == 1:
            return "one request at a time"
        if math.isinf(self.max_wait_ms):
            return f"full batches of {self.max_batch}"
        waits = f", waiting at most {figures(self.max_wait_ms)} ms for more" if self.max_wait_ms else ""
        return f"batches of at most {self.max_batch}{waits}"
