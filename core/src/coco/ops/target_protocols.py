"""What a target's connector may implement: one protocol for what it needs, one for each ability it may add.

``Target`` (or ``ColumnTarget``) is required of every class under ``@op.target_connector``; a type checker compares the
decorated class with it. The other protocols are abilities: a connector that has the methods of one has the ability. To
have a type checker compare those as well, name the protocols as bases::

    @op.target_connector(spec_cls=Shelf, persistent_key_type=str)
    class ShelfConnector(op.Target[Shelf, str, Shelf, Path], op.Counts[Path]): ...

Whether or not a class does so, the decorator compares every method with these protocols when the class is defined.

The types: ``SpecT`` is the spec class, ``KeyT`` the ``persistent_key_type``, ``StateT`` the ``setup_state_cls`` (the spec
class if there is none), ``PreparedT`` what ``prepare`` returns (the spec if there is no ``prepare``). An *engine value* is a
value as coco stores it; docs/terms/engine-value.md lists the forms.

All methods are static or class methods. One whose result may be ``Awaitable`` may be ``async def``; the others are called
where nothing can wait. Sync methods that may wait for a server run in threads.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from coco.index import IndexOptions
from coco.ops.targets import Adoption, FencingToken, FlowView, MutationColumns, TargetStateCompatibility
from coco.types.schema import FieldSchema

SpecT = TypeVar("SpecT", contravariant=True)
OwnSpecT = TypeVar("OwnSpecT")
KeyT = TypeVar("KeyT")
GivenKeyT = TypeVar("GivenKeyT", contravariant=True)
StateT = TypeVar("StateT", contravariant=True)
OwnStateT = TypeVar("OwnStateT")
MadeStateT = TypeVar("MadeStateT", covariant=True)
PreparedT = TypeVar("PreparedT", contravariant=True)
MadePreparedT = TypeVar("MadePreparedT", covariant=True)


class Declaration(Protocol[SpecT, KeyT, StateT]):
    """Setup of a resource: all that a class under ``@op.declaration_connector`` needs, and half of a ``Target``."""

    @staticmethod
    @abstractmethod
    def get_persistent_key(spec: SpecT, target_name: str) -> KeyT | Awaitable[KeyT]:
        """The identity of the resource, for ever: another key is another resource.

        target_name: the export's name, for resources that the spec does not name. Of a declaration, its kind.

        Must be pure. What it returns is stored and given back in ``persistent_key_type``, so it holds no secret. A
        connector may leave out ``target_name``; type checkers then ask for an ignore.
        """
        ...

    @staticmethod
    @abstractmethod
    def apply_setup_change(
        key: KeyT, previous: StateT | None, current: StateT | None
    ) -> Awaitable[None] | None:
        """Make the resource (``previous`` is None), change it, or drop it (``current`` is None).

        Must be idempotent: a change may be repeated after a crash, and may find any other state, or none. An error stops
        the setup; the next one continues.
        """
        ...


class Target(Declaration[SpecT, KeyT, StateT], Protocol[SpecT, KeyT, StateT, PreparedT]):
    """What a target needs: setup, and ``mutate``."""

    @staticmethod
    @abstractmethod
    def mutate(*batches: tuple[PreparedT, dict[Any, Any]]) -> Awaitable[None] | None:
        """Write rows: each batch is (prepared, {key: row, or None to delete it}).

        The annotation of the parameter says in which form keys and rows come: ``tuple[PreparedT, dict[Key, Row |
        None]]`` with a basic type, a NamedTuple or a frozen dataclass as ``Key``, and a dataclass or ``dict[str, Any]`` as
        ``Row``. Without one, a key of one part comes as that part, several as a tuple, and a row as a dict by field name.

        Each key comes once per batch, no batch is empty, and at most 5000 rows come in one call. Deleting what is not
        there is no error. What was written is durable when the method returns. Raises
        ``MutationError(failed_keys={key: reason})`` if the target refuses some rows and wrote the others, and
        ``FencedError`` for a write of an earlier run.
        """
        ...


class ColumnTarget(Declaration[SpecT, KeyT, StateT], Protocol[SpecT, KeyT, StateT, PreparedT]):
    """A target that takes engine values without conversion: ``mutate_columns`` in place of ``mutate``."""

    @staticmethod
    @abstractmethod
    def mutate_columns(*batches: tuple[PreparedT, MutationColumns]) -> Awaitable[None] | None:
        """Write rows, as ``mutate`` does. Used in place of ``mutate`` if a connector has both.

        ``MutationColumns.changed`` is filled only for connectors with the attribute ``partial_update = True``.
        """
        ...


# -- setup ----------------------------------------------------------------------------------------
class DerivesState(Protocol[SpecT, MadeStateT]):
    """A setup state other than the spec. Default: the spec is the state."""

    @staticmethod
    @abstractmethod
    def get_setup_state(
        spec: SpecT,
        key_fields: list[FieldSchema],
        value_fields: list[FieldSchema],
        index_options: IndexOptions,
    ) -> MadeStateT | Awaitable[MadeStateT]:
        """All that setup depends on, such as columns and indexes.

        Stored, and given back as ``previous`` or ``existing`` in ``setup_state_cls``, so it holds no secret. Must be pure.
        Of a declaration it takes ``spec`` alone.
        """
        ...


class ComparesStates(Protocol[StateT]):
    """What a difference between two setup states costs. Default: ``PARTIALLY_COMPATIBLE`` unless they are equal."""

    @staticmethod
    @abstractmethod
    def check_state_compatibility(
        desired: StateT, existing: StateT
    ) -> TargetStateCompatibility | Awaitable[TargetStateCompatibility]:
        """Whether ``existing`` can become ``desired`` in place. Not called for equal states. Must be pure."""
        ...


class AppliesTogether(Protocol[KeyT, OwnStateT]):
    """Several changes in one call, for resources that depend on one another. Default: one call for each."""

    @staticmethod
    @abstractmethod
    def apply_setup_changes(
        changes: list[tuple[KeyT, OwnStateT | None, OwnStateT | None]],
    ) -> Awaitable[None] | None:
        """As ``apply_setup_change``, for (key, previous, current) each. A crash repeats all of them."""
        ...


class Describes(Protocol[GivenKeyT]):
    """The resource's name in plans and messages. Default: the kind and the key."""

    @staticmethod
    @abstractmethod
    def describe(key: GivenKeyT) -> str:
        """One line, such as ``table news of SQLite file out.db``. Holds no secret."""
        ...


