"""How long a server takes for a batch of any size: measured samples, and what lies between the measured sizes."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypeAlias

import numpy as np

from tradespace.config import Config
from tradespace.errors import positive, whole_number
from tradespace.measuring.measurement import Measurement
from tradespace.surface.predict import BatchFit, line
from tradespace.text import counted, figures

MS_PER_NS = 1e-6

Quantile: TypeAlias = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class ServiceTimes:
    """Samples of the time that a batch takes, for some batch sizes.

    A time for a size in between is drawn as the same quantile of its two neighbours, on the line between them; a server
    that runs the measured sizes only fills such a batch up to the next of them. Below the least measured size, a batch
    takes as long as one of that size.

    A call after a pause may take several times as long, since others have used the caches meanwhile, and the next ones
    pay a part of that still. If that was measured, a time after a pause in between is drawn likewise; longer pauses
    count as the longest one.

    Parameters
    ----------
    samples_ms : mapping of int to ndarray
        Batch size -> milliseconds that single calls took, one after the other.
    padded : bool
        Whether batches of other sizes are filled up to the next measured one, since the runtime compiles for a size.
    config : Config, optional
        What was measured; its batch size means nothing.
    task, machine, flags : str
    paused_ms : mapping of float to mapping of int to ndarray, optional
        Pause in milliseconds -> batch size -> milliseconds that calls took after such a pause. Batch sizes may be
        missing whose calls take so long that a pause does not matter.
    carried : float
        Of what a call takes more after a pause, the share that the next one takes more still, without a pause.

    Raises
    ------
    ValueError
        If there are no samples, a batch size is no whole number above 0, or a time is no finite number above 0.

    Examples
    --------
    >>> service = ServiceTimes({1: np.array([1.0, 1.2]), 4: np.array([2.2, 2.4])})
    >>> service.sizes, round(service.mean_ms(2), 6), round(service.capacity_per_s(4))
    ((1, 4), 1.5, 1739)
    >>> ServiceTimes(service.samples_ms, padded=True).mean_ms(2)
    2.3
    >>> service
    a batch takes 1.1 ms for 1, 2.3 ms for 4 on average; t(B) = 0.7 ms + 0.4 ms x B
    >>> ServiceTimes({1: np.array([1.0])}, paused_ms={10.0: {1: np.array([3.0])}})
    a batch takes 1 ms for 1 on average; after a pause of 10 ms, 3 ms for 1
    """

    samples_ms: Mapping[int, np.ndarray]
    padded: bool = False
    config: Config | None = None
    task: str = ""
    machine: str = ""
    flags: str = ""
    paused_ms: Mapping[float, Mapping[int, np.ndarray]] = field(default_factory=dict)
    carried: float = 0.0

    def __post_init__(self) -> None:
        if not self.samples_ms:
            raise ValueError("samples_ms: wanted times of at least one batch size; got none")
        object.__setattr__(self, "samples_ms", _read("samples_ms", self.samples_ms))
        paused = {positive("paused_ms: pause", ms): _read("paused_ms", self.paused_ms[ms]) for ms in self.paused_ms}
        for times in paused.values():
            if not set(times) <= set(self.samples_ms) or set(times) != set(next(iter(paused.values()))):
                sizes = list(self.samples_ms)
                raise ValueError(
                    f"paused_ms: wanted the same batch sizes, of {sizes}, after each pause; got {[*times]}"
                )
        object.__setattr__(self, "paused_ms", dict(sorted(paused.items())))
        if not 0 <= self.carried < 1:
            raise ValueError(f"carried: wanted a share from 0 to less than 1; got {self.carried!r}")

    @classmethod
    def of(cls, measurements: Iterable[Measurement], padded: bool | None = None) -> Self:
        """Those of Measurements that differ in batch size only; slices that other work disturbed are left out.

        By default, `padded` is true of the runtimes that prepare a model for one batch size.

        Raises
        ------
        ValueError
            If none was timed, or they differ in more than their batch size.
        """
        from tradespace.prepare import any_size  # which imports torch: a simulation needs none

        timed = sorted((m for m in measurements if m.samples), key=lambda m: m.config.batch_size)
        alike = list(dict.fromkeys((m.task, m.machine, replace(m.config, batch_size=1)) for m in timed))
        if len(alike) > 1:
            raise ValueError(
                f"measurements: wanted some that differ in batch size only; got {alike[0][-1]} and {alike[1][-1]}, of "
                f"tasks {alike[0][0]!r} and {alike[1][0]!r}, on {alike[0][1]!r} and {alike[1][1]!r}"
            )
        samples = {m.config.batch_size: np.concatenate([s.samples_ns for s in m.kept]) * MS_PER_NS for m in timed}
        if not samples:
            return cls({})
        flags = dict.fromkeys(flag for m in timed for flag in m.flags.split())
        first = timed[0]
        padded = not any_size(first.config) if padded is None else padded
        return cls(samples, padded, first.config, first.task, first.machine, " ".join(flags))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The measured batch sizes, ascending."""
        return tuple(sorted(self.samples_ms))

    def __repr__(self) -> str:
        ends = dict.fromkeys((1, self.largest))
        times = ", ".join(f"{figures(self.mean_ms(size))} ms for {size}" for size in ends)
        knobs = self.config
        of = f"{knobs.model}, {knobs.precision}, {knobs.runtime}, {counted(knobs.threads, 'thread')}: " if knobs else ""
        fitted = f"; {self.fit}" if self.fit else ""
        paused_for = {size: self.mean_ms(size, self.longest_ms) for size in ends}
        after = ", ".join(f"{figures(ms)} ms for {size}" for size, ms in paused_for.items() if not math.isnan(ms))
        paused = f"; after a pause of {figures(self.longest_ms)} ms, {after}" if self.paused_ms and after else ""
        flags = f" ({self.flags})" if self.flags else ""
        return f"{of}a batch takes {times} on average{paused}{fitted}{flags}"

    @property
    def largest(self) -> int:
        """The largest measured batch size."""
        return self.sizes[-1]

    @property
    def pauses_ms(self) -> tuple[float, ...]:
        """The measured pauses before a call, ascending; the first is none."""
        return 0.0, *self.paused_ms

    @property
    def longest_ms(self) -> float:
        """The longest measured pause."""
        return self.pauses_ms[-1]

    @cached_property
    def fit(self) -> BatchFit | None:
        """The line t(B) = a + b B through the means; None if a single batch size was measured."""
        return line(np.array(self.sizes), np.array([self.samples_ms[size].mean() for size in self.sizes]))

    def mean_ms(self, batch_size: int, pause_ms: float = 0.0) -> float:
        """Mean time of a batch of `batch_size` requests, at most the largest measured size.

        It is that after one of `pauses_ms`; NaN of a pause that was not measured.
        """
        low, high, share = self.around(batch_size)
        after = self.paused_ms.get(pause_ms, {}) if pause_ms else self.samples_ms
        if low not in after or high not in after:
            return math.nan
        ends = [float(after[size].mean()) for size in (low, high)]
        return ends[0] + share * (ends[1] - ends[0])

    def capacity_per_s(self, max_batch: int) -> float:
        """Requests a second that full batches of `max_batch` serve, one after another."""
        return 1e3 * max_batch / self.mean_ms(max_batch)

    def drawn_ms(self, batch_size: int) -> Callable[[float, float, float], tuple[float, float]]:
        """Make a function that draws times of `batch_size`, for a simulation that does so very often.

        It takes a share from 0 to 1, the milliseconds of the pause before, and how many milliseconds more the batch
        before took than without a pause. It returns the time that this share of the samples is below, and how much more
        that is than without a pause. Random shares draw from the samples.

        Examples
        --------
        >>> times_ms, paused_ms = {1: np.array([1.0, 2.0])}, {10.0: {1: np.array([3.0, 6.0])}}
        >>> draw_ms = ServiceTimes(times_ms, paused_ms=paused_ms, carried=0.5).drawn_ms(1)
        >>> draw_ms(0.7, 0.0, 0.0), draw_ms(0.7, 5.0, 0.0), draw_ms(0.7, 20.0, 0.0), draw_ms(0.7, 0.0, 4.0)
        ((2.0, 0.0), (4.0, 2.0), (6.0, 4.0), (4.0, 2.0))
        """
        low, high, share = self.around(batch_size)
        warm, *after = (_between(_quantile(one[low]), _quantile(one[high]), share) for one in self._ascending)
        if not after:
            return lambda drawn, *_: (warm(drawn), 0.0)
        pauses_ms, carried = self.pauses_ms, self.carried

        def draw_ms(drawn: float, pause_ms: float, more_ms: float) -> tuple[float, float]:
            warm_ms, above = warm(drawn), bisect_right(pauses_ms, pause_ms)
            took_ms = after[above - 2](drawn) if above > 1 else warm_ms
            if pause_ms and above < len(pauses_ms):
                shorter_ms, longer_ms = pauses_ms[above - 1 : above + 1]
                share = (pause_ms - shorter_ms) / (longer_ms - shorter_ms)
                took_ms += share * (after[above - 1](drawn) - took_ms)
            took_ms = max(took_ms, warm_ms + carried * more_ms)
            return took_ms, took_ms - warm_ms

        return draw_ms

    @cached_property
    def _ascending(self) -> list[dict[int, list[float]]]:
        """For each of `pauses_ms`, batch size -> its times, ascending: data only, so that it can be pickled."""
        return [
            {size: np.sort(times.get(size, self.samples_ms[size])).tolist() for size in self.sizes}
            for times in (self.samples_ms, *self.paused_ms.values())
        ]

    def around(self, batch_size: int) -> tuple[int, int, float]:
        """The measured sizes between which `batch_size` is, and how far it is from the lower to the upper one.

        They are one and the same if it was measured, if it is padded, and below the least measured one.

        Raises
        ------
        ValueError
            If it is beyond the measured sizes.

        Examples
        --------
        >>> ServiceTimes({2: np.array([1.0]), 8: np.array([2.0])}).around(5)
        (2, 8, 0.5)
        """
        if batch_size > self.largest:
            raise ValueError(f"batch_size: wanted at most {self.largest}, the largest measured one; got {batch_size}")
        above = min(size for size in self.sizes if size >= batch_size)
        below = max((size for size in self.sizes if size <= batch_size), default=above)
        if self.padded or below == above:
            return above, above, 0.0
        return below, above, (batch_size - below) / (above - below)


def _quantile(ascending: list[float]) -> Quantile:
    """Share from 0 to 1 -> the time that this share of the times is below."""
    number = len(ascending)
    return lambda share: ascending[int(share * number)]


def _between(low: Quantile, high: Quantile, share: float) -> Quantile:
    """The same quantile of both, so far from the lower to the upper one."""
    if not share:
        return low

    def found(drawn: float) -> float:
        took = low(drawn)
        return took + share * (high(drawn) - took)

    return found


def _read(name: str, given: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The times of each batch size, if they are such."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: wanted a mapping of batch sizes to times; got {given!r}")
    read = {}
    for size, times in given.items():
        number = whole_number(f"{name}: batch size", size, least=1)
        try:
            read[number] = np.asarray(times, dtype=float)
        except (TypeError, ValueError):
            read[number] = np.empty(0)  # refused below
        if (
            read[number].ndim != 1
            or not read[number].size
            or not (np.isfinite(read[number]) & (read[number] > 0)).all()
        ):
            raise ValueError(f"{name}: wanted a list of finite times above 0 for batch size {size}; got {times!r}")
    return read
