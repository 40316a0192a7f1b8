"""Tracking maps as bytes, and back. Bytes that do not read raise ``DamagedRecordError``.

What attempts staged is kept by attempt, as ((process ordinal, targets), ...) with rising ordinals: at most
the latest one, and all earlier ones joined. Joining never forgets: where two attempts meant different
things for a target key, its fingerprint becomes ``b""``, which equals no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from coco.errors import StateStoreError
from coco.state.protocol import TargetKeys

FP = 16


class DamagedRecordError(StateStoreError):
    """Bytes in the store that are not what was written. Stores add where, and what to do."""


Attempts = tuple[tuple[int, Mapping[int, TargetKeys]], ...]
_Rows = tuple[tuple[bytes, bytes], ...]
_Targets = dict[int, tuple[bytes, _Rows]]

_ENCODER = msgspec.msgpack.Encoder()
_TARGETS = msgspec.msgpack.Decoder(_Targets)
_ATTEMPTS = msgspec.msgpack.Decoder(tuple[tuple[int, _Targets], ...])


def encode_targets(targets: Mapping[int, TargetKeys]) -> bytes | None:
    """None for nothing, so that an empty map costs no bytes."""
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
    """None where no attempt staged anything."""
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
    """One map over all attempts, oldest first; fingerprints that disagree become ``b""``."""
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
    """The attempts after one more. Earlier ones are joined, so that a row that fails for ever stays small."""
    before: Attempts = ((earlier[-1][0], join_attempts(earlier)),) if earlier else ()
    return (*before, (ordinal, staged)) if staged else before


def newer_attempts(attempts: Attempts, ordinal: int) -> Attempts:
    """Those begun after ``ordinal``: all that its commit leaves."""
    return tuple(item for item in attempts if item[0] > ordinal)


def join_fingerprints(fingerprints: Sequence[bytes]) -> bytes | None:
    """None for none. Raises ``ValueError`` unless all have 16 bytes."""
    joined = b"".join(fingerprints)
    if len(joined) != FP * len(fingerprints):
        raise ValueError("call fingerprints have 16 bytes each")
    return joined or None


def split_fingerprints(data: bytes | None) -> tuple[bytes, ...]:
    """16-byte pieces."""
    if not data:
        return ()
    if len(data) % FP:
        raise DamagedRecordError("references to remembered calls cannot be read")
    return tuple(data[i : i + FP] for i in range(0, len(data), FP))
