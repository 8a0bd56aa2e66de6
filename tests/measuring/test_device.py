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
