"""What the decorators of connectors take, for type checkers.

The protocols of targets here say of a class itself what those of ``target_protocols`` say of its static methods, so ``self`` is
the class. A checker then shows which method differs, and takes class methods and attributes that are functions as well.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol, TypeAlias, TypeVar

from coco.ops.source_protocols import Source
from coco.ops.targets import MutationColumns

SpecT = TypeVar("SpecT", contravariant=True)
KeyT = TypeVar("KeyT")
GivenKeyT = TypeVar("GivenKeyT", contravariant=True)
StateT = TypeVar("StateT", contravariant=True)
OwnSpecT = TypeVar("OwnSpecT")
OwnStateT = TypeVar("OwnStateT")
ValueT = TypeVar("ValueT")


class _Setup(Protocol[GivenKeyT, StateT]):
    def apply_setup_change(
        self, key: GivenKeyT, previous: StateT | None, current: StateT | None, /
    ) -> Awaitable[None] | None: ...


class _NamedSetup(_Setup[KeyT, StateT], Protocol[SpecT, KeyT, StateT]):
    def get_persistent_key(self, spec: SpecT, target_name: str, /) -> KeyT | Awaitable[KeyT]: ...


class Target(_NamedSetup[SpecT, KeyT, StateT], Protocol[SpecT, KeyT, StateT]):
    """A class with the methods of ``op.Target``."""

    def mutate(self, *batches: tuple[Any, dict[Any, Any]]) -> Awaitable[None] | None:
        """As ``op.Target.mutate``."""
        ...


class ColumnTarget(_NamedSetup[SpecT, KeyT, StateT], Protocol[SpecT, KeyT, StateT]):
    """A class with the methods of ``op.ColumnTarget``."""

    def mutate_columns(self, *batches: tuple[Any, MutationColumns]) -> Awaitable[None] | None:
        """As ``op.ColumnTarget.mutate_columns``."""
        ...


class Declaration(_NamedSetup[SpecT, KeyT, StateT], Protocol[SpecT, KeyT, StateT]):
    """A class with the methods of ``op.Declaration``."""


class ShortDeclaration(_Setup[KeyT, StateT], Protocol[SpecT, KeyT, StateT]):
    """The same, for one that leaves out ``target_name``, which is its kind."""

    def get_persistent_key(self, spec: SpecT, /) -> KeyT | Awaitable[KeyT]:
        """As ``op.Declaration.get_persistent_key``."""
        ...


class Attachment(Protocol[SpecT]):
    """A class with the methods of ``op.Attachment``."""

    def apply(self, target_key: Any, spec: SpecT, /) -> Awaitable[None] | None:
        """As ``op.Attachment.apply``."""
        ...

    def teardown(self, target_key: Any, saved_spec: SpecT, /) -> Awaitable[None] | None:
        """As ``op.Attachment.teardown``."""
        ...


TargetClass: TypeAlias = Target[OwnSpecT, KeyT, OwnStateT] | ColumnTarget[OwnSpecT, KeyT, OwnStateT]
DeclarationClass: TypeAlias = (
    Declaration[OwnSpecT, KeyT, OwnStateT] | ShortDeclaration[OwnSpecT, KeyT, OwnStateT]
)
AttachmentClass: TypeAlias = Attachment[OwnSpecT]
SourceClass: TypeAlias = type[Source[OwnSpecT, KeyT, ValueT]]
