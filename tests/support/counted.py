"""What an update did, read off its events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from coco.events import FlowEvent, FunctionCalled, RowsRead, TargetMutated


@dataclasses.dataclass(frozen=True)
class Work:
    """``calls``: by function kind, only those that were called."""

    calls: dict[str, int]
    upserts: int
    deletes: int
    read: int

    @property
    def none(self) -> bool:
        return not (self.calls or self.upserts or self.deletes)


def work_of(events: list[FlowEvent]) -> Work:
    """Adds up the events since the last time, and forgets them."""
    calls: dict[str, int] = {}
    for event in events:
        if isinstance(event, FunctionCalled) and event.calls:
            kind = event.op.partition(" ")[0]
            calls[kind] = calls.get(kind, 0) + event.calls
    found = Work(
        calls,
        sum(event.upserts for event in events if isinstance(event, TargetMutated)),
        sum(event.deletes for event in events if isinstance(event, TargetMutated)),
        sum(event.rows for event in events if isinstance(event, RowsRead)),
    )
    events.clear()
    return found


T = TypeVar("T", bound=FlowEvent)


def seen(events: Sequence[FlowEvent], kind: type[T]) -> list[T]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]
