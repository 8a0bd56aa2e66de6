"""A model and a Config -> something callable. One file per runtime, and one registry."""

from tradespace.prepare.registry import Prepared, any_size, precisions, prepare, unsupported, untimed, versions
from tradespace.prepare.session import Layer, Session
from tradespace.prepare.source import Source, load

__all__ = [
    "Layer",
    "Prepared",
    "Session",
    "Source",
    "any_size",
    "load",
    "precisions",
    "prepare",
    "unsupported",
    "untimed",
    "versions",
]
