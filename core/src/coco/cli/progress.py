"""Progress of updates on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coco.cli.output import note
from coco.events import FlowEvent, LeaseAwaited

if TYPE_CHECKING:
    from coco.operations.progress import Progress


@contextmanager
def progress(quiet: bool) -> Iterator[Progress | None]:
    """A listener that shows the progress of an update; None if the user wants no progress."""
    if quiet or sys.stderr is None:
        yield None
        return
    from coco.operations.progress import shown_on

    with shown_on(sys.stderr, note) as listener:
        yield listener


@contextmanager
def saying_waits(quiet: bool = False) -> Iterator[None]:
    """For commands without progress: print a line if they must wait for another process."""
    if quiet:
        yield
        return
    from coco.environment.runtime import RUNTIME
    from coco.operations.progress import awaiting

    def listen(event: FlowEvent) -> None:
        if isinstance(event, LeaseAwaited):
            note(awaiting(event))

    remove = RUNTIME.add_listener(listen)
    try:
        yield
    finally:
        remove()
