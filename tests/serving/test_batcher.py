import math
import re

import pytest
from tradespace.serving.batcher import Batcher


@pytest.mark.parametrize(
    ("batcher", "words"),
    [
        (Batcher(), "one request at a time"),
        (Batcher(1, max_wait_ms=5), "one request at a time"),
        (Batcher(8), "batches of at most 8"),
        (Batcher(8, max_wait_ms=2.5), "batches of at most 8, waiting at most 2.5 ms for more"),
        (Batcher(8, max_wait_ms=math.inf), "full batches of 8"),
    ],
)
def test_a_batcher_says_what_it_does(batcher, words):
    assert str(batcher) == words


@pytest.mark.parametrize("value", [0, -1, 2.5, "8", None, True])
def test_a_batch_holds_at_least_one_request(value):
    with pytest.raises(
        ValueError, match=rf"^max_batch: wanted a whole number, at least 1; got {re.escape(repr(value))}"
    ):
        Batcher(value)


@pytest.mark.parametrize("value", [-1, math.nan, "5", None, True])
def test_a_wait_is_not_negative(value):
    with pytest.raises(ValueError, match=rf"^max_wait_ms: wanted a number, at least 0; got {re.escape(repr(value))}"):
        Batcher(8, max_wait_ms=value)
