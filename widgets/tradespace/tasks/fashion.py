"""Fashion-MNIST: 28 x 28 greyscale images of clothes in ten classes, and a ResNet family trained on them."""

from functools import cache

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tradespace.tasks.folder import checkpoint, checksums, data_folder
from tradespace.tasks.idx import read_idx
from tradespace.tasks.resnet import ResNet
from tradespace.tasks.task import Data, Task

CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
WIDTHS = {
    "resnet4": 4, "resnet4-distilled": 4, "resnet8": 8, "resnet8-distilled": 8, "resnet16": 16, "resnet32": 32,
}  # fmt: skip
# Over the 60,000 training images, scaled to [0, 1].
MEAN, STD = 0.2860, 0.3530


def fashion() -> Task:
    """Clothes in ten classes: 10,000 test and 2,000 calibration images, and ResNets of four widths.

    In the workbook's story the images stand in for obstacles in front of a drone's camera. The time of a convolution
    depends on the shape of its input, not on its content, so a coat costs as much as a wall.
    """
    return Task("fashion", tuple(WIDTHS), load_model, load_data, load_pruned=load_pruned, classes=CLASSES)


def load_model(name: str) -> nn.Module:
    """Load the trained network `name` in evaluation mode."""
    return _trained(WIDTHS[name], f"{name}.safetensors")


def load_pruned(name: str, pruning: str) -> nn.Module | None:
    """Load the network `name` with fewer channels, fine-tuned; None if no such version is shipped.

    Every layer lost the same share of its channels, so the result is a narrower ResNet.
    """
    file = f"{name}-{pruning}.safetensors"
    if file not in checksums(data_folder("fashion")):
        return None
    left = 100 - int(pruning.removeprefix("channels-"))
    return _trained(WIDTHS[name] * left // 100, file)


@cache
def load_data() -> Data:
    """Load the test and calibration images of `data/fashion`, normalised."""
    images, labels = _split("test")
    return Data(example=images[:1], calibration=_split("calibration")[0], test=(images, labels))


def normalise(pixels: np.ndarray) -> Tensor:
    """Convert bytes (n, 28, 28) to images (n, 1, 28, 28) with zero mean and unit variance over the training set."""
    return torch.tensor(pixels).unsqueeze(1).float().div(255).sub(MEAN).div(STD)


def _trained(width: int, file: str) -> nn.Module:
    model = ResNet(width, len(CLASSES))
    model.load_state_dict(load_file(checkpoint(data_folder("fashion"), file)))
    return model.eval()


def _split(name: str) -> tuple[Tensor, Tensor]:
    folder = data_folder("fashion")
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
    return normalise(images), torch.tensor(labels.astype(np.int64))
