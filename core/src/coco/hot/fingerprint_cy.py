"""Fingerprints: 16 bytes of BLAKE3 that stand for a value, a call or a row.

Equal fingerprint means "no work", so the digest is a cryptographic one, and it is the same on every machine
and in every release: tests hold fingerprints written down once.
"""

from __future__ import annotations

from blake3 import blake3

try:
    import cython
except ModuleNotFoundError:
    from coco.hot._shim import cython

FINGERPRINT_SIZE = 16
"""Bytes of a fingerprint."""


def _is_compiled() -> bool:
    return bool(cython.compiled)


def fingerprint(data: bytes) -> bytes:
    """Fingerprint of some bytes."""
    digest: bytes = blake3(data).digest(FINGERPRINT_SIZE)
    return digest


def fingerprint_column(packed: list[bytes]) -> list[bytes]:
    """Fingerprint of each entry."""
    result: list[bytes] = []
    hasher = blake3()
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    for data in packed:
        reset()
        update(data)
        result.append(digest(FINGERPRINT_SIZE))
    return result


def combine(prefix: bytes, parts: list[list[bytes]]) -> list[bytes]:
    """Fingerprint of each row of ``parts``, a list of columns, under a common ``prefix``.

    Every part goes in with its length before it (8 bytes, little endian), the prefix too, so no two different
    rows feed the same bytes to the digest. Without columns there are no rows. Raises ``ValueError`` for
    columns of different lengths.
    """
    if not parts:
        return []
    width: cython.Py_ssize_t = len(parts)
    height: cython.Py_ssize_t = len(parts[0])
    for column in parts:
        if len(column) != height:
            raise ValueError(f"columns of one length expected, got {[len(other) for other in parts]}")
    start: bytes = len(prefix).to_bytes(8, "little") + prefix
    result: list[bytes] = []
    hasher = blake3()
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    row: cython.Py_ssize_t
    position: cython.Py_ssize_t
    for row in range(height):
        pieces: list[bytes] = [start]
        for position in range(width):
            part: bytes = parts[position][row]
            pieces.append(len(part).to_bytes(8, "little"))
            pieces.append(part)
        reset()
        update(b"".join(pieces))
        result.append(digest(FINGERPRINT_SIZE))
    return result
