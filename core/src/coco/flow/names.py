"""The naming rule, and automatic names."""

from __future__ import annotations

import re
from collections.abc import Callable

from coco.errors import CallShapeError, DefinitionError

MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z", re.ASCII)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class NamingError(DefinitionError):
    """A name that is not legal; see ``name_problem``."""


def name_problem(name: str, *, max_length: int = MAX_NAME_LENGTH, allow_dots: bool = False) -> str | None:
    """Return what is wrong with a name, as the end of a sentence that starts with "it"; None for a legal name.

    A legal name has 1 to ``max_length`` ASCII letters, digits and underscores, and starts neither with a digit nor with a
    double underscore. allow_dots: dots are legal too, except as the first character.
    """
    if not name:
        return "is empty"
    if len(name) > max_length:
        return f"has {len(name)} characters, the maximum length is {max_length}"
    if name.startswith("__"):
        return "starts with double underscores, which are reserved"
    if not (_DOTTED if allow_dots else _NAME).match(name):
        dots = ", dots" if allow_dots else ""
        return f"is not an identifier: use ASCII letters, digits{dots} and underscores, and no digit first"
    return None


def check_name(name: object, what: str) -> str:
    """Return ``name`` if it is a legal name of a ``what`` ("field", "target", ...); see ``name_problem``.

    Raises ``NamingError`` for an illegal name, ``CallShapeError`` for a value that is not a str.
    """
    if not isinstance(name, str):
        raise CallShapeError(f"the name of a {what} must be a str, got {type(name).__name__}")
    problem = name_problem(name)
    if problem is not None:
        raise NamingError(f"invalid {what} name {name!r}: it {problem}")
    return name


def check_flow_name(name: object, what: str = "flow") -> str:
    """Check like ``check_name``, and refuse a double underscore at the end: it joins the parts of default names."""
    checked = check_name(name, what)
    if checked.endswith("__"):
        raise NamingError(f"invalid {what} name {checked!r}: it ends with double underscores")
    return checked


def snake_case(kind: str) -> str:
    """``LocalFile`` -> ``local_file``, ``AmazonS3`` -> ``amazon_s3``, ``HTTPFetch`` -> ``http_fetch``."""
    return _WORD_START.sub("_", kind).lower()


class AutomaticNames:
    """Returns ``prefix0``, ``prefix1``, ... for each prefix, and skips names that are taken.

    The numbers depend only on the order of the requests, so unchanged code always gets the same names.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, prefix: str, is_taken: Callable[[str], bool]) -> str:
        """Return the next free name that starts with ``prefix``."""
        number = self._next.get(prefix, 0)
        while is_taken(f"{prefix}{number}"):
            number += 1
        self._next[prefix] = number + 1
        return f"{prefix}{number}"


def automatic_prefix(kind: str) -> str:
    """Return the prefix of automatic names for results of an operation."""
    return snake_case(kind) + "_"
