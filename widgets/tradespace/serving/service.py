"""How long a server takes for a batch of any size: measured samples, and what lies between the measured sizes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from tradespace.config import Config
from tradespace.errors import whole_number
from tradespace.measuring.measurement import Measurement
from tradespace.surface.predict import BatchFit, line
from tradespace.text import counted, figures

MS_PER_NS = 1e-6


@dataclass(frozen=True, eq=False)
class ServiceTimes:
    """Samples of the time that a batch takes, for some batch sizes.

    A time for a size in between is drawn as the same quantile of its two neighbours, on the line between them; a server
    that runs the measured sizes only fills such a batch up to the next of them. Below the least measured size, a batch
    takes as long as one of that size.

    Parameters
    ----------
    samples_ms : mapping of int to ndarray
        Batch size -> milliseconds that single calls took, one after the other.
    padded : bool
        Whether batches of other sizes are filled up to the next measured one, since the runtime compiles for a size.
    config : Config, optional
        What was measured; its batch size means nothing.
    task, machine, flags : str

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
    """

    samples_ms: Mapping[int, np.ndarray]
    padded: bool = False
    config: Config | None = None
    task: str = ""
    machine: str = ""
    flags: str = ""

    def __post_init__(self) -> None:
        if not self.samples_ms:
            raise ValueError("samples_ms: wanted times of at least one batch size; got none")
        read = {whole_number("samples_ms: batch size", size, least=1): times for size, times in self.samples_ms.items()}
        for size, times in read.items():
            read[size] = np.asarray(times, dtype=float)
            if not read[size].size or not (np.isfinite(read[size]) & (read[size] > 0)).all():
                raise ValueError(f"samples_ms: wanted finite times above 0 for batch size {size}; got {times!r}")
        object.__setattr__(self, "samples_ms", read)

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
            return cls(samples)
        flags = dict.fromkeys(flag for m in timed for flag in m.flags.split())
        first = timed[0]
        padded = not any_size(first.config) if padded is None else padded
        return cls(samples, padded, first.config, first.task, first.machine, " ".join(flags))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The measured batch sizes, ascending."""
        return tuple(sorted(self.samples_ms))

    def __repr__(self) -> str:
        times = ", ".join(f"{figures(self.mean_ms(size))} ms for {size}" for size in dict.fromkeys((1, self.largest)))
        knobs = self.config
        of = f"{knobs.model}, {knobs.precision}, {knobs.runtime}, {counted(knobs.threads, 'thread')}: " if knobs else ""
        fitted = f"; {self.fit}" if self.fit else ""
        flags = f" ({self.flags})" if self.flags else ""
        return f"{of}a batch takes {times} on average{fitted}{flags}"

    @property
    def largest(self) -> int:
        """The largest measured batch size."""
        return self.sizes[-1]

    @cached_property
    def fit(self) -> BatchFit | None:
        """The line t(B) = a + b B through the means; None if a single batch size was measured."""
        return line(np.array(self.sizes), np.array([self.samples_ms[size].mean() for size in self.sizes]))

    def mean_ms(self, batch_size: int) -> float:
        """Mean time of a batch of `batch_size` requests, at most the largest measured size."""
        low, high, share = self.around(batch_size)
        ends = [float(self.samples_ms[size].mean()) for size in (low, high)]
        return ends[0] + share * (ends[1] - ends[0])

    def capacity_per_s(self, max_batch: int) -> float:
        """Requests a second that full batches of `max_batch` serve, one after another."""
        return 1e3 * max_batch / self.mean_ms(max_batch)

    def drawn_ms(self, batch_size: int, shares: np.ndarray) -> np.ndarray:
        """For each share from 0 to 1, the measured time of `batch_size` that this share of its samples is below.

        Random shares draw from the samples. The batch size is a measured one.
        """
        times_ms: np.ndarray = self._sorted[batch_size][(shares * len(self._sorted[batch_size])).astype(int)]
        return times_ms

    @cached_property
    def _sorted(self) -> dict[int, np.ndarray]:
        return {size: np.sort(times) for size, times in self.samples_ms.items()}

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
