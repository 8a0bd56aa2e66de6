import collections
import dataclasses
import enum
import functools
import importlib
import math
import os
import pathlib
import random
import subprocess
import sys
import threading
import types
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from tradespace.tasks.identity import code_digest, digest
from tradespace.tasks.parcel import pack, unpack

INPUT = torch.linspace(-1, 1, 12).reshape(3, 4)

# What a notebook may hold; each test of one change replaces a line of it.
NOTEBOOK = """
import functools, math
from dataclasses import dataclass
import torch
from torch import nn
import torch.nn.functional as F
import helpers

SCALE = 2.0
NAMES = {"some", "names", "in", "a", "set"}
x = torch.zeros(3)

@torch.no_grad()
def helper(x):
    return x * SCALE + len(NAMES)

@dataclass(frozen=True)
class Settings:
    width: int = 4
    names: tuple = ("a", "b")

def scaled(by):
    return lambda x: x * by

@functools.lru_cache
def cached(n):
    return n + 1

class Base(nn.Module):
    def forward(self, x):
        return x

@functools.total_ordering
class Net(Base):
    depth = 2
    def __lt__(self, other):
        return False
    def __init__(self, settings=Settings()):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.kind = nn.Linear(4, 4), "first"
        self.settings, self.after = settings, scaled(3)
    def forward(self, x, times=1):
        x = self.layer(helper(super().forward(x)))
        return self.after(F.relu(x)) * times + helpers.shift(math.pi) + cached(1)

def score(outputs, labels):
    return outputs.argmax(1) == labels

model = Net()
"""
HELPERS = "def shift(x):\n    return x + inner(x)\ndef inner(x):\n    return x + 1\ndef unused():\n    return 1\n"
CHANGES = {
    "a constant in a method": ("* times", "* times * 1"),
    "a plain value": ("SCALE = 2.0", "SCALE = 2.5"),
    "a helper": ("x * SCALE +", "x / SCALE +"),
    "a default": ("times=1", "times=2"),
    "a closure": ("scaled(3)", "scaled(4)"),
    "the function of a closure": ("lambda x: x * by", "lambda x: x - by"),
    "an attribute": ('"first"', '"second"'),
    "the attribute of a class": ("depth = 2", "depth = 3"),
    "a base class": ("        return x\n\n@functools", "        return -x\n\n@functools"),
    "a default of settings": ("width: int = 4", "width: int = 5"),
    "a cached function": ("return n + 1", "return n + 2"),
    "a weight": ("manual_seed(0)", "manual_seed(1)"),
    "a library function": ("F.relu(x)", "F.gelu(x)"),
    "the score": ("outputs.argmax(1)", "outputs.argmin(1)"),
    "the mode": ("model = Net()", "model = Net().eval()"),
}
UNCHANGED = {
    "a comment and a line": ("SCALE = 2.0", "# ten more\n\n\nSCALE = 2.0"),
    "what no code names": ("x = torch.zeros(3)", "x = torch.ones(3)"),
    "the order of a set": ('"some", "names"', '"names", "some"'),
}


