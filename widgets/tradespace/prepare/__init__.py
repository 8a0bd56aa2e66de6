"""A model and a Config -> something callable. One file a runtime, one registry."""

from tradespace.prepare.registry import Prepared, precisions, prepare, unsupported

__all__ = ["Prepared", "precisions", "prepare", "unsupported"]
