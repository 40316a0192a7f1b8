"""Checks whether a resource that setup will create exists already: it is taken over if it fits, and refused if not.

The check runs twice: for the plan, so that the user confirms a take-over, and again before anything is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from coco.errors import CocoError, DefinitionError, SetupConflictError, error_context
from coco.naming import state_name
from coco.ops.targets import Adoption
from coco.setup.changes import ChangeKind, FlowChange, ResourceChange, rebuild_key
from coco.setup.states import TARGET_PREFIX, CombinedState
from coco.state.protocol import SetupRecord

CallFn = Callable[..., Awaitable[Any]]
"""Runs a connector method off the event loop, or awaits it."""


def refuse_shared(change: FlowChange, records: Iterable[SetupRecord]) -> None:
    """Refuse resources that another flow has on record: two flows in one resource would delete each other's rows."""
    owners = {
        (record.resource_type, record.key): record.flow
        for record in records
        if record.flow != change.flow
        and record.resource_type.startswith(TARGET_PREFIX)
        and any(not state.get("setup_by_user") for state in CombinedState.of(record).possible_versions())
    }
    for item in change.resources:
        owner = owners.get((item.resource_type, item.key))
        if item.kind is ChangeKind.CREATE and owner:
            item.kind = ChangeKind.INVALID
            item.actions = []
            item.notes.append(
                f"flow '{owner}' uses it; export into another one, or drop that flow: "
                f"`coco drop APP {owner.rpartition('.')[2]}`"
            )


def refuse_twins(changes: Iterable[FlowChange]) -> None:
    """Refuse resources that two flows of one plan need, such as target ``c`` of ``a__b`` and ``b__c`` of ``a``."""
    first: dict[tuple[str, str], str] = {}
    for change in changes:
        for item in change.resources:
            if item.kind is not ChangeKind.CREATE or not item.resource_type.startswith(TARGET_PREFIX):
                continue
            if item.desired is not None and item.desired.setup_by_user:
                continue
            other = first.setdefault((item.resource_type, item.key), change.flow)
            if other != change.flow:
                item.kind = ChangeKind.INVALID
                item.actions = []
                item.notes.append(
                    f"flow '{other}' would use it too; rename a flow or a target, or name one of the resources"
                )


def check_flow_name(flow: str, others: Iterable[str]) -> None:
    """Raise ``DefinitionError`` if the joined name of a new flow equals that of a flow on record.

    Names are full names, of all namespaces. ``a.b__c`` and ``a__b.c`` have equal joined names, and so do names that differ
    only in case.
    """
    for other in others:
        if other != flow and state_name(other) == state_name(flow):
            raise DefinitionError(
                f"flow '{flow}' and flow '{other}', which is on record in this store, would both be called "
                f"'{state_name(flow)}' where names are derived from theirs; rename this flow or its namespace, or "
                f"drop the other one: `coco drop APP {other.rpartition('.')[2]}`"
            )


async def look_at_existing(change: FlowChange, call: CallFn) -> None:
    """Complete a plan: mark resources that will be taken over, and those that cannot be created.

    Never fails. If a connector cannot check, the plan says so.
    """
    for item in change.resources:
        if not _may_be_foreign(item):
            continue
        try:
            answer = await _look(item, call)
        except Exception as error:
            item.notes.append(f"cannot check whether it exists: {type(error).__name__}: {error}")
            continue
        if isinstance(answer, Adoption):
            item.adopted = True
            item.actions = [f"take over {item.title}"]
            item.notes += _adopted(answer)
        elif answer:
            item.kind = ChangeKind.INVALID
            item.actions = []
            item.notes.append(str(answer))


async def refuse_foreign(change: FlowChange, call: CallFn) -> None:
    """Raise, before anything is recorded, for a resource that cannot be created or whose take-over was not planned."""
    for item in change.resources:
        if not _may_be_foreign(item):
            continue
        with error_context(f"while applying setup of flow '{change.flow}': {item.title}"):
            answer = await _look(item, call)
        if isinstance(answer, Adoption):
            if not item.adopted:
                raise SetupConflictError(
                    f"{item.title} was created by another program meanwhile; describe the setup again; nothing was changed"
                )
        elif answer:
            raise CocoError(f"{answer}; nothing was changed")


def _may_be_foreign(item: ResourceChange) -> bool:
    """Return whether an existing resource would be from another program, as coco has not created one."""
    if item.kind is not ChangeKind.CREATE or item.desired is None:
        return False
    if item.record.method("check_existing") is None:
        return False
    begun = any(not state.setup_by_user for state in item.existing.states())
    return item.existing.current is not None or not begun


async def _look(item: ResourceChange, call: CallFn) -> Any:
    assert item.desired is not None
    key = rebuild_key(item.record, item.key)
    return await call(item.record.method("check_existing"), key, item.desired.state)


def _adopted(answer: Adoption) -> list[str]:
    notes = ["it exists already, was not made by this flow, and fits: it is taken over as it is"]
    if answer.note:
        notes.append(answer.note)
    notes.append(
        "rows with the same keys are replaced, `coco verify --repair` removes others, `coco drop` drops all of it"
    )
    return notes
