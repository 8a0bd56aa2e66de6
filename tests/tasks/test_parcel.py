import copy
import dataclasses
import enum
import fnmatch
import functools
import gc
import importlib
import sys
import threading
import warnings

import cloudpickle
import loky
import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from tradespace.tasks.parcel import pack, unpack

INPUT = torch.linspace(-1, 1, 12).reshape(3, 4)


@pytest.fixture(scope="module")
def elsewhere():
    """(packed, input) -> what the unpacked object returns in another process, the same for all tests here."""
    executor = loky.ProcessPoolExecutor(max_workers=1)

    def call(packed, given):
        # Quantized weights are packed for the engine that is chosen when they are loaded.
        engine = torch.backends.quantized.engine
        expression = "setattr(torch.backends.quantized, 'engine', engine) or unpack(packed)(given)"
        names = {"torch": torch, "engine": engine, "unpack": unpack, "packed": packed, "given": given}
        return executor.submit(eval, expression, names).result()

    yield call
    executor.shutdown(kill_workers=True)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """(source, name) -> the module of that name, written to a folder that was added to `sys.path` just now."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def written(source, name="users_own"):
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


class Kind(enum.Enum):
    SUM = "sum"
    MEAN = "mean"


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    others: list = dataclasses.field(default_factory=list)


class Base(nn.Module):
    factor = 2

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) * self.factor


class Inherits(Base):
    def forward(self, x):
        return super().forward(x) + 1


class Keeps(Base):
    """It keeps what it computed last, with the history of its gradients."""

    def forward(self, x):
        self.last = super().forward(x)
        return self.last


class Guarded(Base):
    def __init__(self):
        super().__init__()
        self.lock, self.again = threading.Lock(), threading.RLock()

    def forward(self, x):
        with self.lock, self.again:
            return super().forward(x)


class Doubles(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Custom(Base):
    def forward(self, x):
        return Doubles.apply(super().forward(x))


class Answers(Base):
    def forward(self, x):
        answer = Answer(super().forward(x))
        assert [one.name for one in dataclasses.fields(answer)] == ["logits", "others"]
        return answer.logits


class Chooses(Base):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return x.sum(1) if self.kind is Kind.SUM else x.mean(1)


@functools.lru_cache(maxsize=3)
def table(n):
    return torch.arange(float(n))


class Looks(Base):
    def forward(self, x):
        return super().forward(x) + table(4)


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 2, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(torch.complex64) @ self.weight).abs()


class Buffers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("kept", torch.ones(4))
        self.register_buffer("unsaved", torch.full((4,), 3.0), persistent=False)

    def forward(self, x):
        return self.layer(x) + self.kept * self.unsaved


class Views(nn.Module):
    """Two attributes that share memory, one as another type."""

    def __init__(self, dtype):
        super().__init__()
        self.whole = torch.ones(4)
        self.part = self.whole.view(dtype)[1:2]

    def forward(self, x):
        return x + self.whole


def weight_norm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(nn.Linear(4, 4))


def pruned():
    layer = nn.Linear(4, 4)
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


def hooked():
    layer = nn.Linear(4, 4)
    layer.register_forward_pre_hook(lambda layer, x: (x[0] + 1,))
    layer.register_forward_hook(lambda layer, x, y: y * 3)
    layer.register_forward_hook(lambda layer, x, named, y: y - len(named), with_kwargs=True)
    return layer


def shared():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer)


def quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear})


def scripted():
    return torch.jit.script(Buffers())


def traced():
    return torch.jit.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), INPUT)


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def exported(module=None):
    batch = {0: torch.export.Dim("batch")}
    return torch.export.export(module or Buffers(), (INPUT,), dynamic_shapes=(batch,)).module()


def drawn():
    layer = torch.fx.symbolic_trace(Base())
    layer.register_forward_hook(lambda layer, x, y: y + 5)
    return layer


def ran(module):
    module(INPUT)
    return module


MODULES = {
    "layers": lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU()).eval(),
    "recurrent": lambda: nn.GRU(4, 5, num_layers=2),
    "inherits": Inherits,
    "keeps": lambda: ran(Keeps()),
    "locks": Guarded,
    "autograd function": Custom,
    "dataclass": Answers,
    "enumeration": lambda: Chooses(Kind.MEAN),
    "cached function": Looks,
    "lambda": lambda: Calls(lambda x: x * 3),
    "partial": lambda: Calls(functools.partial(torch.clamp, min=0.5)),
    "method": lambda: Calls(Base().forward),
    "complex": Complex,
    "buffers": Buffers,
    "views": lambda: Views(torch.float32),
    "views as another type": lambda: Views(torch.int32),
    "weight norm": weight_norm,
    "weight norm that ran": lambda: ran(weight_norm()),
    "parametrized": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4)).eval(),
    "pruned": pruned,
    "hooks": hooked,
    "shared": shared,
    "quantized": quantized,
    "scripted": scripted,
    "traced": traced,
    "scripted inside": lambda: nn.Sequential(nn.Linear(4, 4), scripted()),
    "symbolically traced": drawn,
    "exported": exported,
    "exported inside": lambda: nn.Sequential(nn.Linear(4, 4), exported()),
    "not compiled": lambda: Calls(torch.compiler.disable(lambda x: x + 2)),
    "without gradients": lambda: Calls(torch.no_grad()(lambda x: x + 2)),
    "operator": lambda: Calls(torch.ops.aten.relu.default),
}


def outputs(module):
    found = module(INPUT)
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("name", MODULES)
def test_any_module_computes_the_same_here_and_in_another_process(name, elsewhere):
    module = quietly(MODULES[name])
    expected = outputs(module).detach()
    packed = pack(module)
    one, other = unpack(packed), unpack(packed)
    assert one is not module
    assert one is not other
    assert torch.equal(outputs(one), expected)
    there = elsewhere(pack(lambda x: outputs(module).tolist()), None)
    assert torch.equal(torch.tensor(there), expected)
    assert torch.equal(outputs(module), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.complex128])
def test_weights_keep_their_type_whether_they_are_trained_and_the_mode(dtype):
    module = nn.Linear(4, 2, dtype=dtype).eval()
    module.bias.requires_grad_(False)
    again = unpack(pack(module))
    assert torch.equal(again.weight, module.weight)
    assert (again.weight.dtype, again.weight.requires_grad, again.bias.requires_grad) == (dtype, True, False)
    assert type(again.weight) is nn.Parameter
    assert not again.training


def test_quantized_and_meta_tensors_stay_what_they_are():
    steps, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    values = quietly(lambda: torch.quantize_per_channel(INPUT, steps, zeros, 0, torch.qint8))
    again, meta = unpack(pack([values, torch.empty(2, 3, device="meta")]))
    assert torch.equal(again.int_repr(), values.int_repr())
    assert torch.equal(again.q_per_channel_scales(), values.q_per_channel_scales())
    assert (meta.device.type, meta.shape) == ("meta", (2, 3))


def test_what_has_a_history_becomes_a_leaf_that_is_trained_as_before():
    again = unpack(pack(INPUT.clone().requires_grad_() * 2))
    assert again.is_leaf
    assert again.requires_grad
    assert torch.equal(again, INPUT * 2)


def test_a_module_that_copy_cannot_copy_can_be_packed():
    module = ran(Keeps())
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(module)
    assert torch.equal(unpack(pack(module)).last, module.last)


def test_tied_weights_and_views_stay_tied():
    module = shared()
    module.tied = nn.Linear(4, 4)
    module.tied.weight = module[0].weight
    module.seen = module[0].weight.detach()[0]
    again = unpack(pack(module))
    assert again[0] is again[2]
    assert again.tied.weight is again[0].weight
    with torch.no_grad():
        again[0].weight.zero_()
    assert again.seen.abs().sum() == 0


def test_the_module_that_was_packed_stays_as_it_is():
    module = Base()
    again = unpack(pack(module))
    with torch.no_grad():
        again.layer.weight.zero_()
    assert module.layer.weight.abs().sum() > 0


def test_unpacked_where_nothing_is_trained_it_can_still_be_trained():
    packed = pack(Base())
    with torch.inference_mode():
        again = unpack(packed)
    again(INPUT).sum().backward()
    assert again.layer.weight.grad is not None


def test_a_class_that_is_changed_later_is_not_changed_back_and_is_new_where_it_was_known(elsewhere):
    class Net(nn.Module):
        def forward(self, x):
            return x + 1

    first = pack(Net())
    assert elsewhere(first, 1) == 2
    Net.forward = lambda self, x: x + 10
    assert unpack(first)(1) == 2
    assert Net()(1) == 11
    assert elsewhere(pack(Net()), 1) == 11
    assert elsewhere(first, 1) == 2


def test_what_is_packed_apart_still_knows_its_class():
    answer, is_answer = unpack(pack(Answer(INPUT))), unpack(pack(lambda one: isinstance(one, Answer)))
    assert type(answer) is not Answer
    assert is_answer(answer)


def test_a_class_of_a_file_that_is_changed_in_place_is_another_from_then_on(monkeypatch, elsewhere):
    first = pack(Chooses(Kind.SUM))
    assert elsewhere(first, INPUT).shape == (3,)
    monkeypatch.setattr(Chooses, "forward", lambda self, x: x)
    assert elsewhere(pack(Chooses(Kind.SUM)), INPUT).shape == (3, 4)
    assert elsewhere(first, INPUT).shape == (3,)
    assert Chooses(Kind.SUM)(INPUT).shape == (3, 4)


def test_two_unpacked_modules_have_nothing_in_common():
    packed = pack(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)))
    one, other = unpack(packed), unpack(packed)
    before = one(INPUT)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    assert torch.equal(one(INPUT), before)


def test_a_module_that_was_edited_and_reloaded_is_what_runs_elsewhere(module, elsewhere):
    source = "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return helper(x)\n"
    before = module(source + "def helper(x):\n    return x + 1\n").Net()
    packed = pack(before)
    assert elsewhere(packed, 1) == 2
    after = module(source + "def helper(x):\n    return x + 5\n").Net()
    assert elsewhere(pack(after), 1) == 6
    assert elsewhere(packed, 1) == 2


def test_modules_that_import_each_other_travel_whole(module, elsewhere):
    module("STEP = 3\n", "his")
    hers = module("import his\ndef g(x):\n    return x * his.STEP\n", "hers")
    his = module("import hers\nSTEP = 4\ndef f(x):\n    return hers.g(x) + 1\n", "his")
    assert his.f(2) == 9
    assert elsewhere(pack(his.f), 2) == 9
    assert elsewhere(pack(lambda x: hers.g(x)), 2) == 8


# A generator cannot be copied: such a module is imported again.
UNCOPIED = "KEEP = (i for i in range(3))\ndef f(x):\n    KEEP\n    return helper(x)\ndef helper(x):\n    return x + "


def test_a_module_that_holds_what_cannot_be_copied_is_imported_as_it_is_now(module, elsewhere):
    first = pack(module(UNCOPIED + "1").f)
    assert elsewhere(first, 1) == 2
    assert elsewhere(pack(module(UNCOPIED + "5").f), 1) == 6


def test_such_a_module_is_refused_if_its_file_is_another_than_what_was_loaded(module, elsewhere, tmp_path):
    loaded = module(UNCOPIED + "1", "edited")
    (tmp_path / "edited.py").write_text(UNCOPIED + "7")
    with pytest.raises(ValueError, match=r"wanted edited\.f as it is in the notebook.*importlib\.reload"):
        elsewhere(pack(loaded.f), 1)


def test_such_a_module_is_not_taken_for_what_it_was_before_it_was_reloaded(module):
    packed = pack(module(UNCOPIED + "1", "reloaded").f)
    assert unpack(packed)(1) == 2
    module(UNCOPIED + "5", "reloaded")
    with pytest.raises(ValueError, match=r"^model: wanted reloaded\.f as it is in the notebook"):
        unpack(packed)


def test_a_cached_function_of_a_library_is_imported():
    assert unpack(pack([fnmatch._compile_pattern]))[0] is fnmatch._compile_pattern


def test_what_a_function_imports_when_it_runs_is_there_and_as_it_is_now(module, elsewhere):
    user = module("def f(x):\n    import inner\n    return inner.g(x)\n", "outer")
    module("def g(x):\n    return x + 1\n", "inner")
    assert elsewhere(pack(user.f), 1) == 2
    module("def g(x):\n    return x + 5\n", "inner")
    assert elsewhere(pack(user.f), 1) == 6


def test_a_logger_and_a_lock_in_a_module_do_not_matter(module, elsewhere):
    source = (
        "import logging, threading\nlogger, lock = logging.getLogger(__name__), threading.Lock()\n"
        "def f(x):\n    with lock:\n        logger.debug('called')\n        return x + 1\n"
    )
    assert elsewhere(pack(module(source, "logs").f), 1) == 2


def compiled_in_place():
    module = Base()
    module.compile()
    return module


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.compile(Base()),
        lambda: nn.Sequential(torch.compile(Base())),
        compiled_in_place,
        lambda: nn.Sequential(compiled_in_place()),
        lambda: Calls(torch.compile(lambda x: x)),
    ],
)
def test_a_compiled_module_is_refused_with_what_to_do(make):
    with pytest.raises(
        ValueError, match=r"^model: wanted a module as it is before torch\.compile, .*runtime='compile'"
    ):
        pack(quietly(make))


def test_what_cannot_be_packed_is_named_with_its_cause():
    module = nn.Sequential(Base())
    module[0].source = (i for i in range(3))
    with pytest.raises(ValueError, match=r"^model: .*attribute '0\.source' cannot: cannot pickle 'generator' object"):
        pack(module)
    with pytest.raises(ValueError, match=r"^score: .*cannot pickle 'generator' object"):
        pack(lambda x: module[0].source, "score")


def test_cloudpickle_is_left_as_it_was(module):
    before = cloudpickle.list_registry_pickle_by_value()
    user = module("KEEP = (i for i in range(3))\ndef f():\n    return KEEP\n", "left")
    pack(user.f)
    with pytest.raises(ValueError, match="generator"):
        pack([user.f, user.KEEP])
    assert cloudpickle.list_registry_pickle_by_value() == before
    assert pack(Base())
    assert cloudpickle.list_registry_pickle_by_value() == before


def test_several_threads_may_pack_at_once(module):
    user = module("def f(x):\n    return x + 1\n", "threaded")
    found = []
    threads = [threading.Thread(target=lambda: found.append(unpack(pack(user.f))(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2] * 8


def test_it_needs_no_more_memory_once_it_is_let_go():
    packed = pack(Base())
    unpack(packed)
    gc.collect()
    before = sum(issubclass(type(one), type) for one in gc.get_objects())
    for _ in range(5):
        unpack(packed)
    gc.collect()
    assert sum(issubclass(type(one), type) for one in gc.get_objects()) == before
