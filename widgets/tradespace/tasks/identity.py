"""A hash of everything that a result depends on: code, weights and values, the same in every process."""

import dis
import functools
import hashlib
import io
import logging
import re
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradespace.tasks.origin import is_own

# A sweep hashes the same code for each model, and reading bytecode takes most of the time.
CODES_KEPT = 4_096
HERE = __name__.partition(".")[0]
PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, type(...), type(NotImplemented), range)
TORCH_PLAIN = (torch.dtype, torch.device, torch.layout, torch.memory_format)
# What differs from file to file or from process to process, not from code to code.
INCIDENTAL = {
    "__abstractmethods__", "__annotations__", "__builtins__", "__cached__", "__dict__", "__doc__", "__file__",
    "__firstlineno__", "__loader__", "__module__", "__name__", "__package__", "__path__", "__qualname__", "__spec__",
    "__static_attributes__", "__weakref__", "_abc_impl", "_autograd_function_id", "_backward_cls", "_forward_cls",
}  # fmt: skip
# They are what they are by their class: what else they hold belongs to the process.
OF_THE_PROCESS = (
    logging.Logger, logging.Handler, io.IOBase, types.GeneratorType, types.FrameType, weakref.ReferenceType,
    torch.utils.hooks.RemovableHandle,
)  # fmt: skip
SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
COMPILER = ("_torchdynamo", "_isolate", "_is_torch_compile", "get_compiler_config", "aot_compile")
# torch numbers the classes that it compiles in the order of the process.
MANGLED = re.compile(r"___torch_mangle_\d+\.")
# What torch.fx and torch.export note about a graph, which is hashed as the code that it stands for.
NOTES = {
    "_code", "_create_node_hooks", "_deepcopy_hooks", "_erase_node_hooks", "_graph", "_lineno_map", "_prologue_start",
    "_replace_hooks", "_tracer_cls", "_tracer_extras", "eval", "meta", "range_constraints", "shape_env", "train",
}  # fmt: skip
# In each module: what is not an attribute of its own.
PARTS = {
    "_buffers",
    "_compiled_call_impl",
    "_is_full_backward_hook",
    "_modules",
    "_non_persistent_buffers_set",
    "_parameters",
}


def digest(*objects: object) -> str:
    """Hash modules, functions, tensors and values by what they compute and hold, not by where they are.

    Of the user's own code and this package's, it is the bytecode of functions and methods with all constants, defaults
    and closures, and whatever their global names refer to. Of a library, it is names and the version. Names of files
    and numbers of lines have no part in it, nor has what a process makes up, such as ids.

    Examples
    --------
    >>> digest(nn.Identity(), [1, 2]) == digest(nn.Identity(), [1, 2])
    True
    >>> digest(lambda x: x + 1) == digest(lambda x: x + 2)
    False
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Hashing().of(objects).hex()


def code_digest(obj: object) -> str:
    """Hash a function or class likewise, but without the values that its global names refer to: those may change.

    Examples
    --------
    >>> code_digest(digest) == code_digest(digest)
    True
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Hashing(values=False).of(obj).hex()


class _Hashing:
    """One hash in progress: each object is hashed once, and a circle is closed by its length."""

    def __init__(self, values: bool = True) -> None:
        self._values = values
        self._done: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._alive: list[object] = []

    def of(self, obj: object) -> bytes:
        """Hash one object."""
        kind = type(obj)
        if kind in PLAIN or kind in TORCH_PLAIN:
            return _hash(kind.__name__, repr(obj).encode())
        if id(obj) in self._done:
            return self._done[id(obj)]
        if id(obj) in self._open:
            return _hash("circle", str(self._open[id(obj)]).encode())
        self._open[id(obj)] = len(self._open)
        self._alive.append(obj)
        found = self._whole(obj)
        del self._open[id(obj)]
        self._done[id(obj)] = found
        return found

    def parts(self, label: str, *parts: object) -> bytes:
        """Hash objects in their order."""
        return _hash(label, *(self.of(part) for part in parts))

    def names(self, label: str, names: Mapping[str, object], *parts: object) -> bytes:
        """Hash objects, and others by name in any order."""
        pairs = (self.of(name) + self.of(names[name]) for name in sorted(names))
        return _hash(label, *(self.of(part) for part in parts), *pairs)

    def may_change(self, value: object) -> bool:
        """Whether a value is left out, since only code is hashed."""
        return not self._values and not isinstance(value, CODE)

    def _whole(self, obj: Any) -> bytes:
        if isinstance(obj, OF_THE_PROCESS):
            return self.parts("process", type(obj))
        for kinds, hashed in KINDS:
            if isinstance(obj, kinds):
                return hashed(self, obj)
        hashed_exactly = EXACTLY.get(type(obj), _instance)
        return hashed_exactly(self, obj)


