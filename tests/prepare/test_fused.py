import pytest
import torch
from torch import Tensor, nn
from tradespace.prepare import Source
from tradespace.prepare.fused import fused
from tradespace.tasks import Task

IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def norm(channels: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels)
    nn.init.normal_(made.running_mean)
    nn.init.uniform_(made.weight, 0.5, 2.0)
    return made


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.norm, self.head = nn.Conv2d(1, 4, 3), norm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolution(x)).mean((2, 3)))


class ReadsItsNorm(Plain):
    def forward(self, x: Tensor) -> Tensor:
        share = self.norm.weight.softmax(0).view(1, -1, 1, 1)
        return self.head((self.norm(self.convolution(x)) * share).mean((2, 3)))


class UsesItTwice(Plain):
    def forward(self, x: Tensor) -> Tensor:
        z = self.convolution(x)
        return self.head((self.norm(z) + z).mean((2, 3)))


class SeesItsBatchAsChannels(Plain):
    """It cannot be traced either, so that its norm stays."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.norm(self.convolution(x))
        return self.head(z.view(1, -1, *z.shape[2:]).mean((2, 3)).view(len(x), 4))


def source_of(module: nn.Module) -> Source:
    return Source(Task.from_model(module.eval(), example=IMAGES[:1], calibration=IMAGES), "model", "none")


def norms_of(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@pytest.mark.parametrize(
    ("kind", "norms", "layout"),
    [
        (Plain, 0, torch.channels_last),
        (ReadsItsNorm, 1, torch.channels_last),
        (UsesItTwice, 1, torch.channels_last),
        (SeesItsBatchAsChannels, 1, torch.contiguous_format),
    ],
)
def test_each_change_is_made_only_if_the_model_then_computes_the_same(kind, norms, layout):
    source = source_of(kind())
    module, found = fused(source)
    assert (norms_of(module), found) == (norms, layout)
    with torch.inference_mode():
        given = IMAGES.contiguous(memory_format=found)
        torch.testing.assert_close(module(given), source.module()(IMAGES), rtol=1e-4, atol=1e-5)


def test_a_model_without_images_keeps_its_layout():
    rows = torch.randn(5, 4)
    task = Task.from_model(nn.Linear(4, 2), example=rows[:1], calibration=rows)
    assert fused(Source(task, "model", "none"))[1] == torch.contiguous_format
