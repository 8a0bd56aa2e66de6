"""The shipped data and models. Accuracies are those that the scripts in data/fashion wrote down."""

import hashlib
import runpy
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from tradespace.config import PRUNINGS
from tradespace.tasks.fashion import CLASSES, MEAN, STD, WIDTHS, normalise
from tradespace.tasks.folder import CHECKSUMS, data_folder
from tradespace.tasks.idx import read_idx

# Of the last 2,000 items of the published training set.
CALIBRATION_SHA256 = {
    "images-idx3": "9cd7196eba7aae8ca80d3a6ec0093d8032f993c94c50ca85db230871ec73359c",
    "labels-idx1": "b23652c2bf914b99b9feba5ac7ef3e5020f1927d895ea7979fe811f558e23ac5",
}


def arrays(split: str) -> dict[str, np.ndarray]:
    return {kind: read_idx(data_folder("fashion") / f"{split}-{kind}-ubyte.gz") for kind in CALIBRATION_SHA256}


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


TRAINED = [name for name in WIDTHS if not name.endswith("-distilled")]
SHIPPED = [(name, f"channels-{percent}") for name in TRAINED for percent in (25, 50, 75)]


@pytest.fixture(scope="module")
def card() -> pd.DataFrame:
    """Indexed by model and pruning."""
    return pd.read_csv(data_folder("fashion") / "models.csv").set_index(["model", "pruning"])


@pytest.fixture(scope="module")
def accuracy(fashion):
    """(module, number of test images) -> share of them that it gets right."""

    def of(model: nn.Module, items: int) -> float:
        images, labels = (part[:items] for part in fashion.test)
        with torch.inference_mode():
            predicted = torch.cat([model(batch).argmax(1) for batch in images.split(100)])
        return (predicted == labels).double().mean().item()

    return of


def test_the_test_set_is_the_published_one_whole():
    published = runpy.run_path(str(data_folder("fashion") / "make_data.py"))["SHA256"]
    for kind, array in arrays("test").items():
        assert sha256(array) == published[f"t10k-{kind}-ubyte.gz"]


def test_calibration_images_are_the_end_of_the_training_set():
    assert {kind: sha256(array) for kind, array in arrays("calibration").items()} == CALIBRATION_SHA256


def test_no_calibration_image_is_a_test_image():
    test, calibration = (
        {image.tobytes() for image in arrays(split)["images-idx3"]} for split in ("test", "calibration")
    )
    assert (len(test), len(calibration)) == (10_000, 2_000)
    assert not test & calibration


def test_the_task_has_one_channel_images_and_their_labels(fashion):
    images, labels = fashion.test
    assert fashion.models == ("resnet4", "resnet4-distilled", "resnet8", "resnet8-distilled", "resnet16", "resnet32")
    assert (images.shape, images.dtype) == ((10_000, 1, 28, 28), torch.float32)
    assert (labels.shape, labels.dtype) == ((10_000,), torch.int64)
    assert (fashion.calibration.shape, fashion.calibration.dtype) == ((2_000, 1, 28, 28), torch.float32)
    assert torch.equal(fashion.example, images[:1])


def test_every_class_has_a_thousand_test_images(fashion):
    assert torch.bincount(fashion.test[1]).tolist() == [1000] * len(CLASSES)


@pytest.mark.parametrize("split", ["test", "calibration"])
def test_images_are_normalised(fashion, split):
    images = fashion.test[0] if split == "test" else fashion.calibration
    assert images.mean().item() == pytest.approx(0, abs=0.02)
    assert images.std().item() == pytest.approx(1, abs=0.02)


def test_normalising_turns_bytes_into_a_channel_of_floats():
    pixels = np.array([[[0, 255]], [[51, 0]]], np.uint8)
    expected = (torch.tensor([[[[0.0, 1.0]]], [[[0.2, 0.0]]]]) - MEAN) / STD
    torch.testing.assert_close(normalise(pixels), expected)


@pytest.mark.parametrize("name", WIDTHS)
def test_each_model_scores_ten_classes_and_is_as_wide_as_its_name(fashion, name):
    model = fashion.load_model(name)
    assert model.stem[0].out_channels == int(name.removeprefix("resnet").removesuffix("-distilled"))
    assert not model.training
    with torch.inference_mode():
        assert model(fashion.test[0][:3]).shape == (3, 10)


def test_each_load_gives_a_new_module(fashion):
    one, other = fashion.load_model("resnet4"), fashion.load_model("resnet4")
    with torch.no_grad():
        one.head.bias.add_(1)
    assert torch.equal(fashion.load_model("resnet4").head.bias, other.head.bias)
    assert not torch.equal(one.head.bias, other.head.bias)


def test_a_distilled_student_has_the_layers_of_its_twin_and_other_weights(fashion):
    for name in set(WIDTHS) - set(TRAINED):
        student, twin = fashion.load_model(name), fashion.load_model(name.removesuffix("-distilled"))
        assert repr(student) == repr(twin)
        assert not torch.equal(student.head.weight, twin.head.weight)


def test_the_card_lists_every_model_and_every_shipped_pruning(fashion, card):
    assert sorted(card.index) == sorted([(name, "none") for name in fashion.models] + SHIPPED)


def test_the_card_counts_the_parameters(fashion, card):
    for name, pruning in card.index:
        model = fashion.load_pruned(name, pruning) or fashion.load_model(name)
        assert card.loc[(name, pruning), "parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_the_family_spans_the_axis_of_accuracy(card):
    accuracies = card.xs("none", level="pruning")["test_accuracy"]
    assert accuracies.max() >= 0.93
    assert accuracies.min() <= accuracies.max() - 0.03


def test_the_smallest_models_score_what_the_card_says(fashion, card, accuracy):
    for name in ("resnet4", "resnet4-distilled"):
        found = accuracy(fashion.load_model(name), 10_000)
        assert found == pytest.approx(card.loc[(name, "none"), "test_accuracy"], abs=0.002)


@pytest.mark.parametrize(("name", "pruning"), SHIPPED)
def test_a_shipped_pruned_version_is_narrower_and_scores_about_what_the_card_says(
    fashion, card, accuracy, name, pruning
):
    model = fashion.load_pruned(name, pruning)
    assert model.stem[0].out_channels == WIDTHS[name] * (100 - int(pruning.removeprefix("channels-"))) // 100
    assert not model.training
    # A thousand images know an accuracy of 85 % to two points.
    assert accuracy(model, 1000) == pytest.approx(card.loc[(name, pruning), "test_accuracy"], abs=0.03)


@pytest.mark.parametrize("name", WIDTHS)
def test_versions_that_do_not_ship_are_none(fashion, name):
    for pruning in PRUNINGS:
        assert (fashion.load_pruned(name, pruning) is None) == ((name, pruning) not in SHIPPED)


def test_pruning_more_costs_more_accuracy(card):
    for name in TRAINED:
        accuracies = [card.loc[(name, f"channels-{percent}"), "test_accuracy"] for percent in (25, 50, 75)]
        assert accuracies == sorted(accuracies, reverse=True)


def test_a_damaged_checkpoint_is_refused_by_name(fashion, tmp_path, monkeypatch):
    file, folder = "resnet8-channels-50.safetensors", tmp_path / "fashion"
    folder.mkdir()
    for name in (CHECKSUMS, file):
        shutil.copy(data_folder("fashion") / name, folder)
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    monkeypatch.setattr("tradespace.tasks.folder.DATA", tmp_path)
    with pytest.raises(ValueError, match=rf"^{file}: wanted a file with SHA-256"):
        fashion.load_pruned("resnet8", "channels-50")
