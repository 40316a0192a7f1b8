"""A target, an attachment and a declaration that note what setup asks of them, and flows that use them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import coco
from coco import op
from coco.flow import make_setup_bundle


class LabKey(NamedTuple):
    name: str


@dataclasses.dataclass
class LabRow:
    text: str
    size: int


class LabSource(op.SourceSpec):
    """Two rows."""


@op.source_connector(spec_cls=LabSource, key_type=LabKey, value_type=LabRow)
class LabSourceConnector:
    @staticmethod
    def create(spec: LabSource) -> LabSourceConnector:
        return LabSourceConnector()

    def list(self) -> list[op.PartialSourceRow[LabKey, LabRow]]:
        data = op.PartialSourceRowData(value=LabRow("text", 4))
        return [op.PartialSourceRow(LabKey(name), data) for name in ("a", "b")]

    def get_value(self, key: LabKey) -> op.PartialSourceRowData[LabRow]:
        return op.PartialSourceRowData(value=LabRow("text", 4))


@dataclasses.dataclass(frozen=True)
class LabState:
    columns: list[str]
    comment: str = ""


class LabTarget(op.TargetSpec):
    """A table in a dictionary."""

    table: str
    comment: str = ""
    secret: coco.AuthEntryReference[str] | None = None


class LabIndex(op.TargetAttachmentSpec):
    name: str
    definition: str = ""
    note: str = ""


class LabTrigger(op.TargetAttachmentSpec):
    """Another kind of attachment."""

    name: str
    definition: str = ""


class LabExtra(op.DeclarationSpec):
    """Something with no rows."""

    label: str


@dataclasses.dataclass(frozen=True)
class LabTableKey:
    table: str
    secret: coco.AuthEntryReference[str] | None = None


class Lab:
    """The backend, and the calls that reached it."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}
        self.rows: dict[str, dict[Any, Any]] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.fail: Callable[[tuple[Any, ...]], bool] = lambda call: False
        self.looked = 0
        self.unreachable = False

    def note(self, *call: Any) -> None:
        if self.fail(call):
            raise OSError(f"cannot {call[0]} {call[1]}")
        self.calls.append(call)

    def taken(self) -> list[tuple[Any, ...]]:
        calls, self.calls = self.calls, []
        return calls


LAB = Lab()


@op.target_connector(spec_cls=LabTarget, persistent_key_type=LabTableKey, setup_state_cls=LabState)
class LabTargetConnector:
    @staticmethod
    def get_persistent_key(spec: LabTarget, target_name: str) -> LabTableKey:
        return LabTableKey(spec.table, spec.secret)

    @staticmethod
    async def get_setup_state(spec: LabTarget, keys: Any, values: Any, index_options: Any) -> LabState:
        return LabState([item.name for item in values], spec.comment)

    @staticmethod
    async def check_state_compatibility(desired: LabState, existing: LabState) -> op.TargetStateCompatibility:
        if desired.columns == existing.columns:
            return op.TargetStateCompatibility.COMPATIBLE
        return op.TargetStateCompatibility.PARTIALLY_COMPATIBLE

    @staticmethod
    def describe(key: LabTableKey) -> str:
        return f"table {key.table}"

    @staticmethod
    def describe_change(key: LabTableKey, previous: LabState, current: LabState) -> list[str]:
        return [f"alter {key.table}: {previous.columns} -> {current.columns}"]

    @staticmethod
    def check_existing(key: LabTableKey, desired: LabState) -> op.Adoption | str | None:
        LAB.looked += 1
        if LAB.unreachable:
            raise OSError("no route to the lab")
        found = LAB.tables.get(key.table)
        if found is None:
            return None
        if found == desired:
            return op.Adoption(f"it holds {len(LAB.rows.get(key.table, {}))} rows")
        return f"table {key.table} exists and has other columns"

    @staticmethod
    def upgrade_key(data: Any) -> Any:
        """Older releases said ``name`` for ``table``."""
        return {"table" if name == "name" else name: value for name, value in data.items()}

    @staticmethod
    async def upgrade_state(data: Any) -> Any:
        """Older releases kept the columns as one text."""
        columns = data["columns"]
        return {**data, "columns": columns.split() if isinstance(columns, str) else columns}

    @staticmethod
    def apply_setup_change(key: LabTableKey, previous: LabState | None, current: LabState | None) -> None:
        LAB.note("change", key.table, previous, current)
        if current is None:
            LAB.tables.pop(key.table, None)
            LAB.rows.pop(key.table, None)
        else:
            LAB.tables[key.table] = current
            LAB.rows.setdefault(key.table, {})

    @staticmethod
    def mutate(*batches: tuple[LabTarget, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            for key, value in changes.items():
                if value is None:
                    LAB.rows[spec.table].pop(key, None)
                else:
                    LAB.rows.setdefault(spec.table, {})[key] = value


@op.attachment_connector(spec_cls=LabTrigger, target_kinds=["LabTarget"])
class LabTriggerConnector:
    @staticmethod
    def apply(target_key: LabTableKey, spec: LabTrigger) -> None:
        LAB.note("attach", target_key.table, spec.name, spec.definition)

    @staticmethod
    def teardown(target_key: LabTableKey, saved_spec: LabTrigger) -> None:
        LAB.note("detach", target_key.table, saved_spec.name, saved_spec.definition)


@op.attachment_connector(spec_cls=LabIndex, target_kinds=["LabTarget"])
class LabIndexConnector:
    @staticmethod
    def apply(target_key: LabTableKey, spec: LabIndex) -> None:
        LAB.note("attach", target_key.table, spec.name, spec.definition)

    @staticmethod
    def teardown(target_key: LabTableKey, saved_spec: LabIndex) -> None:
        LAB.note("detach", target_key.table, saved_spec.name, saved_spec.definition)

    @staticmethod
    def needs_apply(old: LabIndex, new: LabIndex) -> bool:
        return old.definition != new.definition


@op.declaration_connector(spec_cls=LabExtra, persistent_key_type=str)
class LabExtraConnector:
    @staticmethod
    def get_persistent_key(spec: LabExtra) -> str:
        return spec.label

    @staticmethod
    def apply_setup_changes(changes: list[tuple[str, Any, Any]]) -> None:
        LAB.note(
            "extras",
            *(f"{key} {previous is not None}->{current is not None}" for key, previous, current in changes),
        )

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        raise AssertionError("all changes come at once")


def define(
    *targets: op.TargetSpec,
    fields: tuple[str, ...] = ("text",),
    key: str = "name",
    attachments: tuple[LabIndex | LabTrigger, ...] = (),
    extras: tuple[str, ...] = (),
    setup_by_user: bool = False,
    name: str = "Lab",
) -> coco.Flow:
    """A flow with an export per target spec; one of the same name is closed, as after an edit."""
    known = coco.flows().get(name)
    if known is not None:
        known.close()

    def build(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["rows"] = builder.add_source(LabSource())
        collector = scope.add_collector()
        with scope["rows"].row() as row:
            collector.collect(name=row["name"], other=row["name"], **{field: row[field] for field in fields})
        for label in extras:
            builder.declare(LabExtra(label))
        for position, target in enumerate(targets):
            collector.export(
                f"t{position}",
                target,
                primary_key_fields=[key],
                attachments=attachments,
                setup_by_user=setup_by_user,
            )

    return coco.open_flow(name, build)


def plan_of(flow: coco.Flow) -> tuple[str, bool]:
    return make_setup_bundle([flow]).describe()


TEXT = LabState(["other", "text"])
WIDE = LabState(["other", "text", "size"])
SIZE = LabState(["other", "size"])
