"""What each layer of an eager model has to do in a call: its multiplications, and the bytes it reads and writes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tradespace.prepare.types import FLOATS

# The parts of an operation's name -> the kind of layer. Earlier ones are tried first.
KINDS = {
    "embedding": "embedding", "index_select": "embedding", "attention": "attention", "transformer": "attention",
    "lstm": "recurrent", "gru": "recurrent", "rnn": "recurrent", "conv": "convolution", "linear": "linear",
    "addmm": "linear", "matmul": "product", "bmm": "product", "mm": "product", "norm": "normalisation",
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """What one operation of a model does in a call. Everything that eager PyTorch launches is one.

    Parameters
    ----------
    name : str
        The path of the layer in the model, and the operation where a layer has several.
    kind : str
        `convolution linear product attention recurrent embedding normalisation elementwise`.
    precision : str
        The number type it computes in.
    macs : int
        Multiply-accumulates.
    operations : int
        Twice that; without any, one for each number that it returns, or none if it only looks numbers up.
    weight_bytes : int
        Weights, which a call reads once, whatever the batch.
    data_bytes : int
        What it reads of its inputs, and writes.
    counted : bool
        Whether its multiplications are known: False for one that has weights and that nobody wrote a rule for.
    """

    name: str
    kind: str
    precision: str
    macs: int
    operations: int
    weight_bytes: int
    data_bytes: int
    counted: bool = True


def operations_of(module: nn.Module, *batch: Tensor) -> list[Operation]:
    """List what `module` does in a call on `batch`, in order, as PyTorch launches it.

    Views, which move nothing, are left out. Each operation reads its inputs and writes its outputs in full; of an
    embedding's table, only the rows that are looked up. What stays in a cache between two operations counts all the
    same.

    Examples
    --------
    >>> layer = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU())
    >>> for one in operations_of(layer, torch.zeros(2, 4)):
    ...     print(one.name, one.kind, one.macs, one.weight_bytes, one.data_bytes)
    0 linear 24 48 56
    1 elementwise 0 0 48
    """
    watch = _Watch(module)
    with watch.paths(), torch.inference_mode(), watch:
        module(*batch)
    return watch.found


def mean_of(counts: Sequence[Sequence[Operation]]) -> list[Operation]:
    """The mean of several counts of one model. If a model does different things at different times, the first counts.

    Examples
    --------
    >>> one = Operation("head", "linear", "fp32", 10, 20, 40, 8)
    >>> [mean] = mean_of([[one], [replace(one, macs=20, operations=40, data_bytes=16)]])
    >>> mean.macs, mean.operations, mean.weight_bytes, mean.data_bytes
    (15, 30, 40, 12)
    """
    names = [[one.name for one in count] for count in counts]
    if any(other != names[0] for other in names):
        return list(counts[0])
    return [_mean(ones) for ones in zip(*counts, strict=True)]


def _mean(ones: Sequence[Operation]) -> Operation:
    numbers = ("macs", "operations", "weight_bytes", "data_bytes")
    return replace(ones[0], **{name: round(sum(getattr(one, name) for one in ones) / len(ones)) for name in numbers})


class _Watch(TorchDispatchMode):
    """Notes each operation, with the path of the layer that launched it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self._module = module
        self._weights = {one.data_ptr() for one in (*module.parameters(), *module.buffers()) if one.numel()}
        self._path: list[tuple[str, nn.Module]] = [("", module)]
        self.found: list[Operation] = []

    @contextmanager
    def paths(self) -> Iterator[None]:
        """In this block, know which layer is running."""
        hooks = []
        wrapped = _wrapped(self._module)
        for path, layer in self._module.named_modules():
            path = "" if wrapped.startswith(path) else path.removeprefix(f"{wrapped}.")
            # A layer that fails leaves its path behind, and the call fails with it.
            hooks.append(layer.register_forward_pre_hook(lambda one, _, path=path: self._path.append((path, one))))
            hooks.append(layer.register_forward_hook(lambda *_: self._path.pop() and None))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        given = [*tree_leaves(args), *tree_leaves(kwargs or {})]
        made = [one for one in tree_leaves(outputs) if isinstance(one, Tensor)]
        if made and not _moves_nothing(func, given, made):
            self.found.append(self._operation(func.__name__.split(".")[0], args, given, made))
        return outputs

    def _operation(self, name: str, args: Sequence[Any], given: list[Any], made: list[Tensor]) -> Operation:
        kind = next((kind for part, kind in KINDS.items() if part in name), "elementwise")
        tensors = [one for one in given if isinstance(one, Tensor)]
        packed = [weight for one in given if (weight := _unpacked(one)) is not None]
        weights = [one for one in tensors if one.data_ptr() in self._weights] + packed
        data = [one for one in tensors if one.data_ptr() not in self._weights]
        written = sum(map(_bytes, made))
        if kind == "embedding":
            # A row is read for each one that is written, and not the whole table.
            weight_bytes, data_bytes, macs = 0, sum(map(_bytes, data)) + 2 * written, 0
        else:
            weight_bytes, data_bytes = sum(map(_bytes, weights)), sum(map(_bytes, data)) + written
            macs = _macs(name, kind, args, [*tensors, *packed], weights, made[0])
        known = macs >= 0
        matrices = any(one.ndim > 1 for one in weights) and kind not in ("embedding", "normalisation")
        numbers = 0 if kind == "embedding" else sum(one.numel() for one in made)
        return Operation(
            self._name(name, kind),
            kind,
            _type((packed or made)[0].dtype if kind != "embedding" else made[0].dtype),
            max(macs, 0),
            2 * macs if macs > 0 else numbers,
            weight_bytes,
            data_bytes,
            known and (macs > 0 or not matrices),
        )

    def _name(self, operation: str, kind: str) -> str:
        path, layer = self._path[-1]
        if not path:
            return operation
        own = kind != "elementwise" or next(layer.children(), None) is None
        return path if own and kind != "product" else f"{path}: {operation}"


