"""A first run of a module: its traits, and the true cause where it cannot be measured."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm
from tradespace.tasks import Task
from tradespace.tasks.called import Called, Traits, traits_of
from tradespace.tasks.trial import error, same

X = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
# What torch advises against is still in use.
OF_TORCH = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Model(nn.Module):
    """A linear layer, and what a function makes of it and its input."""

    def __init__(self, function):
        super().__init__()
        self.head, self.function, self.calls = nn.Linear(4, 3), function, 0

    def forward(self, x):
        return self.function(self, x)


def own_labels(module, items=X):
    """What the module says of each item by itself."""
    with torch.inference_mode(False), torch.no_grad():
        return torch.cat([module(item.clone()).float().argmax(1) for item in items.split(1)])


def tried(module, items=X):
    labels = torch.zeros(len(items), dtype=torch.int64)
    return Task.from_model(module.eval(), example=items[:1], test=(items, labels))


def gradient(self, x):
    x = x.requires_grad_()
    return torch.autograd.grad(self.head(x).square().sum(), x)[0]


def one_at_a_time(self, x):
    return self.head(x.reshape(1, 4))


def picky(self, x):
    if len(x) > 1:
        raise RuntimeError("one at a time, please")
    return self.head(x)


def pooled(self, x):
    return self.head(x).amax(0, keepdim=True)


@pytest.mark.parametrize(
    ("function", "traits"),
    [
        (lambda self, x: self.head(x), Traits()),
        (lambda self, x: self.head(x.add_(1)), Traits(writes=True)),
        (gradient, Traits(gradients=True)),
    ],
    ids=["an ordinary one", "one that writes into its input", "one that computes gradients"],
)
def test_a_caller_knows_what_a_module_needs(function, traits):
    module = Model(function)
    task = tried(module)
    loaded, before = task.load_model("model"), X.clone()
    assert traits_of(loaded) == traits
    for items in (1, 5):
        with torch.inference_mode():
            found = loaded(X[:items])
        torch.testing.assert_close(found, module(X[:items].clone()).detach())
    assert torch.equal(X, before)


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (one_at_a_time, "with a batch of 4 it fails: shape '[1, 4]' is invalid for input of size 16"),
        (picky, "with a batch of 4 it fails: one at a time, please"),
        (pooled, "for a batch of 4 it returns shape (1, 3), which is not one output per item"),
    ],
)
def test_a_module_for_one_item_is_known_to_be_so_and_why(function, cause):
    assert traits_of(tried(Model(function)).load_model("model")).one_at_a_time == (
        f"this model takes one item at a time: {cause}"
    )


@OF_TORCH
def test_a_module_traced_for_one_item_is_known_to_be_so():
    traced = torch.jit.trace(Model(one_at_a_time).eval(), X[:1])
    assert "one item at a time" in traits_of(tried(traced).load_model("model")).one_at_a_time


def drawn(self, x):
    return self.head(x) + torch.randn(len(x), 3)


def counted(self, x):
    self.calls += 1
    return self.head(x) * self.calls


def dropout(self, x):
    return nn.functional.dropout(self.head(x), 0.5)


class StaysInTraining(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.head, self.part = nn.Linear(4, 3), part

    def train(self, mode=True):
        return super().train(True)

    def forward(self, x):
        return self.part(self.head(x))


@pytest.mark.parametrize("function", [drawn, counted, dropout], ids=["random", "with a state", "dropout left on"])
def test_a_module_that_answers_differently_each_time_is_refused(function):
    with pytest.raises(ValueError, match=r"^model: 'model' gives another output when it gets the same input again"):
        tried(Model(function))


def test_a_layer_that_stays_in_training_mode_is_named():
    training = r"In training mode even after eval\(\): it \(StaysInTraining\), head \(Linear\), part \(Dropout\)"
    with pytest.raises(ValueError, match=training):
        tried(StaysInTraining(nn.Dropout()))


def centred(self, x):
    return self.head(x - x.mean(0))


def ranked(self, x):
    return self.head(x).softmax(0)


@pytest.mark.parametrize("function", [centred, ranked])
def test_a_module_whose_answer_depends_on_its_batch_is_refused(function):
    with pytest.raises(ValueError, match=r"^model: the output of 'model' for an item depends on the other items"):
        tried(Model(function))


def test_so_is_one_with_the_statistics_of_its_batch():
    with pytest.raises(ValueError, match=r"depends on the other items .* norm \(BatchNorm1d\)|Expected more than 1"):
        tried(StaysInTraining(nn.BatchNorm1d(3)))


def test_a_module_that_returns_nan_is_refused_and_one_that_masks_with_infinity_is_not():
    with pytest.raises(ValueError, match=r"^model: 'model' returns NaN for one of the first 4 inputs$"):
        tried(Model(lambda self, x: self.head(x) * torch.where(x[:, :1] == X[2, 0], torch.nan, 1.0)))
    masked = Model(lambda self, x: self.head(x).index_fill(1, torch.tensor([1]), -torch.inf))
    assert tried(masked).load_model("model")(X[:2])[:, 1].tolist() == [-torch.inf] * 2


def test_without_an_axis_for_the_items_a_squeeze_is_asked_for():
    with pytest.raises(ValueError, match=r"one output per item .* returned shape \(3,\)\. Does it end in a squeeze"):
        tried(Model(lambda self, x: self.head(x).squeeze()))


def test_a_module_whose_next_call_overwrites_its_output_is_no_worse_for_it():
    buffer = torch.zeros(8, 3)
    module = Model(lambda self, x: buffer[: len(x)].copy_(self.head(x)))
    assert traits_of(tried(module).load_model("model")) == Traits()


def test_a_module_that_keeps_its_last_output_in_itself_is_none_with_a_state():
    def keeps(self, x):
        self.last = self.head(x)
        return self.last

    module = Model(keeps)
    module(X[:1])
    assert traits_of(tried(module).load_model("model")) == Traits()


def lazy():
    return nn.Sequential(nn.LazyLinear(3), nn.ReLU())


def test_lazy_layers_are_refused_until_they_have_seen_an_input():
    module = lazy()
    with pytest.raises(ValueError, match=r"^model: 'model' has lazy layers .*\(0\.weight, 0\.bias\): call it once"):
        tried(module)
    module(X[:1])
    torch.testing.assert_close(tried(module).load_model("model")(X), module(X))


@OF_TORCH
@pytest.mark.parametrize("compiled", [torch.compile, lambda module: [module, module.compile()][0]])
def test_a_compiled_module_is_refused_as_the_runtime_compiles(compiled):
    with pytest.raises(ValueError, match=r"^model.*as it is before torch\.compile, which runtime='compile' applies"):
        tried(compiled(nn.Linear(4, 3)))


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.weight).abs()


def tied():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


def shared():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def hooked():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    module[0].register_forward_hook(lambda layer, given, output: output * 3)
    module.register_forward_pre_hook(lambda layer, given: (given[0] + 1,))
    return module


def local():
    class Local(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    return Local(4, 3)


def exported():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval()
    batch = torch.export.Dim("batch")
    return torch.export.export(module, (torch.zeros(2, 4),), dynamic_shapes=({0: batch},)).module()


KINDS = {
    "float64": lambda: nn.Linear(4, 3).double(),
    "complex": Complex,
    "scripted": lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 3), nn.ReLU())),
    "traced": lambda: torch.jit.trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(2, 4)),
    "exported": exported,
    "old weight norm": lambda: weight_norm(nn.Linear(4, 3)),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(4, 3)),
    "old spectral norm": lambda: spectral_norm(nn.Linear(4, 3)),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(4, 3)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(4, 3)),
    "tied": tied,
    "shared": shared,
    "hooked": hooked,
    "local": local,
    "without weights": lambda: nn.Softmax(1),
}


@pytest.mark.parametrize("kind", KINDS)
@OF_TORCH
def test_a_module_of_any_kind_is_itself_in_a_task(kind):
    module = KINDS[kind]()
    if kind != "exported":
        module.eval()
    items = X.double() if kind == "float64" else X
    task = Task.from_model(module, example=items[:1], test=(items, own_labels(module, items)))
    with torch.inference_mode():
        torch.testing.assert_close(task.load_model("model")(items), module(items))
    assert not isinstance(task.load_model("model"), Called)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_module_in_half_precision_is_tried_in_its_own_type(dtype):
    module = nn.Linear(4, 3).to(dtype)
    assert tried(module, X.to(dtype)).load_model("model").weight.dtype == dtype


def test_outputs_are_the_same_up_to_rounding_with_infinities_in_the_same_places():
    one = torch.tensor([1.0, -torch.inf, 3.0])
    assert same(one, one + 1e-4)
    assert not same(one, one * 1.1)
    assert not same(one, torch.tensor([-torch.inf, 1.0, 3.0]))
    assert not same(one, one[:2])
    assert same(torch.tensor([1, 2]), torch.tensor([1, 2]))
    assert not same(torch.tensor([1, 2]), torch.tensor([1, 3]))


@pytest.mark.parametrize(
    ("outputs", "expected", "departure"),
    [
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([3.3, 4.4], [3.0, 4.0], 0.1),
        ([torch.nan], [1.0], torch.inf),
        ([torch.inf], [-torch.inf], torch.inf),
        ([torch.inf], [1e30], torch.inf),
        ([1.1e30], [1e30], 0.1),
        ([1.1e-30], [1e-30], 0.1),
    ],
)
def test_the_error_is_relative_at_any_scale(outputs, expected, departure):
    # In double precision, where the square of 1e30 is a number.
    given = (torch.tensor(values, dtype=torch.float64) for values in (outputs, expected))
    assert error(*given) == pytest.approx(departure)
