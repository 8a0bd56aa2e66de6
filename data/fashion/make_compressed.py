"""Compress the ResNet family of this folder: students distilled from resnet32, and versions with fewer channels.

    python data/fashion/make_compressed.py                     # both, about an hour on one core
    python data/fashion/make_compressed.py --only distilled    # resnet4-distilled and resnet8-distilled
    python data/fashion/make_compressed.py --only pruned       # three versions of each trained model

Writes `<model>.safetensors` or `<model>-<pruning>.safetensors` and a row of `models.csv` for each. As in
`make_models.py`, the calibration images are left out, the recipe is fixed and the last epoch is kept.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import torch
from make_models import DEBIAN, LEFT_OUT, WIDTHS, fit, load, publish, untrained
from torch import Tensor, nn
from tradespace.prepare.pruning import prune
from tradespace.tasks.fashion import load_model

TEACHER = "resnet32"
STUDENTS = (4, 8)
TEMPERATURE = 4.0
SOFT = 0.9
PRUNINGS = ("channels-25", "channels-50", "channels-75")
TUNING_EPOCHS = 4
TUNING_PEAK_LEARNING_RATE = 0.1


def distil(images: Tensor, labels: Tensor) -> nn.ModuleDict:
    """Students of the widths `STUDENTS`, trained on the labels and on the teacher's scores (Hinton et al., 2015).

    They share a run, because all see the same images and the teacher is most of the work. No parameter of one
    enters the loss of another, so each becomes what it would become in a run of its own.
    """
    teacher = load_model(TEACHER).to(memory_format=torch.channels_last)

    def loss_of(students: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        with torch.inference_mode():
            soft = nn.functional.softmax(teacher(x).float() / TEMPERATURE, 1)
        soft = soft.clone()  # autograd does not accept tensors made in inference mode
        return sum((distillation(student(x).float(), soft, y) for student in students.values()), torch.zeros(()))

    students = nn.ModuleDict({f"resnet{width}-distilled": untrained(width) for width in STUDENTS})
    fit(students, images, labels, loss_of)
    return students


def distillation(scores: Tensor, soft: Tensor, labels: Tensor) -> Tensor:
    """The squared temperature keeps the weight of the soft part constant when the temperature changes."""
    from_teacher = TEMPERATURE**2 * nn.functional.cross_entropy(scores / TEMPERATURE, soft)
    return SOFT * from_teacher + (1 - SOFT) * nn.functional.cross_entropy(scores, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["distilled", "pruned"], help="make only these")
    parser.add_argument("--source", type=Path, default=DEBIAN, help="folder with the four files")
    arguments = parser.parse_args()
    train, test = load(arguments.source, "train"), load(arguments.source, "t10k")
    fitted = tuple(part[:-LEFT_OUT] for part in train)
    if arguments.only != "pruned":
        start = time.perf_counter()
        students = distil(*fitted)
        training_s = time.perf_counter() - start
        for name, student in students.items():
            publish(name, "none", student, training_s, train, test)
    if arguments.only != "distilled":
        for width, pruning in product(WIDTHS, PRUNINGS):
            start = time.perf_counter()
            model = prune(load_model(f"resnet{width}"), pruning, fitted[0][:1000], fitted[0][:1])
            model = model.to(memory_format=torch.channels_last)
            fit(model, *fitted, epochs=TUNING_EPOCHS, peak_learning_rate=TUNING_PEAK_LEARNING_RATE)
            publish(f"resnet{width}", pruning, model, time.perf_counter() - start, train, test)


if __name__ == "__main__":
    main()
