"""Pack a module or a function into bytes from which another process makes the same one, code and all."""

import functools
import importlib
import io
import os
import pickle
import sys
import threading
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle
import torch
from torch import nn
from torch.fx import graph_module as fx

from tradespace.tasks.identity import NOTES, attribute_names, code_digest, digest, imported_inside
from tradespace.tasks.origin import MAIN, is_own

COMPILED = "a module as it is before torch.compile, which runtime='compile' applies; got a compiled one"
DYNAMO = "torch._dynamo"
LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
# What the import system keeps in a module; where it is loaded again, it is of no use.
IMPORTED = {"__builtins__", "__cached__", "__loader__", "__spec__"}

_registry = threading.RLock()
# The user's own modules that were imported here in order to unpack something.
_imported: set[str] = set()


class _Refused(ValueError):
    """The object is understood and cannot be packed; there is no other way to try."""


def pack(obj: object, argument: str = "model") -> bytes:
    """Pack a module, a function or any object that holds them into bytes for `unpack`.

    Code travels with it: that of the notebook and of the user's own modules, as it is now, even if it was edited and
    reloaded. Libraries are imported again where it is unpacked. Weights keep their device and type, and what is shared
    stays shared. Gradients' history is left behind, and locks are new ones.

    Parameters
    ----------
    argument : str
        What an error calls the object.

    Raises
    ------
    ValueError
        If it is compiled by `torch.compile`, or holds something that has no copy, such as a generator.

    Examples
    --------
    >>> linear = unpack(pack(nn.Linear(4, 2)))
    >>> linear
    Linear(in_features=4, out_features=2, bias=True)
    >>> unpack(pack(lambda x: x + 1))(1)
    2
    """
    try:
        return _pack(obj, argument)
    except _Refused:
        raise
    except Exception as error:
        cause = error
    try:
        return _pack(obj, argument, by_value=False)
    except Exception:
        where, why = _where(obj, argument), str(cause).rstrip(".")
        raise ValueError(
            f"{argument}: wanted what can be sent to the measuring process; got {type(obj).__name__}, {where} "
            f"cannot: {why}. Make it in a function when it is needed, or leave it out"
        ) from cause


