"""The minimal change of one target for one source row.

Keys are packed bytes. A fingerprint starts with the 16 bytes of the whole row; for targets that can
write single columns 8 bytes per value field follow.
"""

from __future__ import annotations

from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython

ROW_FP = 16
FIELD_FP = 8


def _is_compiled() -> bool:
    return bool(cython.compiled)


def reconcile_row(
    old: Any, staged: Any, new: list[tuple[bytes, bytes]], force: bool
) -> tuple[list[int], list[int], list[bytes], list[Any]]:
    """Compare what a row had (``old``), may have (``staged``) and yields now (``new``).

    Pairs of (key, fingerprint); a staged fingerprint of ``b""`` is a planned deletion. Returns
    (positions in ``new`` to write, positions unchanged, keys to delete, previous fingerprint per
    position to write or None where it is unknown).
    """
    before: dict[bytes, bytes] = dict(old) if old else {}
    maybe: dict[bytes, bytes] = dict(staged) if staged else {}
    writes: list[int] = []
    same: list[int] = []
    previous: list[Any] = []
    position: cython.Py_ssize_t
    for position in range(len(new)):
        key, fp = new[position]
        had = before.pop(key, None)
        may = maybe.pop(key, None)
        if not force and had == fp and (may is None or may == fp):
            same.append(position)
        else:
            writes.append(position)
            previous.append(had if may is None and not force else None)
    deletes = list(before)
    for key in maybe:
        if key not in before:
            deletes.append(key)
    return writes, same, deletes, previous


def changed_fields(previous: bytes, current: bytes) -> Any:
    """Positions of value fields whose fingerprints differ, or None when they cannot be compared."""
    if len(previous) != len(current) or len(current) <= ROW_FP:
        return None
    found: list[int] = []
    start: cython.Py_ssize_t = ROW_FP
    number: cython.Py_ssize_t = 0
    while start < len(current):
        if previous[start : start + FIELD_FP] != current[start : start + FIELD_FP]:
            found.append(number)
        start += FIELD_FP
        number += 1
    return tuple(found)
