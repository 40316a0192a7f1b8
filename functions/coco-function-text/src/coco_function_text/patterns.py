"""A pattern in the syntax of Python's ``re``, written for RE2.

RE2 takes linear time by construction, but knows only ASCII in ``\\w``, ``\\d`` and ``\\s`` and has no verbose form.
So a pattern is read by the parser of the standard library, and what it says is written in the syntax of RE2, with
classes that know Unicode. What RE2 cannot do is refused.
"""

from __future__ import annotations

import array
import functools
import importlib
import re
from typing import Any, NamedTuple

_REFUSED = {
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a conditional group",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive quantifier",
}
_POSIX = re.compile(
    r"\\.|\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]",
    re.DOTALL,
)
_SPACE = r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_NOT_SPACE = (
    r"\x00-\x08\x0e-\x1b\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
    r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff}"
)
_CLASSES = {
    "CATEGORY_DIGIT": r"\p{Nd}",
    "CATEGORY_NOT_DIGIT": r"\P{Nd}",
    "CATEGORY_SPACE": _SPACE,
    "CATEGORY_NOT_SPACE": _NOT_SPACE,
    "CATEGORY_WORD": r"\p{L}\p{N}_",
}
"""What stands for a category inside of brackets; the complement of ``\\w`` has no such form."""
_ASCII_CLASSES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\t-\r ",
    "CATEGORY_NOT_SPACE": r"\x00-\x08\x0e-\x1f\x21-\x{10ffff}",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_SHORT = {
    "DIGIT": r"\d",
    "SPACE": r"\s",
    "WORD": r"\w",
    "NOT_DIGIT": r"\D",
    "NOT_SPACE": r"\S",
    "NOT_WORD": r"\W",
}
_REPEATS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


class Pattern(NamedTuple):
    """A pattern for RE2 that finds what is not empty.

    ``longest``: characters of its longest match, None if there is no limit. ``opens``: every match has a character that
    is not white space behind a line break, as a heading mark has.
    """

    source: str
    longest: int | None
    opens: bool


class _Part(NamedTuple):
    """A part of a pattern: all its matches, those that are not empty, and those that are; None if there are none."""

    full: str
    some: str | None
    none: str | None


_NEVER = r"[^\x00-\x{10ffff}]"


class RefusedPatternError(ValueError):
    """A pattern uses something that linear-time engines do not have."""


def translate(source: str) -> Pattern:
    """The pattern for RE2 that finds what ``source`` does in ``re``, leaving out what is empty.

    Two assertions differ: ``\\b`` goes by ASCII letters, digits and ``_``, and ``$`` without the flag ``m`` is the very
    end of the text.

    Raises ``re.error`` if it does not compile, ``RefusedPatternError`` if it has look-around, references or the like, or a
    POSIX class.
    """
    for posix in _POSIX.finditer(source):
        if posix[0].startswith("["):
            raise RefusedPatternError(
                f"POSIX classes such as [{posix[0]}] are not supported; use \\w, \\d or \\s"
            )
    tree = importlib.import_module("re._parser").parse(source)
    longest = int(tree.getwidth()[1])
    limited = longest < 1 << 31
    found = _sequence(tree, tree.state.flags)
    return Pattern(_NEVER if found.some is None else found.some, longest if limited else None, _opens(tree))


def _sequence(items: Any, flags: int) -> _Part:
    parts = [_item(str(item[0]), item[1], flags) for item in items]
    full = "".join(part.full for part in parts)
    if any(part.none is None for part in parts):
        return _Part(full, full, None)
    empty = [part.none or "" for part in parts]
    some = [
        "".join([*empty[:at], part.some, *(later.full for later in parts[at + 1 :])])
        for at, part in enumerate(parts)
        if part.some is not None
    ]
    return _Part(full, _either(some), "".join(empty))


def _either(alternatives: list[str]) -> str | None:
    return f"(?:{'|'.join(alternatives)})" if alternatives else None


def _item(name: str, value: Any, flags: int) -> _Part:
    if name in _REFUSED:
        raise RefusedPatternError(f"{_REFUSED[name]} is not supported")
    if name == "AT":
        place = _place(str(value), flags)
        return _Part(place, None, place)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repeat(value, flags, "?" if name == "MIN_REPEAT" else "")
    if name == "SUBPATTERN":
        _, added, removed, part = value
        return _branch([part], (flags | added) & ~removed)
    if name == "BRANCH":
        return _branch(value[1], flags)
    one = _one(name, value, flags)
    return _Part(one, one, None)


def _branch(parts: list[Any], flags: int) -> _Part:
    found = [_sequence(part, flags) for part in parts]
    return _Part(
        _either([part.full for part in found]) or "",
        _either([part.some for part in found if part.some is not None]),
        _either([part.none for part in found if part.none is not None]),
    )


