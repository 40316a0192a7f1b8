"""Schemas in few words, a folder to work on, and a source whose rows a test holds in its hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from coco.index import IndexOptions
from coco.op import MutationColumns
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, ValueType
from coco_target_files.folder import Folder
from coco_target_files.spec import Files, FilesConnector

Row = tuple[Any, ...]
OWN = ".coco-files"


def field(name: str, type_: ValueType | str = "Str", *, nullable: bool = False) -> FieldSchema:
    value_type = BasicValueType(type_) if isinstance(type_, str) else type_
    return FieldSchema(name, EnrichedValueType(value_type, nullable))


ID, TEXT, SIZE = field("id"), field("text", nullable=True), field("size", "Int64", nullable=True)


class Export:
    """An export without a flow, with keys ``id`` and values ``text`` and ``size``, unless told otherwise."""

    def __init__(
        self,
        root: Path,
        key: Sequence[FieldSchema] = (ID,),
        values: Sequence[FieldSchema] = (TEXT, SIZE),
        **options: Any,
    ) -> None:
        self.root = root
        self.spec = Files(path=str(root), **options)
        self.fields = (list(key), list(values))
        self.options = IndexOptions([item.name for item in key])
        FilesConnector.validate(self.spec, *self.fields, self.options, [])
        self.key = FilesConnector.get_persistent_key(self.spec, "rows")

    @property
    def state(self) -> Any:
        return FilesConnector.get_setup_state(self.spec, *self.fields, self.options)

    def set_up(self) -> None:
        FilesConnector.apply_setup_change(self.key, None, self.state)

    def drop(self) -> None:
        FilesConnector.apply_setup_change(self.key, self.state, None)

    def open(self) -> Folder:
        return FilesConnector.prepare(self.spec, *self.fields)

    def write(self, upserts: Mapping[Row, Row] | None = None, deletes: Sequence[Row] = ()) -> None:
        rows = upserts or {}
        batch = MutationColumns(*self.fields, list(rows), list(rows.values()), list(deletes))
        with closing(self.open()) as folder:
            FilesConnector.mutate_columns((folder, batch))

    def rows(self) -> dict[Row, Row]:
        """What the folder gives back, in engine values."""
        with closing(self.open()) as folder:
            keys = [key for part in folder.list_keys() for key in part]
            assert folder.count() == len(keys)
            return folder.read_rows(keys)


def tree(root: Path) -> dict[str, str]:
    """Files below a folder by relative path, and empty folders, but not coco's own."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith(OWN):
            continue
        if path.is_file():
            found[name] = path.read_text()
        elif path.is_dir() and not any(path.iterdir()):
            found[name + "/"] = ""
    return found
