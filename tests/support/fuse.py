"""A death that a test can survive: from one moment on, nothing is written any more, neither state nor targets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from coco.errors import StateStoreError
from coco.state.sqlite import SqliteStore

STORE_WRITES = (
    "stage",
    "commit",
    "collapse",
    "put_failures",
    "clear_failures",
    "memo_put_many",
    "setup_write",
    "put_cursor",
    "drop_sources",
    "drop_target_keys",
    "set_row_counts",
    "allocate_ids",
)


class Dead(StateStoreError):
    """The process is no more."""


class Fuse:
    """Burns down by one at each write. ``burnt``: it came to its end."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._guard = threading.Lock()

    @property
    def burnt(self) -> bool:
        return self._left == 0

    def light(self, length: int | None) -> None:
        """``None``: put it out."""
        self._left = length

    def burn(self) -> None:
        with self._guard:
            if self._left is None:
                return
            self._left = max(self._left - 1, 0)
            if self._left == 0:
                raise Dead("dead")


FUSE = Fuse()


def _burning(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        FUSE.burn()
        result = function(*args, **kwargs)
        if after:
            FUSE.burn()
        return result

    return wrapped


@contextmanager
def burning(*connectors: type) -> Iterator[Fuse]:
    """Attach the fuse to the state store and to target connectors: before each write, to targets also after it."""
    kept: list[tuple[type, str, Any]] = []

    def replace(owner: type, name: str, made: Any) -> None:
        kept.append((owner, name, owner.__dict__.get(name)))
        setattr(owner, name, made)

    for name in STORE_WRITES:
        replace(SqliteStore, name, _burning(getattr(SqliteStore, name), after=False))
    for connector in connectors:
        for name in ("mutate", "mutate_columns", "apply_setup_change"):
            if name in connector.__dict__:
                replace(connector, name, staticmethod(_burning(getattr(connector, name), after=True)))
    try:
        yield FUSE
    finally:
        FUSE.light(None)
        for owner, name, old in kept:
            if old is None:  # inherited
                delattr(owner, name)
            else:
                setattr(owner, name, old)
