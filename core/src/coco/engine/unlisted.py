"""Entries of a listing that cannot be rows. They are recorded like failed rows, so that all commands show them."""

from __future__ import annotations

import time

from coco.ops.error_text import storable
from coco.state.protocol import Failure

_MARK = b"\xc1"
"""No packed key begins with this byte, which MessagePack does not use."""

_NAMELESS = b"\0"


def unlisted_key(name: str, message: str) -> bytes:
    """Key of the record. ``name``: readable name of the entry; empty if only the message identifies it."""
    if name:
        return _MARK + name.encode("utf-8", "backslashreplace")
    return _MARK + _NAMELESS + message.encode("utf-8", "backslashreplace")


def is_unlisted(key: bytes) -> bool:
    """Whether a recorded failure belongs to a listing, so that there is no row to retry."""
    return key.startswith(_MARK)


def unlisted_name(key: bytes) -> str:
    """The name in a key made by ``unlisted_key``."""
    text = key[len(_MARK) :]
    return "" if text.startswith(_NAMELESS) else text.decode("utf-8")


def unlisted_failure(
    source_id: int, source: str, name: str, message: str, previous: Failure | None
) -> Failure:
    """The record after one more listing with the same problem."""
    now = time.time_ns() // 1_000
    return Failure(
        source_id=source_id,
        key=unlisted_key(name, message),
        phase="list",
        op=f"source:{source}",
        error_type="SourceError",
        message=storable(message),
        attempts=previous.attempts + 1 if previous is not None else 1,
        first_at=previous.first_at if previous is not None else now,
        last_at=now,
    )
