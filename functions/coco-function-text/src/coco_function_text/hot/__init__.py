"""Kernels: the inner loops of splitting, compiled by Cython where they can be.

Each kernel is one module ``*_cy.py`` in Cython's pure mode that gives the same results compiled and as plain
Python; ``COCO_PURE=1`` selects the latter.
"""

from __future__ import annotations

import importlib

from . import _loader

_loader.choose_kernels()

from .outline_cy import CONTINUES_LIST, MARKER, find_outline  # noqa: E402
from .packing_cy import pack  # noqa: E402
from .pieces_cy import PlaceLevel, take_apart  # noqa: E402
from .rows_cy import locate_rows  # noqa: E402

__all__ = [
    "CONTINUES_LIST",
    "MARKER",
    "PlaceLevel",
    "compiled_kernels",
    "find_outline",
    "is_compiled",
    "locate_rows",
    "pack",
    "take_apart",
]


def compiled_kernels() -> dict[str, bool]:
    """Kernel -> whether its compiled form is in use in this process."""
    return {name: importlib.import_module(f"{__name__}.{name}")._is_compiled() for name in _loader.KERNELS}


def is_compiled() -> bool:
    """Whether all kernels run compiled."""
    return all(compiled_kernels().values())
