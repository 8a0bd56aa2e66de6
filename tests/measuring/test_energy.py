"""Energy with counters of our own making, since the machines that test this have none."""

import math
import sys
from types import SimpleNamespace

import pytest
from tradespace.measuring import energy
from tradespace.measuring.device import Cpu
from tradespace.measuring.energy import Nvml, Rapl, energy_j_per_item, find_counter


class Watts:
    """A counter that a clock of 1 ms a call drives: so many joules a second."""

    def __init__(self, watts):
        self.watts, self.now_ns = watts, 0

    def clock(self):
        return self.now_ns

    def call(self, _):
        self.now_ns += 1_000_000

    def read(self):
        return self.watts * self.now_ns / 1e9

    def joules(self, before, after):
        return after - before


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    """A powercap folder with zones to be written into."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)

    def zone(name, domain="package-0", energy_uj="0", top="262143328850"):
        folder = tmp_path / name
        folder.mkdir()
        for file, content in (("name", domain), ("energy_uj", energy_uj), ("max_energy_range_uj", top)):
            (folder / file).write_text(f"{content}\n")
        return folder

    return zone


def test_energy_an_item_is_power_times_time_over_items():
    watts = Watts(50)
    assert energy_j_per_item(watts.call, Cpu(), 8, watts, watts.clock) == pytest.approx(50 * 0.001 / 8)
    assert watts.now_ns >= 1e9


def test_without_a_counter_energy_is_not_known_and_nothing_is_run():
    assert math.isnan(energy_j_per_item(pytest.fail, Cpu(), 8, None))


def test_a_counter_that_stands_still_gives_no_zero():
    watts = Watts(0)
    assert math.isnan(energy_j_per_item(watts.call, Cpu(), 8, watts, watts.clock))


def test_packages_are_found_and_their_parts_and_the_platform_are_not_counted_twice(powercap):
    first, second = powercap("intel-rapl:0"), powercap("intel-rapl:1", "package-1")
    powercap("intel-rapl:0:0", "core")
    powercap("intel-rapl:2", "psys")
    assert find_counter("cpu") == Rapl((first, second))


def test_all_packages_are_added_up(powercap):
    rapl = Rapl((powercap("intel-rapl:0", energy_uj="5000000"), powercap("intel-rapl:1", energy_uj="7000000")))
    before = rapl.read()
    (rapl.packages[0] / "energy_uj").write_text("6500000\n")
    (rapl.packages[1] / "energy_uj").write_text("9000000\n")
    assert rapl.joules(before, rapl.read()) == pytest.approx(3.5)


def test_a_counter_that_wraps_around_goes_on_counting(powercap):
    rapl = Rapl((powercap("intel-rapl:0", energy_uj="9000000", top="9999999"),))
    before = rapl.read()
    (rapl.packages[0] / "energy_uj").write_text("2000000\n")
    assert rapl.joules(before, rapl.read()) == pytest.approx(3.0)


def test_a_counter_that_may_not_be_read_is_none(powercap):
    folder = powercap("intel-rapl:0")
    (folder / "energy_uj").unlink()
    (folder / "energy_uj").mkdir()
    assert find_counter("cpu") is None


def test_a_machine_without_powercap_has_no_counter(powercap):
    assert find_counter("cpu") is None


def test_a_device_without_a_counter_has_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_counter("cuda") is None
    assert find_counter("mps") is None


def test_nvidia_counts_in_millijoules():
    readings = iter([1_000, 4_500])
    nvml = Nvml(SimpleNamespace(nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(readings)), handle=None)
    assert nvml.joules(nvml.read(), nvml.read()) == pytest.approx(3.5)


def test_the_nvidia_device_is_the_one_torch_uses_however_nvml_numbers_it(monkeypatch):
    of = {"GPU-6f1c": 7}
    nvml = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=of.__getitem__,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1_000 * handle,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(energy.torch.cuda, "get_device_properties", lambda: SimpleNamespace(uuid="6f1c"))
    assert find_counter("cuda") == Nvml(nvml, 7)
