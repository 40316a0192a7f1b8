"""Progress of updates on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from coco.cli.output import note
from coco.events import FlowEvent, LeaseAwaited


@contextmanager
def progress(quiet: bool) -> Iterator[None]:
    """Show the progress of updates, unless the user wants none."""
    if quiet or sys.stderr is None:
        yield
        return
    from coco.lib import add_event_listener
    from coco.operations.progress import shown_on

    with shown_on(sys.stderr, note) as listener:
        remove = add_event_listener(listener)
        try:
            yield
        finally:
            remove()


@contextmanager
def saying_waits(quiet: bool = False) -> Iterator[None]:
    """For commands without progress: print a line if they must wait for another process."""
    if quiet:
        yield
        return
    from coco.lib import add_event_listener
    from coco.operations.progress import awaiting

    def listen(event: FlowEvent) -> None:
        if isinstance(event, LeaseAwaited):
            note(awaiting(event))

    remove = add_event_listener(listen)
    try:
        yield
    finally:
        remove()
