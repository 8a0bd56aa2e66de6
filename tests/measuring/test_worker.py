import cloudpickle
import numpy as np
import pytest
import torch
import tradespace as ts
from tradespace.measuring import worker
from tradespace.measuring.measurement import Failure

X = torch.arange(1_200.0).reshape(300, 4)
LABELS = torch.arange(300) % 2


@pytest.fixture
def key(monkeypatch):
    """A task that this process, in the part of the measuring one, has been given."""
    for name in ("_tasks", "_prepared", "_scored"):
        monkeypatch.setattr(worker, name, {})
    monkeypatch.setattr(worker, "_warm", set())
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1], test=(X, LABELS))
    worker.learn("key", cloudpickle.dumps(task))
    return "key"


def test_a_task_it_was_not_given_is_asked_for():
    assert worker.run_slice("no such key", ts.Config("model"), 0.01) == worker.UNKNOWN_TASK


def test_a_model_is_prepared_once_for_all_batch_sizes_and_threads(key):
    for batch_size in (1, 2, 4):
        worker.run_slice(key, ts.Config("model", threads=1, batch_size=batch_size), 0.001)
    assert len(worker._prepared) == 1


def test_a_model_is_scored_once_for_all_batch_sizes(key, monkeypatch):
    first = worker.score_slice(key, ts.Config("model", threads=1, batch_size=1), 60.0)
    monkeypatch.setattr(worker, "prepare", None)
    worker._prepared.clear()
    again = worker.score_slice(key, ts.Config("model", threads=1, batch_size=8), 60.0)
    assert len(first) == 300
    np.testing.assert_array_equal(first, again)


def test_scoring_goes_on_where_it_left_off(key):
    config = ts.Config("model", threads=1)
    answers = [worker.score_slice(key, config, -1.0 if i % 2 else 1e-9) for i in range(3)]
    assert answers[0] is None
    whole = worker.score_slice(key, config, 60.0)
    assert len(whole) == 300


def test_a_task_without_a_test_set_has_no_score(key):
    task = ts.Task.from_model(torch.nn.Linear(4, 2), example=X[:1])
    worker.learn("untested", cloudpickle.dumps(task))
    assert len(worker.score_slice("untested", ts.Config("model", threads=1), 1.0)) == 0


class WorksInPlace(torch.nn.Module):
    def forward(self, x):
        return x.sub_(1)


def test_scoring_leaves_the_test_set_alone(key):
    task = ts.Task.from_model(WorksInPlace(), example=X[:1], test=(X.clone(), LABELS))
    worker._tasks["in place"] = task
    worker.score_slice("in place", ts.Config("model", threads=1), 60.0)
    torch.testing.assert_close(task.test[0], X)


def test_what_cannot_run_here_is_a_reason_not_an_exception(key):
    answer = worker.make_ready(key, ts.Config("model", precision="w4", threads=1))
    assert isinstance(answer, Failure)
    assert answer.status == "unsupported"
    assert "w4" in answer.reason


def test_a_precision_with_nothing_to_apply_to_is_unsupported_not_fp32_by_another_name(key):
    task = ts.Task.from_model(torch.nn.Conv1d(4, 2, 1), example=torch.zeros(1, 4, 3))
    worker.learn("convolution", cloudpickle.dumps(task))
    answer = worker.make_ready("convolution", ts.Config("model", precision="int8-dynamic", threads=1))
    assert answer == Failure(
        "unsupported", "int8-dynamic quantizes linear and recurrent layers, and this model has none"
    )


def test_inputs_rotate_and_wrap_around():
    batches = worker._batches(X[:3], ts.Config("model", batch_size=2))
    assert [batch.shape for batch in batches] == [(2, 4)] * worker.ROTATED_BATCHES
    assert len({tuple(batch.flatten().tolist()) for batch in batches}) == 3


def test_the_threads_of_the_config_are_those_it_runs_with(key):
    before = torch.get_num_threads()
    worker.run_slice(key, ts.Config("model", threads=1), 0.001)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


class Answers(torch.nn.Module):
    """Gives, for more than one item, an answer of its own choice."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return x if len(x) == 1 else self.answer(x)


def test_a_model_that_takes_one_item_alone_is_not_asked_for_more(key):
    worker._tasks["single"] = ts.Task.from_model(Answers(lambda x: 1 / 0), example=X[:1], calibration=X)
    assert worker.make_ready("single", ts.Config("model", threads=1)).output_error == 0
    assert worker.make_ready("single", ts.Config("model", threads=1, batch_size=2)).status == "failed"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(lambda x: x * float("nan"), "NaN or infinity"), (lambda x: x.unsqueeze(0), "wanted one output an item")],
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
