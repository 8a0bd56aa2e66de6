"""Texts that are written token by token, many of them together: batches that wait for their longest text, or do not."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tradespace.errors import choose, not_negative, positive, whole_number
from tradespace.serving.arrivals import Arrivals
from tradespace.text import figures


@dataclass(frozen=True)
class StepTimes:
    """How long a decoder takes to begin texts, and to write one more token of each.

    To begin reads whole prompts at once: a fixed time, and some for each token. A step reads all weights once, whatever
    the number of texts, does some arithmetic for each text, and reads the cache of each: a fixed time, some for each
    text, and some for each token that was read or written before.

    Parameters
    ----------
    begin_ms : (float, float)
        Fixed; for each token of the prompts.
    step_ms : (float, float, float)
        Fixed; for each text; for each token in the caches.
    off : float
        By how much the furthest measured time is off; NaN if none was measured.

    Raises
    ------
    ValueError
        If one of them is negative or no number.

    Examples
    --------
    >>> steps = StepTimes(begin_ms=(2.0, 0.5), step_ms=(4.0, 0.1, 0.001))
    >>> steps.begin(tokens=16), steps.step(texts=10, tokens=1_000)
    (10.0, 6.0)
    """

    begin_ms: tuple[float, float]
    step_ms: tuple[float, float, float]
    off: float = math.nan

    def __post_init__(self) -> None:
        for name, number in (("begin_ms", 2), ("step_ms", 3)):
            given = getattr(self, name)
            if not isinstance(given, tuple | list) or len(given) != number:
                raise ValueError(f"{name}: wanted {number} numbers of milliseconds; got {given!r}")
            object.__setattr__(self, name, tuple(not_negative(name, one) for one in given))

    @classmethod
    def fitted(
        cls, begun_ms: Mapping[tuple[int, int], float], stepped_ms: Mapping[tuple[int, int], float]
    ) -> "StepTimes":
        """Those that come nearest to measured times, in relative terms.

        Parameters
        ----------
        begun_ms : mapping of (int, int) to float
            (texts, tokens of each prompt) -> milliseconds to the first token.
        stepped_ms : mapping of (int, int) to float
            (texts, tokens of each before) -> milliseconds for one more token of each.

        Raises
        ------
        ValueError
            If fewer times than unknowns were measured.

        Examples
        --------
        >>> StepTimes.fitted({(1, 10): 7.0, (2, 10): 12.0}, {(1, 100): 4.2, (10, 100): 6.0, (1, 1_000): 5.1})
        to begin, 2 ms + 0.5 ms a token; a step, 4 ms + 0.1 ms a text + 0.001 ms a token before
        """
        begin, begin_off = _nearest("begun_ms", {(1.0, n * tokens): ms for (n, tokens), ms in begun_ms.items()})
        step, step_off = _nearest("stepped_ms", {(1.0, n, n * tokens): ms for (n, tokens), ms in stepped_ms.items()})
        return cls(begin, step, max(begin_off, step_off))  # type: ignore[arg-type]  # two and three, as they were given

    def begin(self, tokens: int) -> float:
        """Milliseconds to the first token of texts whose prompts have so many tokens in all."""
        return self.begin_ms[0] + self.begin_ms[1] * tokens

    def step(self, texts: int, tokens: int) -> float:
        """Milliseconds for one more token of each of `texts`, with so many tokens in all their caches."""
        fixed, each, cached = self.step_ms
        return fixed + each * texts + cached * tokens

    def __repr__(self) -> str:
        (fixed, token), (base, each, cached) = ([figures(ms) for ms in some] for some in (self.begin_ms, self.step_ms))
        step = f"{base} ms + {each} ms a text + {cached} ms a token before"
        return f"to begin, {fixed} ms + {token} ms a token; a step, {step}"


def _nearest(name: str, times_ms: Mapping[tuple[float, ...], float]) -> tuple[tuple[float, ...], float]:
    from scipy.optimize import nnls

    rows = np.array(list(times_ms), dtype=float)
    values = np.array([positive(name, ms) for ms in times_ms.values()])
    if len(rows) < (unknown := rows.shape[1] if len(rows) else 2):
        raise ValueError(f"{name}: wanted at least {unknown} measured times; got {len(rows)}")
    found, _ = nnls(rows / values[:, None], np.ones(len(values)))
    return tuple(float(f"{one:.12g}") for one in found), float(np.abs(rows @ found / values - 1).max())


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts that are asked for.

    Parameters
    ----------
    arrived_s : ndarray, shape (texts,)
        When, in seconds, ascending.
    prompt_tokens, new_tokens : ndarray of int, shape (texts,)
        How long each prompt is, and how many tokens are to be written.

    Raises
    ------
    ValueError
        If there are none, their lengths differ, arrivals are not ascending, or a number of tokens is not above 0.
    """

    arrived_s: np.ndarray
    prompt_tokens: np.ndarray
    new_tokens: np.ndarray

    def __post_init__(self) -> None:
        arrived_s = np.asarray(self.arrived_s, dtype=float)
        if arrived_s.ndim != 1 or not len(arrived_s):
            raise ValueError(f"arrived_s: wanted at least one time; got {self.arrived_s!r}")
        if not np.isfinite(arrived_s).all() or (np.diff(arrived_s) < 0).any():
            raise ValueError("arrived_s: wanted finite times in ascending order")
        object.__setattr__(self, "arrived_s", arrived_s)
        for name in ("prompt_tokens", "new_tokens"):
            given = np.asarray(getattr(self, name))
            if given.shape != arrived_s.shape or not np.issubdtype(given.dtype, np.integer) or (given < 1).any():
                raise ValueError(
                    f"{name}: wanted a whole number above 0 for each of {len(arrived_s)} texts; got {given}"
                )
            object.__setattr__(self, name, given)

    @classmethod
    def drawn(
        cls, arrivals: Arrivals, texts: int, *, prompt_tokens: int, new_tokens: float, most_tokens: int, seed: int = 0
    ) -> "Texts":
        """Texts with prompts of one length, and answers whose lengths are geometric, cut at `most_tokens`.

        At each token, an answer ends with the same probability: 1 over `new_tokens`, their mean length before the cut.
        """
        whole_number("texts", texts, least=1)
        prompts = np.full(texts, whole_number("prompt_tokens", prompt_tokens, least=1))
        if positive("new_tokens", new_tokens) < 1:
            raise ValueError(f"new_tokens: wanted at least 1; got {new_tokens!r}")
        most = whole_number("most_tokens", most_tokens, least=1)
        lengths = np.random.default_rng([seed, 2]).geometric(1 / new_tokens, texts)
        return cls(arrivals.times_s(texts, seed), prompts, np.minimum(lengths, most))

    def __len__(self) -> int:
        return len(self.arrived_s)


