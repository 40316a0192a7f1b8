"""Base of the reports of operations: writable while they are made, read-only afterwards."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any, TypeVar

R = TypeVar("R", bound="Record")


class Record:
    """Base of the dataclasses that a report consists of. Fields can be assigned until ``complete`` is called."""

    _complete = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self._complete:
            raise FrozenInstanceError(f"cannot assign to field {name!r} of a report")
        object.__setattr__(self, name, value)


def complete(record: R) -> R:
    """Make a record read-only, with the records in its lists; returns it."""
    for item in fields(record):  # type: ignore[arg-type]  # all are dataclasses
        value = getattr(record, item.name)
        for inner in value if isinstance(value, list) else ():
            if isinstance(inner, Record):
                complete(inner)
    object.__setattr__(record, "_complete", True)
    return record
