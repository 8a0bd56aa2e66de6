"""The task whose models are probes: what they time is the machine, and no network."""

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from tradespace.tasks.task import Data, Task

# Every probe gets the same inputs, and uses as much of them as it needs.
FEATURES, ITEMS = 1024, 32
# Layers of a matrix product: wide enough to fill a processor, or an accelerator. Four of them in a row, so that
# converting what goes in and comes out, which int8 and bf16 need, is a small part.
PRODUCTS = {"product": (1024,) * 5, "wide-product": (1024, 4096, 4096, 4096, 1024)}
# Layers of a kind that are called in a row on next to no data, so that nearly all of the time is that of starting them.
CHAIN = 16
TINY = ("convolution", "linear", "normalisation", "elementwise")
CHANNELS, SIDE = 8, 4
MIB = 2**20


class Product(nn.Module):
    """Linear layers in a row: at large batches, products of large matrices."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(*pair, bias=False) for pair in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.layers(x)
        return outputs


class Chain(nn.Module):
    """`CHAIN` layers of one kind in a row, each with next to nothing to do."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.shape = (CHANNELS,) if kind == "linear" else (CHANNELS, SIDE, SIDE)
        self.layers = nn.Sequential(*(self._layer(kind) for _ in range(CHAIN)))

    @staticmethod
    def _layer(kind: str) -> nn.Module:
        if kind == "convolution":
            return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        if kind == "linear":
            return nn.Linear(CHANNELS, CHANNELS)
        return nn.BatchNorm2d(CHANNELS) if kind == "normalisation" else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        size = CHANNELS if len(self.shape) == 1 else CHANNELS * SIDE * SIDE
        outputs: Tensor = self.layers(x[:, :size].unflatten(1, self.shape))
        return outputs


class Stream(nn.Module):
    """Copy one array to another, each of as many MiB as there are items in the batch (McCalpin, 1995)."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        length = len(x) * MIB // 4
        if self.arrays is None or len(self.arrays[0]) != length or self.arrays[0].device != x.device:
            self.arrays = (torch.ones(length, device=x.device), torch.zeros(length, device=x.device))
        self.arrays[1].copy_(self.arrays[0])
        return x[:, :1].clone()


def probes() -> Task:
    """Models that time a machine: matrix products, an array that is copied, and chains of tiny layers.

    Examples
    --------
    >>> probes()
    Task('probes', models=product, wide-product, stream, convolution, linear, normalisation, elementwise)
    """
    return Task("probes", (*PRODUCTS, "stream", *TINY), load_model, load_data)


def load_model(name: str) -> nn.Module:
    """Make the probe `name`, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module
        model = Product(PRODUCTS[name]) if name in PRODUCTS else Stream() if name == "stream" else Chain(name)
    return model.eval()


@cache
def load_data() -> Data:
    """Make the inputs of all probes; none is a test item, since a probe has no right answers."""
    inputs = torch.rand(ITEMS, FEATURES, generator=torch.Generator().manual_seed(0))
    return Data(example=inputs[:1], calibration=inputs)


def operations(name: str) -> int:
    """Multiplications and additions that one item of a matrix product takes.

    Examples
    --------
    >>> operations("product") == 2 * 4 * 1024**2
    True
    """
    return 2 * sum(inputs * outputs for inputs, outputs in pairwise(PRODUCTS[name]))
