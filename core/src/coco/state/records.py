"""Tracking maps as bytes, and back."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from coco.state.protocol import TargetKeys

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(dict[int, tuple[bytes, tuple[tuple[bytes, bytes], ...]]])
FP = 16


def encode_targets(targets: Mapping[int, TargetKeys]) -> bytes | None:
    """None for nothing, so that an empty map costs no bytes."""
    return _ENCODER.encode(targets) if targets else None


def decode_targets(data: bytes | None) -> dict[int, TargetKeys]:
    """Inverse of ``encode_targets``."""
    if not data:
        return {}
    return {key: TargetKeys(*value) for key, value in _DECODER.decode(data).items()}


def split_fingerprints(data: bytes | None) -> tuple[bytes, ...]:
    """16-byte pieces."""
    return tuple(data[i : i + FP] for i in range(0, len(data), FP)) if data else ()
