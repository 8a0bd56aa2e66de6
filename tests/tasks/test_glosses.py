"""The shipped texts and models. Accuracies are those that the scripts of data/glosses wrote down."""

import copy
import importlib
import runpy
import shutil
from itertools import pairwise

import pandas as pd
import pytest
import torch
from torch import nn
from tradespace.tasks import Task, load_task
from tradespace.tasks.folder import DATA, checksums, data_folder
from tradespace.tasks.glosses import CLASSES, FAMILY, LENGTH, SHARES, read_lines, tokenize, tokenizer, trim

PRUNED = [(model, pruning) for model in FAMILY if model != "tfidf-svm" for pruning in SHARES]
MODELS = [(model, "none") for model in FAMILY]


@pytest.fixture(scope="module")
def glosses() -> Task:
    return load_task("glosses")


@pytest.fixture(scope="module")
def card() -> pd.DataFrame:
    return pd.read_csv(data_folder("glosses") / "models.csv").set_index(["model", "pruning"])


def load(task: Task, model: str, pruning: str) -> nn.Module:
    return task.load_model(model) if pruning == "none" else task.load_pruned(model, pruning)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_items_are_rows_of_token_ids_with_their_labels(glosses):
    ids, labels = glosses.test
    assert (ids.shape, ids.dtype) == ((8_000, LENGTH), torch.int64)
    assert (labels.shape, labels.dtype) == ((8_000,), torch.int64)
    assert (glosses.calibration.shape, glosses.calibration.dtype) == ((1_000, LENGTH), torch.int64)
    assert torch.equal(glosses.example, ids[:1])
    assert glosses.classes == CLASSES
    assert len(CLASSES) == 24


def test_every_class_is_in_the_test_set(glosses):
    assert torch.bincount(glosses.test[1], minlength=len(CLASSES)).min() >= 20


def test_padding_is_at_the_end_alone(glosses):
    for ids in (glosses.test[0], glosses.calibration):
        present = (ids != 0).long()
        assert (present.diff() <= 0).all()
        assert present.sum(1).min() >= 3


def test_no_two_similar_texts_are_in_both_test_and_calibration():
    made = runpy.run_path(str(data_folder("glosses") / "make_data.py"))
    test, calibration = (read_lines(part)[1] for part in ("test", "calibration"))
    assert not set(test) & set(calibration)
    texts = [made["content_words"](text) for text in test + calibration]
    pairs = list(made["similar_pairs"](texts))
    assert pairs  # there are similar texts within the test set
    assert not [pair for pair in pairs if min(pair) < len(test) <= max(pair)]


def test_similar_texts_are_found_and_others_not():
    made = runpy.run_path(str(data_folder("glosses") / "make_data.py"))
    texts = [
        "United States poet (1899-1932)",
        "a poet of the United States",
        "large grey owl",
        "large grey owls",
        "1492",
    ]
    assert made["group"](texts) == [0, 0, 2, 3, 4]


def test_tokens_spell_the_text_again(glosses):
    _, texts = read_lines("test")
    for text, ids in zip(texts[:200], glosses.test[0], strict=False):
        if ids[-1] == 0:
            spelt = tokenizer().decode(ids.tolist()).replace(" ", "")
            assert spelt == text.lower().replace(" ", "")


def test_hardly_any_token_is_unknown(glosses):
    ids = glosses.test[0]
    assert (ids == tokenizer().token_to_id("[UNK]")).sum() <= 1e-4 * (ids != 0).sum()
    assert tokenizer().token_to_id("[PAD]") == 0


def test_a_word_that_is_not_in_the_vocabulary_is_split():
    ids = tokenize(["Zyzzyva!"])[0]
    assert tokenizer().decode(ids.tolist()) == "zyzzyva!"
    assert (ids != 0).sum() > 4


def test_a_long_text_is_cut():
    ids = tokenize(["word " * 100])
    assert ids.shape == (1, LENGTH)
    assert ids[0, -1] == tokenizer().token_to_id("[SEP]")


def test_trimming_leaves_no_column_of_padding(glosses):
    batch = glosses.trim(glosses.test[0][:8])
    assert (batch != 0).any(0).all()
    assert not glosses.test[0][:8, batch.shape[1] :].any()
    assert trim(torch.zeros(2, 5, dtype=torch.int64)).shape == (2, 1)


