"""Train the ResNet family of this folder on Fashion-MNIST, on a CPU.

    python data/fashion/make_models.py                    # all sizes, about an hour on two cores
    python data/fashion/make_models.py --width 8          # one size

Writes `resnet<width>.safetensors` and a row of `models.csv` for each, and lists the files in `SHA256SUMS`. The
calibration images (the last 2,000 of the training set) are left out of the fit; their accuracy is reported, but nothing
is chosen on them or on the test set: the recipe is fixed and the last epoch is kept.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tradespace.tasks.fashion import CLASSES, normalise
from tradespace.tasks.folder import write_checksums
from tradespace.tasks.idx import read_idx
from tradespace.tasks.resnet import ResNet

HERE = Path(__file__).parent
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
WIDTHS = (4, 8, 16, 32)
SEED = 0
EPOCHS = 30
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 0.2
WEIGHT_DECAY = 5e-4
SHIFT_PIXELS = 2
LEFT_OUT = 2_000
Labelled = tuple[Tensor, Tensor]


def load(source: Path, split: str) -> Labelled:
    images = normalise(read_idx(source / f"{split}-images-idx3-ubyte.gz"))
    labels = read_idx(source / f"{split}-labels-idx1-ubyte.gz")
    return images, torch.from_numpy(labels.astype(np.int64))


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to two pixels each way, and mirror it with probability one half."""
    n, _, height, width = images.shape
    padded = nn.functional.pad(images, (SHIFT_PIXELS,) * 4, value=float(images.min()))
    top, left = torch.randint(0, 2 * SHIFT_PIXELS + 1, (2, n, 1), generator=generator)
    rows = (top + torch.arange(height)).unsqueeze(2)
    columns = left + torch.arange(width)
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns).unsqueeze(1)
    return padded[torch.arange(n).view(n, 1, 1), 0, rows, columns].unsqueeze(1)


def batches(images: Tensor, labels: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(images), generator=generator)
    for index in order.split(BATCH_SIZE):
        if len(index) == BATCH_SIZE:
            x = augment(images[index], generator)
            yield x.contiguous(memory_format=torch.channels_last), labels[index]


def untrained(width: int) -> ResNet:
    torch.manual_seed(SEED)
    return ResNet(width, len(CLASSES)).to(memory_format=torch.channels_last)


def from_labels(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    loss_of: Callable[[nn.Module, Tensor, Tensor], Tensor] = from_labels,
    epochs: int = EPOCHS,
    peak_learning_rate: float = PEAK_LEARNING_RATE,
) -> None:
    """SGD with Nesterov momentum under a one-cycle learning rate (Smith and Topin, 2017), bf16 autocast."""
    generator = torch.Generator().manual_seed(SEED)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=WEIGHT_DECAY, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak_learning_rate, epochs=epochs, steps_per_epoch=len(images) // BATCH_SIZE, pct_start=0.2
    )
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in batches(images, labels, generator):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, x, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs} loss {total * BATCH_SIZE / len(images):.4f}", flush=True)
    model.eval()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        predicted = torch.cat([model(x).argmax(1) for x in images.split(500)])
    return float((predicted == labels).double().mean())


def size(model: nn.Module) -> dict[str, int]:
    """Parameters, and multiply-accumulates of one image: convolutions and linear layers, as is usual."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 1, 28, 28))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "macs": counter.get_total_flops() // 2}


def publish(name: str, pruning: str, model: nn.Module, training_s: float, train: Labelled, test: Labelled) -> None:
    """Save the weights, write the row of `models.csv`, and list the file in `SHA256SUMS`."""
    images, labels = train
    row = {
        "model": name,
        "pruning": pruning,
        **size(model),
        "train_accuracy": accuracy(model, images[:10_000], labels[:10_000]),
        "calibration_accuracy": accuracy(model, images[-LEFT_OUT:], labels[-LEFT_OUT:]),
        "test_accuracy": accuracy(model, *test),
        "training_s": round(training_s),
    }
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, HERE / (f"{name}.safetensors" if pruning == "none" else f"{name}-{pruning}.safetensors"))
    card = HERE / "models.csv"
    rows = pd.read_csv(card).query("model != @name or pruning != @pruning") if card.exists() else pd.DataFrame()
    rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
    rows.sort_values(["parameters", "model", "pruning"]).to_csv(card, index=False)
    write_checksums(HERE)
    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=DEBIAN, help="folder with the four files")
    parser.add_argument("--width", type=int, nargs="*", default=WIDTHS, help="widths to train")
    arguments = parser.parse_args()
    train, test = load(arguments.source, "train"), load(arguments.source, "t10k")
    fitted = tuple(part[:-LEFT_OUT] for part in train)
    for width in arguments.width:
        start = time.perf_counter()
        model = untrained(width)
        fit(model, *fitted)
        publish(f"resnet{width}", "none", model, time.perf_counter() - start, train, test)


if __name__ == "__main__":
    main()
