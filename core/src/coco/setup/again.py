"""Making a resource again that setup made and somebody removed."""

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


async def make_again(target: DesiredTarget, call: CallFn) -> str:
    """Make the resource with its attachments as at first; does no harm if it is there. Returns what it is called.

    Only for what is on record as it should be: the record stays as it is.
    """
    record = target.record
    title = describe_resource(record, target.resource_type.partition(":")[2], target.key)
    with error_context(f"while making {title} again"):
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