class DescribesChanges(Protocol[GivenKeyT, StateT]):
    """The words of the change plan. Default: "alter" and the resource's name."""

    @staticmethod
    @abstractmethod
    def describe_change(
        key: GivenKeyT, previous: StateT, current: StateT
    ) -> Iterable[str] | Awaitable[Iterable[str]]:
        """One line for each thing that the change does. Neither state is None."""
        ...


class Adopts(Protocol[GivenKeyT, StateT]):
    """Takes over a resource that exists already. Default: setup creates the resource without looking."""

    @staticmethod
    @abstractmethod
    def check_existing(
        key: GivenKeyT, desired: StateT
    ) -> Adoption | str | Awaitable[Adoption | str | None] | None:
        """Look, before the first setup, at what is there under this key; change nothing.

        None for nothing, an ``Adoption`` for what fits and can be taken over without altering or losing any of it, else
        the reason to refuse.
        """
        ...


class UpgradesKeys(Protocol):
    """Reads persistent keys that an older release of the connector stored. Default: as they are."""

    @staticmethod
    @abstractmethod
    def upgrade_key(data: Any) -> Any:
        """What was stored, as plain data (str, dict, list ...), in the form that this release stores. Must be pure."""
        ...


class UpgradesStates(Protocol):
    """Reads setup states that an older release of the connector stored. Default: as they are."""

    @staticmethod
    @abstractmethod
    def upgrade_state(data: Any) -> Any:
        """What was stored, as plain data (str, dict, list ...), in the form that this release stores. Must be pure."""
        ...


class Validates(Protocol[SpecT]):
    """Refuses an export while the flow is being defined. Default: everything is taken."""

    @staticmethod
    @abstractmethod
    def validate(
        spec: SpecT,
        key_fields: list[FieldSchema],
        value_fields: list[FieldSchema],
        index_options: IndexOptions,
        attachments: list[Any],
    ) -> None:
        """Raise ``DefinitionError`` for a type, a name or an index that the target cannot hold. What is returned is ignored.

        attachments: specs of the export's attachments. Must be pure and connect to nothing.
        """
        ...


