"""Entries of a collector -> rows of a target, by source row.

``pack`` is the codec of engine values: a function in C that calls nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from blake3 import blake3

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython


def _is_compiled() -> bool:
    return bool(cython.compiled)


def pack_all(values: Sequence[Any], pack: Callable[[Any], bytes]) -> list[bytes]:
    """Bytes of each value."""
    return [pack(value) for value in values]


def fingerprint_values(
    prefix: bytes, values: list[Any], pack: Callable[[Any], bytes], size: int
) -> list[bytes]:
    """Fingerprint of each value under a common prefix: the first ``size`` bytes of it."""
    result: list[bytes] = []
    hasher = blake3()  # one for all: making one costs as much as feeding it 200 bytes
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    for value in values:
        reset()
        update(prefix + pack(value))
        result.append(digest(size))
    return result


def fingerprint_rows(
    prefix: bytes,
    field_prefixes: list[bytes],
    columns: list[Any],
    pack: Callable[[Any], bytes],
    row_size: int,
    field_size: int,
) -> list[bytes]:
    """Fingerprint of each row, ``row_size`` bytes as ``fingerprint_values`` gives for its tuple, then ``field_size``
    for each of its fields. Every value is packed once.
    """
    width: cython.Py_ssize_t = len(columns)
    position: cython.Py_ssize_t
    if not width:
        return []
    head: bytes = prefix + (bytes([0x90 | width]) if width < 16 else b"\xdc" + width.to_bytes(2, "big"))
    result: list[bytes] = []
    hasher = blake3()
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    for row in zip(*columns):  # noqa: B905
        packed: list[bytes] = [head]
        fps: list[bytes] = [b""]
        for position in range(width):
            data: bytes = pack(row[position])
            packed.append(data)
            reset()
            update(field_prefixes[position] + data)
            fps.append(digest(field_size))
        reset()
        update(b"".join(packed))
        fps[0] = digest(row_size)
        result.append(b"".join(fps))
    return result


def group_rows(
    owners: list[int],
    keys: list[bytes],
    parts: list[Any],
    fps: list[bytes],
    values: list[Any],
    places: list[Any],
    rows: list[Any],
    check_null: bool,
) -> tuple[int, int, list[int]]:
    """Append entries to the rows of their owners; of two with one owner and one key the later stays.

    ``owners[i]``: source row of entry i, the entry being ``keys[i]`` (packed), ``parts[i]``, ``fps[i]``,
    ``values[i]``. ``rows[owner]``: None so far, or these four as lists; ``places[owner]``: key -> position
    there. Both are added to. An entry with a null among its parts is left out if ``check_null``.

    Returns (entries that replaced a different one, the first of them or -1, entries left out).
    """
    duplicates: cython.Py_ssize_t = 0
    first: cython.Py_ssize_t = -1
    last: cython.Py_ssize_t = -1
    owner: cython.Py_ssize_t
    index: cython.Py_ssize_t
    missing: list[int] = []
    for index in range(len(owners)):
        part: tuple[Any, ...] = parts[index]
        if check_null and None in part:
            missing.append(index)
            continue
        owner = owners[index]
        if owner != last:  # entries of one source row mostly follow each other
            if rows[owner] is None:
                places[owner] = {}
                rows[owner] = ([], [], [], [])
            known: dict[bytes, int] = places[owner]
            own_keys: list[bytes]
            own_parts: list[Any]
            own_fps: list[bytes]
            own_values: list[Any]
            own_keys, own_parts, own_fps, own_values = rows[owner]
            last = owner
        key: bytes = keys[index]
        place = known.get(key)
        if place is None:
            known[key] = len(own_keys)
            own_keys.append(key)
            own_parts.append(part)
            own_fps.append(fps[index])
            own_values.append(values[index])
        elif own_fps[place] != fps[index]:
            duplicates += 1
            if first < 0:
                first = index
            own_fps[place] = fps[index]
            own_values[place] = values[index]
    return duplicates, first, missing
