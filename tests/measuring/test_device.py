import torch
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