def _one(name: str, value: Any, flags: int) -> str:
    """What matches one character."""
    if name == "LITERAL":
        return _in_case(_char(value), flags)
    if name == "NOT_LITERAL":
        return _in_case(f"[^{_char(value)}]", flags)
    if name == "ANY":
        return "(?s:.)" if flags & re.DOTALL else r"[^\n]"
    if name == "IN":
        return _set(value, flags)
    raise RefusedPatternError(f"{name.lower()} is not supported")


def _repeat(value: Any, flags: int, lazy: str) -> _Part:
    least, most = int(value[0]), None if str(value[1]) == "MAXREPEAT" else int(value[1])
    inner = _sequence(value[2], flags)
    some = None
    if most != 0 and inner.some is not None:
        some = f"(?:{inner.some}){_times(max(least, 1) if inner.none is None else 1, most)}{lazy}"
    return _Part(f"(?:{inner.full}){_times(least, most)}{lazy}", some, "" if least == 0 else inner.none)


def _times(least: int, most: int | None) -> str:
    return _REPEATS.get((least, most)) or f"{{{least},{'' if most is None else most}}}"


def _place(name: str, flags: int) -> str:
    if name in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return "(?m:^)" if flags & re.MULTILINE and name == "AT_BEGINNING" else r"\A"
    if name in ("AT_END", "AT_END_STRING"):
        return "(?m:$)" if flags & re.MULTILINE and name == "AT_END" else r"\z"
    return r"\b" if name == "AT_BOUNDARY" else r"\B"


def _set(items: list[Any], flags: int) -> str:
    negated = str(items[0][0]) == "NEGATE"
    classes = _ASCII_CLASSES if flags & re.ASCII else _CLASSES
    parts = []
    for name, value in items[negated:]:
        kind = str(name)
        if kind == "LITERAL":
            parts.append(_char(value))
        elif kind == "RANGE":
            parts.append(f"{_char(value[0])}-{_char(value[1])}")
        elif str(value) in classes:
            parts.append(classes[str(value)])
        elif len(items) == 1:
            return r"[^\p{L}\p{N}_]"
        else:
            return _listed(_as_in_re(items), flags & (re.IGNORECASE | re.ASCII))
    return _in_case(f"[{'^' * negated}{''.join(parts)}]", flags)


def _as_in_re(items: list[Any]) -> str:
    """A set of characters as it may have been written for ``re``."""
    text = ""
    for name, value in items:
        kind = str(name)
        if kind == "NEGATE":
            text += "^"
        elif kind == "CATEGORY":
            text += _SHORT[str(value).removeprefix("CATEGORY_")]
        else:
            first, last = value if kind == "RANGE" else (value, value)
            text += f"\\U{first:08x}-\\U{last:08x}"
    return f"[{text}]"


@functools.lru_cache(maxsize=64)
def _listed(one: str, flags: int) -> str:
    """A set of characters, found by asking ``re`` about all there are."""
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    every = (
        array.array("I", codes)
        .tobytes()
        .decode(f"utf-32-{'le' if array.array('H', [1]).tobytes()[0] else 'be'}")
    )
    found = [match.span() for match in re.finditer(f"{one}+", every, flags)]
    if not found:
        return _NEVER
    return "[" + "".join(f"{_char(codes[start])}-{_char(codes[end - 1])}" for start, end in found) + "]"


def _char(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\x{{{code:x}}}"


def _in_case(text: str, flags: int) -> str:
    return f"(?i:{text})" if flags & re.IGNORECASE else text


# --- what every match has


def _opens(tree: Any) -> bool:
    return _scan_opening(list(tree), False)[1]


def _scan_opening(items: list[Any], broken: bool) -> tuple[bool, bool]:
    """(a line break is certain by the end, a non-blank character after it is certain)."""
    for item in items:
        name, value = str(item[0]), item[1]
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            if int(value[0]) == 0:
                continue
            broken, done = _scan_opening(list(value[2]), broken)
        elif name in ("BRANCH", "SUBPATTERN"):
            parts = value[1] if name == "BRANCH" else [value[3]]
            ends = [_scan_opening(list(part), broken) for part in parts]
            broken, done = all(end[0] for end in ends), all(end[1] for end in ends)
        elif name == "AT":
            continue
        else:
            done = broken and not _may_be_blank(item)
            broken = broken or (name == "LITERAL" and value == ord("\n"))
        if done:
            return broken, True
    return broken, False


def _may_be_blank(item: Any) -> bool:
    """Whether an item for one character may match white space."""
    name, value = str(item[0]), item[1]
    one = (
        "." if name == "ANY"
        else _as_in_re(value) if name == "IN"
        else _as_in_re([*([("NEGATE", None)] if name == "NOT_LITERAL" else []), ("LITERAL", value)])
    )  # fmt: skip
    return re.search(one, " \t\n\r\f\v\xa0\u2003") is not None
