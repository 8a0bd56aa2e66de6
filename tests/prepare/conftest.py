"""Two tiny tasks that every runtime is tried on: images, and texts whose length varies."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn
from tradespace.config import Config
from tradespace.prepare import Prepared, Session, Source, prepare
from tradespace.tasks import Task

LENGTH, VOCABULARY = 9, 11


@dataclass
class Case:
    """A task of one model, exported and converted once for all tests."""

    task: Task
    source: Source = field(init=False)
    _prepared: dict[tuple[str, str], Prepared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = Source(self.task, "model", "none")

    def prepared(self, runtime: str, precision: str) -> Prepared:
        if (runtime, precision) not in self._prepared:
            config = Config("model", runtime=runtime, precision=precision)
            self._prepared[runtime, precision] = prepare(self.source, config)
        return self._prepared[runtime, precision]

    def session(self, runtime: str, precision: str, batch_size: int | None = None, threads: int = 1) -> Session:
        with torch.inference_mode():
            return self.prepared(runtime, precision).session(threads, batch_size)

    def inputs(self, items: int, length: int = LENGTH) -> Tensor:
        """The first test items; where their length varies, cut to `length`."""
        return self.task.test[0][:items] if self.task.example.ndim == 4 else self.task.test[0][:items, :length]

    def exact(self, inputs: Tensor) -> Tensor:
        """What the model itself makes of them."""
        with torch.inference_mode():
            return self.task.load_model("model")(inputs)


class Pictures(nn.Module):
    """Two convolutions, one of them normalised, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.convolution, self.head = nn.Conv2d(4, 8, 3, padding=1), nn.Linear(8, 3)
        # Statistics as after training: folding them wrongly shows.
        nn.init.normal_(self.norm.running_mean)
        nn.init.uniform_(self.norm.running_var, 0.5, 2.0)
        nn.init.normal_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        return self.head(self.convolution(x).relu().mean((2, 3)))


class Texts(nn.Module):
    """The mean of the vectors of all tokens but the padding, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.hidden, self.head = nn.Embedding(VOCABULARY, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        present = (ids != 0).unsqueeze(2).type_as(self.words.weight)
        mean = (self.words(ids) * present).sum(1) / present.sum(1).clamp(min=1)
        return self.head(self.hidden(mean).relu())


def without_padding(batch: Tensor) -> Tensor:
    return batch[:, : max(1, int((batch != 0).any(0).sum()))]


@pytest.fixture(scope="session")
def images() -> Case:
    torch.manual_seed(0)
    inputs = torch.randn(150, 1, 8, 8)
    test = torch.randn(30, 1, 8, 8), torch.randint(3, (30,))
    return Case(Task.from_model(Pictures(), example=inputs[:1], calibration=inputs, test=test))


@pytest.fixture(scope="session")
def texts() -> Case:
    torch.manual_seed(0)
    lengths = torch.randint(1, LENGTH + 1, (230, 1))
    lengths[:5], lengths[100:200] = 5, lengths[100:200].clamp(max=LENGTH - 1)  # no batch is as long as the next
    ids = torch.randint(1, VOCABULARY, (230, LENGTH)) * (torch.arange(LENGTH) < lengths)
    test = ids[200:], torch.randint(3, (30,))
    task = Task.from_model(Texts(), example=ids[:1], calibration=ids[:200], test=test)
    return Case(replace(task, trim=without_padding))


@pytest.fixture(params=["images", "texts"])
def case(request) -> Case:
    return request.getfixturevalue(request.param)
