"""What a type checker makes of connectors; checked by ``test_types_examples.py``, never run.

A line with ``# type: ignore[...]`` must be an error: strict mode reports an ignore that is not needed.
"""

import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coco import op
from coco.typing import FieldSchema


class Shelf(op.TargetSpec):
    folder: str


class Feed(op.SourceSpec):
    url: str


class Room(op.DeclarationSpec):
    name: str


class Label(op.TargetAttachmentSpec):
    name: str


class Key(NamedTuple):
    id: str


@dataclasses.dataclass
class Book:
    text: str


@dataclasses.dataclass
class Columns:
    names: list[str]


# -- a connector with five faults, of which a checker sees those that are no misspelt names
@op.target_connector(spec_cls=Shelf, persistent_key_type=str)  # type: ignore[arg-type]
class FiveFaults:
    @staticmethod
    def get_persistent_key(spec: int) -> bytes:
        return b""

    @staticmethod
    def apply_setup_change() -> None: ...

    @staticmethod
    def count_row(spec: Shelf) -> int:
        return 0

    @staticmethod
    def get_setup_states(spec: Shelf) -> int:
        return 0

    @staticmethod
    def mutate(*all_mutations: tuple[Shelf, dict[str, dict[str, str] | None]]) -> str:
        return ""


# -- each of them alone, beside what is right
class Setup:
    @staticmethod
    def get_persistent_key(spec: Shelf, target_name: str) -> str:
        return spec.folder

    @staticmethod
    def apply_setup_change(key: str, previous: Shelf | None, current: Shelf | None) -> None: ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)
class Good(Setup):
    partial_update = True

    @staticmethod
    def prepare(spec: Shelf) -> Path:
        return Path(spec.folder)

    @staticmethod
    def mutate(*batches: tuple[Path, dict[str, Book | None]]) -> None: ...

    @staticmethod
    def count_rows(prepared: Path) -> int:
        return 0


@op.target_connector(spec_cls=Shelf)
class GoodWithoutKeyType(Good): ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=str | None)
class GoodWithUnionAsKey(Good): ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=Key, setup_state_cls=Columns)
class GoodAsync:
    @classmethod
    async def get_persistent_key(cls, spec: op.TargetSpec, target_name: str) -> Key:
        return Key(target_name)

    @staticmethod
    async def apply_setup_change(key: Key, previous: Columns | None, current: Columns | None) -> None: ...

    @staticmethod
    async def mutate_columns(*batches: tuple[Any, op.MutationColumns]) -> None: ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)  # type: ignore[arg-type]
class WrongKey(Good):
    @staticmethod
    def get_persistent_key(spec: Shelf, target_name: str) -> bytes:  # type: ignore[override]
        return b""


@op.target_connector(spec_cls=Shelf, persistent_key_type=str, setup_state_cls=Columns)  # type: ignore[arg-type]
class WrongState(Good): ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)  # type: ignore[arg-type]
class WrongMutate(Setup):
    @staticmethod
    def mutate(*batches: tuple[Shelf, dict[str, Book | None]]) -> str:
        return ""


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)  # type: ignore[arg-type]
class NoMutate(Setup): ...


@op.target_connector(spec_cls=Shelf, persistent_key_type=str)
class ForgottenStatic(Good):
    def apply_setup_change(key: str, previous: Shelf | None, current: Shelf | None) -> None: ...  # type: ignore[override, misc]


# -- abilities, compared because they are named as bases
@op.target_connector(spec_cls=Shelf, persistent_key_type=str, setup_state_cls=Columns)
class Able(
    op.Target[Shelf, str, Columns, Path],
    op.Prepares[Shelf, Path],
    op.Counts[Path],
    op.ListsKeys[Path],
    op.DerivesState[Shelf, Columns],
):
    @staticmethod
    def get_persistent_key(spec: Shelf, target_name: str) -> str:
        return spec.folder

    @staticmethod
    def get_setup_state(
        spec: Shelf,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: Any,
    ) -> Columns:
        return Columns([item.name for item in (*key_fields, *value_fields)])

    @staticmethod
    def apply_setup_change(key: str, previous: Columns | None, current: Columns | None) -> None: ...

    @staticmethod
    def prepare(spec: Shelf, key_fields: list[FieldSchema], value_fields: list[FieldSchema]) -> Path:
        return Path(spec.folder)

    @staticmethod
    async def mutate(*batches: tuple[Path, dict[str, Book | None]]) -> None: ...

    @staticmethod
    async def count_rows(prepared: Path) -> int:
        return 0

    @staticmethod
    def list_keys(prepared: Path) -> Iterator[list[tuple[Any, ...]]]:
        yield []


