"""Latency, throughput and accuracy of deep learning inference, measured on the machine in front of you.

The names are imported when first used, so that `import tradespace` costs next to nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
