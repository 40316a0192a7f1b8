"""Finds regular expressions that a backtracking engine may run on for ever, before they run.

A pattern is dangerous when a loop can match the same text in two ways *and* something after the loop can
fail: the engine then tries every combination, exponentially many. This module builds the position automaton
of the pattern (one state per character it consumes) and looks for exactly that: a state that two different
paths over the same text lead back to. A loop after which nothing can fail is left out, since the engine never
goes back into it: so ``\\n(\\s*\\n)+`` is fine, and ``(\\s*\\n)+x`` is not.

The parser of the standard library's ``re`` is used, so the syntax is the one that runs.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from typing import Any, NamedTuple

_COPIES = 4
"""A repetition of at most this many is written out; a longer one counts as unlimited."""
_MOST_STATES = 150
_SAMPLES = "aZ0_ \t\n\r-.é中٣\u2003😀"
_UNSUPPORTED = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive quantifier",
}


class PatternFacts(NamedTuple):
    """What is known about a pattern without running it.

    ``problem``: why it is refused, or None. ``unlimited``: it has a loop without (small) limit, so a match
    can be long. ``opens``: every match contains a non-blank character after a line break, as a heading mark
    has.
    """

    problem: str | None
    unlimited: bool
    opens: bool


class _Piece(NamedTuple):
    """A part of the automaton: where it may begin and end, and whether it may match nothing."""

    first: list[int]
    last: list[int]
    nullable: bool


_EMPTY = _Piece([], [], True)


def examine(pattern: str) -> PatternFacts:
    """Looks a pattern over. It must compile (``re.error`` otherwise).

    A ``problem`` names syntax outside the part that linear-time engines share, or the exponential loop.
    """
    parser = importlib.import_module("re._parser")
    tree = parser.parse(pattern)
    names = {str(item[0]) for item in _walk(tree)}
    for name, meaning in _UNSUPPORTED.items():
        if name in names:
            return PatternFacts(f"{meaning} is not supported", True, False)
    automaton = _Automaton(tree, tree.state.flags)
    automaton.sequence(list(tree), may_fail=False)
    unlimited = any(_is_loop(item) for item in _walk(tree))
    return PatternFacts(automaton.problem(), unlimited, _opens(tree))


def _walk(node: Any) -> list[Any]:
    """All items of a parse tree, outermost first."""
    found: list[Any] = []
    for item in node:
        found.append(item)
        for part in _parts(item):
            found.extend(_walk(part))
    return found


def _parts(item: Any) -> list[Any]:
    """The sub-trees of one item."""
    name, value = str(item[0]), item[1]
    if name == "BRANCH":
        return list(value[1])
    if name == "SUBPATTERN":
        return [value[3]]
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return [value[2]]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [value[1]]
    if name == "ATOMIC_GROUP":
        return [value]
    if name == "GROUPREF_EXISTS":
        return [part for part in value[1:] if part is not None]
    return []


def _is_repeat(item: Any) -> bool:
    return str(item[0]) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def _is_loop(item: Any) -> bool:
    return _is_repeat(item) and int(item[1][1]) > _COPIES


def _can_fail(item: Any) -> bool:
    """Whether an item may fail to match at some place."""
    if _is_repeat(item):
        return int(item[1][0]) > 0 and any(_can_fail(inner) for inner in item[1][2])
    parts = _parts(item)
    if parts:  # a branch fails when all alternatives do
        return all(any(_can_fail(inner) for inner in part) for part in parts)
    return True


def _contains(item: Any, char: str, flags: int) -> bool:
    """Whether a one-character item matches ``char``."""
    ignore_case = bool(flags & re.IGNORECASE)
    name, value = str(item[0]), item[1]
    if name == "LITERAL" or name == "NOT_LITERAL":
        same = char == chr(value) or (ignore_case and char.lower() == chr(value).lower())
        return same == (name == "LITERAL")
    if name == "ANY":
        return char != "\n" or bool(flags & re.DOTALL)
    if name == "RANGE":
        cases = {char, char.lower(), char.upper()} if ignore_case else {char}
        return any(len(one) == 1 and value[0] <= ord(one) <= value[1] for one in cases)
    if name == "CATEGORY":
        kind = str(value)
        hit = (
            char.isspace() if kind.endswith("SPACE")
            else char.isdecimal() if kind.endswith("DIGIT")
            else char.isalnum() or char == "_"
        )  # fmt: skip
        return hit != ("_NOT_" in kind)
    if name == "IN":
        negated = str(value[0][0]) == "NEGATE"
        members = value[1:] if negated else value
        return any(_contains(member, char, flags) for member in members) != negated
    return False


def _alphabet(tree: Any) -> list[str]:
    """Characters that tell the pattern's classes apart: its own, their neighbours, and some of each kind."""
    codes = {ord(char) for char in _SAMPLES}
    for item in _walk(tree):
        name = str(item[0])
        for member in item[1] if name == "IN" else [item]:
            if str(member[0]) in ("LITERAL", "NOT_LITERAL"):
                ends = [member[1]]
            elif str(member[0]) == "RANGE":
                ends = list(member[1])
            else:
                continue
            codes.update(code + step for code in ends for step in (-1, 0, 1))
    chars = {chr(code) for code in codes if 0 <= code <= 0x10FFFF}
    return sorted(chars | {char.swapcase() for char in chars if len(char.swapcase()) == 1})