class NamesByDefault(Protocol[OwnSpecT]):
    """Completes a spec that names no resource. Default: the spec as it is."""

    @staticmethod
    @abstractmethod
    def with_default_name(spec: OwnSpecT, name: str) -> OwnSpecT:
        """The spec with a name. name: ``[Namespace__]Flow__export``; it may hold any character. Must be pure."""
        ...


class Renames(Protocol[SpecT, KeyT, OwnStateT]):
    """Another rule for default names than earlier releases had. Default: the resource is dropped and recreated."""

    @staticmethod
    @abstractmethod
    def former_keys(spec: SpecT, name: str) -> Iterable[KeyT] | Awaitable[Iterable[KeyT]]:
        """Keys under which earlier releases made the resource with the default name ``name``. Must be pure."""
        ...

    @staticmethod
    @abstractmethod
    def rename(former: KeyT, key: KeyT, states: list[OwnStateT]) -> Awaitable[None] | None:
        """Give the resource its key of today, with all rows. states: those it may be in.

        Must be idempotent, and may find nothing under ``former``.
        """
        ...


class DeletesRows(Protocol[GivenKeyT, StateT]):
    """Deletes the rows of a target that has no resource to drop. Default: dropping the resource deletes them."""

    @staticmethod
    @abstractmethod
    def delete_rows(key: GivenKeyT, state: StateT, keys: list[Any]) -> Awaitable[None] | None:
        """Before ``apply_setup_change(key, state, None)``: delete these rows, some thousand at a time.

        keys: all that state tracks, in the form in which ``mutate`` gets them. Must be idempotent.
        """
        ...


class CompletesByFlow(Protocol[OwnSpecT]):
    """Completes a spec by what only the rest of the flow says. Default: the spec as it is."""

    @staticmethod
    @abstractmethod
    def with_flow(spec: OwnSpecT, flow: FlowView) -> OwnSpecT:
        """The completed spec, as a graph's relationships need the keys of their end nodes.

        Called once for each export and declaration when the flow is defined. Must be pure. Raises ``DefinitionError`` for
        what does not fit together.
        """
        ...


class AltersValues(Protocol[SpecT]):
    """Values come back altered: text without NUL, a rounded number. Default: all come back as they were written."""

    @staticmethod
    @abstractmethod
    def stored_form(
        spec: SpecT, field: FieldSchema, index_options: IndexOptions
    ) -> Callable[[Any], Any] | None:
        """A function from an engine value of ``field`` to the one that comes back; None where they are always equal.

        coco identifies and compares rows by what the function returns. It is called for every value that is not None, so
        it must be quick. ``index_options`` may be left out of the signature.
        """
        ...


class LocatesFiles(Protocol[GivenKeyT]):
    """Keeps the resource in files of this machine. Default: none."""

    @staticmethod
    @abstractmethod
    def local_paths(key: GivenKeyT) -> Iterable[str] | Awaitable[Iterable[str]]:
        """Paths of the files and folders, those beside them included. Sources of files leave them out."""
        ...


class IdentifiesRows(Protocol[SpecT]):
    """Says which part of the spec alters stored rows. Default: none; the setup state alone counts."""

    @staticmethod
    @abstractmethod
    def data_identity(spec: SpecT) -> Any:
        """That part as plain data (None, str, int, list, dict). When it changes, all rows are written again."""
        ...


# -- rows -----------------------------------------------------------------------------------------
class Prepares(Protocol[SpecT, MadePreparedT]):
    """Opens the target once for a run. Default: the methods for rows get the spec."""

    @staticmethod
    @abstractmethod
    def prepare(
        spec: SpecT, key_fields: list[FieldSchema], value_fields: list[FieldSchema]
    ) -> MadePreparedT | Awaitable[MadePreparedT]:
        """What the methods for rows get as first argument; coco calls its ``aclose()`` or ``close()`` at the end.

        The last two parameters may be left out of the signature. Raises ``DriftError`` if the resource is missing.
        """
        ...