def _hash(label: str, *parts: Any) -> bytes:
    found = hashlib.sha256(label.encode())
    for part in parts:
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.digest()


def _sequence(hashing: _Hashing, obj: list[Any] | tuple[Any, ...]) -> bytes:
    if all(type(item) in PLAIN for item in obj):
        return _hash(type(obj).__name__, repr(obj).encode())
    return hashing.parts(type(obj).__name__, *obj)


def _mapping(hashing: _Hashing, obj: Mapping[Any, Any]) -> bytes:
    return hashing.parts("dict", *chain.from_iterable(obj.items()))


def _set(hashing: _Hashing, obj: set[Any]) -> bytes:
    return _hash("set", *sorted(hashing.of(item) for item in obj))


def _instance(hashing: _Hashing, obj: Any) -> bytes:
    """An object as what `pickle` would make it of again, else as its attributes."""
    try:
        made = obj.__reduce_ex__(4)
    except Exception:
        slots = [name for kind in type(obj).__mro__ for name in _slots(kind) if hasattr(obj, name)]
        return hashing.names("object", {name: getattr(obj, name) for name in slots} | _dict(obj), type(obj))
    if isinstance(made, str):
        return hashing.parts("global", type(obj), made)
    make, arguments, state, items, pairs = (*made, None, None, None)[:5]
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state = {**(state[0] or {}), **state[1]}  # attributes, and those in slots
    inside = [list(some) for some in (items, pairs) if some is not None]
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        return hashing.names("object", state, type(obj), make, arguments, *inside)
    return hashing.parts("object", type(obj), make, arguments, state, *inside)


def _dict(obj: object) -> dict[str, object]:
    return dict(getattr(obj, "__dict__", {}))


