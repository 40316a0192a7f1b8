"""Messages about a state that does not hold what was written."""

from __future__ import annotations

from coco.errors import StateStoreError

CORRUPT_HELP = (
    "coco has not changed it: restore a backup, or move it away and run `coco setup` and `coco update` to build "
    "the state again"
)


def corrupt(location: str, what: str) -> StateStoreError:
    """``location``: path or URL of the state; ``what`` is wrong with it, and where."""
    return StateStoreError(f"state file {location} is corrupt ({what}). {CORRUPT_HELP}")
