"""What setup remembers of a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coco.kit.state_diff import type_data
from coco.op import TargetStateCompatibility
from coco.typing import FieldSchema
from coco_target_files.render import RENDERING


@dataclass(frozen=True)
class Layout:
    """What decides where a row's file is. ``keys``: types of the key's parts as plain data."""

    keys: list[Any]
    suffix: str
    case_sensitive: bool = False


@dataclass(frozen=True)
class FolderState:
    """A folder as coco wants it. ``fields``: name and type of each, in order."""

    layout: Layout
    format: str
    content: str | None = None
    metadata: bool = True
    fields: list[Any] = dataclasses.field(default_factory=list)
    rendering: int = RENDERING


def folder_state(
    format_: str,
    content: str | None,
    metadata: bool,
    suffix: str,
    case_sensitive: bool,
    key_fields: Sequence[FieldSchema],
    value_fields: Sequence[FieldSchema],
) -> FolderState:
    """The state of an export."""
    keys = [type_data(item.value_type.type) for item in key_fields]
    fields = [[item.name, type_data(item.value_type.type)] for item in (*key_fields, *value_fields)]
    return FolderState(Layout(keys, suffix, case_sensitive), format_, content, metadata, fields)


def compatibility(desired: FolderState, existing: FolderState) -> TargetStateCompatibility:
    """Other places: other files. Other contents: the same files, written again."""
    if desired.layout != existing.layout:
        return TargetStateCompatibility.NOT_COMPATIBLE
    if desired != existing:
        return TargetStateCompatibility.PARTIALLY_COMPATIBLE
    return TargetStateCompatibility.COMPATIBLE


def change_lines(previous: FolderState | None, current: FolderState) -> list[str]:
    """For the plan."""
    if previous is None or previous == current:
        return []
    before, after = (dict(map(tuple, state.fields)) for state in (previous, current))
    lines = [f"field {name} is removed from the files" for name in before if name not in after]
    lines += [f"field {name} is added to the files" for name in after if name not in before]
    return [*lines, "write all files again"]
