"""What a source's connector may implement: one protocol for what it needs, one for each ability it may add.

``Source`` is required of every class under ``@op.source_connector``; a type checker compares the decorated class with it.
The other protocols are abilities: a connector that has the methods of one has the ability. To have a type checker compare
those as well, name the protocols as bases::

    @op.source_connector(spec_cls=Feed, key_type=EntryKey, value_type=Entry)
    class FeedConnector(op.Source[Feed, EntryKey, Entry], op.ProvidesOrdinals): ...

Whether or not a class does so, the decorator compares every method with these protocols when the class is defined.

The types: ``SpecT`` is the spec class, ``KeyT`` the ``key_type``, ``ValueT`` the ``value_type``. ``create`` makes one
instance for each run. Methods of the class itself say that they are static; the others are called on the instance. Methods
whose result may be ``Awaitable`` may be ``async def``; sync ones run in threads.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from coco.ops.sources import PartialSourceRow, PartialSourceRowData, SourceReadOptions
from coco.types.schema import FieldSchema

SpecT = TypeVar("SpecT", contravariant=True)
KeyT = TypeVar("KeyT")
TellsKeyT = TypeVar("TellsKeyT", covariant=True)
ValueT = TypeVar("ValueT")

Rows: TypeAlias = Iterable[PartialSourceRow[KeyT, ValueT]]
Listing: TypeAlias = (
    Rows[KeyT, ValueT] | AsyncIterable[PartialSourceRow[KeyT, ValueT]] | Awaitable[Rows[KeyT, ValueT]]
)
"""A list, a generator, an async generator, or an ``async def`` that returns a list."""
Batches: TypeAlias = Iterable[Sequence[PartialSourceRow[KeyT, ValueT]]]
Data: TypeAlias = (
    PartialSourceRowData[ValueT] | Exception | Awaitable[PartialSourceRowData[ValueT] | Exception]
)
"""An exception that is returned counts as raised."""
Change: TypeAlias = tuple[KeyT, PartialSourceRowData[ValueT] | None, Callable[[], Any] | None]
"""A key; its row, or None to have it read; what to call once the change is committed, or None."""


class Source(Protocol[SpecT, KeyT, ValueT]):
    """What a source needs: an instance, all keys, and the row of a key."""

    @staticmethod
    @abstractmethod
    def create(spec: SpecT) -> Any:
        """The instance for one run, or an ``Awaitable`` of it. Static. Connects and authenticates.

        Raises ``SourceError`` if that fails.
        """
        ...

    @property
    @abstractmethod
    def list(
        self,
    ) -> Callable[[SourceReadOptions], Listing[KeyT, ValueT]] | Callable[[], Listing[KeyT, ValueT]]:
        """``list(options)``, a method: every key once.

        Should be cheap: ordinals rather than values. A key that it does not give counts as deleted, so it raises
        ``SourceError`` if it cannot be complete. Ordinals are needed if ``provides_ordinal()`` is true. ``options`` may be
        left out of the signature.
        """
        ...

    @property
    @abstractmethod
    def get_value(
        self,
    ) -> Callable[[KeyT, SourceReadOptions], Data[ValueT]] | Callable[[KeyT], Data[ValueT]]:
        """``get_value(key, options)``, a method: the newest version of a row, or ``NON_EXISTENCE`` as its value.

        The ordinal is that from before the content was read. Raises ``SourceReadError`` if this row cannot be read; the
        others go on. ``options`` may be left out of the signature.
        """
        ...


# -- listing --------------------------------------------------------------------------------------
class ProvidesOrdinals(Protocol):
    """Rows carry ordinals: numbers that grow with each change. Default: contents are read and compared."""

    @abstractmethod
    def provides_ordinal(self) -> bool | Awaitable[bool]:
        """Whether they do. May be static."""
        ...


class ListsBatches(Protocol[KeyT, ValueT]):
    """Lists in pages. Default: ``list``."""

    @abstractmethod
    def list_batches(
        self, options: SourceReadOptions
    ) -> (
        Batches[KeyT, ValueT]
        | AsyncIterable[Sequence[PartialSourceRow[KeyT, ValueT]]]
        | Awaitable[Batches[KeyT, ValueT]]
    ):
        """As ``list``, in lists of rows. Used in place of ``list``. ``options`` may be left out of the signature."""
        ...


class ListsInPart(Protocol):
    """Tells which keys a listing could not see. Default: a listing is complete, or raises."""

    @abstractmethod
    def incomplete_prefixes(self) -> Iterable[str] | Awaitable[Iterable[str]]:
        """After a listing: beginnings of keys that it could not see. Nothing there is deleted."""
        ...


class ReportsErrors(Protocol):
    """Tells what was wrong with a listing that did not raise. Default: nothing."""

    @abstractmethod
    def listing_errors(self) -> Iterable[str] | Awaitable[Iterable[str]]:
        """After a listing: messages, each counted as an error. Without ``incomplete_prefixes`` nothing at all is deleted."""
        ...


class SkipsRows(Protocol):
    """Tells what was listed and cannot be a row. Default: nothing."""

    @abstractmethod
    def skipped_rows(self) -> Iterable[tuple[str, str]] | Awaitable[Iterable[tuple[str, str]]]:
        """After a listing: (readable name, message). Each counts as an error and hinders nothing else."""
        ...


class ReportsWarnings(Protocol):
    """Tells what a user should know of a listing that went well. Default: nothing."""

    @abstractmethod
    def listing_warnings(self) -> Iterable[str] | Awaitable[Iterable[str]]:
        """After a listing: messages, such as a pattern that matched nothing."""
        ...


class ExcludesPaths(Protocol):
    """A source of files, which must not read what coco writes. Default: nothing is left out."""

    @abstractmethod
    def exclude_paths(self, paths: list[str]) -> Iterable[str] | Awaitable[Iterable[str] | None] | None:
        """Before a listing and ``change_stream``: leave out these files and folders.

        Returns those that are read all the same, as the root lies there; None for none.
        """
        ...


# -- reading --------------------------------------------------------------------------------------
class ReadsMany(Protocol[KeyT, ValueT]):
    """Reads many rows at once. Default: ``get_value`` for each."""

    @abstractmethod
    def get_values(
        self, keys: list[KeyT], options: SourceReadOptions
    ) -> (
        Iterable[PartialSourceRowData[ValueT] | Exception]
        | Awaitable[Iterable[PartialSourceRowData[ValueT] | Exception]]
    ):
        """Answers in the order of the keys; an exception in place of one fails that row alone.

        If it raises, the rows are read one by one. ``options`` may be left out of the signature.
        """
        ...


class Streams(Protocol[TellsKeyT, ValueT]):
    """Tells of changes by itself, in live mode. Default: it is listed at the refresh interval, if there is one."""

    @abstractmethod
    def change_stream(self) -> AsyncIterable[Sequence[Change[TellsKeyT, ValueT]]]:
        """An async generator of lists of (key, data or None, ack or None); an empty list asks for a listing.

        Called on the event loop. ``ack()`` is called once the change is committed, and may be async. It ends if nothing
        can come any more; if it raises, it is opened again after a pause.
        """
        ...


# -- before a run ---------------------------------------------------------------------------------
class AnnouncesChanges(Protocol[SpecT]):
    """A ``change_stream`` that only some specs have. Default: all have it."""

    @staticmethod
    @abstractmethod
    def announces_changes(spec: SpecT) -> bool:
        """Whether ``change_stream`` has anything to tell for this spec. Static."""
        ...


class ChecksSpec(Protocol[SpecT]):
    """Refuses a flow before anything is made for it. Default: the first run finds out."""

    @staticmethod
    @abstractmethod
    def check(spec: SpecT) -> Awaitable[None] | None:
        """Raise ``SourceError`` if what the spec names is not there. Static. Must be quick."""
        ...


class TypesBySpec(Protocol[SpecT]):
    """Key and value types that depend on the spec. Default: ``key_type`` and ``value_type`` of the decorator."""

    @staticmethod
    @abstractmethod
    def types(spec: SpecT) -> tuple[Any, Any] | tuple[list[FieldSchema], list[FieldSchema]]:
        """(key type, value type); or two lists of fields, then keys and values come in natural form. Static, pure."""
        ...


class IdentifiesValues(Protocol[SpecT]):
    """Says which part of the spec alters what a row holds. Default: all of it."""

    @staticmethod
    @abstractmethod
    def data_identity(spec: SpecT) -> Any:
        """That part as plain data (None, str, int, list, dict). When it changes, all rows are read again. Static, pure."""
        ...


# -- the end --------------------------------------------------------------------------------------
class Closes(Protocol):
    """Has something to close at the end of a run. Default: nothing."""

    @abstractmethod
    def close(self) -> Awaitable[None] | None:
        """Called once at the end of the run. Not called if there is an ``aclose``."""
        ...


class ClosesAsync(Protocol):
    """The same, async."""

    @abstractmethod
    def aclose(self) -> Awaitable[None]:
        """Called once at the end of the run."""
        ...


SourceConnector: TypeAlias = Source[Any, Any, Any]
"""The former name of ``Source``."""
