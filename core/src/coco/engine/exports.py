"""One export during one run: its ids, its logic, and the rows that a batch yields for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from coco.engine.batches import Collected, RowProblem, TargetRows
from coco.errors import Phase, ValueConversionError
from coco.flow.graph import ExportStep
from coco.hot import FIELD_FP, ROW_FP, fingerprint_rows, fingerprint_values, group_rows, pack_all
from coco.ops.calls import accepts
from coco.plan.fingerprints import fingerprint_json, schema_identity
from coco.types.schema import BasicValueType, FieldSchema
from coco.types.storage import pack

StoredForm = Callable[[Any], Any]
"""Converts an engine value to the value that the target will return; not called for null."""


class ExportRun(Struct):
    """One export during one run.

    ``partial``: the target can write single columns, so each field has its own fingerprint. ``shared``: several source
    rows may yield one target row, so state stores the owners of target rows.
    """

    step: ExportStep
    target_id: int
    schema_version: int
    logic: dict[str, bytes]
    partial: bool
    shared: bool
    forms: tuple[list[StoredForm | None], list[StoredForm | None]] | None = None

    @property
    def name(self) -> str:
        return self.step.name

    def row_prefix(self) -> bytes:
        """The part of a row's fingerprint besides its values: field names, and whether stored values can be compared."""
        return fingerprint_json(["row", self.schema_version, schema_identity(self.step.value_fields)])

    def _field_prefixes(self) -> list[bytes]:
        return [
            fingerprint_json(["field", self.schema_version, schema_identity((item,))])
            for item in self.step.value_fields
        ]

    def rows_of(
        self, collected: Collected, count: int, on_duplicates: Callable[[int, str], None]
    ) -> tuple[list[TargetRows | None], dict[int, RowProblem]]:
        """Target rows per source row. A null in a key fails its source row.

        If one source row yields several entries with one key, the last one is kept; ``on_duplicates(rows, example)`` is
        called for those that differ.
        """
        rows: list[tuple[list[Any], ...] | None] = [None] * count
        places: list[Any] = [None] * count
        problems: dict[int, RowProblem] = {}
        duplicates = 0
        example = ""
        normalise = [
            position
            for position, item in enumerate(self.step.key_fields)
            if isinstance(item.value_type.type, BasicValueType)
            and item.value_type.type.kind == "OffsetDateTime"
        ]
        prefix = self.row_prefix()
        field_prefixes = self._field_prefixes() if self.partial else []
        for entries in collected.entries.get(self.step.collector, ()):
            key_columns = [entries.columns[position] for position in self.step.key_positions]
            value_columns = [entries.columns[position] for position in self.step.value_positions]
            key_forms, value_forms = self._stored_forms()
            key_columns = _apply_forms(key_columns, key_forms)
            value_columns = _apply_forms(value_columns, value_forms)
            for position in normalise:
                # As a key only the instant counts.
                key_columns[position] = [None if v is None else (v[0], 0) for v in key_columns[position]]
            check_null = any(None in column for column in key_columns)
            parts = list(zip(*key_columns, strict=True))
            values = list(zip(*value_columns, strict=True)) if value_columns else [()] * len(parts)
            if self.partial and value_columns:
                fps = fingerprint_rows(prefix, field_prefixes, value_columns, pack, ROW_FP, FIELD_FP)
            else:
                fps = fingerprint_values(prefix, values, pack, ROW_FP)
            replaced, first, missing = group_rows(
                entries.owners, pack_all(parts, pack), parts, fps, values, places, rows, check_null
            )
            for index in missing:
                element = entries.element(index) if entries.element is not None else ""
                problems.setdefault(entries.owners[index], self._null_in_key(parts[index], element))
            duplicates += replaced
            if first >= 0:
                example = example or repr(parts[first])[:120]
        if duplicates:
            on_duplicates(duplicates, example)
        return [None if item is None else TargetRows(*item) for item in rows], problems

    def _null_in_key(self, parts: tuple[Any, ...], element: str) -> RowProblem:
        name = self.step.key_fields[parts.index(None)].name
        error = ValueConversionError(f"a value for primary key field '{name}'", "null", (name,))
        return RowProblem(Phase.EVALUATE.value, f"export:{self.name}", error, element=element)

    def _stored_forms(self) -> tuple[list[StoredForm | None], list[StoredForm | None]]:
        """Per key and value field, a conversion that makes values equal if the target cannot distinguish them."""
        if self.forms is None:
            hook = self.step.target.method("stored_form")
            wants_indexes = hook is not None and accepts(hook, 3)
            more = (self.step.index_options,) if wants_indexes else ()

            def forms(fields: tuple[FieldSchema, ...]) -> list[StoredForm | None]:
                return [hook(self.step.spec, item, *more) if hook is not None else None for item in fields]

            self.forms = forms(self.step.key_fields), forms(self.step.value_fields)
        return self.forms


def _apply_forms(columns: list[list[Any]], forms: list[StoredForm | None]) -> list[list[Any]]:
    return [
        column if form is None else [None if value is None else form(value) for value in column]
        for column, form in zip(columns, forms, strict=True)
    ]
