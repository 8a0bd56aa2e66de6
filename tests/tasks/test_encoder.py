"""The three kinds of module that read token ids: what holds for each of them, and what for one."""

import copy
import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
from torch import nn
from tradespace.tasks.bag import MULTIPLIER, Bag
from tradespace.tasks.encoder import Encoder
from tradespace.tasks.textcnn import TextCNN

VOCABULARY, CLASSES, LENGTH = 50, 5, 16
KINDS = {
    "bag": lambda: Bag(VOCABULARY, 31, CLASSES),
    "textcnn": lambda: TextCNN(VOCABULARY, 8, 12, CLASSES),
    "encoder": lambda: Encoder(VOCABULARY, 64, 32, CLASSES, LENGTH),
}


@pytest.fixture(params=KINDS)
def model(request) -> nn.Module:
    torch.manual_seed(0)
    model = KINDS[request.param]().eval()
    if isinstance(model, Bag):
        model.idf.weight.data.uniform_(1, 9)
    return model


def texts(batch: int = 4, length: int = 12) -> torch.Tensor:
    """Each row one token shorter than the one above; one token occurs twice."""
    ids = torch.randint(1, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(1))
    ids[:, 2] = ids[:, 0]
    return ids.masked_fill(torch.arange(length) >= length - torch.arange(batch).unsqueeze(1), 0)


@torch.inference_mode()
def test_padding_does_not_change_the_scores(model):
    ids = texts()
    scores = model(ids)
    assert scores.shape == (4, CLASSES)
    padded = nn.functional.pad(ids, (0, LENGTH - ids.shape[1]))
    torch.testing.assert_close(model(padded), scores, rtol=1e-5, atol=1e-6)
    for row, score in zip(ids, scores, strict=True):
        torch.testing.assert_close(model(row[row != 0].unsqueeze(0))[0], score, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_the_texts_of_a_batch_do_not_touch_each_other(model):
    ids = texts()
    torch.testing.assert_close(model(ids.flip(0)).flip(0), model(ids), rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_a_text_of_nothing_but_padding_has_finite_scores(model):
    assert model(torch.zeros(2, 3, dtype=torch.int64)).isfinite().all()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_full_precision(model, dtype):
    ids = texts()
    half = copy.deepcopy(model).to(dtype)(ids).float()
    full = model(ids)
    assert (half - full).norm() < 0.05 * full.norm()


@torch.inference_mode()
def test_the_graph_can_be_traced_symbolically(model):
    graph = torch.fx.symbolic_trace(model)
    for ids in (texts(), texts(2, 7)):
        torch.testing.assert_close(graph(ids), model(ids))


@torch.inference_mode()
def test_one_exported_graph_serves_every_batch_and_length(model):
    dynamic = torch.export.Dim.DYNAMIC
    exported = torch.export.export(model, (texts(),), dynamic_shapes=({0: dynamic, 1: dynamic},)).module()
    for ids in (texts(1, 5), texts(2, 16)):
        torch.testing.assert_close(exported(ids), model(ids))


def test_a_bag_scores_as_the_formula_of_tfidf_says():
    torch.manual_seed(0)
    model = Bag(VOCABULARY, 31, CLASSES).double()
    model.idf.weight.data.uniform_(1, 9)
    words = [2, 7, 9, 7, 9, 3]
    count = Counter([*words, *(VOCABULARY + (MULTIPLIER * a + b) % 31 for a, b in pairwise(words))])
    weight = {term: (1 + math.log(n)) * model.idf.weight[term].item() for term, n in count.items()}
    length = math.sqrt(sum(w * w for w in weight.values()))
    expected = sum(w / length * model.coefficients.weight[term] for term, w in weight.items())
    assert max(count.values()) > 1
    torch.testing.assert_close(model(torch.tensor([[*words, 0, 0]]))[0], expected)


def test_the_order_of_words_matters_to_all_but_single_words(model):
    ids = texts(1)
    with torch.inference_mode():
        assert not torch.allclose(model(ids), model(ids.flip(1)))
