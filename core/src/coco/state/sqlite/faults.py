"""Turns errors of SQLite into errors with what failed, the place, and what to do."""

from __future__ import annotations

import sqlite3

from coco.errors import Recovery, StateStoreError
from coco.state.damage import corrupt

ELSEWHERE = "name another place with COCO_STATE_URL=sqlite:///PATH"
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_MISMATCH,  # a value of another type in place of a row number
    sqlite3.SQLITE_CONSTRAINT,  # a number that was allocated twice, as the total is wrong
)


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether an error means that another connection holds a lock."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the class of the error
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def explain(location: str, error: sqlite3.Error, waited: float, workers: str = "") -> StateStoreError:
    """Return the error for an error of SQLite.

    waited: seconds that coco waited for other processes. workers: processes that hold leases in the file, if known.
    """
    text = str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = f"state file {location}"
    if is_busy(error):
        known = f" ({workers})" if workers else ""
        found = StateStoreError(
            f"{where} is locked by another process{known}; waited {waited:g} s. Wait for it or stop it, then try again"
        )
        found.recovery = Recovery.RETRIABLE
        return found
    if code == sqlite3.SQLITE_FULL:
        return StateStoreError(
            f"{where} cannot grow: the disk is full. Free some room and run again; nothing committed is lost"
        )
    if code in _DAMAGE:
        return corrupt(location, text)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StateStoreError(
            f"{where} cannot be written ({text}): check the permissions of the file and of its folder, or {ELSEWHERE}"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StateStoreError(
            f"{where}: the disk failed ({text}). Check the disk and its free room, then run again; "
            "nothing committed is lost"
        )
    return StateStoreError(f"{where}: {text}")


def moved(location: str, *, replaced: bool) -> StateStoreError:
    """Return the error for a file that was deleted or replaced while it was open."""
    what = "was replaced by another file" if replaced else "was deleted or moved"
    return StateStoreError(
        f"state file {location} {what} while coco worked with it, so coco cannot record its work. Put the file "
        "back, or run `coco setup` and `coco update` to build the state again, and then `coco verify --repair`"
    )


def unreachable(location: str, error: OSError) -> StateStoreError:
    """Return the error for a folder or a file that cannot be created."""
    return StateStoreError(
        f"state file {location} cannot be created or opened: {error.strerror or error}; {ELSEWHERE}"
    )


def too_new(location: str, version: int, known: int, writer: str, release: str) -> StateStoreError:
    """Return the error for a file of a newer release. writer: that release, or ``""``. release: the running one."""
    by = f", written by coco-core {writer}" if writer else ""
    needed = (
        f"coco-core {writer} or newer" if writer else "the release of coco-core that wrote it, or a newer one"
    )
    return StateStoreError(
        f"state file {location} has schema version {version}{by}; this is coco-core {release}, which reads up to "
        f"version {known}: install {needed}, or {ELSEWHERE}"
    )


def foreign(location: str) -> StateStoreError:
    """Return the error for an SQLite file of another program."""
    return StateStoreError(f"{location} is an SQLite file, but not one of coco's: {ELSEWHERE}")


def forked(location: str, owner: int) -> StateStoreError:
    """Return the error for a file that was open when this process was forked."""
    return StateStoreError(
        f"state file {location} was opened by process {owner}, from which this one was forked: SQLite's locks do not "
        "survive that. Call coco.stop() before the fork, or start processes with 'spawn'"
    )
