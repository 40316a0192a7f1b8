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
    """What is wrong with a name, as the rest of a sentence about it; None for a legal one.

    Legal are 1 to ``max_length`` ASCII letters, digits and underscores, no digit first, no double underscore
    first. allow_dots: dots are legal too, but for the first character.
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
    """``name`` itself if it is a legal name of a ``what`` ("field", "target", ...); see ``name_problem``.

    Raises ``NamingError``, or ``CallShapeError`` if it is no text at all.
    """
    if not isinstance(name, str):
        raise CallShapeError(f"the name of a {what} must be a str, got {type(name).__name__}")
    problem = name_problem(name)
    if problem is not None:
        raise NamingError(f"invalid {what} name {name!r}: it {problem}")
    return name


def check_flow_name(name: object, what: str = "flow") -> str:
    """As ``check_name``; no double underscore last either, which joins names in default names of resources."""
    checked = check_name(name, what)
    if checked.endswith("__"):
        raise NamingError(f"invalid {what} name {checked!r}: it ends with double underscores")
    return checked


def snake_case(kind: str) -> str:
    """``LocalFile`` -> ``local_file``, ``AmazonS3`` -> ``amazon_s3``, ``HTTPFetch`` -> ``http_fetch``."""
    return _WORD_START.sub("_", kind).lower()


class AutomaticNames:
    """Gives ``prefix0``, ``prefix1``, ... for each prefix, leaving out names that are taken.

    The numbers depend on nothing but the order of the requests, so unchanged code gets the same names.
    """

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, prefix: str, is_taken: Callable[[str], bool]) -> str:
        """The next free name that starts with ``prefix``."""
        number = self._next.get(prefix, 0)
        while is_taken(f"{prefix}{number}"):
            number += 1
        self._next[prefix] = number + 1
        return f"{prefix}{number}"


def automatic_prefix(kind: str) -> str:
    """Prefix of the automatic names of an operation's results."""
    return snake_case(kind) + "_"
