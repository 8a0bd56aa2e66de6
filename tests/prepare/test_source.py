"""A model on its way to several runtimes: what is made once, and what of it varies."""

from dataclasses import replace
from itertools import count

import pytest
import torch
from torch import Tensor, nn
from tradespace.errors import Unsupported
from tradespace.prepare import Source, export, load, source
from tradespace.tasks import Task


@pytest.fixture
def steps(monkeypatch):
    """Exports that take no time and are counted, on a clock that goes on by 1 s whenever it is read. -> their names"""
    made, ticks = [], count()

    def step(name):
        def make(*args) -> bytes:
            made.append(name)
            return name.encode()

        return make

    monkeypatch.setattr(source.time, "perf_counter", lambda: float(next(ticks)))
    for name in ("to_onnx", "to_static_int8", "to_dynamic_int8"):
        monkeypatch.setattr(export, name, step(name))
    return made


def test_each_export_is_made_once_for_all_precisions_and_runtimes(tiny, steps):
    made = Source(tiny, "narrow", "none")
    for precision in ("int8", "fp32", "int8-dynamic", "int8", "fp32"):
        made.onnx(precision)
    assert steps == ["to_onnx", "to_static_int8", "to_dynamic_int8"]


def test_each_precision_is_its_own_file(tiny, steps):
    made = Source(tiny, "narrow", "none")
    assert made.onnx("fp32") == b"to_onnx"
    assert made.onnx("int8") == b"to_static_int8"
    assert made.onnx("int8-dynamic") == b"to_dynamic_int8"


@pytest.mark.usefixtures("steps")
def test_what_was_made_for_an_earlier_config_counts_for_a_later_one_too(tiny):
    made = Source(tiny, "narrow", "none")
    needed = []
    for precision in ("int8", "fp32", "int8-dynamic", "int8"):
        made.onnx(precision)
        needed.append(made.needed_s)
    assert needed == [3.0, 2.0, 3.0, 3.0]  # the model, its export, and its rounding took one tick each
    made.module()
    assert made.needed_s == 1.0
    assert made.made_s == 4.0


def test_a_model_that_the_exporter_refuses_is_not_exported_again_for_every_config(tiny, monkeypatch):
    asked = []

    def refuse(*args) -> bytes:
        asked.append(args)
        raise Unsupported("no")

    monkeypatch.setattr(export, "to_onnx", refuse)
    made = Source(tiny, "narrow", "none")
    for precision in ("fp32", "int8", "fp32"):
        with pytest.raises(Unsupported, match="no"):
            made.onnx(precision)
    assert len(asked) == 1


def test_a_runtime_gets_a_copy_that_it_may_change(tiny):
    made = Source(tiny, "narrow", "none")
    with torch.no_grad():
        made.module()[0].weight.zero_()
    assert (made.module()[0].weight != 0).any()


def test_images_all_have_one_shape(images):
    assert images.source.varying == ((),)
    assert torch.equal(*images.source.example, images.task.example)


def test_the_length_of_texts_varies(texts):
    assert texts.source.varying == ((1,),)
    assert [tensor.shape for tensor in texts.source.example] == [(1, 5)]
    assert all((batch != 0).any(0).all() for (batch,) in texts.source.calibration)


def text_task(ids: Tensor, calibrated: bool, trim) -> Task:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(1, -1))
    task = Task.from_model(model, example=ids[:1], calibration=ids if calibrated else None, test=(ids, ids[:, 0]),
                           correct=lambda outputs, labels: labels > 0)  # fmt: skip
    return replace(task, trim=trim)


@pytest.mark.parametrize("calibrated", [True, False], ids=["20 calibration texts", "none"])
def test_the_length_of_texts_varies_though_they_fill_one_batch_or_none(calibrated):
    ids = torch.ones(20, 6, dtype=torch.int64).tril()
    trimmed = text_task(ids, calibrated, lambda batch: batch[:, : int((batch != 0).any(0).sum())])
    assert Source(trimmed, "model", "none").varying == ((1,),)


def test_the_length_of_texts_varies_though_each_batch_of_them_holds_a_long_one():
    ids = torch.ones(400, 6, dtype=torch.int64)
    ids[1::2, 2:] = 0
    trimmed = text_task(ids, True, lambda batch: batch[:, : int((batch != 0).any(0).sum())])
    assert Source(trimmed, "model", "none").varying == ((1,),)


def test_calibration_is_a_few_hundred_items_in_batches():
    items = torch.arange(4_800.0).reshape(1200, 4)
    made = Source(Task.from_model(nn.Linear(4, 2), example=items[:1], calibration=items), "model", "none")
    assert [len(batch) for (batch,) in made.calibration] == [source.CALIBRATION_BATCH] * 5
    assert torch.equal(torch.cat([batch for (batch,) in made.calibration]), items[: source.CALIBRATION_ITEMS])


def test_a_task_without_calibration_inputs_has_none_here():
    assert Source(Task.from_model(nn.Linear(4, 2), example=torch.zeros(1, 4)), "model", "none").calibration == ()


def test_a_pruned_version_that_ships_with_the_task_is_taken_and_another_is_made(tiny):
    shipped = tiny.load_model("wide")
    task = replace(tiny, load_pruned=lambda model, pruning: shipped if pruning == "weights-50" else None)
    assert load(task, "narrow", "weights-50") is shipped
    made = load(task, "narrow", "weights-90")
    assert (made[4].weight == 0).double().mean() > 0.5
    assert (load(task, "narrow", "none")[4].weight != 0).all()


def test_a_source_is_pruned_before_anything_is_made_of_it(tiny):
    weights = Source(tiny, "narrow", "weights-95").module()[4].weight
    assert (weights == 0).double().mean() > 0.8