def unpack(packed: bytes) -> Any:
    """Make the object that `pack` packed: a new one each time, equal to the one packed.

    Raises
    ------
    ValueError
        If a module that had to be imported by name is not the same here.

    Examples
    --------
    >>> packed = pack(nn.Linear(4, 2))
    >>> unpack(packed) is unpack(packed)
    False
    """
    # Weights that are made in inference mode could not take part in what a module computes with gradients.
    with torch.inference_mode(False), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = packed.startswith(b"PK")
        _, obj = torch.load(io.BytesIO(packed), weights_only=False) if saved else pickle.loads(packed)
    return obj


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """cloudpickle's, with the user's own modules by value and what torch keeps in a format of its own."""

    argument, by_value = "model", True
    # By id: what is the user's own and will be imported by name.
    seen: ClassVar[dict[int, Any]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.registered: list[types.ModuleType] = []

    def dump(self, obj: object) -> None:
        """Write `obj`; the modules found on the way are by value until then."""
        try:
            super().dump(obj)
        finally:
            for module in self.registered:
                cloudpickle.unregister_pickle_by_value(module)

    def reducer_override(self, obj: Any) -> Any:
        """How to make `obj` again."""
        special = self._special(obj)
        if special is not None:
            return special
        if isinstance(obj, types.FunctionType | type):
            self._register(obj.__module__)
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == 6:
            # cloudpickle's id stands for the class as it first was. Where that was unpacked once, a class that was
            # changed since would stay as it was. A class inside a function may hold an object, and is new each time.
            make, (*arguments, _id, extra), *state = reduced
            shared = is_own(obj.__module__) and "<locals>" not in obj.__qualname__
            return make, (*arguments, digest(obj) if shared else None, extra), *state
        if reduced is NotImplemented:
            self._see(obj)
        elif isinstance(obj, types.FunctionType):
            if is_own(obj.__globals__.get("__name__")):
                # torch.compile would look for its globals in the module of that name, where it is unpacked.
                reduced[1][1].pop("__name__", None)
            # What a function imports when it runs is not in the bytes.
            for module in imported_inside(obj):
                for name in attribute_names(obj.__code__) & set(vars(module)):
                    self._see(vars(module)[name])
        return reduced

    def _see(self, obj: Any) -> None:
        if isinstance(obj, types.FunctionType | type) and _own_module(obj.__module__) is not None:
            self.seen[id(obj)] = obj

    def _special(self, obj: Any) -> Any:
        if isinstance(obj, _Needs):
            return _meet, (obj.process, obj.paths, obj.references)
        self._refuse_compiled(obj)
        if isinstance(obj, types.ModuleType):
            return self._module(obj)
        if isinstance(obj, torch.jit.ScriptModule | torch.jit.ScriptFunction):
            return _script, (_saved(obj),)
        if isinstance(obj, torch.fx.GraphModule):
            return _graph(obj)
        if isinstance(obj, nn.Module) and hasattr(obj, "parametrizations"):
            # torch asks for its weights to be saved instead of it.
            return _new, (type(obj),), vars(obj), None, None, _fill
        if isinstance(obj, torch._ops.OpOverload):
            return getattr, (obj.overloadpacket, obj._overloadname)
        if isinstance(obj, torch._ops.OpOverloadPacket):
            space, _, name = obj._qualified_op_name.partition("::")
            return _operator, (space, name)
        if isinstance(obj, functools._lru_cache_wrapper) and is_own(obj.__module__):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        if type(obj) in LOCKS:
            return LOCKS[type(obj)], ()
        inside = _inside_dynamo(obj)
        return None if inside is None else (_itself, (inside,))

    def _refuse_compiled(self, obj: Any) -> None:
        if isinstance(obj, nn.Module):
            if type(obj).__module__.startswith(DYNAMO):
                raise _Refused(f"{self.argument}: wanted {COMPILED}, {type(getattr(obj, '_orig_mod', obj)).__name__}")
            if getattr(obj, "_compiled_call_impl", None) is not None:
                raise _Refused(f"{self.argument}: wanted {COMPILED}, {type(obj).__name__}")
        if _inside_dynamo(obj) is not None and hasattr(obj, "get_compiler_config"):
            raise _Refused(f"{self.argument}: wanted {COMPILED}, {obj.__qualname__}")

    def _module(self, module: types.ModuleType) -> Any:
        if isinstance(module, torch._ops._OpNamespace):
            return getattr, (torch.ops, module.name)
        if self.by_value and is_own(module.__name__):
            # cloudpickle would go round in circles where two modules import each other.
            state = {name: value for name, value in vars(module).items() if name not in IMPORTED}
            return types.ModuleType, (module.__name__,), state, None, None, _fill
        return importlib.import_module, (module.__name__,)

    def _register(self, name: str | None) -> None:
        module = _own_module(name) if self.by_value else None
        if module is not None and module.__name__ not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            self.registered.append(module)


@dataclass(frozen=True)
class _Needs:
    """What has to be so where an object is unpacked, before anything of it is imported there."""

    process: int
    paths: list[str]
    references: list[tuple[str, str, str]]


def _pack(obj: object, argument: str, by_value: bool = True) -> bytes:
    paths = [str(Path(path).absolute()) for path in sys.path]
    packed, references = _packed((_Needs(os.getpid(), paths, []), obj), argument, by_value)
    if references:
        packed, _ = _packed((_Needs(os.getpid(), paths, references), obj), argument, by_value)
    return packed


def _packed(obj: object, argument: str, by_value: bool) -> tuple[bytes, list[tuple[str, str, str]]]:
    """The bytes, and the module, the name and the code of what is the user's own and has to be imported again."""
    seen: dict[int, Any] = {}
    pickler = type("_Pickler", (_Pickler,), {"argument": argument, "by_value": by_value, "seen": seen})
    how = types.SimpleNamespace(Pickler=pickler, __name__="cloudpickle")
    file = io.BytesIO()
    # cloudpickle keeps one list of modules for all threads: what others pickle meanwhile may be by value as well.
    with _registry, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.save(obj, file, pickle_module=how, pickle_protocol=pickle.DEFAULT_PROTOCOL)
        except RuntimeError as error:
            if "view the same data as different types" not in str(error):
                raise
            # torch.save keeps tensors together that share memory, but not if one is a view of another type.
            file = io.BytesIO()
            pickler(file).dump(obj)
    return file.getvalue(), [(one.__module__, one.__qualname__, code_digest(one)) for one in seen.values()]


def _meet(process: int, paths: list[str], references: list[tuple[str, str, str]]) -> None:
    """Make importable what the other process could import, and check that it is the same."""
    elsewhere = process != os.getpid()
    if elsewhere:
        # In its order, too: two folders may have modules of the same name.
        sys.path[:] = [*paths, *(path for path in sys.path if path not in paths)]
    if all(_same(*reference) for reference in references):
        return
    if elsewhere:
        # Another version was imported here before. What uses it keeps it.
        for name in _imported & set(sys.modules):
            del sys.modules[name]
        importlib.invalidate_caches()
    for name, qualname, code in references:
        if not _same(name, qualname, code):
            raise ValueError(
                f"model: wanted {name}.{qualname} as it is in the notebook; got another version, since its file "
                "was changed. Reload the module there (importlib.reload) and make the model again"
            )


def _same(name: str, qualname: str, code: str) -> bool:
    before = set(sys.modules)
    # Bytecode would be taken for that of a file that was changed within the same second.
    usual, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        found: Any = importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = usual
    _imported.update(new for new in set(sys.modules) - before if is_own(new))
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is not None and code_digest(found) == code


def _where(obj: object, argument: str) -> str:
    """Which part of a module cannot be packed, as far as it is an attribute."""
    for path, layer in obj.named_modules() if isinstance(obj, nn.Module) else ():
        for name, value in vars(layer).items():
            if name not in ("_modules", "_parameters", "_buffers"):
                try:
                    _pack(value, argument)
                except Exception:
                    return f"whose attribute {'.'.join(filter(None, (path, name)))!r}"
    return "which"


def _own_module(name: str | None) -> types.ModuleType | None:
    """The module called `name`, if it is the user's own and a process could import it; cloudpickle knows the others."""
    module = sys.modules.get(name or "")
    return module if isinstance(module, types.ModuleType) and name not in MAIN and is_own(name) else None


def _saved(script: Any) -> bytes:
    file = io.BytesIO()
    torch.jit.save(script, file)
    return file.getvalue()


def _script(saved: bytes) -> Any:
    return torch.jit.load(io.BytesIO(saved))


def _graph(module: torch.fx.GraphModule) -> Any:
    """An exported or symbolically traced module: its graph is made again from its code.

    An exported one refuses to be switched between training and evaluation, which changes nothing in it; that goes, too.
    """
    code = module.recompile()
    kept = {name: value for name, value in vars(module).items() if name not in NOTES}
    return _graph_again, (kept, code.src, {**code.globals})


def _graph_again(kept: dict[str, Any], source: str, names: dict[str, Any]) -> torch.nn.Module:
    again: torch.nn.Module = fx._deserialize_graph_module(fx._forward_from_src(source, names), dict(kept))
    # torch leaves these out.
    for name in {"training", *(name for name in kept if name.startswith("_forward_"))} & set(kept):
        setattr(again, name, kept[name])
    return again


def _operator(space: str, name: str) -> Any:
    return getattr(getattr(torch.ops, space), name)


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Callable[..., Any]:
    cached: Callable[..., Any] = functools.lru_cache(**parameters)(function)
    return cached


def _itself(obj: Any) -> Any:
    return obj


def _new(kind: Any) -> Any:
    return kind.__new__(kind)


def _fill(obj: Any, names: dict[str, Any]) -> None:
    vars(obj).update(names)


def _inside_dynamo(obj: Any) -> Any:
    """The function that one of torch.compile's wrappers calls; None if it is no such wrapper."""
    if not isinstance(obj, types.FunctionType) or not str(obj.__globals__.get("__name__")).startswith(DYNAMO):
        return None
    if "<locals>" not in obj.__code__.co_qualname:
        return None
    cells = zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=True)
    return next((cell.cell_contents for name, cell in cells if name in ("fn", "func")), None)