class Fences(Protocol[PreparedT]):
    """Rejects late writes of an earlier run. Default: such a write takes effect."""

    @staticmethod
    @abstractmethod
    def fence(prepared: PreparedT, token: FencingToken) -> Awaitable[None] | None:
        """Before the first write of a run: no write under a lower number of the same flow takes effect from now on.

        The target refuses it, or has ended it, or has waited for it; ``mutate`` under such a number raises ``FencedError``.
        Raises ``FencedError`` with the number that it knows if that is not lower.
        """
        ...


class Counts(Protocol[PreparedT]):
    """Counts rows, so that an update notices missing rows. Default: an update does not notice them."""

    @staticmethod
    @abstractmethod
    def count_rows(prepared: PreparedT) -> int | Awaitable[int]:
        """How many rows the resource holds. Raises ``DriftError`` if it is missing."""
        ...


class ListsKeys(Protocol[PreparedT]):
    """Lists keys, for ``coco verify``. Default: rows are only counted."""

    @staticmethod
    @abstractmethod
    def list_keys(prepared: PreparedT) -> Iterable[list[tuple[Any, ...]]]:
        """All keys, in lists; a key is the tuple of its parts as engine values. Raises ``DriftError``."""
        ...


class ReadsRows(Protocol[PreparedT]):
    """Reads rows back, for ``coco verify``. Needs ``list_keys``. Default: values are not compared."""

    @staticmethod
    @abstractmethod
    def read_rows(
        prepared: PreparedT, keys: list[tuple[Any, ...]]
    ) -> Mapping[tuple[Any, ...], tuple[Any, ...]] | Awaitable[Mapping[tuple[Any, ...], tuple[Any, ...]]]:
        """{key: row} of those that are there; a row is the tuple of its engine values in the order of the value fields.

        ``...`` stands for a value that cannot come back. Raises ``DriftError``.
        """
        ...


class ComparesValues(Protocol):
    """Compares values that the target keeps with less precision. Default: they must be equal."""

    @staticmethod
    @abstractmethod
    def values_equal(field: FieldSchema, written: Any, read: Any) -> bool:
        """Whether ``read`` is what the target makes of ``written``; both are engine values of ``field``. Must be pure."""
        ...


class KeepsEpochs(Protocol[PreparedT]):
    """Keeps a mark beside the rows, by which coco notices a backup that was restored alone. Default: it does not notice.

    coco writes a new mark into state and target before the first row of each run, and warns if the two differ.
    """

    @staticmethod
    @abstractmethod
    def read_epoch(prepared: PreparedT, flow: str) -> str | Awaitable[str | None] | None:
        """The mark that ``write_epoch`` left last for this flow; None if there is none."""
        ...

    @staticmethod
    @abstractmethod
    def write_epoch(prepared: PreparedT, flow: str, epoch: str) -> Awaitable[None] | None:
        """Keep a mark of at most 64 ASCII characters, one for each flow.

        Whatever copies or restores the rows must find it too. It outlives changes of the resource, and goes when that is
        dropped.
        """
        ...


# -- attachments ----------------------------------------------------------------------------------
class Attachment(Protocol[GivenKeyT, SpecT]):
    """What a class under ``@op.attachment_connector`` needs. ``GivenKeyT``: the persistent key of the target.

    Both methods must be idempotent: if the process is killed between a call and its record, the next setup repeats the call.
    """

    @staticmethod
    @abstractmethod
    def apply(target_key: GivenKeyT, spec: SpecT) -> Awaitable[None] | None:
        """Attach to a target that exists, or replace what an earlier spec attached."""
        ...

    @staticmethod
    @abstractmethod
    def teardown(target_key: GivenKeyT, saved_spec: SpecT) -> Awaitable[None] | None:
        """Detach. saved_spec: that of the last ``apply``."""
        ...


class ComparesAttachments(Protocol[SpecT]):
    """Says whether a changed spec has to be applied. Default: it has."""

    @staticmethod
    @abstractmethod
    def needs_apply(old: SpecT, new: SpecT) -> bool:
        """False if ``new`` needs no call of ``apply``. Not called for equal specs. Must be pure."""
        ...


TargetConnector: TypeAlias = Target[Any, Any, Any, Any]
"""The former name of ``Target``."""
