"""Encodes tracking records as bytes, and decodes them. Damaged bytes raise ``DamagedRecordError``.

Staged attempts are stored as ((process ordinal, targets), ...) with rising ordinals: the latest one, and all earlier ones
joined. Joining keeps all target keys. If two attempts have different fingerprints for a key, the joined one is ``b""``,
which equals no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from coco.errors import StateStoreError
from coco.state.protocol import TargetKeys

FP = 16


class DamagedRecordError(StateStoreError):
    """The store holds other bytes than were written. Stores add the place, and what to do."""


Attempts = tuple[tuple[int, Mapping[int, TargetKeys]], ...]
_Rows = tuple[tuple[bytes, bytes], ...]
_Targets = dict[int, tuple[bytes, _Rows]]

_ENCODER = msgspec.msgpack.Encoder()
_TARGETS = msgspec.msgpack.Decoder(_Targets)
_ATTEMPTS = msgspec.msgpack.Decoder(tuple[tuple[int, _Targets], ...])


def encode_targets(targets: Mapping[int, TargetKeys]) -> bytes | None:
    """Return the bytes of a map of target keys; None for an empty one."""
    return _ENCODER.encode(targets) if targets else None


def decode_targets(data: bytes | None) -> dict[int, TargetKeys]:
    """Inverse of ``encode_targets``."""
    if not data:
        return {}
    try:
        return _typed(_TARGETS.decode(data))
    except msgspec.DecodeError as error:
        raise DamagedRecordError(f"tracked target keys cannot be read: {error}") from error


def encode_attempts(attempts: Attempts) -> bytes | None:
    """Return the bytes of staged attempts; None if there are none."""
    return _ENCODER.encode(attempts) if attempts else None


def decode_attempts(data: bytes | None) -> Attempts:
    """Inverse of ``encode_attempts``."""
    if not data:
        return ()
    try:
        return tuple((ordinal, _typed(targets)) for ordinal, targets in _ATTEMPTS.decode(data))
    except msgspec.DecodeError as error:
        raise DamagedRecordError(f"staged target keys cannot be read: {error}") from error


def _typed(targets: _Targets) -> dict[int, TargetKeys]:
    return {key: TargetKeys(*value) for key, value in targets.items()}


def join_attempts(attempts: Iterable[tuple[int, Mapping[int, TargetKeys]]]) -> Mapping[int, TargetKeys]:
    """Return one map of target keys over all attempts, oldest first. Fingerprints that differ become ``b""``."""
    maps = [targets for _, targets in attempts]
    if len(maps) == 1:
        return maps[0]
    joined: dict[int, tuple[bytes, dict[bytes, bytes]]] = {}
    for targets in maps:
        for target_id, (logic_fp, rows) in targets.items():
            known = joined.get(target_id, (b"", {}))[1]
            for key, fp in rows:
                known[key] = fp if known.get(key, fp) == fp else b""
            joined[target_id] = (logic_fp, known)
    return {
        target_id: TargetKeys(logic_fp, tuple(rows.items())) for target_id, (logic_fp, rows) in joined.items()
    }


def add_attempt(earlier: Attempts, ordinal: int, staged: Mapping[int, TargetKeys]) -> Attempts:
    """Return the attempts with one more. Earlier ones are joined, so that the record of a failing row stays small."""
    before: Attempts = ((earlier[-1][0], join_attempts(earlier)),) if earlier else ()
    return (*before, (ordinal, staged)) if staged else before


def newer_attempts(attempts: Attempts, ordinal: int) -> Attempts:
    """Return the attempts after ``ordinal``, which its commit keeps."""
    return tuple(item for item in attempts if item[0] > ordinal)


def join_fingerprints(fingerprints: Sequence[bytes]) -> bytes | None:
    """Return fingerprints as one byte string; None for none. Raises ``ValueError`` unless each has 16 bytes."""
    joined = b"".join(fingerprints)
    if len(joined) != FP * len(fingerprints):
        raise ValueError("call fingerprints have 16 bytes each")
    return joined or None


def split_fingerprints(data: bytes | None) -> tuple[bytes, ...]:
    """Return the fingerprints in a byte string."""
    if not data:
        return ()
    if len(data) % FP:
        raise DamagedRecordError("references to cached calls cannot be read")
    return tuple(data[i : i + FP] for i in range(0, len(data), FP))