@dataclass(frozen=True, eq=False)
class Written:
    """What became of texts.

    TTFT counts from the arrival, so it includes the queue. TPOT = (E2E - TTFT) / (N - 1), the mean gap between tokens,
    leaves the first token out, as in vLLM's and NVIDIA's tools; a text of one token has none.

    Parameters
    ----------
    texts : Texts
    how : str
        `static` or `continuous`.
    first_s, end_s : ndarray, shape (texts,)
        When the first and the last token of each was there.
    computed, wasted : int
        Tokens that were computed, and those among them that belong to no text any more.
    """

    texts: Texts
    how: str
    first_s: np.ndarray
    end_s: np.ndarray
    computed: int
    wasted: int

    @cached_property
    def ttft_ms(self) -> np.ndarray:
        """Time to the first token of each text."""
        taken_ms: np.ndarray = (self.first_s - self.texts.arrived_s) * 1e3
        return taken_ms

    @cached_property
    def e2e_ms(self) -> np.ndarray:
        """Time to the last token of each text."""
        taken_ms: np.ndarray = (self.end_s - self.texts.arrived_s) * 1e3
        return taken_ms

    @cached_property
    def tpot_ms(self) -> np.ndarray:
        """Time for each token after the first, on average over a text; NaN of texts of one token."""
        more = self.texts.new_tokens - 1
        gaps = np.where(more > 0, more, 1)
        return np.where(more > 0, (self.e2e_ms - self.ttft_ms) / gaps, math.nan)

    @property
    def wasted_share(self) -> float:
        """Share of the computed tokens that belong to no text any more."""
        return self.wasted / self.computed

    @property
    def tokens_per_s(self) -> float:
        """Tokens of texts a second, from the first arrival to the last token."""
        return float(self.texts.new_tokens.sum() / (self.end_s.max() - self.texts.arrived_s[0]))

    def goodput_per_s(self, *, ttft_ms: float, tpot_ms: float) -> float:
        """Texts a second whose first token and whose next ones came in time."""
        in_time = (self.ttft_ms <= positive("ttft_ms", ttft_ms)) & ~(self.tpot_ms > positive("tpot_ms", tpot_ms))
        return float(in_time.sum() / (self.end_s.max() - self.texts.arrived_s[0]))

    def __repr__(self) -> str:
        return (
            f"{self.how}, {len(self.texts):,} texts: {figures(self.tokens_per_s)} tokens/s, TTFT p50 "
            f"{figures(float(np.median(self.ttft_ms)))} ms, TPOT p50 {figures(float(np.nanmedian(self.tpot_ms)))} ms, "
            f"{self.wasted_share:.0%} of the computed tokens wasted"
        )


