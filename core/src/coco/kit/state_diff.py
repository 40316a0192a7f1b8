"""What to add, alter and drop, from any of several former states.

A resource is seen as named parts (columns, indexes, constraints), each with a definition that can be compared.
After a setup that was interrupted, it may be in any of several states, so a statement must be correct in all of
them: use ``IF [NOT] EXISTS`` where a change is not ``certain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from coco.types.schema import ValueType

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class PartChange(Generic[D]):
    """One part. ``before``: definitions it may have now, oldest first, without repetition; empty if it is new.

    after: the definition it shall have; None if it shall go. certain: it is the same in all former states.
    """

    name: str
    before: tuple[D, ...]
    after: D | None
    certain: bool


@dataclass(frozen=True, slots=True)
class PartsDiff(Generic[D]):
    """Changes by kind; apply in the order ``drop``, ``alter``, ``add``.

    drop: parts that may be there and shall not, newest first (what was made last goes first).
    alter: parts that may be there with another definition, in the desired order.
    add: parts that may be missing and have no other definition anywhere, in the desired order.
    keep: parts that are there as desired, whatever happened.
    """

    drop: tuple[PartChange[D], ...] = ()
    alter: tuple[PartChange[D], ...] = ()
    add: tuple[PartChange[D], ...] = ()
    keep: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.drop or self.alter or self.add)

    @property
    def certain(self) -> bool:
        """Whether all changes hold in every former state."""
        return all(item.certain for item in (*self.drop, *self.alter, *self.add))


def diff_parts(previous: Iterable[Mapping[str, D] | None], desired: Mapping[str, D] | None) -> PartsDiff[D]:
    """How to get from any of ``previous`` to ``desired``.

    previous: the states the resource may be in, oldest first; None or no state at all: it may not exist.
    desired: None: it shall not exist, which is the same as having no parts. Definitions are compared by ``==``.
    """
    states: list[Mapping[str, D]] = [{} if state is None else state for state in previous] or [{}]
    wanted: Mapping[str, D] = {} if desired is None else desired
    alter: list[PartChange[D]] = []
    add: list[PartChange[D]] = []
    keep: list[str] = []
    for name, after in wanted.items():
        before = _definitions(states, name)
        everywhere = all(name in state for state in states)
        if any(item != after for item in before):
            alter.append(PartChange(name, before, after, everywhere and len(before) == 1))
        elif everywhere:
            keep.append(name)
        else:
            add.append(PartChange(name, before, after, not before))
    known = dict.fromkeys(name for state in states for name in state)
    drop = [
        PartChange(name, _definitions(states, name), None, all(name in state for state in states))
        for name in reversed(known)
        if name not in wanted
    ]
    return PartsDiff(tuple(drop), tuple(alter), tuple(add), tuple(keep))


def same_order(previous: Iterable[Iterable[Any] | None], desired: Iterable[Any]) -> bool:
    """Whether every former state has exactly these things in this order: for keys, whose order counts."""
    wanted = list(desired)
    return all(state is not None and list(state) == wanted for state in previous)


def _definitions(states: list[Mapping[str, D]], name: str) -> tuple[D, ...]:
    found: list[D] = []
    for state in states:
        if name in state and state[name] not in found:
            found.append(state[name])
    return tuple(found)


def type_data(type_: ValueType) -> Any:
    """A type as JSON data for a setup state, without what never alters values: attributes and descriptions."""
    return _bare(type_.encode())


def _bare(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _bare(item) for name, item in data.items() if name not in ("attrs", "description")}
    if isinstance(data, list):
        return [_bare(item) for item in data]
    return data
