"""Carrying out a change plan: stage all, then apply and confirm one resource after the other (SU-24 to SU-26).

Each confirmation is its own transaction, so a crash between two steps loses neither: what was confirmed is
done, what was staged is taken up again by the next setup, from any state it may have been left in.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

from coco.engine_object import load_engine_object
from coco.errors import CocoError, SetupConflictError, error_context
from coco.events import EmitFn, SetupStepDone
from coco.ops.registry import registry
from coco.setup.diff import ChangeKind, FlowChange, ResourceChange, rebuild_key, rebuild_state
from coco.setup.states import FLOW_RESOURCE, FlowState, Staged, TargetState
from coco.spec import OpCategory
from coco.state.protocol import SetupWrite, StateStore

CallFn = Callable[..., Awaitable[Any]]
"""Runs a connector or store method off the event loop, or awaits it."""


@dataclasses.dataclass
class Applier:
    """Applies one flow's change. ``call`` runs connector code, ``store_call`` state store methods."""

    store: StateStore
    call: CallFn
    store_call: CallFn
    emit: EmitFn
    report: Callable[[str], None]
    ignore_drop_failures: bool = False

    async def apply(self, change: FlowChange) -> list[str]:
        """Returns warnings. Raises the first failure after naming what was done and what was not."""
        version = change.version
        pending = [item for item in change.resources if item.pending]
        warnings = [
            f"{item.title}: {note}" for item in change.resources for note in item.notes if not item.pending
        ]
        await self._give_ids(change, pending)
        writes = [_staged(item) for item in pending]
        if change.flow_state is not None and change.flow_state_changed:
            writes.append(SetupWrite(FLOW_RESOURCE, "", change.flow_state.to_json()))
        if writes:
            version = await self.store_call(self.store.setup_write, change.flow, version, writes)
        done: list[str] = []
        for item in pending:
            try:
                with error_context(f"while applying setup of flow '{change.flow}': {item.title}"):
                    await self._apply_one(item)
            except SetupConflictError:
                raise
            except Exception as error:
                if item.kind is ChangeKind.DELETE and self.ignore_drop_failures:
                    warnings.append(f"{item.title} could not be dropped: {error}")
                    continue
                left = [other.title for other in pending if other.title not in done]
                error.add_note(
                    f"done: {', '.join(done) or 'nothing'}; not done: {', '.join(left)}; run setup again to continue"
                )
                if item.kind is ChangeKind.DELETE:
                    error.add_note(
                        "set COCO_IGNORE_TARGET_DROP_FAILURES=1 to drop the rest and forget this one"
                    )
                raise
            final = None if item.kind is ChangeKind.DELETE or item.state is None else item.state.to_json()
            version = await self.store_call(
                self.store.setup_write,
                change.flow,
                version,
                [SetupWrite(item.resource_type, item.key, final)],
            )
            done.append(item.title)
            self.emit(SetupStepDone(change.flow, item.title, item.kind.value))
            for line in item.actions:
                self.report(f"  {line}: DONE")
        await self._forget(change, pending)
        return warnings

    async def _give_ids(self, change: FlowChange, pending: list[ResourceChange]) -> None:
        fresh = [item for item in pending if item.state is not None and item.state.target_id == 0]
        sources: list[str] = []
        if change.flow_state is not None:
            sources = [name for name, item in change.flow_state.sources.items() if item.source_id == 0]
        needed = len(fresh) + len(sources)
        if not needed:
            return
        ids = iter(await self.store_call(self.store.allocate_ids, needed))
        for item in fresh:
            assert item.state is not None
            item.state = dataclasses.replace(item.state, target_id=next(ids))
        if change.flow_state is not None and sources:
            records = {
                name: dataclasses.replace(item, source_id=next(ids)) if item.source_id == 0 else item
                for name, item in change.flow_state.sources.items()
            }
            change.flow_state = FlowState(records, change.flow_state.removed)

    async def _forget(self, change: FlowChange, pending: list[ResourceChange]) -> None:
        """Row counts and ownership of resources that are gone or were rebuilt."""
        dead: list[int] = []
        for item in pending:
            if item.kind in (ChangeKind.DELETE, ChangeKind.REBUILD):
                dead.extend(
                    TargetState.from_json(data).target_id for data in item.existing.possible_versions()
                )
        if dead:
            await self.store_call(self.store.drop_target_keys, dead)
        if change.drop:
            records = await self.store_call(self.store.setup_records, change.flow)
            left = [item for item in records if item.resource_type != FLOW_RESOURCE]
            for record in records:
                if record.resource_type == FLOW_RESOURCE and record.state is not None and not left:
                    state = FlowState.from_json(record.state)
                    ids = [item.source_id for item in state.sources.values()]
                    await self.store_call(self.store.drop_sources, [*ids, *state.removed])
                    version = await self.store_call(self.store.setup_version, change.flow)
                    await self.store_call(
                        self.store.setup_write, change.flow, version, [SetupWrite(FLOW_RESOURCE, "", None)]
                    )

    async def _apply_one(self, item: ResourceChange) -> None:
        previous = TargetState.from_json(item.previous) if item.previous is not None else None
        record = item.record
        key = rebuild_key(record, item.key)
        before = rebuild_state(record, previous.connector) if previous is not None else None
        if item.kind is ChangeKind.USER_MANAGED:
            return
        if item.kind is ChangeKind.DELETE:
            if previous is not None and previous.setup_by_user:
                return
            if previous is not None:
                await self._teardown(key, previous.attachments)
            await self._change(record, key, before, None)
            return
        assert item.desired is not None
        current = item.desired.state
        if item.kind is ChangeKind.CREATE:
            await self._check_foreign(record, key, item)
            await self._change(record, key, None, current)
            await self._set_up(key, item, {})
        elif item.kind is ChangeKind.REBUILD:
            if previous is not None:
                await self._teardown(key, previous.attachments)
            await self._change(record, key, before, None)
            await self._change(record, key, None, current)
            await self._set_up(key, item, {})
        elif item.kind is ChangeKind.UPDATE:
            old = previous.attachments if previous is not None else {}
            await self._teardown(key, {n: v for n, v in old.items() if n not in item.desired.attachments})
            if previous is None or previous.connector != item.desired.connector or item.existing.staging:
                await self._change(record, key, before if before is not None else current, current)
            await self._set_up(key, item, old)

    async def _check_foreign(self, record: Any, key: Any, item: ResourceChange) -> None:
        """Something that coco did not make stands where the resource shall be (SU-50)."""
        check = record.method("check_existing")
        if check is None or item.existing.known or item.desired is None:
            return
        problem = await self.call(check, key, item.desired.state)
        if problem:
            raise CocoError(problem)

    async def _change(self, record: Any, key: Any, previous: Any, current: Any) -> None:
        await self.call(record.method("apply_setup_change"), key, previous, current)

    async def _set_up(self, key: Any, item: ResourceChange, old: dict[str, list[Any]]) -> None:
        assert item.desired is not None
        for name, spec in item.desired.attachment_specs.items():
            if old.get(name) == item.desired.attachments[name] and not item.existing.staging:
                continue
            connector = registry.get(OpCategory.TARGET_ATTACHMENT, type(spec).__name__)
            needed = connector.method("needs_apply")
            if needed is not None and name in old:
                saved = load_engine_object(connector.spec_cls, old[name][1])
                if not needed(saved, spec):
                    continue
            with error_context(f"while setting up attachment '{name}'"):
                await self.call(connector.method("apply"), key, spec)

    async def _teardown(self, key: Any, attachments: dict[str, list[Any]]) -> None:
        for name, (kind, dumped) in attachments.items():
            connector = registry.get(OpCategory.TARGET_ATTACHMENT, kind)
            saved = load_engine_object(connector.spec_cls, dumped)
            with error_context(f"while tearing down attachment '{name}'"):
                await self.call(connector.method("teardown"), key, saved)


def _staged(item: ResourceChange) -> SetupWrite:
    """The record while the change is under way: what was, and all that may be (SU-22)."""
    staging = [change.to_json() for change in item.existing.staging]
    if item.kind in (ChangeKind.REBUILD, ChangeKind.DELETE):
        staging.append(Staged(None).to_json())
    if item.state is not None and item.kind is not ChangeKind.DELETE:
        staging.append(Staged(json.loads(json.dumps(item.state.to_json()))).to_json())
    return SetupWrite(item.resource_type, item.key, item.existing.current, tuple(staging))
