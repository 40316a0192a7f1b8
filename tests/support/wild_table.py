"""A target that goes wrong in the ways that real ones do, as a test tells it to, call by call."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from coco import op
from coco.errors import MutationError
from coco.op import TargetSpec

Key = tuple[Any, ...]
Writer = Callable[["Wild", list[tuple[Key, Any]]], None]


@dataclasses.dataclass
class Wild:
    """``rows``: what it holds. ``moods``: what becomes of the next calls, in order; well when there is none left.

    ``always``: what becomes of all calls without a mood of their own. ``calls``: how often it was asked to write.
    """

    rows: dict[Key, Any] = dataclasses.field(default_factory=dict)
    moods: list[Writer] = dataclasses.field(default_factory=list)
    always: Writer | None = None
    closed_door: Exception | None = None
    calls: int = 0

    def put(self, changes: list[tuple[Key, Any]]) -> None:
        """Write all of it."""
        for key, value in changes:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


WILDS: dict[str, Wild] = {}


# -- moods ----------------------------------------------------------------------------------------
def drops_after(count: int) -> Writer:
    """The connection breaks when so many rows are in."""

    def write(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
        wild.put(changes[:count])
        raise ConnectionResetError("the line went dead")

    return write


def answers_too_late(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
    """All is written, but nobody is told."""
    wild.put(changes)
    raise TimeoutError("no answer within the limit")


def writes_some(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
    """Every third row is refused, and named."""
    wild.put([item for number, item in enumerate(changes) if number % 3])
    raise MutationError({key: "not this one" for key, _ in changes[::3]})


def writes_what_it_denies(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
    """All is written, and all is said to be refused."""
    wild.put(changes)
    raise MutationError({key: "no" for key, _ in changes})


def names_strangers(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
    """Half is written; what is refused is none of what was asked."""
    wild.put(changes[::2])
    raise MutationError({("nobody", "knows"): "who is that"})


def chokes_after(count: int) -> Writer:
    """An error that is about what is written, when so many rows are in: nothing is rolled back."""

    def write(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
        wild.put(changes[:count])
        raise ValueError("that I cannot take")

    return write


def checks(allowed: Callable[[Any], bool], *, rolls_back: bool) -> Writer:
    """A constraint on values. ``rolls_back``: a batch with a row that violates it leaves nothing behind."""

    def write(wild: Wild, changes: list[tuple[Key, Any]]) -> None:
        good: list[tuple[Key, Any]] = []
        for key, value in changes:
            if value is not None and not allowed(value):
                if not rolls_back:
                    wild.put(good)
                raise ValueError(f"{key} violates a constraint")
            good.append((key, value))
        wild.put(good)

    return write


# -- connector ------------------------------------------------------------------------------------
class WildTable(TargetSpec):
    """Rows of ``WILDS[name]``."""

    name: str


class Opened:
    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        pass


@op.target_connector(spec_cls=WildTable, persistent_key_type=str)
class WildTableConnector:
    @staticmethod
    def get_persistent_key(spec: WildTable, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        if current is None:
            WILDS.pop(key, None)
        else:
            WILDS.setdefault(key, Wild())

    @staticmethod
    def prepare(spec: WildTable) -> Opened:
        door = WILDS[spec.name].closed_door
        if door is not None:
            raise door
        return Opened(spec.name)

    @staticmethod
    def mutate(*batches: tuple[Opened, dict[Any, dict[str, Any] | None]]) -> None:
        for opened, changes in batches:
            wild = WILDS[opened.name]
            wild.calls += 1
            listed = [((key,) if not isinstance(key, tuple) else tuple(key), changes[key]) for key in changes]
            mood = wild.moods.pop(0) if wild.moods else wild.always
            if mood is None:
                wild.put(listed)
            else:
                mood(wild, listed)

    @staticmethod
    def count_rows(opened: Opened) -> int:
        return len(WILDS[opened.name].rows)

    @staticmethod
    def list_keys(opened: Opened) -> Iterator[list[Key]]:
        yield list(WILDS[opened.name].rows)


def wild(name: str) -> Wild:
    """A well-behaved empty one of that name, in place of any other."""
    WILDS[name] = Wild()
    return WILDS[name]
