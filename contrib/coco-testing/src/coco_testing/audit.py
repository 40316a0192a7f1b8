"""Checks that a subclass runs its suite unchanged: no check removed, overridden, skipped or deselected."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco_testing.suite import Suite

VOIDING_MARKS = ("skip", "skipif", "xfail", "usefixtures")
_PYTHONS_OWN = frozenset(
    {"__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"}
    | {
        "__static_attributes__",
        "__annotate_func__",
        "__annotate__",
        "__annotations_cache__",
        "__orig_bases__",
    }
    | {"__parameters__", "__abstractmethods__"}
)


class SuiteError(TypeError):
    """A subclass of a suite removes or replaces checks, or declares unknown names."""


def kit_class(cls: type[Suite]) -> type[Suite]:
    """The suite of the kit from which a class is derived."""
    return next(base for base in cls.__mro__ if base.__dict__.get("is_kit_suite", False))


def checks_of(cls: type[Suite]) -> list[str]:
    """Names of all checks of a suite, in the order of their definition."""
    names: dict[str, None] = {}
    for base in reversed(kit_class(cls).__mro__):
        for name, value in base.__dict__.items():
            if getattr(value, "__coco_check__", None) is not None:
                names[name] = None
    return list(names)


def undeclared(cls: type[Suite]) -> list[str]:
    """Abilities that a complete report requires and the class does not declare, without ``newer_abilities``."""
    return [name for name in kit_class(cls).all_abilities if name not in cls.abilities]


def problems_of(cls: type[Suite]) -> list[str]:
    """Problems of a subclass, one sentence each. Authors may define the names in the suite's ``open_names``."""
    return [*_overridden(cls), *_voided(cls), *_misdeclared(cls)]


def _overridden(cls: type[Suite]) -> Iterator[str]:
    suite = kit_class(cls)
    if cls is suite:
        return
    for base in cls.__mro__[: cls.__mro__.index(suite)]:
        for name in base.__dict__:
            if name in suite.open_names or name in _PYTHONS_OWN:
                continue
            theirs = inspect.getattr_static(suite, name, None)
            if theirs is None and not name.startswith("__"):
                continue  # an addition
            what = "check" if getattr(theirs, "__coco_check__", None) is not None else "part of the kit"
            yield (
                f"{base.__name__}.{name} overrides a {what}; if the check cannot pass, declare that in "
                "`abilities` or `known_failures`"
            )
    for name in checks_of(cls):
        if inspect.getattr_static(cls, name, None) is not inspect.getattr_static(suite, name):
            yield f"{cls.__name__} replaces the check {name} of {suite.__name__}: use another name"


def _voided(cls: type[Suite]) -> Iterator[str]:
    if getattr(cls, "__test__", True) is False:
        yield f"{cls.__name__}.__test__ is False, so pytest would not collect it: remove it"
    marks: list[Any] = list(getattr(cls, "pytestmark", []))
    for mark in marks:
        if mark.name in VOIDING_MARKS:
            yield (
                f"{cls.__name__} is marked {mark.name}: remove the mark. If a server is missing, skip in a fixture, "
                "and list checks that fail in `known_failures`"
            )


def _misdeclared(cls: type[Suite]) -> Iterator[str]:
    suite = kit_class(cls)
    known = {*suite.all_abilities, *suite.newer_abilities}
    for name in sorted(set(cls.abilities) - known):
        yield f"{cls.__name__}.abilities: {name!r} is not an ability of this suite"
    ids = set(checks_of(cls))
    for name in cls.known_failures:
        if name.partition("[")[0] not in ids:
            yield f"{cls.__name__}.known_failures: there is no check {name!r}"
