"""The naming rule (F-072) and automatic names (F-090)."""

from __future__ import annotations

import re
from collections.abc import Callable

from coco.errors import CallShapeError, DefinitionError

MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class NamingError(DefinitionError):
    """A name that breaks the rule of F-072."""


def check_name(name: object, what: str) -> str:
    """``name`` itself if it is a legal name of a ``what`` ("field", "target", ...).

    1 to 64 ASCII letters, digits and underscores, no digit first, no double underscore first.
    Raises ``NamingError``, or ``CallShapeError`` if it is no text at all.
    """
    if not isinstance(name, str):
        raise CallShapeError(f"the name of a {what} must be a str, got {type(name).__name__}")
    if not name:
        problem = "is empty"
    elif len(name) > MAX_NAME_LENGTH:
        problem = f"has {len(name)} characters, at most {MAX_NAME_LENGTH} are allowed"
    elif name.startswith("__"):
        problem = "starts with a double underscore, which is reserved"
    elif not _NAME.match(name):
        problem = "is not an identifier: use ASCII letters, digits and underscores, and no digit first"
    else:
        return name
    raise NamingError(f"invalid {what} name {name!r}: it {problem}")


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
