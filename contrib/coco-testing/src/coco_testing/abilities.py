"""What an operation claims to be able to do. A claim is tested; a denial must really refuse.

An optional check names one ability. Declared ``FULL``, the check must pass. Declared otherwise, what the check
tries must be refused with a clean error (or the method be missing): data that is taken and spoilt fails the
check, and so does something that works although it is denied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["full", "not implemented", "unsupported"]


@dataclass(frozen=True, slots=True)
class Support:
    """One declaration. ``reason``: why not; required for what can never be."""

    level: Level
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.level} ({self.reason})" if self.reason else self.level


FULL = Support("full")
NOT_IMPLEMENTED = Support("not implemented")
"""Could be, is not yet."""


def UNSUPPORTED(reason: str) -> Support:  # noqa: N802 - a word of the declaration, like the other two
    """Cannot be: the product has no such thing. Raises ``ValueError`` without a reason."""
    if not reason.strip():
        raise ValueError("UNSUPPORTED needs a reason: it is what users read")
    return Support("unsupported", reason)


def claim(abilities: Sequence[str], exceptions: Mapping[str, Support] | None = None) -> dict[str, Support]:
    """A complete declaration: ``FULL`` for all of ``abilities`` but the exceptions.

    Raises ``ValueError`` for an exception that is no ability.
    """
    chosen = dict.fromkeys(abilities, FULL)
    for name, support in (exceptions or {}).items():
        if name not in chosen:
            raise ValueError(f"{name!r} is no ability; there are: {', '.join(abilities)}")
        chosen[name] = support
    return chosen


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A check that fails for now. ``error``: with which type; any other one, and success, fail the check."""

    error: type[BaseException]
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("a known failure needs a reason")


class RefusedError(NotImplementedError):
    """The operation under test does not have what a check needs: the cleanest of refusals."""
