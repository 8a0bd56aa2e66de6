import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
import tradespace as ts
from tradespace.measuring import worker
from tradespace.measuring.measurement import Facts, Failure
from tradespace.prepare import Layer, Prepared, Session
from tradespace.prepare.session import Converted
from tradespace.tasks.parcel import pack
from tradespace.tasks.task import scoring_order
from tradespace.tasks.trial import TRIED_ITEMS

X = torch.arange(1_200.0).reshape(300, 4)
LABELS = torch.arange(300) % 2


@pytest.fixture
def key(monkeypatch):
    """A task that this process, in the part of the measuring one, has been given."""
    for name in ("_tasks", "_sources", "_prepared", "_running", "_scored", "_scoring", "_truth_errors", "_expected"):
        monkeypatch.setattr(worker, name, {})
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], test=(X, LABELS))
    worker.learn("key", pack(task))
    return "key"


def test_a_task_it_was_not_given_is_asked_for():
    assert worker.run_slice("no such key", ts.Config("model"), 0.01) == worker.UNKNOWN_TASK


def test_a_model_is_prepared_once_for_all_batch_sizes_and_threads(key):
    for batch_size in (1, 2, 4):
        worker.run_slice(key, ts.Config("model", threads=1, batch_size=batch_size), 0.001)
    assert len(worker._prepared) == 1


def test_a_model_is_scored_once_for_all_batch_sizes(key, monkeypatch):
    first = worker.score_slice(key, ts.Config("model", threads=1, batch_size=1), 60.0, 0)
    monkeypatch.setattr(worker, "prepare", None)
    worker._prepared.clear()
    again = worker.score_slice(key, ts.Config("model", threads=1, batch_size=8), 60.0, 0)
    assert len(first) == 300
    np.testing.assert_array_equal(first, again)


def test_scoring_goes_on_where_it_left_off(key, monkeypatch):
    config, parts = ts.Config("model", threads=1), []
    for known in (0, 100, 200, 300):
        parts.append(worker.score_slice(key, config, -1.0, known))
    assert [len(part) for part in parts] == [100, 100, 100, 0]
    whole = worker.score_slice(key, config, 60.0, 0)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_process_that_never_scored_the_first_items_scores_the_rest(key):
    config = ts.Config("model", threads=1)
    rest = worker.score_slice(key, config, 60.0, 100)
    assert len(rest) == 200
    np.testing.assert_array_equal(worker.score_slice(key, config, 60.0, 0)[100:], rest)


def test_items_are_scored_in_the_one_shuffled_order(key):
    correct = worker.score_slice(key, ts.Config("model", threads=1), 60.0, 0)
    order = scoring_order(300)
    with torch.inference_mode():
        outputs = worker._tasks[key].load_model("model")(X)
    np.testing.assert_array_equal(correct, (outputs.argmax(1) == LABELS).numpy()[order])
    assert sorted(order) == list(range(300))
    assert list(order) != sorted(order)
    assert abs(LABELS.numpy()[order[:100]].mean() - 0.5) < 0.15, "the first of them are a fair sample"


def test_a_task_without_a_test_set_has_no_score(key):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1])
    worker.learn("untested", pack(task))
    assert len(worker.score_slice("untested", ts.Config("model", threads=1), 1.0, 0)) == 0


class WorksInPlace(torch.nn.Module):
    def forward(self, x):
        return x.sub_(1)


def test_scoring_leaves_the_test_set_alone(key):
    task = ts.Task.from_model(WorksInPlace(), example=X[:1], test=(X.clone(), LABELS))
    worker._tasks["in place"] = task
    worker.score_slice("in place", ts.Config("model", threads=1), 60.0, 0)
    torch.testing.assert_close(task.test[0], X)


def test_what_cannot_run_here_is_a_reason_not_an_exception(key):
    answer = worker.make_ready(key, ts.Config("model", precision="fp8", threads=1))
    assert answer == Failure("unsupported", "fp8 has kernels for CUDA only, not for cpu")


def test_a_precision_with_nothing_to_apply_to_is_unsupported_not_fp32_by_another_name(key):
    task = ts.Task.from_model(torch.nn.Conv1d(4, 2, 1), example=torch.zeros(1, 4, 3))
    worker.learn("convolution", pack(task))
    answer = worker.make_ready("convolution", ts.Config("model", precision="int8-dynamic", threads=1))
    assert answer == Failure(
        "unsupported", "int8-dynamic quantizes linear and recurrent layers, and this model has none"
    )


@pytest.fixture
def noted(key, monkeypatch):
    """The first number of each batch that the model gets, and how many items it has."""
    seen = []

    def call(batch):
        seen.append((batch[0, 0].item(), len(batch)))
        return batch[:, :2]

    made = Prepared(Converted(lambda threads, batch_size: Session(call, list), 1.0), 2.0)
    monkeypatch.setattr(worker, "prepare", lambda source, config: made)
    return seen


