"""Applies a change plan: stages all changes, then applies and confirms one resource after the other.

Each confirmation is a transaction. After a crash, confirmed changes are done, and the next setup continues with the staged
ones. Connectors receive every possible previous state in turn, oldest first, and must accept that the resource has another
state or does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from msgspec import Struct, structs

from coco.errors import CocoError, SetupConflictError, error_context
from coco.events import EmitFn, SetupStepDone
from coco.setup.attachments import AttachmentSteps, NoteFn
from coco.setup.changes import ChangeKind, FlowChange, ResourceChange, rebuild_key, rebuild_state
from coco.setup.existing import refuse_foreign
from coco.setup.row_deletion import delete_tracked_rows, tracked_keys
from coco.setup.states import ATTACHED, FLOW_RESOURCE, Attached, FlowState, Staged, TargetState
from coco.state.protocol import SetupWrite, StateStore

CallFn = Callable[..., Awaitable[Any]]
"""Runs a connector or store method off the event loop, or awaits it."""

Step = tuple[Any, Any, Any]
"""Arguments of one ``apply_setup_change``: key, previous state, current state."""


def write_silently(store: StateStore, change: FlowChange) -> int:
    """Update coco's own records, without a change to a resource. Return the version of the setup.

    Blocks, so call it on the thread of the store.
    """
    silent = [item for item in change.resources if item.silent]
    needed = _ids_needed(change, silent)
    _give_ids(change, silent, store.allocate_ids(needed) if needed else [])
    return _write_silent(store, change, silent, [])


def _write_silent(
    store: StateStore, change: FlowChange, silent: Sequence[ResourceChange], more: Sequence[SetupWrite]
) -> int:
    obsolete = [identity for item in silent for identity in item.obsolete_ids()]
    if obsolete:
        store.drop_target_keys(obsolete)
    writes = [write for item in silent for write in item.writes(_record(item.final))]
    writes += more
    if change.flow_state is not None and change.flow_state_changed:
        writes.append(SetupWrite(FLOW_RESOURCE, "", change.flow_state.to_json()))
    return store.setup_write(change.flow, change.version, writes) if writes else change.version


class Applier(Struct):
    """Applies the change of one flow. ``call`` runs connector code, ``store_call`` methods of the state store."""

    store: StateStore
    call: CallFn
    store_call: CallFn
    emit: EmitFn
    report: Callable[[str], None]
    ignore_drop_failures: bool = False
    version: int = 0

    async def apply(self, change: FlowChange) -> list[str]:
        """Apply the change and return warnings. Raise the first failure, with notes of what was done and what was not."""
        warnings = [
            f"{item.title}: {note}" for item in change.resources for note in item.notes if not item.pending
        ]
        invalid = [item for item in change.resources if item.kind is ChangeKind.INVALID]
        if invalid:
            reason = "; ".join(invalid[0].notes)
            raise CocoError(
                f"{invalid[0].title} of flow '{change.flow}' cannot be set up: {reason}; nothing was changed"
            )
        silent = [item for item in change.resources if item.silent]
        pending = [item for item in change.resources if item.pending and not item.silent]
        await refuse_foreign(change, self.call)
        needed = _ids_needed(change, [*silent, *pending])
        ids = await self.store_call(self.store.allocate_ids, needed) if needed else []
        _give_ids(change, [*silent, *pending], ids)
        staged = [write for item in pending for write in _before(item)]
        self.version = await self.store_call(_write_silent, self.store, change, silent, staged)
        for line in (line for item in silent for line in item.actions):
            self.report(f"  {line}: DONE")
        done: list[str] = []
        for group in _groups(pending):
            try:
                with _naming(change, group[0]):
                    await self._apply_group(change.flow, group)
            except SetupConflictError:
                raise
            except Exception as error:
                dropping = all(item.kind is ChangeKind.DELETE for item in group)
                if not (dropping and self.ignore_drop_failures):
                    _explain(error, done, pending, dropping=dropping)
                    raise
                warnings += [
                    f"{item.title} could not be dropped and was removed from the state: {error}"
                    for item in group
                ]
            for item in group:
                obsolete = item.obsolete_ids()
                if obsolete:
                    await self.store_call(self.store.drop_target_keys, obsolete)
                await self._write(
                    change.flow, [SetupWrite(item.resource_type, item.key, _record(item.final))]
                )
                done.append(item.title)
                self.emit(SetupStepDone(change.flow, item.title, item.kind.value))
                for line in item.actions:
                    self.report(f"  {line}: DONE")
        if change.drop:
            await self._forget_flow(change.flow)
        return warnings

    async def _write(self, flow: str, writes: Sequence[SetupWrite]) -> None:
        self.version = await self.store_call(self.store.setup_write, flow, self.version, writes)

    async def _apply_group(self, flow: str, group: Sequence[ResourceChange]) -> None:
        """Apply the resources of one connector: first old attachments, then the resources, then new attachments."""
        keys = [rebuild_key(item.record, item.key) for item in group]
        for item, key in zip(group, keys, strict=True):
            for former in item.former_keys:
                states = [rebuild_state(item.record, one.connector) for one in item.existing.states()]
                await self.call(item.record.method("rename"), rebuild_key(item.record, former), key, states)
        attachments = [AttachmentSteps.of(item) for item in group]
        steps = [step for item, key in zip(group, keys, strict=True) for step in connector_steps(item, key)]

        def noting(item: ResourceChange) -> NoteFn:
            return lambda attached, doubt: self._write(flow, _staged(item, attached, doubt))

        for item, key, attached in zip(group, keys, attachments, strict=True):
            await attached.tear_down(self.call, noting(item), key)
        for item, key in zip(group, keys, strict=True):
            await delete_tracked_rows(
                item, key, lambda target: self.store_call(tracked_keys, self.store, flow, target), self.call
            )
        many = group[0].record.method("apply_setup_changes")
        if many is not None:
            if steps:
                await self.call(many, steps)
        else:
            apply = group[0].record.method("apply_setup_change")
            for step in steps:
                await self.call(apply, *step)
        for item, key, attached in zip(group, keys, attachments, strict=True):
            await attached.set_up(self.call, noting(item), key)

    async def _forget_flow(self, flow: str) -> None:
        """Delete the record of the flow itself, unless a resource could not be dropped."""
        records = await self.store_call(self.store.setup_records, flow)
        if any(item.resource_type != FLOW_RESOURCE for item in records):
            return
        for record in records:
            if record.state is not None:
                state = FlowState.from_json(record.state)
                ids = [item.source_id for item in state.sources.values()]
                await self.store_call(self.store.drop_sources, [*ids, *state.removed])
            await self._write(flow, [SetupWrite(FLOW_RESOURCE, "", None)])


def connector_steps(item: ResourceChange, key: Any) -> list[Step]:
    """Return the calls that change a resource from every possible version to the desired one."""
    versions = _readable(item)
    if item.kind is ChangeKind.DELETE:
        return [(key, state, None) for state in versions]
    assert item.desired is not None
    wanted = item.desired.state
    if item.kind is ChangeKind.CREATE:
        return [(key, None, wanted)]
    if item.kind is ChangeKind.REBUILD:
        return [*((key, state, None) for state in versions or [wanted]), (key, None, wanted)]
    return [(key, state, wanted) for state in versions]


def _readable(item: ResourceChange) -> list[Any]:
    """Return the possible states, each once, as objects of the connector; for an update, only those that are not desired."""
    wanted = item.desired.connector if item.desired is not None else None
    found: list[Any] = []
    seen: list[Any] = []
    for version in item.existing.states():
        if version.connector in seen or (item.kind is ChangeKind.UPDATE and version.connector == wanted):
            continue
        seen.append(version.connector)
        try:
            found.append(rebuild_state(item.record, version.connector))
        except (TypeError, ValueError, KeyError) as error:
            if item.kind is ChangeKind.DELETE:
                raise CocoError(
                    f"the installed plugin cannot read the record of {item.title} ({error}); "
                    "install the version that wrote it to drop it"
                ) from error
    return found


def _groups(pending: Sequence[ResourceChange]) -> list[list[ResourceChange]]:
    """Group the resources whose connector takes all changes in one call. All others form groups of one."""
    groups: list[list[ResourceChange]] = []
    together: dict[str, list[ResourceChange]] = {}
    for item in pending:
        if item.record.method("apply_setup_changes") is None:
            groups.append([item])
        elif item.resource_type in together:
            together[item.resource_type].append(item)
        else:
            groups.append(together.setdefault(item.resource_type, [item]))
    return groups


def _naming(change: FlowChange, item: ResourceChange) -> Any:
    return error_context(f"while applying setup of flow '{change.flow}': {item.title}")


def _explain(
    error: Exception, done: Sequence[str], pending: Sequence[ResourceChange], *, dropping: bool
) -> None:
    left = [item.title for item in pending if item.title not in done]
    error.add_note(
        f"done: {', '.join(done) or 'nothing'}; not done: {', '.join(left)}; run setup again to continue"
    )
    if dropping:
        error.add_note(
            "set COCO_IGNORE_TARGET_DROP_FAILURES=1 to drop the rest and remove this one from the state"
        )


def _ids_needed(change: FlowChange, items: Sequence[ResourceChange]) -> int:
    sources = change.flow_state.sources.values() if change.flow_state is not None else ()
    fresh = sum(item.state is not None and item.state.target_id == 0 for item in items)
    return fresh + sum(item.source_id == 0 for item in sources)


def _give_ids(change: FlowChange, items: Sequence[ResourceChange], fresh: Sequence[int]) -> None:
    ids = iter(fresh)
    for item in items:
        if item.state is not None and item.state.target_id == 0:
            item.state = structs.replace(item.state, target_id=next(ids))
    if change.flow_state is not None:
        records = {
            name: structs.replace(item, source_id=next(ids)) if item.source_id == 0 else item
            for name, item in change.flow_state.sources.items()
        }
        change.flow_state = structs.replace(change.flow_state, sources=records)


def _record(state: TargetState | None) -> dict[str, Any] | None:
    return None if state is None else json.loads(json.dumps(state.to_json()))


def _before(item: ResourceChange) -> list[SetupWrite]:
    """Return the record before the change."""
    steps = AttachmentSteps.of(item)
    return _staged(item, steps.attached, steps.doubt)


def _staged(item: ResourceChange, attached: Attached, doubt: Collection[str]) -> list[SetupWrite]:
    """Return the record during the change: the old state, all possible states, and the attachments so far."""
    staging = [change.to_json() for change in item.existing.staging]
    fresh: list[dict[str, Any]] = []
    if item.kind in (ChangeKind.REBUILD, ChangeKind.DELETE):
        fresh.append(Staged(None).to_json())
    if item.final is not None:
        fresh.append(Staged(_record(item.final)).to_json())
    for change in fresh:
        if change not in staging:
            staging.append(change)
    now = {name: list(versions) for name, versions in attached.items()}
    return item.writes(item.existing.current, [*staging, {ATTACHED: now, "doubt": sorted(doubt)}])
