"""What source connectors receive and return."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

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


ListResult: TypeAlias = (
    "Iterable[PartialSourceRow[Any, Any]] | AsyncIterator[PartialSourceRow[Any, Any]] "
    "| Awaitable[Iterable[PartialSourceRow[Any, Any]]]"
)


class SourceConnector(Protocol):
    """Required of a class under ``@source_connector``. Every method may be sync or async.

    ``create(spec)`` (static or class method) makes the instance used for one flow; it connects and
    authenticates. ``options`` may be left out of the signatures of the other two.

    Optional, each adding an ability:

    - ``provides_ordinal() -> bool``: whether rows carry ordinals; default no.
    - ``get_values(keys, options) -> list[PartialSourceRowData]``: many rows at once, in key order.
    - ``list_batches(options)``: iterator of lists of rows, when they come in pages anyway.
    - ``change_stream()``: async iterator of batches of ``(key, data | None, ack)``; ``None``: go and look.
    - ``announces_changes(spec) -> bool``, static: whether ``change_stream`` has anything to tell for this spec; default:
      whether there is a ``change_stream``.
    - ``incomplete_prefixes()``, after a listing: parts of the key space that could not be listed.
    - ``listing_errors() -> list[str]``, after a listing: what was wrong. Without a prefix it concerns everything.
    - ``skipped_rows() -> list[tuple[str, str]]``, after a listing: (readable name, message) of what was listed and
      cannot be a row. It costs only itself.
    - ``listing_warnings() -> list[str]``, after a listing: what a user should know although all went well.
    - ``exclude_paths(paths)``, before a listing or ``change_stream``: files and folders that coco writes itself, which a
      source of files must leave out. Returns those that it reads all the same, if any, as its root lies there.
    - ``check(spec)``, static: raise ``SourceError`` if what the spec names is not there. Asked before anything is made
      for a flow, so it must be quick.
    - ``types(spec) -> (key_type, value_type)``: when they depend on the spec; instead of types, lists
      of ``FieldSchema`` may be returned, then keys and values are in natural form.
    - ``data_identity(spec)``: the part of the spec that alters values.
    - ``close()`` / ``aclose()``: when the flow's session ends.
    """

    @staticmethod
    def create(spec: Any) -> Any: ...

    def list(self, options: SourceReadOptions) -> ListResult: ...

    def get_value(self, key: Any, options: SourceReadOptions) -> Any: ...


REQUIRED_METHODS: Sequence[str] = ("create", "list", "get_value")
OPTIONAL_METHODS: Sequence[str] = (
    "provides_ordinal",
    "get_values",
    "list_batches",
    "change_stream",
    "announces_changes",
    "incomplete_prefixes",
    "listing_errors",
    "skipped_rows",
    "listing_warnings",
    "exclude_paths",
    "check",
    "types",
    "data_identity",
    "close",
    "aclose",
)
TAKE_OPTIONS: Sequence[str] = ("list", "get_value", "get_values", "list_batches")