def _moves_nothing(func: Any, given: list[Any], made: list[Tensor]) -> bool:
    """Whether what it returns is what it was given, seen in another way."""
    if func._schema.is_mutable:
        return False
    there = {one.untyped_storage().data_ptr() for one in given if isinstance(one, Tensor)}
    return all(one.untyped_storage().data_ptr() in there for one in made)


def _macs(name: str, kind: str, args: Sequence[Any], given: list[Tensor], weights: list[Tensor], output: Tensor) -> int:
    """Multiply-accumulates of an operation; -1 if there is no rule for it."""
    matrices = [one for one in weights if one.ndim > 1]
    if kind == "convolution":
        kernel = next((one for one in given[1:] if one.ndim > 2), None)
        if kernel is None:
            return -1
        # A transposed convolution spreads each input over the weights; any other sums over those of its channel.
        transposed = "transpose" in name or (name == "convolution" and bool(args[6]))
        return (given[0] if transposed else output).numel() * kernel[0].numel()
    if name == "addmm" or name == "baddbmm":
        return output.numel() * given[1].shape[-1]
    if kind == "linear" and "bilinear" not in name:
        kernel = next((one for one in given[1:] if one.ndim == 2), None)
        return -1 if kernel is None else output.numel() * kernel.shape[-1]
    if kind == "product":
        return output.numel() * given[0].shape[-1]
    if name == "scaled_dot_product_attention":
        query, key, value = given[:3]
        return query.numel() * key.shape[-2] + math.prod(query.shape[:-1]) * key.shape[-2] * value.shape[-1]
    if kind == "attention" and matrices:
        # The fused layer of a transformer: each token meets all weights, and the other tokens twice.
        tokens, width = given[0].numel() // given[0].shape[-1], given[0].shape[-1]
        return tokens * sum(one.numel() for one in matrices) + 2 * tokens * given[0].shape[-2] * width
    if kind == "recurrent" and matrices:
        return given[0].numel() // given[0].shape[-1] * sum(one.numel() for one in matrices)
    return -1 if kind in ("attention", "recurrent", "linear") else 0


def _unpacked(value: Any) -> Tensor | None:
    """The weight inside the packed parameters of a quantized layer; None of anything else."""
    if not isinstance(value, torch.ScriptObject):
        return None
    try:
        weight = value.unpack()[0]  # type: ignore[attr-defined]  # a method of the object's own
    except (AttributeError, RuntimeError, TypeError, IndexError):
        return None
    return weight if isinstance(weight, Tensor) else None


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _type(dtype: torch.dtype) -> str:
    named = {value: name for name, value in FLOATS.items()}
    named |= dict.fromkeys((torch.qint8, torch.quint8, torch.int8, torch.uint8), "int8")
    return named.get(dtype, str(dtype).removeprefix("torch."))


def _wrapped(module: nn.Module) -> str:
    """The path of the model inside the modules that a conversion wraps around it; empty if there are none."""
    path, layer = [], module
    while len(children := dict(layer.named_children())) == 1:
        (name, layer), *_ = children.items()
        if next(layer.children(), None) is None:
            break
        path.append(name)
    return ".".join(path)
