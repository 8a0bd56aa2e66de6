"""What a library raises when it is given a model that it cannot convert or run becomes a refusal with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import nn
from torch.utils.hooks import RemovableHandle

from tradespace.errors import Unsupported, out_of_memory
from tradespace.prepare.quiet import Log, quiet
from tradespace.tasks.called import Wrapper

LINES_KEPT = 3
# How lines of OpenVINO begin that say where in its source an error was raised.
PLACES = ("Exception from src/", "Check 'false' failed at src/")


@contextmanager
def refusing(what: str, module: nn.Module | None = None, *, log: bool = False) -> Iterator[None]:
    """Turn an error in this block into `Unsupported`: `what`, the layer of `module` that was running, the error.

    Without a `module`, nothing is printed; with `log`, the last lines of it are part of the reason. A lack of memory
    stays an error: it is no property of the model.

    Examples
    --------
    >>> model = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))
    >>> with refusing("cannot run this model", model):
    ...     model("text")
    Traceback (most recent call last):
    ...
    tradespace.errors.Unsupported: cannot run this model, in its layer '0' (ReLU): relu(): argument 'input' ...
    """
    running: list[str] = []
    hooks = [] if module is None else list(_followed(module, running))
    printed = Log()
    try:
        with quiet() if module is None else nullcontext(printed) as printed:
            yield
    except Unsupported:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        layer = f", in its layer {running[-1]}" if running else ""
        raise Unsupported(f"{what}{layer}: {said(error)} {printed.tail() if log else ''}".strip()) from error
    finally:
        for hook in hooks:
            hook.remove()


def projected(module: nn.Module) -> str | None:
    """The name of a layer that is an LSTM with projections, which neither ONNX nor PyTorch's int8 has; None without.

    Examples
    --------
    >>> projected(nn.Sequential(nn.LSTM(4, 8, proj_size=2)))
    '0'
    """
    recurrent = ((name, layer) for name, layer in _own(module).named_modules() if isinstance(layer, nn.LSTM))
    return next((name or type(layer).__name__ for name, layer in recurrent if layer.proj_size), None)


def said(error: BaseException) -> str:
    """The first lines of an error's words, or of those of its cause if it has any, that say what is wrong."""
    words = next((str(one).strip() for one in (error.__cause__, error) if one and str(one).strip()), repr(error))
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith(PLACES)]
    return " ".join(lines[:LINES_KEPT])


def _followed(module: nn.Module, running: list[str]) -> Iterator[RemovableHandle]:
    """Keep the names of the layers that are being run in `running`, the innermost one last."""
    for name, layer in _own(module).named_modules():
        if name:
            words = f"{name!r} ({type(layer).__name__})"
            yield layer.register_forward_pre_hook(partial(_entered, running, words))
            yield layer.register_forward_hook(partial(_left, running))


def _own(module: nn.Module) -> nn.Module:
    """The user's own module, in which layers have the names that the user gave them."""
    while isinstance(module, Wrapper):
        module = module.inner
    return module


def _entered(running: list[str], words: str, *_: object) -> None:
    running.append(words)


def _left(running: list[str], *_: object) -> None:
    running.pop()
