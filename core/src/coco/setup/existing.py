"""What stands already where a resource is to be made: taken over if it fits, refused if not.

Looked at twice: for the plan, so that the user confirms a take-over, and before anything is written.
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
    """Mark what another flow has on record already: two flows in one resource would delete each other's rows."""
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
                f"flow '{owner}' has it already; export into another one, or drop that flow: "
                f"`coco drop APP {owner.rpartition('.')[2]}`"
            )


def refuse_twins(changes: Iterable[FlowChange]) -> None:
    """Mark what two flows of one plan want to make: such as ``a__b`` with ``c``, and ``a`` with ``b__c``."""
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
                    f"flow '{other}' would have it too; rename a flow or a target, or name one of the resources"
                )


def check_flow_name(flow: str, others: Iterable[str]) -> None:
    """Raise ``DefinitionError`` if a new flow could be taken for one on record where names are joined.

    Full names, of all namespaces. ``a.b__c`` and ``a__b.c`` are such, and names that differ in case alone.
    """
    for other in others:
        if other != flow and state_name(other) == state_name(flow):
            raise DefinitionError(
                f"flow '{flow}' and flow '{other}', which is on record in this store, would both be called "
                f"'{state_name(flow)}' where names are derived from theirs; rename this flow or its namespace, or "
                f"drop the other one: `coco drop APP {other.rpartition('.')[2]}`"
            )


async def look_at_existing(change: FlowChange, call: CallFn) -> None:
    """Complete a plan: mark what will be taken over and what cannot be made. Does not fail; says what it cannot see."""
    for item in change.resources:
        if not _may_be_foreign(item):
            continue
        try:
            answer = await _look(item, call)
        except Exception as error:
            item.notes.append(f"cannot look whether it exists: {type(error).__name__}: {error}")
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
    """Raise, before anything is on record, where a resource cannot be made or was not planned to be taken over."""
    for item in change.resources:
        if not _may_be_foreign(item):
            continue
        with error_context(f"while applying setup of flow '{change.flow}': {item.title}"):
            answer = await _look(item, call)
        if isinstance(answer, Adoption):
            if not item.adopted:
                raise SetupConflictError(
                    f"{item.title} was made by someone else meanwhile; describe the setup again; nothing was changed"
                )
        elif answer:
            raise CocoError(f"{answer}; nothing was changed")


def _may_be_foreign(item: ResourceChange) -> bool:
    """Whether nobody but coco can have made what is there only if there is nothing."""
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