def test_inputs_are_spread_over_the_test_set_and_wrap_around_at_its_end(key):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], test=(X, LABELS))
    batches = worker._batches(task, ts.Config("model", batch_size=100))
    assert [batch.shape for (batch,) in batches] == [(100, 4)] * worker.ROTATED_BATCHES
    assert [batch[0, 0].item() / 4 for (batch,) in batches] == [0, 75, 150, 225]
    assert torch.equal(batches[3][0][75:], X[:25])


def test_a_batch_larger_than_the_test_set_repeats_its_items(key):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], test=(X[:3], LABELS[:3]))
    assert [len(batch) for (batch,) in worker._batches(task, ts.Config("model", batch_size=7))] == [7] * 4


def test_inputs_rotate_on_and_on_over_all_slices(key, noted):
    for _ in range(3):
        worker.run_slice(key, ts.Config("model", threads=1, batch_size=2), 0.002)
    starts = [int(first / 4) for first, _ in noted]
    assert len(starts) > 12
    assert starts == [[0, 75, 150, 225][i % 4] for i in range(len(starts))]


def test_scoring_takes_what_is_left_over_as_a_smaller_batch(key, noted):
    worker._tasks[key] = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], test=(X[:250], LABELS[:250]))
    answer = worker.score_slice(key, ts.Config("model", threads=1, batch_size=8), 60.0, 0)
    with torch.inference_mode():
        expected = (X[:250, :2].argmax(1) == LABELS[:250]).numpy()
    np.testing.assert_array_equal(answer, expected[scoring_order(250)])
    assert [items for _, items in noted] == [100, 100, 50]


def without_padding(batch):
    return batch[:, : int((batch != 0).any(0).sum())]


@pytest.fixture
def texts():
    """300 texts of 1 to 6 tokens, padded to 6."""
    ids = torch.ones(300, 6, dtype=torch.int64) * (torch.arange(6) <= torch.arange(300)[:, None] % 6)
    model = torch.nn.Sequential(torch.nn.EmbeddingBag(2, 2, padding_idx=0))
    task = ts.Task.from_model(model, example=ids[5:6], calibration=ids, test=(ids, LABELS))
    return replace(task, trim=without_padding)


@pytest.mark.parametrize(("batch_size", "batches"), [(1, 256), (8, 32), (64, 16)])
def test_texts_rotate_through_more_batches_as_a_few_would_stand_badly_for_all_lengths(texts, batch_size, batches):
    made = worker._batches(texts, ts.Config("model", batch_size=batch_size))
    assert len(made) == batches
    assert all(len(batch) == batch_size for (batch,) in made)


def test_each_batch_of_texts_is_as_long_as_its_longest(texts):
    made = worker._batches(texts, ts.Config("model", batch_size=1))
    assert {batch.shape[1] for (batch,) in made} == {1, 2, 3, 4, 5, 6}
    assert all((batch != 0).any(0).all() and batch.is_contiguous() for (batch,) in made)


def test_texts_are_scored_as_they_are_fed(texts, key):
    worker._tasks["texts"] = texts
    answer = worker.score_slice("texts", ts.Config("model", threads=1), 60.0, 0)
    with torch.inference_mode():
        expected = texts.load_model("model")(texts.test[0]).argmax(1) == LABELS
    np.testing.assert_array_equal(answer, expected.numpy()[scoring_order(300)])


@pytest.fixture
def opened(monkeypatch):
    """Preparing gives sessions that are known by weak references. -> (threads, batch size, reference) of each"""
    made = []

    def open_session(threads, batch_size):
        session = Session(lambda batch: batch[:, :2].clone(), lambda: [Layer("Linear", "fp32", 8)])
        made.append((threads, batch_size, weakref.ref(session)))
        return session

    monkeypatch.setattr(worker, "prepare", lambda source, config: Prepared(Converted(open_session, 1.0), 2.0))
    return made


def test_a_config_that_is_finished_lets_go_of_its_session_and_keeps_the_model(key, opened):
    config = ts.Config("model", threads=1, batch_size=2)
    worker.run_slice(key, config, 0.001)
    worker.finish(key, config)
    gc.collect()
    assert [session() for *_, session in opened] == [None]
    worker.run_slice(key, config, 0.001)
    assert len(worker._prepared) == 1
    assert [(threads, batch_size) for threads, batch_size, _ in opened] == [(1, 2), (1, 2)]


def test_a_config_of_which_nothing_is_known_can_be_finished(key):
    worker.finish(key, ts.Config("model", threads=1))