def write(steps: StepTimes, texts: Texts, *, max_batch: int, batching: str = "continuous") -> Written:
    """Write texts in a simulation, at most `max_batch` of them together.

    In a `static` batch, those that wait begin together, and the next ones begin when the longest of them is done: until
    then, tokens of shorter ones are computed in vain. With `continuous` batching, a text that is done leaves at once,
    and one that waits takes its place before the next token (Yu et al., "Orca", 2022); all others wait while it begins.

    Parameters
    ----------
    steps : StepTimes
    texts : Texts
    max_batch : int
        The most texts that are written together.
    batching : str
        `continuous` or `static`.

    Raises
    ------
    ValueError
        If `max_batch` is no whole number above 0, or `batching` is neither.

    Examples
    --------
    >>> steps = StepTimes(begin_ms=(0.0, 0.0), step_ms=(10.0, 0.0, 0.0))
    >>> texts = Texts([0.0, 0.0, 0.0], np.array([4, 4, 4]), np.array([2, 11, 2]))
    >>> write(steps, texts, max_batch=2, batching="static").end_s.tolist()
    [0.01, 0.1, 0.11]
    >>> write(steps, texts, max_batch=2).end_s.round(6).tolist()
    [0.01, 0.1, 0.02]
    """
    most = whole_number("max_batch", max_batch, least=1)
    choose("batching", batching, WAYS)
    return WAYS[batching](steps, texts, most)


def _static(steps: StepTimes, texts: Texts, most: int) -> Written:
    arrived, number = texts.arrived_s.tolist(), len(texts)
    first_s, end_s = np.empty(number), np.empty(number)
    at, free_s, computed = 0, 0.0, 0
    while at < number:
        start_s = max(free_s, arrived[at])
        size = bisect_right(arrived, start_s, at, min(at + most, number)) - at
        batch = slice(at, at + size)
        # Prompts are padded to the longest one.
        prompt, longest = int(texts.prompt_tokens[batch].max()), int(texts.new_tokens[batch].max())
        first_s[batch] = start_s + steps.begin(size * prompt) / 1e3
        later_ms = [steps.step(size, size * (prompt + more)) for more in range(1, longest)]
        after_s = np.cumsum([0.0, *later_ms]) / 1e3
        end_s[batch] = first_s[batch] + after_s[texts.new_tokens[batch] - 1]
        free_s = float(first_s[at] + after_s[-1])
        computed += size * longest
        at += size
    return Written(texts, "static", first_s, end_s, computed, computed - int(texts.new_tokens.sum()))


def _continuous(steps: StepTimes, texts: Texts, most: int) -> Written:
    arrived, prompts, new = texts.arrived_s.tolist(), texts.prompt_tokens.tolist(), texts.new_tokens.tolist()
    number = len(texts)
    first_s, end_s = [0.0] * number, [0.0] * number
    left: dict[int, int] = {}  # text -> tokens that are still to be written
    now_s, at, cached = 0.0, 0, 0
    while at < number or left:
        if not left:
            now_s = max(now_s, arrived[at])
        until = bisect_right(arrived, now_s, at, min(at + most - len(left), number))
        if until > at:
            read = sum(prompts[at:until])
            now_s += steps.begin(read) / 1e3
            cached += read
            left |= {text: new[text] for text in range(at, until)}
            first_s[at:until] = [now_s] * (until - at)
            written, at = list(range(at, until)), until
        else:
            cached += len(left)
            now_s += steps.step(len(left), cached) / 1e3
            written = list(left)
        for text in written:
            left[text] -= 1
            if not left[text]:
                end_s[text] = now_s
                cached -= prompts[text] + new[text] - 1
                del left[text]
    return Written(texts, "continuous", np.array(first_s), np.array(end_s), sum(new), 0)


WAYS = {"static": _static, "continuous": _continuous}
