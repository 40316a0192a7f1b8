"""Attachments of one resource: which go, which come (SU-16, ATT-4 to ATT-9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct, field

from coco.engine_object import load_engine_object
from coco.errors import error_context
from coco.ops.registry import registry
from coco.setup.changes import ChangeKind, ResourceChange
from coco.spec import OpCategory

CallFn = Callable[..., Awaitable[Any]]

Saved = list[Any]
"""Kind and dumped spec, as on record."""


class AttachmentSteps(Struct):
    """``old``: by name, every version that may be attached. ``new``: by name, the wanted ones with their specs.

    all_go: the resource itself is dropped or made anew. sure: nothing was left undecided, so what is on
    record is what is attached.
    """

    old: dict[str, list[Saved]]
    new: dict[str, tuple[Saved, Any]] = field(default_factory=dict)
    all_go: bool = False
    sure: bool = True

    @classmethod
    def of(cls, item: ResourceChange) -> AttachmentSteps:
        """The steps for a change."""
        old: dict[str, list[Saved]] = {}
        for state in item.existing.states():
            for name, saved in state.attachments.items():
                versions = old.setdefault(name, [])
                if saved not in versions:
                    versions.append(saved)
        wanted: dict[str, tuple[Saved, Any]] = {}
        if item.desired is not None:
            specs = item.desired.attachment_specs
            wanted = {name: (saved, specs[name]) for name, saved in item.desired.attachments.items()}
        if item.kind is ChangeKind.CREATE:
            old = {}
        return cls(
            old, wanted, item.kind in (ChangeKind.DELETE, ChangeKind.REBUILD), not item.existing.undecided
        )

    async def tear_down(self, call: CallFn, key: Any) -> None:
        """Remove what is no longer wanted, by what was saved when it was attached."""
        for name, versions in self.old.items():
            for kind, dumped in versions:
                if not self.all_go and name in self.new and self.new[name][0][0] == kind:
                    continue
                connector = registry.get(OpCategory.TARGET_ATTACHMENT, kind)
                saved = load_engine_object(connector.spec_cls, dumped)
                with error_context(f"while tearing down attachment '{name}'"):
                    await call(connector.method("teardown"), key, saved)

    async def set_up(self, call: CallFn, key: Any) -> None:
        """Attach what is new or changed; all of it where the resource is new or its state was undecided."""
        for name, (wanted, spec) in self.new.items():
            connector = registry.get(OpCategory.TARGET_ATTACHMENT, wanted[0])
            if self.sure and not self.all_go and not self._needed(connector, name, wanted, spec):
                continue
            with error_context(f"while setting up attachment '{name}'"):
                await call(connector.method("apply"), key, spec)

    def _needed(self, connector: Any, name: str, wanted: Saved, spec: Any) -> bool:
        versions = self.old.get(name, [])
        if wanted in versions:
            return False
        needs_apply = connector.method("needs_apply")
        if needs_apply is None or not versions or versions[0][0] != wanted[0]:
            return True
        return bool(needs_apply(load_engine_object(connector.spec_cls, versions[0][1]), spec))