def test_all_slices_of_a_config_run_in_one_session(key, opened):
    for _ in range(3):
        worker.run_slice(key, ts.Config("model", threads=1, batch_size=2), 0.001)
    assert len(opened) == 1


def test_all_slices_of_a_score_run_in_one_session(key, opened):
    # OpenVINO compiles a model for each session, which can take longer than a slice.
    for known in (0, 100, 200):
        worker.score_slice(key, ts.Config("model", threads=1), -1.0, known)
    assert len(opened) == 1


def test_the_time_to_open_a_session_is_part_of_preparing(key, opened, monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: float(next(ticks)))
    facts = worker.make_ready(key, ts.Config("model", threads=1, batch_size=2))
    assert facts.prepare_s == 2.0 + 1.0


def test_a_config_measured_again_after_it_was_cancelled_is_warmed_up_again(key):
    config = ts.Config("model", threads=1, batch_size=2)
    for _ in range(2):  # nobody said that the first was finished
        worker.make_ready(key, config)
        assert worker.run_slice(key, config, 0.001).warm_up_ns > 0


def test_the_layers_are_those_of_the_session_that_is_timed(key):
    assert worker.layers(key, ts.Config("model", threads=1)) == [Layer("Linear", "fp32", 8)]
    rounded = ts.Config("model", precision="bf16", threads=1)
    assert worker.layers(key, rounded) == [Layer("Linear", "bf16", 8)]


def test_a_model_that_fails_has_no_layers_and_a_reason(key):
    worker._tasks["broken"] = ts.Task.from_model(Answers(lambda x: x), example=X[:1])
    answer = worker.layers("broken", ts.Config("model", precision="int8-dynamic", threads=1))
    assert answer.status == "unsupported"


def test_weights_rounded_to_a_few_bits_are_made_ready_as_any_model(key):
    answer = worker.make_ready(key, ts.Config("model", precision="w2", threads=1))
    assert isinstance(answer, Facts)
    assert answer.output_error > 0.02


def test_what_was_pruned_is_compared_with_fp32_pruned_alike(key):
    pruned = {"pruning": "weights-50", "threads": 1}
    assert worker.make_ready(key, ts.Config("model", **pruned)).output_error == 0
    assert 0 < worker.make_ready(key, ts.Config("model", precision="bf16", **pruned)).output_error < 0.05
    with torch.inference_mode():
        whole, sparse = (
            worker._ready(key, ts.Config("model", name)).session(1, None).call(X) for name in ("none", "weights-50")
        )
    assert worker.output_error(sparse, whole) > 0.05


def test_the_threads_of_the_config_are_those_it_runs_with(key):
    before = torch.get_num_threads()
    worker.run_slice(key, ts.Config("model", threads=1), 0.001)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


