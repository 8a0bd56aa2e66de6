import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from tradespace.tasks import Data, Score, Task, list_tasks, load_task

EXAMPLE = torch.zeros(1, 4)
INPUTS = torch.arange(40.0).reshape(10, 4)
LABELS = torch.zeros(10, dtype=torch.int64)


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("a screw is loose")


class Returns(nn.Module):
    """A module whose output is whatever the function makes of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(x)


class MovesItsInput(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x -= 1
        return x


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_shipped_tasks_can_each_be_loaded():
    assert "fashion" in list_tasks()
    assert [load_task(name).name for name in list_tasks()] == list_tasks()


def test_an_unknown_task_is_answered_with_those_there_are_and_the_nearest():
    with pytest.raises(ValueError, match=r"^task: wanted one of fashion.*got 'fashoin'. Did you mean 'fashion'\?$"):
        load_task("fashoin")


def test_one_module_becomes_the_model_called_model():
    task = Task.from_model(linear(), example=EXAMPLE)
    assert task.models == ("model",)
    assert torch.equal(task.load_model("model")(INPUTS), linear()(INPUTS))


def test_a_mapping_names_its_models_and_keeps_their_order():
    modules = {"second": nn.Linear(4, 2), "first": nn.Linear(4, 5)}
    task = Task.from_model(modules, example=EXAMPLE, name="two")
    assert repr(task) == "Task('two', models=second, first)"
    assert [task.load_model(name).out_features for name in task.models] == [2, 5]


def test_a_task_hands_out_the_tensors_it_was_given():
    task = Task.from_model(linear(), example=EXAMPLE, calibration=INPUTS[:3], test=(INPUTS, LABELS))
    assert torch.equal(task.example, EXAMPLE)
    assert torch.equal(task.calibration, INPUTS[:3])
    assert torch.equal(task.test[0], INPUTS)
    assert torch.equal(task.test[1], LABELS)


def test_what_was_not_given_is_none():
    task = Task.from_model(linear(), example=EXAMPLE)
    assert task.calibration is None
    assert task.test is None


@pytest.mark.parametrize(
    ("data", "fed"),
    [
        (Data(EXAMPLE), EXAMPLE),
        (Data(EXAMPLE, calibration=INPUTS), INPUTS),
        (Data(EXAMPLE, calibration=INPUTS, test=(INPUTS + 1, LABELS)), INPUTS + 1),
    ],
)
def test_timing_feeds_test_inputs_or_else_calibration_or_else_the_example(data, fed):
    assert torch.equal(data.inputs, fed)


@pytest.mark.parametrize("training", [True, False])
def test_your_module_is_neither_changed_nor_put_into_another_mode(training):
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout()).train(training)
    before = state(module)
    Task.from_model(module, example=EXAMPLE, calibration=INPUTS, test=(INPUTS, LABELS)).load_model("model")(INPUTS)
    assert same(state(module), before)
    assert [part.training for part in module.modules()] == [training] * 4


def test_a_loaded_model_is_in_evaluation_mode_and_a_new_one_each_time():
    task = Task.from_model(nn.Sequential(nn.Linear(4, 3), nn.Dropout()).train(), example=EXAMPLE)
    one, other = task.load_model("model"), task.load_model("model")
    assert not any(part.training for part in one.modules())
    before = state(other)
    with torch.no_grad():
        one[0].weight.fill_(7)
    assert same(state(other), before)
    assert same(state(task.load_model("model")), before)


def test_a_task_is_not_changed_when_your_module_is_afterwards():
    module = linear()
    task = Task.from_model(module, example=EXAMPLE)
    with torch.no_grad():
        module.weight.fill_(7)
    assert same(state(task.load_model("model")), state(linear()))


def test_a_module_that_works_in_place_does_not_change_your_example():
    example = torch.ones(1, 4)
    Task.from_model(MovesItsInput(), example=example)
    assert torch.equal(example, torch.ones(1, 4))


def test_a_task_can_be_copied():
    task = Task.from_model(linear(), example=EXAMPLE)
    assert same(state(copy.deepcopy(task).load_model("model")), state(linear()))


@pytest.mark.parametrize(
    ("example", "came"),
    [
        ([[0.0] * 4], "list"),
        (None, "NoneType"),
        (torch.zeros(2, 4), r"shape \(2, 4\)"),
        (torch.zeros(4), r"shape \(4,\)"),
        (torch.zeros(0, 4), r"shape \(0, 4\)"),
        (torch.tensor(0.0), r"shape \(\)"),
    ],
)
def test_an_example_must_be_a_batch_of_one(example, came):
    wanted = "^example: wanted a tensor whose first axis, the batch, is 1, or tuples or dicts of such tensors; got "
    with pytest.raises(ValueError, match=f"{wanted}.*{came}"):
        Task.from_model(linear(), example=example)


@pytest.mark.parametrize(
    ("items", "came"),
    [
        (torch.zeros(8, 5), r"\(8, 5\)$"),
        (torch.zeros(8, 4, 1), r"\(8, 4, 1\)$"),
        (torch.zeros(0, 4), r"\(0, 4\)$"),
        (torch.tensor(1.0), r"\(\)$"),
        ([[0.0] * 4], "list"),
    ],
)
@pytest.mark.parametrize("argument", ["calibration", "test inputs"])
def test_items_must_have_the_shape_of_the_example(argument, items, came):
    given = {"calibration": items} if argument == "calibration" else {"test": (items, LABELS)}
    wanted = "a tensor" if came == "list" else r"shape \(n, 4\)"
    with pytest.raises(ValueError, match=f"^{argument}: wanted {wanted}, as in the example; got .*{came}"):
        Task.from_model(linear(), example=EXAMPLE, **given)


def test_there_must_be_one_label_an_input():
    with pytest.raises(ValueError, match=r"^test: wanted one label per input; got 10 inputs and 9 labels$"):
        Task.from_model(linear(), example=EXAMPLE, test=(INPUTS, LABELS[:9]))


@pytest.mark.parametrize("test", [INPUTS, (INPUTS,), (INPUTS, LABELS, LABELS), "both"])
def test_a_test_set_must_be_a_pair(test):
    with pytest.raises(ValueError, match=r"^test: wanted a pair \(inputs, labels\); got "):
        Task.from_model(linear(), example=EXAMPLE, test=test)


@pytest.mark.parametrize("labels", [3, None, torch.tensor(3), LABELS.tolist(), LABELS.reshape(10, 1)])
def test_labels_that_cannot_be_scored_are_refused(labels):
    # Of shape (n, 1) they would compare with each output in turn: no error later, but a wrong accuracy.
    with pytest.raises(ValueError, match=r"^test: "):
        Task.from_model(linear(), example=EXAMPLE, test=(INPUTS, labels))


def test_an_empty_mapping_is_refused():
    with pytest.raises(ValueError, match=r"^model: wanted at least one module; got an empty mapping$"):
        Task.from_model({}, example=EXAMPLE)


@pytest.mark.parametrize("model", [nn.Linear, torch.relu, None, {"fine": nn.Linear(4, 3), "not": "a module"}])
def test_what_is_no_module_is_refused(model):
    with pytest.raises(ValueError, match=r"^model: wanted a torch\.nn\.Module; got "):
        Task.from_model(model, example=EXAMPLE)


def test_a_model_must_have_a_name():
    with pytest.raises(ValueError, match=r"^model: "):
        Task.from_model({8: linear()}, example=EXAMPLE)


def test_a_module_that_does_not_run_is_refused_by_name_with_its_own_words():
    with pytest.raises(ValueError, match=r"^model: 'bad' does not run on the example: a screw is loose$") as refusal:
        Task.from_model({"good": linear(), "bad": Broken()}, example=EXAMPLE)
    assert isinstance(refusal.value.__cause__, RuntimeError)


def test_a_module_for_other_inputs_is_refused():
    with pytest.raises(ValueError, match=r"^model: 'model' does not run on the example: "):
        Task.from_model(nn.Linear(5, 2), example=EXAMPLE)


@pytest.mark.parametrize(
    ("function", "shape"), [(lambda x: x.sum(), r"\(\)"), (lambda x: x[0], r"\(4,\)")], ids=["a scalar", "no batch"]
)
def test_a_module_must_return_one_output_an_item(function, shape):
    wanted = f"^model: wanted one output per item from 'model', with the batch first; for one item .* shape {shape}"
    with pytest.raises(ValueError, match=wanted):
        Task.from_model(Returns(function), example=EXAMPLE)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x, x), r"wanted the name of the output to score, among 0 \(1, 4\), 1 \(1, 4\); got none"),
        (lambda x: None, "wanted .*no tensor in a NoneType"),
    ],
    ids=["two tensors", "nothing"],
)
def test_it_must_be_clear_which_output_is_scored(function, message):
    with pytest.raises(ValueError, match=f"^output: {message}"):
        Task.from_model(Returns(function), example=EXAMPLE)


def fingerprints(**changes):
    task = Task.from_model(linear(), example=EXAMPLE, calibration=INPUTS[:3], test=(INPUTS, LABELS))
    changed = replace(task, **changes)
    return changed.fingerprint("model"), changed.data_fingerprint()


def wrong(outputs, labels):
    return outputs.argmax(1) != labels


def first_half(batch):
    return batch[:, :2]


def data(**changes):
    return lambda: replace(Data(EXAMPLE, INPUTS[:3], (INPUTS, LABELS)), **changes)


def scaled():
    module = linear()
    with torch.no_grad():
        module.weight.mul_(2)
    return module


@pytest.mark.parametrize(
    ("changes", "of_the_data"),
    [
        ({"load_model": lambda name: scaled()}, False),
        ({"load_model": lambda name: nn.Sequential(linear())}, False),
        ({"load_model": lambda name: linear().eval().double()}, False),
        ({"load_pruned": lambda name, pruning: scaled()}, False),
        ({"score": Score(wrong)}, False),
        ({"trim": first_half}, False),
        ({"load_data": data(calibration=INPUTS[:4])}, False),
        ({"load_data": data(test=(INPUTS + 1, LABELS))}, True),
        ({"load_data": data(test=(INPUTS, LABELS + 1))}, True),
    ],
)
def test_a_fingerprint_changes_with_all_that_a_result_depends_on(changes, of_the_data):
    before, after = fingerprints(), fingerprints(**changes)
    assert before == fingerprints()
    assert before[0] != after[0]
    assert (before[1] != after[1]) == of_the_data


@pytest.mark.parametrize("name", list_tasks())
def test_the_fingerprint_of_a_shipped_task_is_the_same_each_time(name):
    one, other = (load_task(name) for _ in range(2))
    assert one.fingerprint(one.models[0]) == other.fingerprint(other.models[0])
