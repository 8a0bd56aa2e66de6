"""The timing loop against a fake device with a clock of its own: no test here reads the real time."""

import numpy as np
import pytest
from tradespace.measuring.loop import busy_ns, latencies_ns, time_slice, warm_up

US = 1_000


class FakeDevice:
    """A clock, and a queue of work that a call adds to and returns from at once, as on a GPU."""

    def __init__(self, asynchronous=True, work_ns=100 * US, launch_ns=5 * US):
        self.asynchronous = asynchronous
        self.work_ns, self.launch_ns = work_ns, launch_ns
        self.now = 0
        self.idle_at = 0
        self.calls = 0

    def clock(self):
        return self.now

    def call(self, _):
        self.calls += 1
        self.now += self.launch_ns
        self.idle_at = max(self.idle_at, self.now) + self.work_ns
        if not self.asynchronous:
            self.now = self.idle_at

    def synchronize(self):
        self.now = max(self.now, self.idle_at)

    def mark(self):
        return max(self.now, self.idle_at)

    def between_ns(self, begin, end):
        return end - begin

    def clock_mhz(self):
        return 1500.0


class NeverWaits(FakeDevice):
    def synchronize(self):
        pass


def test_latency_on_an_asynchronous_device_includes_its_work():
    device = FakeDevice()
    samples = latencies_ns(device.call, device, seconds=0.01, clock=device.clock)
    assert set(samples) == {105 * US}


def test_a_loop_that_does_not_synchronise_sees_the_launch_alone():
    # The same loop over a device whose synchronize does nothing: what a naive timing of a GPU reports.
    device = NeverWaits()
    samples = latencies_ns(device.call, device, seconds=0.01, clock=device.clock)
    assert set(samples) == {5 * US}


def test_work_left_over_from_before_is_not_charged_to_the_first_call():
    device = FakeDevice()
    device.idle_at = 1_000_000
    assert latencies_ns(device.call, device, seconds=0, clock=device.clock) == [105 * US]


def test_throughput_on_an_asynchronous_device_queues_work_ahead():
    device = FakeDevice()
    timed = time_slice(device.call, device, batch_size=8, seconds=0.01, clock=device.clock)
    calls = len(timed.samples_ns)
    assert timed.items == 8 * calls
    # One launch is seen; the others hide behind the work.
    assert timed.busy_ns == 5 * US + calls * 100 * US
    assert timed.busy_ns < timed.samples_ns.sum()


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_clock_of_a_slice_is_that_of_the_device_that_was_timed(asynchronous):
    device = FakeDevice(asynchronous)
    assert time_slice(device.call, device, batch_size=1, seconds=0.01, clock=device.clock).mhz == 1500.0


def test_throughput_on_a_processor_is_the_latency_loop_itself():
    device = FakeDevice(asynchronous=False)
    timed = time_slice(device.call, device, batch_size=8, seconds=0.01, clock=device.clock)
    assert timed.busy_ns == timed.samples_ns.sum()


def test_busy_time_waits_for_the_last_call():
    device = FakeDevice()
    wall_ns, device_ns = busy_ns(device.call, device, 3, device.clock)
    assert wall_ns == 5 * US + 300 * US
    assert device_ns == wall_ns


def test_a_slice_makes_at_least_one_call_however_slow():
    device = FakeDevice(work_ns=10**10)
    assert len(time_slice(device.call, device, 1, 0.001, device.clock).samples_ns) == 1


def test_a_slice_of_a_fast_call_fills_its_time():
    device = FakeDevice(asynchronous=False)
    timed = time_slice(device.call, device, 1, 0.05, device.clock)
    assert timed.samples_ns.sum() == pytest.approx(0.05e9, rel=0.01)


def test_the_call_is_told_its_number_so_that_inputs_can_rotate():
    device, seen = FakeDevice(), []

    def call(i):
        seen.append(i)
        device.call(i)

    latencies_ns(call, device, seconds=0.0005, clock=device.clock)
    assert seen == list(range(len(seen)))
    assert len(seen) > 1


def test_warm_up_ends_once_latency_is_steady():
    device = FakeDevice(asynchronous=False)
    slow_start = iter([*np.linspace(2_000, 110, 20), *[100.0] * 1_000])

    def call(i):
        device.work_ns = int(next(slow_start) * US)
        device.call(i)

    calls = warm_up(call, device, device.clock)
    assert 25 <= calls <= 31


def test_warm_up_of_a_call_that_never_settles_is_cut_at_its_cap():
    device = FakeDevice(asynchronous=False)

    def call(i):
        device.work_ns *= 2
        device.call(i)

    warm_up(call, device, device.clock, cap_s=0.5)
    assert 0.5e9 <= device.now < 1.5e9


def test_a_slice_after_another_config_throws_a_call_away_and_one_that_need_not_does_not():
    calls = []
    for rewarm in (True, False):
        device = FakeDevice(asynchronous=False, work_ns=10**9)
        timed = time_slice(device.call, device, 1, 0.001, device.clock, rewarm=rewarm)
        calls.append(device.calls - len(timed.samples_ns))
    assert calls == [1, 0]