def digests(folder, notebooks, helpers=HELPERS, **environment):
    """The digests of each notebook's model and score, all computed in one new process."""
    (folder / "helpers.py").write_text(helpers)
    for number, text in enumerate(notebooks):
        (folder / f"{number}.py").write_text(text)
    script = (
        "import sys; from tradespace.tasks.identity import digest\n"
        f"for number in range({len(notebooks)}):\n"
        "    vars().update({'number': number}); path = f'{number}.py'\n"
        "    exec(compile(open(path).read(), path, 'exec'), globals())\n"
        "    print(digest(model, score))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory):
    changed = [NOTEBOOK.replace(*change, 1) for change in (CHANGES | UNCHANGED).values()]
    assert NOTEBOOK not in changed
    first, *others = digests(tmp_path_factory.mktemp("one"), [NOTEBOOK, *changed], PYTHONHASHSEED="1")
    return {"": first} | dict(zip(CHANGES | UNCHANGED, others, strict=True))


def test_two_processes_agree_whatever_their_folders_and_seeds(in_one_process, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    padded = "\n\n" + NOTEBOOK
    assert digests(tmp_path / "elsewhere", [padded], PYTHONHASHSEED="7") == [in_one_process[""]]


@pytest.mark.parametrize("change", CHANGES)
def test_it_changes_with(change, in_one_process):
    assert in_one_process[change] != in_one_process[""]


@pytest.mark.parametrize("change", UNCHANGED)
def test_it_does_not_change_with(change, in_one_process):
    assert in_one_process[change] == in_one_process[""]


def test_it_changes_with_a_module_that_it_imports_but_not_with_what_nobody_uses_there(in_one_process, tmp_path):
    used = digests(tmp_path, [NOTEBOOK], HELPERS.replace("x + 1", "x + 2"))
    unused = digests(tmp_path, [NOTEBOOK], HELPERS.replace("return 1", "return 2"))
    assert used != [in_one_process[""]]
    assert unused == [in_one_process[""]]


class Color(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass(frozen=True)
class Settings:
    width: int = 4


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Uncopied:
    """It cannot be pickled."""

    def __init__(self, a):
        self.a = a

    def __reduce_ex__(self, protocol):
        raise TypeError("no")


class Doubles(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x


class Holds(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return Doubles.apply(x)


def buffered(value, persistent=True):
    module = nn.Identity()
    module.register_buffer("buffer", torch.tensor(value), persistent=persistent)
    return module


def hooked(*hooks):
    module = nn.Identity()
    for hook in hooks:
        module.register_forward_hook(hook)
    return module


def add(module, x, y):
    return y + 1


def double(module, x, y):
    return y * 2


def filled(module, value=1.0):
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(value)
    return module


class Steps(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale
        self.layer = filled(nn.Linear(4, 4))

    def forward(self, x):
        return self.layer(x) * self.scale


def quantized(weight):
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(filled(nn.Linear(4, 4), weight)), {nn.Linear})


def exported(scale):
    return torch.export.export(Steps(scale), (INPUT,)).module()


def spectral():
    torch.manual_seed(0)
    return nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))


def quietly(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def scaled_by(number):
    return lambda x: x * number


# Each function makes a new object, unlike those of all others.
DIFFERENT = [
    lambda: 1,
    lambda: 1.0,
    lambda: True,
    lambda: "1",
    lambda: b"1",
    lambda: 1j,
    lambda: None,
    lambda: math.nan,
    lambda: -0.0,
    lambda: 0.0,
    lambda: [1, 2],
    lambda: [2, 1],
    lambda: [[1], 2],
    lambda: [[1, 2]],
    lambda: (1, 2),
    lambda: Pair(1, 2),
    lambda: [str(i) for i in range(3)],
    lambda: set("abcdefgh"),
    lambda: {"a": 1, "b": 2},
    lambda: {"b": 2, "a": 1},
    lambda: {"a": 2, "b": 1},
    lambda: collections.OrderedDict(a=1, b=2),
    lambda: collections.defaultdict(list, a=[1]),
    lambda: range(3),
    lambda: slice(3),
    lambda: pathlib.PurePosixPath("a/b"),
    lambda: random.Random(0),
    lambda: np.random.default_rng(0),
    lambda: torch.Generator().manual_seed(3),
    lambda: Color.RED,
    lambda: Settings(4),
    lambda: Settings(5),
    lambda: Slotted(1),
    lambda: Slotted([1]),
    lambda: Uncopied(1),
    lambda: Uncopied(2),
    lambda: np.zeros(3),
    lambda: np.zeros(4),
    lambda: np.zeros((1, 3)),
    lambda: np.zeros(3, np.float32),
    lambda: np.ones(3, np.float32),
    lambda: np.float32(1),
    lambda: np.array(["a", None], object),
    lambda: torch.zeros(3),
    lambda: torch.zeros(1, 3),
    lambda: torch.zeros(0),
    lambda: torch.tensor(0.0),
    lambda: torch.zeros(3, dtype=torch.float16),
    lambda: torch.zeros(3, dtype=torch.bfloat16),
    lambda: torch.ones(3, dtype=torch.bfloat16),
    lambda: torch.zeros(3, dtype=torch.complex64),
    lambda: torch.full((3,), 1j),
    lambda: torch.full((3,), 1j).conj(),
    lambda: torch.tensor([True, False, True]),
    lambda: torch.zeros(3, device="meta"),
    lambda: torch.zeros(4, device="meta"),
    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 1, torch.qint8),
    lambda: torch.quantize_per_channel(torch.ones(3), torch.ones(3), torch.zeros(3), 0, torch.qint8),
    lambda: torch.eye(3).to_sparse(),
    lambda: torch.eye(3).to_sparse_csr() * 2,
    lambda: torch.float16,
    lambda: torch.device("cpu"),
    lambda: torch.Size([3]),
    lambda: len,
    lambda: [].append,
    lambda: [1].append,
    lambda: torch.relu,
    lambda: torch.ops.aten.relu.default,
    lambda: torch.ops.aten.relu,
    lambda: nn.functional.relu,
    lambda: nn.ReLU,
    lambda: Settings,
    lambda: torch,
    lambda: math,
    lambda: functools.partial(torch.clamp, min=1),
    lambda: functools.partial(torch.clamp, min=2),
    lambda: Settings(4).__eq__,
    lambda: scaled_by(1),
    lambda: scaled_by(2),
    lambda: torch.no_grad()(scaled_by(1)),
    lambda: torch.no_grad()(scaled_by(2)),
    lambda: nn.ReLU(),
    lambda: nn.ReLU().eval(),
    lambda: nn.ReLU(inplace=True),
    lambda: filled(nn.Linear(4, 4)),
    lambda: filled(nn.Linear(4, 4)).eval(),
    lambda: filled(nn.Linear(4, 4), 2.0),
    lambda: filled(nn.Linear(4, 4, bias=False)),
    lambda: nn.Sequential(nn.ReLU(), nn.GELU()),
    lambda: nn.Sequential(nn.GELU(), nn.ReLU()),
    lambda: nn.UninitializedParameter(),
    lambda: nn.LazyLinear(4),
    lambda: nn.LazyLinear(5),
    lambda: buffered(1.0),
    lambda: buffered(2.0),
    lambda: buffered(3.0, persistent=False),
    lambda: hooked(add),
    lambda: hooked(double),
    lambda: hooked(add, double),
    lambda: hooked(double, add),
    lambda: Holds(1),
    lambda: Holds([1]),
    lambda: Holds(torch.ones(2)),
    lambda: Holds(nn.functional.relu),
    lambda: Holds(threading.Lock()),
    lambda: Steps(2.0),
    lambda: Steps(3.0),
    spectral,
    lambda: torch.jit.script(Steps(2.0)),
    lambda: torch.jit.script(Steps(3.0)),
    lambda: torch.jit.script(Steps(3.0)).eval(),
    lambda: torch.jit.trace(Steps(2.0), INPUT),
    lambda: torch.jit.trace(lambda x: x + torch.ones(4), INPUT),
    lambda: torch.jit.trace(lambda x: x + torch.zeros(4), INPUT),
    lambda: nn.Sequential(torch.jit.script(Steps(2.0))),
    lambda: torch.fx.symbolic_trace(Steps(2.0)),
    lambda: torch.fx.symbolic_trace(Steps(3.0)),
    lambda: exported(2.0),
    lambda: exported(3.0),
    lambda: quantized(1.0),
    lambda: quantized(2.0),
]


def test_equal_things_have_equal_digests_and_different_ones_have_not():
    first, again = ([quietly(lambda make=make: digest(make())) for make in DIFFERENT] for _ in range(2))
    unequal = [number for number, (one, other) in enumerate(zip(first, again, strict=True)) if one != other]
    assert unequal == []
    alike = {one: [number for number, other in enumerate(first) if one == other] for one in first}
    assert [numbers for numbers in alike.values() if len(numbers) > 1] == []


@pytest.mark.parametrize("number", [n for n, _ in enumerate(DIFFERENT)])
def test_what_was_packed_and_unpacked_has_a_digest_that_stays(number):
    made = quietly(DIFFERENT[number])
    if isinstance(made, Uncopied):
        return
    again = unpack(pack(made))
    assert digest(again) == digest(unpack(pack(again)))
    # What torch saves in its own way it writes in another way than it was made.
    if not isinstance(made, torch.fx.GraphModule | torch.jit.ScriptModule):
        assert digest(again) == digest(made)


def test_several_objects_have_another_digest_than_one_of_several():
    assert len({digest(1, 2), digest([1, 2]), digest((1, 2)), digest(12), digest()}) == 5


def test_how_a_tensor_lies_in_memory_does_not_matter():
    values = torch.arange(24.0).reshape(4, 6)
    assert digest(values.t().contiguous().t()) == digest(values)
    assert digest(torch.arange(48.0).reshape(8, 6)[:4]) == digest(values)
    assert digest(values.clone().requires_grad_() * 1) == digest(values)


def test_circles_are_closed():
    one, other = [], []
    one.append(one)
    other.append([other])
    assert digest(one) != digest(other)
    module = Holds(None)
    module.value = {"parent": [module]}
    assert digest(module) == digest(module)


def test_functions_that_call_each_other_are_followed_once():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert digest(even) == digest(even)
    assert digest(even) != digest(odd)


def test_a_method_that_was_replaced_on_the_class_or_the_module_changes_it():
    class Net(nn.Module):
        def forward(self, x):
            return x

    module = Net()
    before = digest(module)
    module.forward = lambda x: x + 1
    on_module = digest(module)
    del module.forward
    assert digest(module) == before
    Net.forward = lambda self, x: x + 1
    assert len({before, on_module, digest(module)}) == 3


def test_a_library_counts_with_its_version(monkeypatch):
    before = digest(nn.ReLU())
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert digest(nn.ReLU()) != before


def test_a_module_of_the_users_that_is_held_as_a_value_counts_with_all_that_is_in_it():
    one, other = types.ModuleType("mine"), types.ModuleType("mine")
    one.f, other.f = scaled_by(1), scaled_by(2)
    assert digest(one) != digest(other)
    other.f = scaled_by(1)
    assert digest(one) == digest(other)


def test_what_a_function_imports_when_it_runs_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "imported_inside.py").write_text("def g():\n    return 1\n")
    module = importlib.import_module("imported_inside")

    def f():
        import imported_inside

        return imported_inside.g()

    before = digest(f)
    (tmp_path / "imported_inside.py").write_text("def g():\n    return 2\n")
    importlib.reload(module)
    assert digest(f) != before


STATE = [0]


def reads_state():
    return STATE[0]


def test_of_code_alone_values_do_not_count(monkeypatch):
    whole, code = digest(reads_state), code_digest(reads_state)
    monkeypatch.setitem(globals(), "STATE", [1])
    assert digest(reads_state) != whole
    assert code_digest(reads_state) == code
