"""One export during one run: its ids, its logic, and the rows that a batch yields for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coco.engine.batches import Collected, RowProblem, TargetRows
from coco.errors import Phase, ValueConversionError
from coco.flow.graph import ExportStep
from coco.hot import fingerprint
from coco.hot.reconcile_cy import FIELD_FP
from coco.types.schema import BasicValueType
from coco.types.storage import pack


@dataclass(slots=True)
class ExportRun:
    """``partial``: the target can write single columns, so fields are fingerprinted one by one."""

    step: ExportStep
    target_id: int
    schema_version: int
    logic: dict[str, bytes]
    partial: bool
    shared: bool

    @property
    def name(self) -> str:
        return self.step.name

    def rows_of(
        self, collected: Collected, count: int, on_duplicates: Callable[[int, str], None]
    ) -> tuple[list[TargetRows | None], dict[int, RowProblem]]:
        """Target rows per source row. A null in a key is a problem of its source row (I-81).

        Entries of one source row with one key: the later wins (I-49); ``on_duplicates(rows, example)`` is
        told of those that differed.
        """
        result: list[TargetRows | None] = [None] * count
        problems: dict[int, RowProblem] = {}
        seen: dict[tuple[int, bytes], int] = {}
        duplicates = 0
        example = ""
        normalise = [
            position
            for position, item in enumerate(self.step.key_fields)
            if isinstance(item.value_type.type, BasicValueType)
            and item.value_type.type.kind == "OffsetDateTime"
        ]
        prefix = self.schema_version.to_bytes(4, "big")
        for entries in collected.entries.get(self.step.collector, ()):
            key_columns = [entries.columns[position] for position in self.step.key_positions]
            value_columns = [entries.columns[position] for position in self.step.value_positions]
            for position in normalise:
                # As a key only the instant counts (T-010).
                key_columns[position] = [None if v is None else (v[0], 0) for v in key_columns[position]]
            check_null = any(None in column for column in key_columns)
            parts = list(zip(*key_columns, strict=True))
            packed = [pack(key) for key in parts]
            if value_columns:
                values = list(zip(*value_columns, strict=True))
            else:
                values = [()] * len(parts)
            fps = [fingerprint(prefix + pack(value)) for value in values]
            if self.partial:
                fields = [
                    [fingerprint(pack(value))[:FIELD_FP] for value in column] for column in value_columns
                ]
                fps = [b"".join(item) for item in zip(fps, *fields, strict=True)]
            for index, owner in enumerate(entries.owners):
                if check_null and None in parts[index]:
                    missing = self.step.key_fields[parts[index].index(None)].name
                    problems.setdefault(
                        owner,
                        RowProblem(
                            Phase.EVALUATE.value,
                            f"export:{self.name}",
                            ValueConversionError(
                                f"a value for primary key field '{missing}'", "null", (missing,)
                            ),
                        ),
                    )
                    continue
                rows = result[owner]
                if rows is None:
                    rows = result[owner] = TargetRows()
                key = packed[index]
                mark = (owner, key)
                place = seen.get(mark)
                if place is None:
                    seen[mark] = len(rows.keys)
                    rows.keys.append(key)
                    rows.parts.append(parts[index])
                    rows.fps.append(fps[index])
                    rows.values.append(values[index])
                elif rows.fps[place] != fps[index]:
                    duplicates += 1
                    example = example or repr(parts[index])[:120]
                    rows.fps[place] = fps[index]
                    rows.values[place] = values[index]
        if duplicates:
            on_duplicates(duplicates, example)
        return result, problems
