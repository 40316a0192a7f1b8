"""What source connectors receive and return. Their methods are in ``source_protocols``."""

from __future__ import annotations

import enum
from typing import Generic, Literal, TypeAlias, TypeVar

from msgspec import Struct

K = TypeVar("K")
V = TypeVar("V")


class _Marker(enum.Enum):
    NON_EXISTENCE = "NON_EXISTENCE"
    NO_ORDINAL = "NO_ORDINAL"

    def __repr__(self) -> str:
        return self.name


NON_EXISTENCE: Literal[_Marker.NON_EXISTENCE] = _Marker.NON_EXISTENCE
"""As a row's value: there is no such row (any more)."""

NO_ORDINAL: Literal[_Marker.NO_ORDINAL] = _Marker.NO_ORDINAL
"""As a row's ordinal: this source has none."""

NonExistence: TypeAlias = Literal[_Marker.NON_EXISTENCE]
NoOrdinal: TypeAlias = Literal[_Marker.NO_ORDINAL]


class SourceReadOptions(Struct, frozen=True):
    """What the engine wants to know; a connector may give more.

    ``list`` must give ordinals when asked for them if ``provides_ordinal()`` is true; ``get_value`` must
    give the value when asked for it. The rest is optional.
    """

    include_ordinal: bool = False
    include_content_version_fp: bool = False
    include_value: bool = False


class PartialSourceRowData(Struct, Generic[V]):
    """What is known about a row.

    value: the row; ``NON_EXISTENCE``; or ``None`` when not included.
    ordinal: a number that grows with each change of the row; ``NO_ORDINAL``; or ``None`` when not included.
    content_version_fp: bytes that change when the content does (an ETag, say), or ``None``.
    size: hint, in bytes, for the limits on work in flight, or ``None``.
    """

    value: V | NonExistence | None = None
    ordinal: int | NoOrdinal | None = None
    content_version_fp: bytes | None = None
    size: int | None = None


class PartialSourceRow(Struct, Generic[K, V]):
    """A key and what came with it in a listing."""

    key: K
    data: PartialSourceRowData[V]