def test_bucketing_sorts_the_same_texts_by_length(glosses):
    bucketed = load_task("glosses-bucketed")
    ids, labels = bucketed.test
    lengths = (ids != 0).sum(1).tolist()
    assert all(one <= other for one, other in pairwise(lengths))
    together = torch.cat([bucketed.test[0], labels.unsqueeze(1)], 1).tolist()
    assert sorted(together) == sorted(torch.cat([glosses.test[0], glosses.test[1].unsqueeze(1)], 1).tolist())
    assert bucketed.models == glosses.models


@pytest.mark.parametrize(("model", "pruning"), MODELS + PRUNED)
def test_each_model_scores_what_its_card_says(glosses, card, model, pruning):
    module = load(glosses, model, pruning)
    items = 1_000 if pruning == "none" else 200
    ids, labels = (part[:items] for part in glosses.test)
    order = (ids != 0).sum(1).argsort()
    with torch.inference_mode():
        predicted = torch.cat([module(trim(ids[index])).argmax(1) for index in order.split(100)])
    accuracy = (predicted == labels[order]).double().mean().item()
    row = card.loc[(model, pruning)]
    # Four standard errors of so few items.
    assert accuracy == pytest.approx(row["test_accuracy"], abs=4 * (0.8 * 0.2 / items) ** 0.5)
    assert parameters(module) == row["parameters"]
    assert not module.training


def test_the_card_lists_what_ships_and_nothing_else(glosses, card):
    assert glosses.models == tuple(FAMILY)
    assert sorted(card.index) == sorted(MODELS + PRUNED)
    files = {model if pruning == "none" else f"{model}-{pruning}" for model, pruning in card.index}
    assert set(checksums(data_folder("glosses"))) == {f"{file}.safetensors" for file in files}


def test_the_family_begins_with_the_cheapest_and_its_last_beats_the_baseline(glosses, card):
    whole = card.xs("none", level="pruning").loc[list(glosses.models)]
    assert whole["macs"].is_monotonic_increasing
    baseline = pd.read_csv(data_folder("glosses") / "baseline.csv")["test_accuracy"].max()
    assert whole["test_accuracy"].iloc[-1] > baseline


@pytest.mark.parametrize("model", [model for model in FAMILY if model != "tfidf-svm"])
def test_more_pruning_leaves_fewer_parameters(card, model):
    sizes = [card.loc[(model, pruning), "parameters"] for pruning in ("none", *SHARES)]
    assert all(one > other for one, other in pairwise(sizes))


@pytest.mark.parametrize(
    ("model", "pruning"), [("tfidf-svm", "channels-50"), ("encoder64", "weights-50"), ("encoder64", "none")]
)
def test_what_does_not_ship_is_none(glosses, model, pruning):
    assert glosses.load_pruned(model, pruning) is None


def test_each_load_gives_a_new_module(glosses):
    one, other = glosses.load_model("encoder64"), glosses.load_model("encoder64")
    before = copy.deepcopy(other.state_dict())
    with torch.no_grad():
        one.head.bias.add_(1)
    assert torch.equal(other.head.bias, before["head.bias"])
    assert torch.equal(glosses.load_model("encoder64").head.bias, before["head.bias"])


@pytest.mark.parametrize("file", ["encoder64", "encoder64-channels-50"])
def test_a_damaged_file_is_refused_by_name(glosses, monkeypatch, tmp_path, file):
    for name in ("SHA256SUMS", "tokenizer.json", "encoder64.safetensors", "encoder64-channels-50.safetensors"):
        shutil.copy(data_folder("glosses") / name, tmp_path)
    content = bytearray((tmp_path / f"{file}.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / f"{file}.safetensors").write_bytes(content)
    # The package's attribute of this name is the function.
    monkeypatch.setattr(importlib.import_module("tradespace.tasks.glosses"), "data_folder", lambda name: tmp_path)
    with pytest.raises(ValueError, match=rf"^{file}\.safetensors: wanted a file with SHA-256 "):
        glosses.load_pruned("encoder64", "channels-50")


def test_the_shipped_data_stay_small():
    sizes = [file.stat().st_size for file in DATA.rglob("*") if file.is_file()]
    assert max(sizes) < 20e6
    assert sum(sizes) < 60e6
    assert sum(file.stat().st_size for file in data_folder("glosses").iterdir() if file.is_file()) < 35e6
