"""What every runtime says of itself."""

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
        Those it has code for, whatever this machine can run.
    unsupported : callable
        (Config, whether there are calibration inputs) -> why this machine cannot run it, or None.
    convert : callable
        (Source, Config) -> `Converted`.
    packages : tuple of str
        What has to be installed besides PyTorch.
    begin : callable
        (Config) -> what a process does once before it converts: part of no model's `prepare_s`.
    exports : bool
        Whether it takes the model's ONNX export, which runtimes share.
    preparing_s : tuple of float
        Seconds that are expected, before any were measured, of the first Config of a variant and of each further one.
    """

    precisions: tuple[str, ...]
    unsupported: Callable[[Config, bool], str | None]
    convert: Callable[[Source, Config], Converted]
    packages: tuple[str, ...] = ()
    begin: Callable[[Config], object] = lambda config: None
    exports: bool = False
    preparing_s: tuple[float, float] = (0.5, 0.1)
