"""Kernels: the few inner loops that are compiled by Cython where they can be.

Flat lists and bytes in and out, no calls into user code, no I/O. Each kernel is one module ``*_cy.py`` in
Cython's pure mode that gives the same results compiled and as plain Python; ``COCO_PURE=1`` selects the
latter.
"""

from __future__ import annotations

import importlib

from coco.hot import _loader

_loader.choose_kernels()

from coco.hot.fingerprint_cy import (  # noqa: E402
    FINGERPRINT_SIZE,
    combine,
    fingerprint,
    fingerprint_column,
)
from coco.hot.gather_cy import compose, explode, field_of, gather, implode, regroup  # noqa: E402
from coco.hot.merge_cy import MAYBE, NEW, STALE_LOGIC, UNCHANGED, classify  # noqa: E402
from coco.hot.reconcile_cy import FIELD_FP, ROW_FP, changed_fields, reconcile_row  # noqa: E402
from coco.hot.register_cy import enter_tracked, match_listed, move_entries, were_listed  # noqa: E402
from coco.hot.rows_cy import fingerprint_rows, fingerprint_values, group_rows, pack_all  # noqa: E402
from coco.hot.vectors_cy import pack_float32, pack_float64, pack_int64  # noqa: E402

__all__ = [
    "FIELD_FP",
    "FINGERPRINT_SIZE",
    "MAYBE",
    "NEW",
    "ROW_FP",
    "STALE_LOGIC",
    "UNCHANGED",
    "changed_fields",
    "classify",
    "combine",
    "compiled_kernels",
    "compose",
    "enter_tracked",
    "explode",
    "field_of",
    "fingerprint",
    "fingerprint_column",
    "fingerprint_rows",
    "fingerprint_values",
    "gather",
    "group_rows",
    "implode",
    "is_compiled",
    "match_listed",
    "move_entries",
    "pack_all",
    "pack_float32",
    "pack_float64",
    "pack_int64",
    "reconcile_row",
    "regroup",
    "were_listed",
]


def compiled_kernels() -> dict[str, bool]:
    """Kernel -> whether its compiled form is in use in this process."""
    return {name: importlib.import_module(f"coco.hot.{name}")._is_compiled() for name in _loader.KERNELS}


def is_compiled() -> bool:
    """Whether all kernels run compiled."""
    return all(compiled_kernels().values())
