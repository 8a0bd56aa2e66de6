"""The timing loop: call, wait until the work is done, read the clock."""

import time
from collections.abc import Callable

import numpy as np

from tradespace.measuring.device import Device
from tradespace.measuring.measurement import Slice
from tradespace.measuring.system import usage

Clock = Callable[[], int]

WARM_UP_CAP_S = 0.3
WARM_UP_WINDOW = 5
WARM_UP_TOLERANCE = 0.1
REWARM_S = 0.005
# Refilling the caches takes some milliseconds, which is negligible for a call that takes longer than this.
LONG_CALL_S = 0.1


def latencies_ns(call: Callable[[int], object], device: Device, seconds: float, clock: Clock) -> list[int]:
    """Latency of each call, one in flight at a time, for about `seconds` and at least one call.

    Parameters
    ----------
    call : callable
        Takes the number of the call, which allows inputs to rotate.
    """
    samples: list[int] = []
    device.synchronize()
    now = clock()
    end = now + int(seconds * 1e9)
    while not samples or now < end:
        start = clock()
        call(len(samples))
        device.synchronize()
        now = clock()
        samples.append(now - start)
    return samples


def busy_ns(call: Callable[[int], object], device: Device, calls: int, clock: Clock) -> tuple[int, int]:
    """Wall time and device time of `calls` calls back to back, with work queued ahead where the device allows it."""
    device.synchronize()
    start, begin = clock(), device.mark()
    for i in range(calls):
        call(i)
    end = device.mark()
    device.synchronize()
    return clock() - start, device.between_ns(begin, end)


def warm_up(
    call: Callable[[int], object],
    device: Device,
    clock: Clock = time.perf_counter_ns,
    cap_s: float = WARM_UP_CAP_S,
) -> int:
    """Call until the last five latencies resemble the five before them; return the number of calls.

    They resemble each other if their medians differ by less than a tenth. Warm-up ends after `cap_s` seconds at most.
    """
    samples: list[int] = []
    end = clock() + int(cap_s * 1e9)
    while not samples or clock() < end:
        samples += latencies_ns(call, device, 0.0, clock)
        if len(samples) >= 2 * WARM_UP_WINDOW:
            before = np.median(samples[-2 * WARM_UP_WINDOW : -WARM_UP_WINDOW])
            if abs(np.median(samples[-WARM_UP_WINDOW:]) - before) < WARM_UP_TOLERANCE * before:
                break
    return len(samples)


def time_slice(
    call: Callable[[int], object],
    device: Device,
    batch_size: int,
    seconds: float,
    clock: Clock = time.perf_counter_ns,
    rewarm: bool = True,
) -> Slice:
    """Time calls for about `seconds`: latency call by call, and throughput back to back.

    If calls return only when their work is done, the two are the same loop, which runs once. If another Config was
    measured just before, the first calls find its data in the caches; `rewarm` discards them.
    """
    if rewarm:
        latencies_ns(call, device, REWARM_S, clock)
    before, start = usage(), clock()
    samples = latencies_ns(call, device, seconds, clock)
    wall, after = clock() - start, usage()
    busy, device_ns = busy_ns(call, device, len(samples), clock) if device.asynchronous else (wall, 0)
    return Slice(
        samples_ns=np.array(samples),
        items=len(samples) * batch_size,
        busy_ns=busy,
        device_ns=device_ns,
        wall_ns=wall,
        cpu_ns=after.cpu_ns - before.cpu_ns,
        waited_ns=after.waited_ns - before.waited_ns,
        involuntary_switches=after.involuntary_switches - before.involuntary_switches,
        mhz=device.clock_mhz(),
    )