class WrongAbilities(Good, op.Counts[Path], op.ListsKeys[Path]):
    @staticmethod
    def count_rows(prepared: int) -> int:  # type: ignore[override]
        return 0

    @staticmethod
    def list_keys(prepared: Path) -> str:  # type: ignore[override]
        return ""


class Promised(op.Counts[Path]):
    @staticmethod
    def count_row(prepared: Path) -> int:
        return 0


Promised()  # type: ignore[abstract]


# -- declarations and attachments
def _nothing(key: str, previous: Any, current: Any) -> None: ...


@op.declaration_connector(spec_cls=Room, persistent_key_type=str)
class GoodRoom:
    @staticmethod
    def get_persistent_key(spec: Room) -> str:
        return spec.name

    apply_setup_change = staticmethod(_nothing)


@op.declaration_connector(spec_cls=Room, persistent_key_type=int)  # type: ignore[arg-type]
class WrongRoom(GoodRoom): ...


@op.attachment_connector(spec_cls=Label, target_kinds=["Shelf"])
class GoodLabel:
    @staticmethod
    def apply(target_key: str, spec: Label) -> None: ...

    @staticmethod
    async def teardown(target_key: str, saved_spec: Label) -> None: ...


@op.attachment_connector(spec_cls=Label, target_kinds=["Shelf"])  # type: ignore[arg-type]
class WrongLabel:
    @staticmethod
    def apply(target_key: str) -> None: ...

    @staticmethod
    def teardown(target_key: str, saved_spec: Label) -> None: ...


# -- sources
@op.source_connector(spec_cls=Feed, key_type=Key, value_type=Book)
class GoodFeed:
    @staticmethod
    def create(spec: Feed) -> "GoodFeed":
        return GoodFeed()

    def list(self) -> Iterator[op.PartialSourceRow[Key, Book]]:
        yield op.PartialSourceRow(Key("1"), op.PartialSourceRowData(Book("")))

    async def get_value(self, key: Key, options: op.SourceReadOptions) -> op.PartialSourceRowData[Book]:
        return op.PartialSourceRowData(op.NON_EXISTENCE)


@op.source_connector(spec_cls=Feed, key_type=Key, value_type=Book)
class GoodFeedByProtocol(op.Source[Feed, Key, Book], op.ProvidesOrdinals):
    @staticmethod
    async def create(spec: Feed) -> "GoodFeedByProtocol":
        return GoodFeedByProtocol()

    async def list(self, options: op.SourceReadOptions) -> AsyncIterator[op.PartialSourceRow[Key, Book]]:
        yield op.PartialSourceRow(Key("1"), op.PartialSourceRowData(Book("")))

    def get_value(self, key: Key) -> op.PartialSourceRowData[Book]:
        return op.PartialSourceRowData(Book(""), 1)

    @staticmethod
    def provides_ordinal() -> bool:
        return True


@op.source_connector(spec_cls=Feed)
class GoodFeedWithTypes(GoodFeed):
    @staticmethod
    def types(spec: Feed) -> tuple[type[Key], type[Book]]:
        return Key, Book


@op.source_connector(spec_cls=Feed, key_type=str, value_type=Book)  # type: ignore[arg-type]
class WrongFeedKey(GoodFeed): ...


@op.source_connector(spec_cls=Feed, key_type=Key, value_type=Columns)  # type: ignore[arg-type]
class WrongFeedValue(GoodFeed): ...


@op.source_connector(spec_cls=Feed, key_type=Key, value_type=Book)  # type: ignore[arg-type]
class WrongFeed(GoodFeed):
    def get_value(self) -> Book:  # type: ignore[override]
        return Book("")
