"""Names that are probably misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def near_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` nearly is, or None. ``name`` itself must not be known.

    Nearly: the same but for case and underscores, or for the order of words; or some letters away: none for names of up
    to five letters (but for a final s, or two letters exchanged), one for names of up to eleven, two for longer ones.
    Short names are near to too many words: ``clone`` is not ``close``.
    """
    found: list[tuple[int, str]] = []
    for other in known:
        distance = _distance(name, other)
        if distance is not None:
            found.append((distance, other))
    return min(found)[1] if found else None


def _distance(name: str, known: str) -> int | None:
    """How many mistakes lead from ``known`` to ``name``; None if it is another name."""
    mine, theirs = _letters(name), _letters(known)
    if mine == theirs:
        return 0
    if _words(name) == _words(known):
        return 1
    length = len(theirs)
    if length <= 5:
        plural = mine == theirs + "s" or theirs == mine + "s"
        return 1 if plural or _exchanged(mine, theirs) else None
    limit = 1 if length <= 11 else 2
    if abs(len(mine) - length) > limit:
        return None
    distance = edit_distance(mine, theirs)
    return distance if distance <= limit else None


def edit_distance(one: str, other: str) -> int:
    """Letters to insert, to remove, to replace, or to exchange with their neighbour, at least."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, theirs in enumerate(other, 1):
            cost = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != theirs))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == theirs:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, last = last, current
    return last[-1]


def _exchanged(one: str, other: str) -> bool:
    return len(one) == len(other) and sorted(one) == sorted(other) and edit_distance(one, other) == 1


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def _words(name: str) -> list[str]:
    return sorted(word.lower() for word in _WORDS.findall(name))
