"""Serving under load: arrivals, batches of those that wait, queues, and what a request waits for."""

import lazy_loader

# The package hands these on as they are.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules={"arrivals", "scenarios", "theory"})