class _Automaton:
    """The position automaton: states are the consuming items, edges say which may follow which, how often."""

    def __init__(self, tree: Any, flags: int) -> None:
        self.alphabet = _alphabet(tree)
        self.flags = int(flags)  # a flag of a part is taken to hold for all: errs on the safe side
        for item in _walk(tree):
            if str(item[0]) == "SUBPATTERN":
                self.flags |= int(item[1][1])
        self.masks: list[int] = []  # per state, a bit per character of the alphabet that it matches
        self.edges: Counter[tuple[int, int]] = Counter()

    def sequence(self, items: list[Any], *, may_fail: bool) -> _Piece:
        """Adds items one after the other. ``may_fail``: whether what follows them may fail."""
        after = [may_fail] * (len(items) + 1)
        for index in range(len(items) - 1, -1, -1):
            after[index] = after[index + 1] or _can_fail(items[index])
        whole = _EMPTY
        for index, item in enumerate(items):
            whole = self._join(whole, self._item(item, may_fail=after[index + 1]))
        return whole

    def _join(self, left: _Piece, right: _Piece) -> _Piece:
        self._connect(left.last, right.first)
        return _Piece(
            left.first + right.first if left.nullable else left.first,
            right.last + left.last if right.nullable else right.last,
            left.nullable and right.nullable,
        )

    def _connect(self, sources: list[int], goals: list[int]) -> None:
        for source in sources:
            for goal in goals:
                self.edges[source, goal] += 1

    def _item(self, item: Any, *, may_fail: bool) -> _Piece:
        name = str(item[0])
        if name == "AT":
            return _EMPTY
        if _is_repeat(item):
            return self._repeat(item, may_fail=may_fail)
        parts = _parts(item)
        if not parts:
            state = len(self.masks)
            mask = 0
            for bit, char in enumerate(self.alphabet):
                mask |= _contains(item, char, self.flags) << bit
            self.masks.append(mask)
            return _Piece([state], [state], False)
        built = [self.sequence(list(part), may_fail=may_fail) for part in parts]
        return _Piece(
            [state for piece in built for state in piece.first],
            [state for piece in built for state in piece.last],
            any(piece.nullable for piece in built),
        )

    def _repeat(self, item: Any, *, may_fail: bool) -> _Piece:
        least, most, body = int(item[1][0]), int(item[1][1]), list(item[1][2])
        if most <= _COPIES and len(self.masks) <= _MOST_STATES:
            whole = _EMPTY
            for copy in range(most):
                required = copy + 1 < least and any(_can_fail(inner) for inner in body)
                piece = self.sequence(body, may_fail=may_fail or required)
                whole = self._join(whole, piece._replace(nullable=True) if copy >= least else piece)
            return whole
        piece = self.sequence(body, may_fail=may_fail)
        if may_fail:
            self._connect(piece.last, piece.first)
        return piece._replace(nullable=True) if least == 0 else piece

    def problem(self) -> str | None:
        """What is wrong with the loops, or None."""
        follow: dict[int, list[int]] = {state: [] for state in range(len(self.masks))}
        for source, goal in self.edges:
            follow[source].append(goal)
        reach = {state: _reachable(follow, state) for state in follow}
        seen: set[int] = set()
        for state in follow:
            if state in seen:
                continue
            knot = {other for other in reach[state] if state in reach[other]}
            seen |= knot
            if len(knot) > _MOST_STATES:
                return "a loop is too large to be checked"
            if knot and self._ambiguous(knot, follow):
                return "a repeated part can match the same text in more than one way, which may take for ever"
        return None

    def _ambiguous(self, knot: set[int], follow: dict[int, list[int]]) -> bool:
        """Whether two different paths over one text lead from a state of the knot back to it."""
        if any(count > 1 and source in knot and goal in knot for (source, goal), count in self.edges.items()):
            return True
        ahead: dict[tuple[int, int], list[tuple[int, int]]] = {}
        back: dict[tuple[int, int], list[tuple[int, int]]] = {}
        start = [(state, state) for state in knot]
        todo, known = list(start), set(start)
        while todo:
            pair = todo.pop()
            ahead[pair] = [
                (left, right)
                for left in follow[pair[0]]
                for right in follow[pair[1]]
                if left in knot and right in knot and self.masks[left] & self.masks[right]
            ]
            for other in ahead[pair]:
                back.setdefault(other, []).append(pair)
                if other not in known:
                    known.add(other)
                    todo.append(other)
        todo, returning = list(start), set(start)
        while todo:
            for pair in back.get(todo.pop(), []):
                if pair not in returning:
                    returning.add(pair)
                    todo.append(pair)
        return any(left != right for left, right in known & returning)


def _reachable(follow: dict[int, list[int]], state: int) -> set[int]:
    """The states that can be reached from ``state`` in one step or more."""
    found: set[int] = set()
    todo = list(follow[state])
    while todo:
        other = todo.pop()
        if other not in found:
            found.add(other)
            todo.extend(follow[other])
    return found


def _opens(tree: Any) -> bool:
    """Whether every match has a line break and, later, a character that is not white space."""
    return _scan_opening(list(tree), False)[1]


def _scan_opening(items: list[Any], broken: bool) -> tuple[bool, bool]:
    """(a line break is certain by the end, a non-blank character after it is certain)."""
    for item in items:
        if _is_repeat(item):
            if int(item[1][0]) == 0:
                continue
            broken, done = _scan_opening(list(item[1][2]), broken)
        elif parts := _parts(item):
            ends = [_scan_opening(list(part), broken) for part in parts]
            broken, done = all(end[0] for end in ends), all(end[1] for end in ends)
        elif str(item[0]) == "AT":
            continue
        else:
            done = broken and not any(_contains(item, char, 0) for char in " \t\n\r\f\v\xa0\u2003")
            broken = broken or (str(item[0]) == "LITERAL" and item[1] == ord("\n"))
        if done:
            return broken, True
    return broken, False
