"""Recreation of a resource that setup made and that is missing now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from coco.errors import error_context
from coco.ops.registry import registry
from coco.setup.changes import describe_resource
from coco.setup.desired import DesiredTarget
from coco.spec import OpCategory

CallFn = Callable[..., Awaitable[Any]]
"""Runs a connector method off the event loop, or awaits it."""


async def recreate(target: DesiredTarget, call: CallFn) -> str:
    """Create a resource and its attachments from their setup records; returns its title for messages.

    Does nothing to a resource that exists. The records must be current; they do not change.
    """
    record = target.record
    title = describe_resource(record, target.resource_type.partition(":")[2], target.key)
    with error_context(f"while recreating {title}"):
        change = (target.persistent_key, None, target.state)
        many = record.method("apply_setup_changes")
        if many is not None:
            await call(many, [change])
        else:
            await call(record.method("apply_setup_change"), *change)
        for name, (kind, _) in target.attachments.items():
            attach = registry.get(OpCategory.TARGET_ATTACHMENT, kind).method("apply")
            with error_context(f"while setting up attachment '{name}'"):
                await call(attach, target.persistent_key, target.attachment_specs[name])
    return title
