"""Removes and creates the attachments of one resource.

Each step is recorded, so that a setup after a failure continues where that stopped: it tears down nothing that was not set
up, and nothing twice. Only if the process ends between a step and its record, the next setup repeats the step.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

from msgspec import Struct

from coco.engine_object import load_engine_object
from coco.errors import StateStoreError, error_context
from coco.ops.registry import registry
from coco.setup.changes import ChangeKind, ResourceChange
from coco.setup.states import Attached, SavedAttachment
from coco.spec import OpCategory

CallFn = Callable[..., Awaitable[Any]]
NoteFn = Callable[[Attached, Collection[str]], Awaitable[None]]
"""Records the attachments so far, and the names of those that may be attached."""


class AttachmentSteps(Struct):
    """The steps for the attachments of one resource.

    attached: by name, all versions that are or may be attached. doubt: names whose last version may or may not be attached.
    The steps update both. wanted: by name, the desired attachments with their specs. all_go: whether the resource itself is
    dropped or recreated.
    """

    attached: Attached
    doubt: set[str]
    wanted: dict[str, tuple[SavedAttachment, Any]]
    all_go: bool

    @classmethod
    def of(cls, item: ResourceChange) -> AttachmentSteps:
        """Return the steps for a change."""
        wanted: dict[str, tuple[SavedAttachment, Any]] = {}
        if item.desired is not None:
            specs = item.desired.attachment_specs
            wanted = {name: (saved, specs[name]) for name, saved in item.desired.attachments.items()}
        attached = item.existing.attached
        if attached is None:  # on record since an older release, which noted no steps
            attached = {} if item.kind is ChangeKind.CREATE else item.existing.attachments()
        copied = {name: list(versions) for name, versions in attached.items()}
        return cls(
            copied, set(item.existing.doubt), wanted, item.kind in (ChangeKind.DELETE, ChangeKind.REBUILD)
        )

    async def tear_down(self, call: CallFn, note: NoteFn, key: Any) -> None:
        """Tear down attachments that are no longer wanted, with the specs that were saved when they were attached."""
        for name, versions in list(self.attached.items()):
            for saved in list(versions):
                kind, dumped = saved
                if not self.all_go and name in self.wanted and self.wanted[name][0][0] == kind:
                    continue
                connector = registry.get(OpCategory.TARGET_ATTACHMENT, kind)
                spec = load_engine_object(connector.spec_cls, dumped)
                doubted = name in self.doubt
                async with self._in_doubt(name, self.attached[name], note):
                    with error_context(f"while tearing down attachment '{name}'"):
                        await call(connector.method("teardown"), key, spec)
                await self._done(name, [item for item in self.attached[name] if item != saved], doubted, note)

    async def set_up(self, call: CallFn, note: NoteFn, key: Any) -> None:
        """Set up attachments that are new, changed, or in doubt."""
        for name, (wanted, spec) in self.wanted.items():
            connector = registry.get(OpCategory.TARGET_ATTACHMENT, wanted[0])
            before = self.attached.get(name, [])
            if name in self.doubt or self._needed(connector, before, wanted, spec):
                possible = [*(item for item in before if item != wanted), wanted]
                async with self._in_doubt(name, possible, note):
                    with error_context(f"while setting up attachment '{name}'"):
                        await call(connector.method("apply"), key, spec)
                await self._done(name, [wanted], False, note)
            else:
                self._is(name, [wanted])

    @contextlib.asynccontextmanager
    async def _in_doubt(
        self, name: str, possible: list[SavedAttachment], note: NoteFn
    ) -> AsyncIterator[None]:
        """Record, before a step, that it may have happened. After an error, record that it has not.

        If the process ends within the step, the next setup finds the name in doubt and attaches what it wants again.
        """
        before, doubted = self.attached.get(name, []), name in self.doubt
        self._is(name, possible)
        self.doubt.add(name)
        await note(self.attached, self.doubt)
        try:
            yield
        except Exception:
            with contextlib.suppress(StateStoreError):  # its record stays "may be attached"
                await self._done(name, before, doubted, note)
            raise

    async def _done(self, name: str, versions: list[SavedAttachment], doubt: bool, note: NoteFn) -> None:
        """Record the versions that are attached after a step, and whether the last one is in doubt."""
        if not doubt:
            self.doubt.discard(name)
        self._is(name, versions)
        await note(self.attached, self.doubt)

    def _is(self, name: str, versions: list[SavedAttachment]) -> None:
        if versions:
            self.attached[name] = versions
        else:
            self.attached.pop(name, None)
            self.doubt.discard(name)

    def _needed(
        self, connector: Any, before: list[SavedAttachment], wanted: SavedAttachment, spec: Any
    ) -> bool:
        if len(before) != 1 or before[0][0] != wanted[0]:
            return True
        if before[0] == wanted:
            return False
        needs_apply = connector.method("needs_apply")
        if needs_apply is None:
            return True
        return bool(needs_apply(load_engine_object(connector.spec_cls, before[0][1]), spec))
