"""Abilities that an operation declares. The suites test that declared ones work and that others are refused.

An optional check names one ability. If the ability is declared ``FULL``, the check must pass. If it is declared
otherwise, the operation must refuse what the check tries: with an error of coco's, or by not having the method. The
check then fails if the operation accepts data and corrupts it, and also if the ability works after all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["full", "not implemented", "unsupported"]


@dataclass(frozen=True, slots=True)
class Support:
    """One declaration. ``reason``: why the ability is missing; required for ``UNSUPPORTED``."""

    level: Level
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.level} ({self.reason})" if self.reason else self.level


FULL = Support("full")
NOT_IMPLEMENTED = Support("not implemented")
"""Possible, but not implemented yet."""


def UNSUPPORTED(reason: str) -> Support:  # noqa: N802 - a word of the declaration, like the other two
    """Impossible: the product does not offer it. Raises ``ValueError`` without a reason."""
    if not reason.strip():
        raise ValueError("UNSUPPORTED requires a reason, which users read in the report")
    return Support("unsupported", reason)


def claim(abilities: Sequence[str], exceptions: Mapping[str, Support] | None = None) -> dict[str, Support]:
    """A complete declaration: ``FULL`` for all of ``abilities`` except ``exceptions``.

    Raises ``ValueError`` if ``exceptions`` has a key that is not in ``abilities``.
    """
    chosen = dict.fromkeys(abilities, FULL)
    for name, support in (exceptions or {}).items():
        if name not in chosen:
            raise ValueError(f"{name!r} is not an ability; the abilities are: {', '.join(abilities)}")
        chosen[name] = support
    return chosen


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A check that fails for now. ``error``: type of the error. Another error, or success, fails the check."""

    error: type[BaseException]
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("a known failure requires a reason")


class RefusedError(NotImplementedError):
    """The operation under test lacks the method or fixture that a check requires. Counts as a refusal."""