def _slots(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _tensor(hashing: _Hashing, obj: Tensor) -> bytes:
    if nn.parameter.is_lazy(obj):
        return hashing.parts("lazy", type(obj).__name__)
    if type(obj) not in TENSORS and hasattr(obj, "__tensor_flatten__"):
        names, context = obj.__tensor_flatten__()
        return hashing.names("tensor", {name: getattr(obj, name) for name in names}, type(obj), context)
    tensor = obj.detach()
    head = f"{tuple(tensor.shape)} {tensor.dtype}".encode()
    if tensor.is_nested:
        return hashing.parts("nested", *tensor.unbind())
    if tensor.device.type == "meta":
        return _hash("meta", head)
    if tensor.is_quantized:
        return _hash("quantized", head, *map(hashing.of, _quantization(tensor)))
    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce()
        return _hash("sparse", head, hashing.of(tensor.indices()), hashing.of(tensor.values()))
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    # Views of the same memory as bytes: the weights are not copied.
    plain = tensor.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    return _hash("tensor", head, plain.view(torch.uint8).numpy())


def _quantization(tensor: Tensor) -> tuple[object, ...]:
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return tensor.int_repr(), tensor.q_scale(), tensor.q_zero_point()
    return tensor.int_repr(), tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()


def _array(hashing: _Hashing, obj: np.ndarray | np.generic) -> bytes:
    array = np.asarray(obj)
    if type(obj) is not np.ndarray and isinstance(obj, np.ndarray):
        return _instance(hashing, obj)
    if array.dtype.hasobject:
        return hashing.parts("objects", array.shape, array.tolist())
    return _hash("array", f"{array.shape} {array.dtype.str}".encode(), np.ascontiguousarray(array).tobytes())


def _module(hashing: _Hashing, obj: nn.Module) -> bytes:
    own = {name: value for name, value in vars(obj).items() if name not in PARTS and "_hooks" not in name}
    return hashing.names("module", own, type(obj), *_contents(obj))


def _contents(module: nn.Module) -> Iterator[object]:
    """The parts of a module that torch keeps, in the order in which they are used."""
    for named in (module._parameters, module._buffers, module._modules):
        yield list(named.items())
    for key, hook in module._forward_pre_hooks.items():
        yield hook, key in module._forward_pre_hooks_with_kwargs
    for key, hook in module._forward_hooks.items():
        yield hook, key in module._forward_hooks_with_kwargs, key in module._forward_hooks_always_called


def _graph(hashing: _Hashing, obj: torch.fx.GraphModule) -> bytes:
    left_out = PARTS | NOTES
    own = {name: value for name, value in vars(obj).items() if name not in left_out and "_hooks" not in name}
    return hashing.names("graph", own, type(obj).forward, *_contents(obj))


def _script(hashing: _Hashing, obj: Any) -> bytes:
    if isinstance(obj, torch.jit.ScriptFunction):
        obj = torch.jit.load(io.BytesIO(obj.save_to_buffer({})))
    found = []
    for name, layer in obj.named_modules():
        methods = {method: layer._c._get_method(method) for method in layer._c._method_names()}
        code = {method: _compiled(one) for method, one in methods.items()}
        used = {word for text, _ in code.values() for word in re.findall(r"\w+", text) if layer._c.hasattr(word)}
        values = {word: layer._c.getattr(word) for word in used}
        plain = {word: value for word, value in values.items() if not isinstance(value, torch._C.ScriptObject)}
        packed = {word: _packed(value) for word, value in values.items() if word not in plain}
        found.append((name, layer.training, code, sorted(plain.items()), sorted(packed.items())))
    return hashing.parts("script", found)


def _compiled(method: Any) -> tuple[str, object]:
    text, constants = method.code_with_constants
    return MANGLED.sub("", text), list(torch.jit._script.ConstMap(constants).const_mapping.values())


def _packed(obj: Any) -> object:
    """What an object of torch's own C++ classes holds, such as the weights of a quantized layer."""
    try:
        return obj.__getstate__()
    except RuntimeError:
        return None


def _code(hashing: _Hashing, obj: types.CodeType) -> bytes:
    counts = obj.co_argcount, obj.co_posonlyargcount, obj.co_kwonlyargcount, obj.co_flags
    names = obj.co_names, obj.co_varnames, obj.co_freevars, obj.co_cellvars
    return hashing.parts("code", obj.co_code, obj.co_exceptiontable, counts, names, list(obj.co_consts))


def _function(hashing: _Hashing, obj: types.FunctionType) -> bytes:
    home, code = obj.__globals__.get("__name__"), obj.__code__
    followed = _is_followed(home)
    if not followed and _is_there(obj):
        return hashing.parts("library", obj.__module__, obj.__qualname__, _version(obj.__module__))
    body = code if followed else (home, code.co_qualname, _version(home))
    cells = [_contained(cell) for cell in obj.__closure__ or ()]
    own = {name: value for name, value in vars(obj).items() if not name.startswith(COMPILER)}
    used = dict(_used(hashing, obj)) if followed else {}
    return hashing.names("function", used, body, obj.__defaults__, obj.__kwdefaults__, cells, sorted(own.items()))


def _contained(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _used(hashing: _Hashing, function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """What the global names of a function refer to; of the user's own modules, what it names of them."""
    there = function.__globals__
    for name in sorted(global_names(function.__code__) - INCIDENTAL):
        if name in there and not isinstance(there[name], types.ModuleType):
            if not hashing.may_change(there[name]):
                yield name, there[name]
        elif name in there:
            yield name, _Part(there[name], attribute_names(function.__code__))
    for module in imported_inside(function):
        yield f"import {module.__name__}", _Part(module, attribute_names(function.__code__))


class _Part:
    """A module, of which only what a function names is used."""

    def __init__(self, module: types.ModuleType, names: frozenset[str]) -> None:
        self.module, self.names = module, names


def _part(hashing: _Hashing, obj: _Part) -> bytes:
    module, known = obj.module, vars(obj.module)
    if not _is_followed(module.__name__):
        return hashing.of(module)
    named = {name: known[name] for name in obj.names & set(known) - INCIDENTAL}
    if not named:
        return hashing.of(module)
    kept = {
        name: _Part(value, obj.names) if isinstance(value, types.ModuleType) and value is not module else value
        for name, value in named.items()
        if not hashing.may_change(value)
    }
    return hashing.names("part", kept)


@lru_cache(CODES_KEPT)
def global_names(code: types.CodeType) -> frozenset[str]:
    """The global names that a function's code reads, also in the functions inside it.

    Examples
    --------
    >>> sorted(global_names((lambda: [len(some) for some in digest]).__code__))
    ['digest', 'len']
    """
    found = frozenset(one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return found.union(*map(global_names, _inner(code)))


def attribute_names(code: types.CodeType) -> frozenset[str]:
    """All names in a function's code that may be attributes, also in the functions inside it.

    Examples
    --------
    >>> sorted(attribute_names((lambda x: x.shape.numel()).__code__))
    ['numel', 'shape']
    """
    return frozenset(code.co_names).union(*map(attribute_names, _inner(code)))


def imported_inside(function: types.FunctionType) -> list[types.ModuleType]:
    """The user's own modules that a function imports when it runs, as far as they have been imported.

    Examples
    --------
    >>> def imports() -> None:
    ...     import json
    >>> imported_inside(imports)
    []
    """
    package = function.__globals__.get("__package__") or ""
    names = attribute_names(function.__code__) if "IMPORT_NAME" in _operations(function.__code__) else ()
    known = ((sys.modules.get(name), sys.modules.get(f"{package}.{name}")) for name in sorted(names))
    return [one for one in chain.from_iterable(known) if isinstance(one, types.ModuleType) and is_own(one.__name__)]


@lru_cache(CODES_KEPT)
def _operations(code: types.CodeType) -> frozenset[str]:
    return frozenset(one.opname for one in dis.get_instructions(code)).union(*map(_operations, _inner(code)))


def _inner(code: types.CodeType) -> list[types.CodeType]:
    return [one for one in code.co_consts if isinstance(one, types.CodeType)]


def _class(hashing: _Hashing, obj: type) -> bytes:
    made_in_c = not obj.__flags__ & HEAP_TYPE
    if made_in_c or _is_there(obj):
        return hashing.parts("library", obj.__module__, obj.__qualname__, _version(obj.__module__))
    own = {
        name: value
        for name, value in vars(obj).items()
        if name not in INCIDENTAL and not isinstance(value, SLOTS) and not hashing.may_change(value)
    }
    return hashing.names("class", own, obj.__name__, type(obj), obj.__bases__)


def _library(hashing: _Hashing, obj: types.ModuleType) -> bytes:
    """A module: one of the user's own with all that is in it."""
    name = obj.__name__
    if not is_own(name):
        return hashing.parts("library", name, _version(name))
    own = {name: value for name, value in vars(obj).items() if name not in INCIDENTAL and not hashing.may_change(value)}
    return hashing.names("file", own)


def _builtin(hashing: _Hashing, obj: Any) -> bytes:
    bound = getattr(obj, "__self__", None)
    bound = None if isinstance(bound, types.ModuleType) else bound
    return hashing.parts("builtin", getattr(obj, "__module__", None), obj.__qualname__, bound)


def _method(hashing: _Hashing, obj: types.MethodType) -> bytes:
    return hashing.parts("method", obj.__func__, obj.__self__)


def _partial(hashing: _Hashing, obj: functools.partial[Any]) -> bytes:
    return hashing.parts("partial", obj.func, obj.args, obj.keywords)


def _property(hashing: _Hashing, obj: property) -> bytes:
    return hashing.parts("property", obj.fget, obj.fset, obj.fdel)


def _wrapper(hashing: _Hashing, obj: Any) -> bytes:
    return hashing.parts(type(obj).__name__, obj.__wrapped__)


def _operator(hashing: _Hashing, obj: object) -> bytes:
    return hashing.parts("operator", str(obj), _version("torch"))


def _is_followed(name: str | None) -> bool:
    return is_own(name) or str(name).partition(".")[0] == HERE


def _is_there(obj: Any) -> bool:
    """Whether it is a library's, and importing that and asking for its name gives it."""
    if _is_followed(obj.__module__):
        return False
    found: object = sys.modules.get(obj.__module__ or "")
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def _version(name: str | None) -> str:
    return str(getattr(sys.modules.get(str(name).partition(".")[0]), "__dict__", {}).get("__version__"))


HEAP_TYPE = 1 << 9
TENSORS = (Tensor, nn.Parameter, nn.Buffer)
CODE = (types.FunctionType, type, types.ModuleType, types.MethodType, staticmethod, classmethod, property)
KINDS: tuple[tuple[Any, Callable[[_Hashing, Any], bytes]], ...] = (
    (Tensor, _tensor),
    (np.ndarray | np.generic, _array),
    (torch.jit.ScriptModule | torch.jit.ScriptFunction, _script),
    (torch.fx.GraphModule, _graph),
    (nn.Module, _module),
    (type, _class),
    (torch._ops.OpOverload | torch._ops.OpOverloadPacket | torch._ops._OpNamespace, _operator),
    (types.ModuleType, _library),
    (torch._C.ScriptObject, lambda hashing, obj: hashing.parts("packed", _packed(obj))),
)
EXACTLY: dict[type, Callable[[_Hashing, Any], bytes]] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    set: _set,
    frozenset: _set,
    types.CodeType: _code,
    types.FunctionType: _function,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: _builtin,
    types.MethodDescriptorType: _builtin,
    types.WrapperDescriptorType: _builtin,
    types.ClassMethodDescriptorType: _builtin,
    functools.partial: _partial,
    functools._lru_cache_wrapper: _wrapper,
    staticmethod: _wrapper,
    classmethod: _wrapper,
    property: _property,
    _Part: _part,
}
