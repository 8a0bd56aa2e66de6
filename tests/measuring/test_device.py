import math

import pytest
import torch
from tradespace.measuring import system
from tradespace.measuring.device import Accelerator, Cpu, device


def test_the_processor_never_has_work_outstanding():
    assert device("cpu") == Cpu()
    assert not device("cpu").asynchronous


def test_any_accelerator_is_waited_for_through_torch(monkeypatch):
    waits = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waits.append("waited"))
    for name in ("cuda", "mps", "xpu"):
        assert device(name) == Accelerator()
        device(name).synchronize()
    assert waits == ["waited"] * 3


def test_the_memory_of_work_on_the_processor_is_its_peak_over_what_there_was():
    peak = Cpu().peak_mb(lambda: torch.ones(10_000_000).sum())
    assert torch.isnan(torch.tensor(peak)) or 30 < peak < 60


def test_an_accelerator_that_keeps_no_account_of_memory_still_works_and_says_nothing(monkeypatch):
    done = []

    def refuse():
        raise RuntimeError("no statistics here")

    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", refuse, raising=False)
    assert torch.isnan(torch.tensor(Accelerator().peak_mb(lambda: done.append("worked"))))
    assert done == ["worked"]


def test_the_memory_of_an_accelerator_is_what_its_allocator_handed_out(monkeypatch):
    for name, answer in (
        ("reset_peak_memory_stats", None),
        ("memory_allocated", 5_000_000),
        ("max_memory_allocated", 12_000_000),
    ):
        monkeypatch.setattr(torch.accelerator, name, lambda answer=answer: answer, raising=False)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: None)
    assert Accelerator().peak_mb(lambda: None) == 7.0


def test_an_accelerator_without_timed_events_has_no_clock_of_its_own(monkeypatch):
    def refuse(**_):
        raise RuntimeError("no events here")

    monkeypatch.setattr(torch, "Event", refuse)
    accelerator = Accelerator()
    assert accelerator.between_ns(accelerator.mark(), accelerator.mark()) == 0


@pytest.mark.parametrize(
    ("before", "peak", "told"), [(10.0, math.nan, math.nan), (math.nan, 30.0, math.nan), (9.0, 8.0, 0)]
)
def test_memory_that_cannot_be_told_is_never_nought(monkeypatch, before, peak, told):
    monkeypatch.setattr(system, "resident_mb", lambda: before)
    monkeypatch.setattr(system, "reset_peak", lambda: True)
    monkeypatch.setattr(system, "peak_mb", lambda: peak)
    assert Cpu().peak_mb(lambda: None) == pytest.approx(told, nan_ok=True)


@pytest.fixture
def processor_at_3_ghz(monkeypatch):
    monkeypatch.setattr(system, "clock_mhz", lambda: 3000.0)


@pytest.mark.usefixtures("processor_at_3_ghz")
def test_each_device_tells_its_own_clock(monkeypatch):
    monkeypatch.setattr(torch.cuda, "clock_rate", lambda: 1980)
    assert device("cpu").clock_mhz() == 3000.0
    assert device("cuda").clock_mhz() == 1980.0


@pytest.mark.usefixtures("processor_at_3_ghz")
@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("nvidia-ml-py"), RuntimeError("no driver"), AssertionError("no CUDA")]
)
def test_an_accelerator_whose_clock_cannot_be_read_never_tells_that_of_the_processor(monkeypatch, error):
    def refuse():
        raise error

    monkeypatch.setattr(torch.cuda, "clock_rate", refuse)
    assert math.isnan(Accelerator().clock_mhz())


def test_a_clock_at_nought_is_not_known(monkeypatch):
    monkeypatch.setattr(torch.cuda, "clock_rate", lambda: 0)
    assert math.isnan(Accelerator().clock_mhz())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.usefixtures("processor_at_3_ghz")
def test_without_a_cuda_device_torch_itself_tells_no_clock():
    assert math.isnan(Accelerator().clock_mhz())
