"""Five models of different kinds, none of them shipped: from `from_model` to a frontier, each in the same few lines."""

import time
from collections.abc import Iterator

import torch
import tradespace as ts
from report import Finding, print_table
from torch import Tensor, nn
from tradespace.measuring.engine import PROCESS, measure_rounds
from tradespace.measuring.measurement import Measurement
from tradespace.measuring.schedule import Schedule
from tradespace.surface.columns import row, table
from tradespace.surface.objectives import OBJECTIVES
from transformers import BertConfig, BertForSequenceClassification

ITEMS = 256
FIRST_S = 10.0
RUNTIMES = {
    "eager": ["fp32", "bf16", "int8", "int8-dynamic"],
    "compile": ["fp32"],
    "onnxruntime": ["fp32", "int8", "int8-dynamic"],
    "openvino": ["fp32", "int8"],
}
HEADER = ("model", "to the first point, s", "points", "on the frontier", "worst fp32 error", "worst error", "refused")


class Segmenter(nn.Module):
    """A U-Net of two levels: a class for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.low = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.up, self.head = nn.ConvTranspose2d(32, 16, 2, stride=2), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = self.down(x)
        return self.head(torch.cat([high, self.up(self.low(high))], 1))


class Tagger(nn.Module):
    """A bidirectional GRU over sequences, the time axis first, that also returns its state."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.head = nn.GRU(12, 32, bidirectional=True), nn.Linear(64, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states, last = self.recurrent(x)
        return self.head(states[-1]), last


class Recommender(nn.Module):
    """Two embeddings and some numbers, in one dict, to one of three answers."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(500, 16), nn.EmbeddingBag(800, 16)
        self.head = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 3))

    def forward(self, *, user: Tensor, seen: Tensor, context: Tensor) -> dict[str, Tensor]:
        return {"scores": self.head(torch.cat([self.users(user), self.items(seen), context], 1)), "user": user}


class Detector(nn.Module):
    """Attention over patches, with a mask of those that are there."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(32, 6)

    def forward(self, patches: Tensor, absent: Tensor) -> Tensor:
        return self.head(self.encoder(patches, src_key_padding_mask=absent)[:, 0])


def models() -> Iterator[tuple[str, ts.Task]]:
    """Each task is made when it is asked for, with the model's own answers as labels."""
    torch.manual_seed(0)
    images = torch.randn(ITEMS, 3, 32, 32)
    yield "U-Net", task(Segmenter(), (images,), correct=pixels)
    sequences = torch.randn(20, ITEMS, 12)
    yield "GRU", task(Tagger(), (sequences,), batch_axis=1, output=0)
    asked = {
        "user": torch.randint(500, (ITEMS,)),
        "seen": torch.randint(800, (ITEMS, 10)),
        "context": torch.randn(ITEMS, 8),
    }
    yield "recommender", task(Recommender(), asked, output="scores")
    lengths = torch.randint(4, 17, (ITEMS, 1))
    absent = torch.arange(16) >= lengths
    yield "attention", task(Detector(), (torch.randn(ITEMS, 16, 32), absent))
    present = (torch.arange(32) < torch.randint(4, 33, (ITEMS, 1))).long()
    texts = {"input_ids": torch.randint(1, 1000, (ITEMS, 32)) * present, "attention_mask": present}
    config = BertConfig(
        vocab_size=1000, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64, num_labels=5,
    )  # fmt: skip
    yield "BERT", task(BertForSequenceClassification(config), texts)


def task(module: nn.Module, inputs: tuple[Tensor, ...] | dict[str, Tensor], *, batch_axis: int = 0, output=None, **of):
    """A task of `module`; what differs between models is how they are called, and nothing else."""

    def first(items: int):
        pick = [slice(None)] * batch_axis + [slice(items)]
        cut = {name: tensor[tuple(pick)] for name, tensor in (inputs if named else dict(enumerate(inputs))).items()}
        return cut if named else tuple(cut.values())

    named = isinstance(inputs, dict)
    module.eval()
    with torch.inference_mode():
        answers = module(**inputs) if named else module(*inputs)
    if output is not None:
        answers = answers[output]
    labels = (answers if isinstance(answers, Tensor) else answers.logits).argmax(1)
    example, calibration, test = first(1), first(100), (inputs, labels)
    return ts.Task.from_model(
        module, example=example, calibration=calibration, test=test, batch_axis=batch_axis, output=output, **of
    )


def pixels(outputs: Tensor, labels: Tensor) -> Tensor:
    """An image counts as right if 99 of 100 pixels are."""
    return (outputs.argmax(1) == labels).float().mean((1, 2)) >= 0.99


def run(quick: bool) -> list[Finding]:
    """Each model cold, then over all runtimes."""
    rows, findings = [], []
    schedule = Schedule(0.05, 0.1 if quick else 0.5, 1.0)
    for name, made in _timed_models():
        own, first_s = made
        configs = [
            config
            for runtime, precisions in RUNTIMES.items()
            for config in ts.grid(own, runtime=runtime, precision=precisions, batch_size=[1, 8])
        ]
        measured = [one for one, finished in measure_rounds(own, configs, schedule) if finished]
        surface = table(row(one) for one in measured)
        exact, all_of_them = (_worst([m for m in measured if m.config.precision in some]) for some in ("fp32", _ALL))
        refused = sorted({f"{m.config.runtime} {m.config.precision}" for m in measured if m.status == "unsupported"})
        on = len(ts.pareto(surface, *OBJECTIVES))
        rows.append(
            (name, f"{first_s:.1f}", len(measured), on, f"{exact:.1e}", f"{all_of_them:.1e}", "; ".join(refused))
        )
        bad = [m for m in measured if m.status not in ("ok", "unsupported")]
        findings += [
            Finding(
                "own_models", f"{name}: to the first point", f"{first_s:.1f} s", f"< {FIRST_S:g} s", first_s < FIRST_S
            ),
            Finding("own_models", f"{name}: fp32 in all runtimes", f"{exact:.1e}", "< 1e-3", exact < 1e-3),
            Finding("own_models", f"{name}: rows that failed", f"{len(bad)} of {len(measured)}", "0", not bad),
        ]
    print_table(HEADER, rows)
    return findings


_ALL = ("fp32", "bf16", "int8", "int8-dynamic")


def _timed_models() -> Iterator[tuple[str, tuple[ts.Task, float]]]:
    """Each task, and the seconds from its making to its first point, with a measuring process that is not yet there."""
    making = models()
    while True:
        PROCESS.kill()
        start = time.perf_counter()
        found = next(making, None)
        if found is None:
            return
        name, own = found
        ts.measure(own, ts.Config("model"), budget_s=0.3, score_s=1.0)
        yield name, (own, time.perf_counter() - start)


def _worst(measured: list[Measurement]) -> float:
    return max((m.facts.output_error for m in measured if m.status == "ok"), default=float("nan"))
