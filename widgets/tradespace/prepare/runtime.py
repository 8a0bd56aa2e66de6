"""The interface of a runtime."""

from collections.abc import Callable
from dataclasses import dataclass

from tradespace.config import Config
from tradespace.prepare.session import Converted
from tradespace.prepare.source import Source


@dataclass(frozen=True)
class Runtime:
    """One way to run a model.

    Parameters
    ----------
    precisions : tuple of str
        Precisions it has code for, whether or not this machine can run them.
    unsupported : callable
        (Config, whether there are calibration inputs) -> why this machine cannot run the Config, or None.
    convert : callable
        (Source, Config) -> `Converted`.
    packages : tuple of str
        Packages that it needs besides PyTorch.
    begin : callable
        (Config) -> None. Work that a process does once before it converts, so no model's `prepare_s` includes it.
    any_size : bool
        Whether one session takes batches of any size; otherwise a session is compiled for one size.
    exports : bool
        Whether it uses the model's ONNX export, which runtimes share.
    preparing_s : tuple of float
        Expected seconds, before any were measured, for the first Config of a variant and for each further one.
    """

    precisions: tuple[str, ...]
    unsupported: Callable[[Config, bool], str | None]
    convert: Callable[[Source, Config], Converted]
    packages: tuple[str, ...] = ()
    begin: Callable[[Config], object] = lambda config: None
    any_size: bool = True
    exports: bool = False
    preparing_s: tuple[float, float] = (0.5, 0.1)
