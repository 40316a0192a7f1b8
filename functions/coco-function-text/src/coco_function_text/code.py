"""The levels of source code, data files and markup, found by the shape of their lines.

Definitions are recognised by blank lines, indent and the words that open them, with the comments and
decorators right above. It needs no parser, so broken or unknown source is cut as well as any. A definition
that fits in a chunk is one piece, whatever is inside it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from coco_function_text.languages import Language
from coco_function_text.levels import (
    BLANK_LINES,
    BLANK_RUN,
    CLAUSES,
    LINES,
    SENTENCES,
    WORDS,
    FunctionLevel,
    Level,
    PatternLevel,
)
from coco_function_text.markdown import markdown_levels

_NO_CLOSER = (
    r"(?=[^\s)}\]])(?!</|(?:end|else|elif|elsif|elseif|except|rescue|ensure|finally|catch|then|do|begin)\b)"
)
"""The rest of a line that begins something, and neither ends nor continues what is above it."""
_TOP_BLANK = rf"{BLANK_RUN}(?:{_NO_CLOSER}|())"
_INNER_BLANK = rf"{BLANK_RUN}(?:(?=(?: {{1,4}}|\t){_NO_CLOSER})|())"
"""A run of blank lines with what begins below it. The group says that nothing begins there: a pattern that failed
would look at the run again from each of its lines.
"""
_STATEMENTS = PatternLevel(r"[;{}]")
_COMMAS = PatternLevel(r",")
_INDENT = re.compile(r"[ \t]*")
_CLOSER = re.compile(r"[ \t]*[)\]}]+\s*$")
_DECORATOR_LINES = 40


def _indented(spaces: int, tabs: int) -> PatternLevel:
    """Lines that are indented by at most so much and begin something."""
    return PatternLevel(rf"\n(?=(?: {{0,{spaces}}}|\t{{0,{tabs}}}){_NO_CLOSER})")


_BY_INDENT = (_indented(0, 0), _indented(2, 1), _indented(4, 2), _indented(8, 3), _indented(12, 4))
_LAST = (LINES, _STATEMENTS, SENTENCES, CLAUSES, WORDS, _COMMAS)


@functools.cache
def _line_levels(language: Language) -> tuple[Level, ...]:
    sections: list[Level] = []
    if language.shape == "code":
        sections.append(FunctionLevel(_Items(_TOP_BLANK, language).cuts, strong=True))
    members = language.items if language.members is None else language.members
    if language.items:
        sections.append(_item_level("", language.items, language))
    if members and language.shape == "code":
        sections.append(_item_level(r"(?: {1,4}|\t)", members, language))
        sections.append(_item_level(r"[ \t]+", members, language))
    if language.shape == "data":
        return (*sections, BLANK_LINES, *_BY_INDENT, *_LAST)
    return (*sections, PatternLevel(_INNER_BLANK), BLANK_LINES, *_BY_INDENT, *_LAST)


def _item_level(indent: str, items: str, language: Language) -> Level:
    """Cuts before the lines that open a definition behind the given indent."""
    flags = "i" if language.ignore_case else ""
    return FunctionLevel(_Items(rf"\n(?={indent}(?{flags}:{items}))", language).cuts, strong=True)


class _Items:
    """Finds the lines that open a definition, and takes the lines above that belong to it along."""

    def __init__(self, pattern: str, language: Language) -> None:
        self._find = re.compile(pattern, re.MULTILINE).finditer
        self._leads = re.compile(rf"[ \t]*(?:{language.leads})").match if language.leads else None

    def cuts(self, text: str, start: int, end: int) -> Sequence[int]:
        places: list[int] = []
        floor = start
        for match in self._find(text, start, end):
            if match.lastindex is not None:
                continue
            line = match.end()
            while line > floor and (above := self._above(text, floor, line)) < line:
                line = above
            if floor < line < end:
                places.append(line)
            floor = match.end()
        return places

    def _above(self, text: str, floor: int, line: int) -> int:
        """The start of the comment or decorator that ends right above ``line``; ``line`` if there is none."""
        if self._leads is None:
            return line
        above = _line_before(text, floor, line)
        if text.endswith("*/", above, line - 1) or text.endswith("*/\r", above, line - 1):
            opening = text.rfind("/*", floor, line)
            return line if opening < 0 else max(text.rfind("\n", floor, opening) + 1, floor)
        if self._leads(text, above, line):
            return above
        if _CLOSER.match(text, above, line):  # the end of a decorator of several lines, perhaps
            indent = _INDENT.match(text, above, line)[0]  # type: ignore[index]
            for _ in range(_DECORATOR_LINES):
                above = _line_before(text, floor, above)
                if not text.startswith((indent + " ", indent + "\t"), above):
                    return above if self._leads(text, above, line) else line
        return line


def _line_before(text: str, floor: int, line: int) -> int:
    """The start of the line above ``line``, at least ``floor``."""
    return max(text.rfind("\n", floor, max(line - 1, floor)) + 1, floor)


def _before_tags(names: str, *, strong: bool = False) -> Level:
    """Cuts before ``<`` and one of the names."""
    find = re.compile(rf"<(?={names})", re.IGNORECASE).finditer

    def places(text: str, start: int, end: int) -> Sequence[int]:
        return [match.start() for match in find(text, start + 1, end)]

    return FunctionLevel(places, strong=strong)


_ANY_ELEMENT = _before_tags(r"[\w!?]")
_HTML: tuple[Level, ...] = (
    _before_tags(r"(?:head|body|main|article|h1)\b", strong=True),
    _before_tags(r"(?:section|nav|header|footer|aside|h2)\b", strong=True),
    _before_tags(r"h[3-6]\b", strong=True),
    _before_tags(r"(?:div|form|table|ul|ol|dl|pre|blockquote|figure|script|style|fieldset|template)\b"),
    _before_tags(r"(?:p|li|tr|dt|dd|thead|tbody|details|option|meta|link)\b"),
    *_BY_INDENT, LINES, _ANY_ELEMENT, SENTENCES, CLAUSES, WORDS,
)  # fmt: skip
_XML: tuple[Level, ...] = (BLANK_LINES, *_BY_INDENT, LINES, _ANY_ELEMENT, SENTENCES, CLAUSES, WORDS)


def levels_of(language: Language, text: str) -> tuple[Level, ...]:
    """The levels at which a text in a built-in language is split, strongest first."""
    if language.shape == "markdown":
        return markdown_levels(text)
    if language.shape == "markup":
        return _HTML if language.name == "html" else _XML
    return _line_levels(language)
