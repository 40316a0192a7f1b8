"""The target ``Files``: its spec, and the connector, which only delegates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from coco import op
from coco.errors import DefinitionError
from coco.index import IndexOptions
from coco.op import MutationColumns, TargetStateCompatibility
from coco.typing import BasicValueType, FieldSchema
from coco_target_files import setup, state
from coco_target_files.folder import Folder
from coco_target_files.names import KeyNames
from coco_target_files.render import SUFFIXES, Renderer
from coco_target_files.state import FolderState


class Files(op.TargetSpec):
    """A folder with one file for each exported row."""

    path: str
    """The folder. Setup makes it, with its parents. A relative path is resolved against the working directory."""
    format: Literal["markdown", "html", "json"] = "markdown"
    """The format of the files; the README shows each."""
    content: str | None = None
    """The Str field that is the text of the file. The other fields are its front matter (Markdown) or hidden data (HTML). Not
    for JSON."""
    metadata: bool = True
    """False: the file holds the text and nothing else; then ``content`` must be the only value field."""
    suffix: str | None = None
    """Of file names. None: ``.md``, ``.html`` or ``.json``, by the format."""
    case_sensitive: bool = False
    """True: a key that is not all in lower case gets no digest in its file name. For file systems on which ``README`` and
    ``readme`` are two files."""


def _suffix(spec: Files) -> str:
    return spec.suffix if spec.suffix is not None else SUFFIXES[spec.format]


@op.target_connector(spec_cls=Files, persistent_key_type=str, setup_state_cls=FolderState)
class FilesConnector:
    """Setup in ``setup``, rows in ``folder``, places in ``names``, contents in ``render``."""

    # -- definition -------------------------------------------------------------------------------
    @staticmethod
    def validate(
        spec: Files,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        if not spec.path or "\0" in spec.path:
            raise DefinitionError(f"Files: path must name a folder, got {spec.path!r}")
        if spec.format not in SUFFIXES:
            raise DefinitionError(f"Files: format must be one of {', '.join(SUFFIXES)}, got {spec.format!r}")
        suffix = _suffix(spec)
        plain = suffix[1:].replace(".", "").replace("_", "").replace("-", "")
        if not (suffix.startswith(".") and plain.isascii() and plain.isalnum() and len(suffix) <= 32) or (
            suffix != suffix.lower() or suffix.endswith(".") or ".." in suffix
        ):
            raise DefinitionError(
                f"Files: suffix must be like '.md', in lower-case letters, digits, '-', '_' and '.', got {suffix!r}"
            )
        _check_content(spec, value_fields)
        if index_options.vector_indexes or index_options.fts_indexes:
            raise DefinitionError("Files: a folder has no indexes; leave vector_indexes and fts_indexes out")

    @staticmethod
    def get_persistent_key(spec: Files, target_name: str) -> str:
        return os.path.abspath(os.path.expanduser(spec.path))

    @staticmethod
    def local_paths(key: str) -> list[str]:
        """The folder; what is in it but no row; and the place where it is made."""
        return [key, *setup.paths_beside(key)]

    @staticmethod
    def data_identity(spec: Files) -> list[Any]:
        return [spec.format, spec.content, spec.metadata]

    # -- setup ------------------------------------------------------------------------------------
    @staticmethod
    def get_setup_state(
        spec: Files,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> FolderState:
        return state.folder_state(
            spec.format,
            spec.content,
            spec.metadata,
            _suffix(spec),
            spec.case_sensitive,
            key_fields,
            value_fields,
        )

    @staticmethod
    def check_state_compatibility(desired: FolderState, existing: FolderState) -> TargetStateCompatibility:
        return state.compatibility(desired, existing)

    @staticmethod
    def describe(key: str) -> str:
        return f"folder {key}"

    @staticmethod
    def describe_change(key: str, previous: FolderState | None, current: FolderState) -> list[str]:
        return state.change_lines(previous, current)

    @staticmethod
    def check_existing(key: str, desired_state: FolderState) -> str | None:
        return setup.existing_problem(key)

    @staticmethod
    def apply_setup_change(key: str, previous: FolderState | None, current: FolderState | None) -> None:
        setup.apply_change(key, current)

    # -- rows -------------------------------------------------------------------------------------
    @staticmethod
    def prepare(
        spec: Files, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]
    ) -> Folder:
        names = KeyNames(key_fields, _suffix(spec), case_sensitive=spec.case_sensitive)
        renderer = Renderer(spec.format, spec.content, spec.metadata, key_fields, value_fields, names)
        return Folder(FilesConnector.get_persistent_key(spec, ""), key_fields, names, renderer)

    @staticmethod
    def mutate_columns(*batches: tuple[Folder, MutationColumns]) -> None:
        for folder, columns in batches:
            folder.mutate(columns)

    @staticmethod
    def count_rows(folder: Folder) -> int:
        return folder.count()

    @staticmethod
    def read_epoch(folder: Folder, flow: str) -> str | None:
        return folder.read_epoch(flow)

    @staticmethod
    def write_epoch(folder: Folder, flow: str, epoch: str) -> None:
        folder.write_epoch(flow, epoch)

    @staticmethod
    def list_keys(folder: Folder) -> Iterator[list[tuple[Any, ...]]]:
        return folder.list_keys()

    @staticmethod
    def read_rows(folder: Folder, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return folder.read_rows(keys)


def _check_content(spec: Files, value_fields: Sequence[FieldSchema]) -> None:
    others = [item.name for item in value_fields if item.name != spec.content]
    if spec.content is None:
        if not spec.metadata:
            raise DefinitionError(
                "Files: with metadata=False a file is the text of one field; name it by content="
            )
        return
    if spec.format == "json":
        raise DefinitionError("Files: a JSON file holds all fields alike; leave content= and metadata= out")
    fields = {item.name: item.value_type.type for item in value_fields}
    type_ = fields.get(spec.content)
    if type_ != BasicValueType("Str"):
        raise DefinitionError(
            f"Files: content={spec.content!r} must be an exported Str field that is no part of the key, "
            f"{'but it is ' + str(type_) if type_ is not None else 'got ' + (', '.join(fields) or 'none')}"
        )
    if not spec.metadata and others:
        raise DefinitionError(
            f"Files: with metadata=False there is no place for {', '.join(others)}; collect {spec.content!r} alone, "
            "or leave metadata= out"
        )