class Answers(torch.nn.Module):
    """Gives, for more items than a first run has, an answer of its own choice."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return x if len(x) <= TRIED_ITEMS else self.answer(x)


class OneAtATime(torch.nn.Module):
    def forward(self, x):
        return x.reshape(1, 4)


def test_a_model_that_takes_one_item_alone_is_not_asked_for_more(key):
    worker._tasks["single"] = ts.Task.from_model(OneAtATime(), example=X[:1], test=(X, LABELS))
    one = ts.Config("model", threads=1)
    assert worker.make_ready("single", one).output_error == 0
    refused = worker.make_ready("single", replace(one, batch_size=2))
    assert refused.status == "unsupported"
    assert refused.reason.startswith("this model takes one item at a time: with a batch of 4 it fails: ")
    expected = (X.argmax(1) == LABELS).numpy()[scoring_order(300)]
    np.testing.assert_array_equal(worker.score_slice("single", one, 60.0, 0), expected)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(lambda x: x * float("nan"), "wanted finite numbers"), (lambda x: x.unsqueeze(0), "wanted one output per item")],
)
def test_a_model_that_returns_nonsense_fails_before_it_is_timed(key, answer, reason):
    worker._tasks["nonsense"] = ts.Task.from_model(Answers(answer), example=X[:1], calibration=X)
    found = worker.make_ready("nonsense", ts.Config("model", threads=1, batch_size=8))
    assert found.status == "failed"
    assert reason in found.reason


def test_the_outputs_of_a_compressed_model_are_compared_with_those_of_fp32(key):
    exact = worker.make_ready(key, ts.Config("model", threads=1))
    rounded = worker.make_ready(key, ts.Config("model", precision="bf16", threads=1))
    assert exact.output_error == 0
    assert 0 < rounded.output_error < 0.02


class FirstTwo(torch.nn.Module):
    def forward(self, x):
        return x[:, :2]


@pytest.fixture
def integers(key, monkeypatch):
    """(function) -> a model that gives the first two numbers of each item; in floating point, what the function gives.

    It gives back a list that grows each time the model is asked for in floating point.
    """
    worker._tasks[key] = ts.Task.from_model(FirstTwo(), example=X[:1], test=(X, LABELS))
    asked = []

    def prepared(in_float):
        def in_floating_point():
            asked.append(in_float)
            return in_float

        session = Session(lambda batch: batch[:, :2].clone(), lambda: [])
        made = Prepared(Converted(lambda threads, batch_size: session, 1.0, in_floating_point), 2.0)
        monkeypatch.setattr(worker, "prepare", lambda source, config: made)
        return asked

    return prepared


def test_outputs_are_compared_with_those_of_the_same_integers_in_floating_point(key, integers):
    integers(lambda batch: batch[:, :2] / 1.25)
    facts = worker.make_ready(key, ts.Config("model", precision="int8-dynamic", threads=1, batch_size=8))
    assert facts.truth_error == pytest.approx(0.25)
    assert facts.output_error == 0


def test_that_is_done_once_for_all_batch_sizes(key, integers):
    asked = integers(lambda batch: batch[:, :2] / 1.25)
    for batch_size in (1, 8):
        config = ts.Config("model", precision="int8-dynamic", threads=1, batch_size=batch_size)
        assert worker.make_ready(key, config).truth_error == pytest.approx(0.25)
    assert len(asked) == 1


def test_what_cannot_be_computed_in_floating_point_is_not_known(key, integers):
    integers(lambda batch: 1 / 0)
    facts = worker.make_ready(key, ts.Config("model", precision="int8-dynamic", threads=1))
    assert np.isnan(facts.truth_error)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "w4"])
def test_without_integers_there_is_nothing_to_hold_outputs_against(key, precision):
    assert np.isnan(worker.make_ready(key, ts.Config("model", precision=precision, threads=1)).truth_error)


def test_the_integers_of_this_processor_are_what_they_stand_for(key):
    assert worker.make_ready(key, ts.Config("model", precision="int8-dynamic", threads=1)).truth_error < 0.01


def test_the_error_of_outputs_is_relative():
    expected = torch.tensor([[3.0, -4.0]])
    assert worker.output_error(expected * 1.1, expected) == pytest.approx(0.1)
    assert worker.output_error(torch.zeros(1, 2), torch.zeros(1, 2)) == 0


def test_warm_up_and_memory_are_told_once(key):
    config = ts.Config("model", threads=1, batch_size=4)
    first, second = (worker.run_slice(key, config, 0.001) for _ in range(2))
    assert first.warm_up_ns > 0
    assert second.warm_up_ns == 0
    assert np.isnan(second.memory_mb)


def test_energy_without_a_counter_is_not_known(key, monkeypatch):
    monkeypatch.setattr(worker, "find_counter", lambda device: None)
    assert np.isnan(worker.energy(key, ts.Config("model", threads=1)))


def test_tasks_that_nobody_asks_for_are_forgotten_with_their_models(key):
    for name in ("a", "b", "c", "d"):
        worker.learn(name, pack(ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], name=name)))
        worker.make_ready(name, ts.Config("model", threads=1))
        worker.make_ready("a", ts.Config("model", threads=1))
    assert set(worker._tasks) == {"a", "c", "d"}
    assert {name for name, *_ in worker._prepared} == {name for name, *_ in worker._sources} == {"a", "c", "d"}
    assert worker.make_ready("b", ts.Config("model", threads=1)) == worker.UNKNOWN_TASK


def test_models_that_take_too_much_memory_are_forgotten_unless_they_are_in_use(key, monkeypatch):
    monkeypatch.setattr(worker, "KEPT_SHARE", 0.0)
    fp32, bf16, w4 = (ts.Config("model", precision=name, threads=1) for name in ("fp32", "bf16", "w4"))
    worker.make_ready(key, fp32)
    for config in (bf16, w4):
        worker.make_ready(key, config)
        worker.finish(key, config)
    worker.make_ready(key, bf16)
    assert {config.precision for _, config in worker._prepared} == {"fp32", "bf16"}


class Queueing:
    """A device that is told what to do and does it later."""

    asynchronous = True

    def __init__(self):
        self.waited = 0

    def synchronize(self):
        self.waited += 1


@pytest.mark.parametrize(("synchronised", "waits"), [(True, 7), (False, 2)])
def test_calls_are_timed_with_and_without_waiting_for_them(key, monkeypatch, synchronised, waits):
    device = Queueing()
    monkeypatch.setattr(worker, "device", lambda name: device)
    samples_ns = worker.time_calls(key, ts.Config("model", threads=1), 5, synchronised)
    assert (len(samples_ns), (samples_ns > 0).all(), device.waited) == (5, True, waits)
