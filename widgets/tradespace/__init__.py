"""Latency, throughput and accuracy of deep learning inference, measured on the machine in front of you.

The names are imported when first used, so that `import tradespace` costs next to nothing.
"""

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name):
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    return _public(name)
