"""Separator patterns given by users: checked when they are compiled, in linear time when they run.

* The syntax is that of Python's ``re`` without look-around, back-references, conditional or atomic groups and
  possessive quantifiers: the part that linear-time engines share. ``\\w``, ``\\s``, ``\\d`` know Unicode; ``\\b`` goes
  by ASCII letters, digits and ``_``; ``$`` without the flag ``m`` is the very end of the text. A repetition is at most
  1000 times, or without limit.
* A pattern that does not compile or uses other syntax, POSIX classes such as ``[[:alpha:]]`` among it, is refused
  with ``ValueError`` before any text is split.
* RE2 runs the patterns, so that every pattern takes linear time on every text. A pattern without unlimited repetition
  finds what ``re`` finds. One with it looks at 1,024 bytes at a time and at more only while nothing is found: each match
  may look far ahead, and there may be many. So a match longer than that may be passed over for a shorter one where the
  pattern allows both.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coco_function_text.patterns import Pattern, RefusedPatternError, translate
from coco_function_text.positions import Span, utf8

_WINDOW = 1024


@dataclass(frozen=True, slots=True)
class Separator:
    """A compiled separator. ``opens``: its matches begin the piece that follows, as a heading mark does."""

    source: str
    opens: bool
    _match: Any
    """RE2's search for one match, called with an anchor, the text in UTF-8, a start and an end, all in bytes."""
    _anchor: Any
    _long: bool
    """Whether a match may be longer than a window."""

    def matches(self, text: str, start: int = 0, end: int | None = None) -> list[Span]:
        """The non-empty matches within ``text[start:end]``, from left to right, not overlapping."""
        stop = len(text) if end is None else end
        first = max(start - 1, 0)  # with the character before, which `^` and `\b` look at
        data = utf8(text[first:stop])
        found = self._matches(data, len(utf8(text[first:start])))
        if len(data) == stop - first:
            return [(first + left, first + right) for left, right in found] if first else found
        spans: list[Span] = []
        at, char = 0, first
        for left, right in found:
            begin = char + len(data[at:left].decode("utf-8", "surrogatepass"))
            at, char = right, begin + len(data[left:right].decode("utf-8", "surrogatepass"))
            spans.append((begin, char))
        return spans

    def _matches(self, data: bytes, at: int) -> list[Span]:
        """The same in bytes."""
        match, anchor, size, window = self._match, self._anchor, len(data), _WINDOW
        found: list[Span] = []
        while at < size:
            edge = at + window if self._long else size
            if edge >= size:
                edge = size
            elif data[edge] & 0xC0 == 0x80:
                edge = _boundary(data, edge)
            left, right = span = match(anchor, data, at, edge)[0]
            if edge < size and (left < 0 or right == edge):
                window *= 2  # it may go on behind the edge: look again with more text
                continue
            if left < 0:
                break
            window = _WINDOW
            found.append(span)
            at = right
        return found


def _boundary(data: bytes, at: int) -> int:
    """The first index from ``at`` on that is not inside of a character, at most the end."""
    size = len(data)
    while at < size and data[at] & 0xC0 == 0x80:
        at += 1
    return min(at, size)


@functools.lru_cache(maxsize=512)
def compile_separator(source: str) -> Separator:
    """Compiles and checks one pattern.

    Raises ``ValueError``, with the pattern, if it does not compile or is refused (see the module).
    """
    return _compile((source,))


@functools.lru_cache(maxsize=128)
def compile_alternatives(sources: tuple[str, ...]) -> Separator:
    """One separator that matches where any of the patterns does; at one place the first in the list wins.

    Raises ``ValueError`` if one of them is refused.
    """
    return _compile(sources)


def check_patterns(sources: Sequence[str]) -> tuple[Separator, ...]:
    """Compiles every pattern of a list, in order.

    Raises ``ValueError`` as ``compile_separator``.
    """
    return tuple(compile_separator(source) for source in sources)


def _compile(sources: tuple[str, ...]) -> Separator:
    found = [_translated(source) for source in sources]
    compiled, anchor = _compiled("|".join(f"(?:{pattern.source})" for pattern in found), sources)
    limits = [pattern.longest for pattern in found]
    return Separator(
        " | ".join(sources),
        all(pattern.opens for pattern in found),
        compiled.Match,
        anchor,
        any(limit is None or limit > _WINDOW for limit in limits),
    )


def _translated(source: str) -> Pattern:
    if not isinstance(source, str):
        raise ValueError(f"a separator pattern must be a string, got {type(source).__name__}: {source!r}")
    try:
        found = translate(source)
    except (re.error, OverflowError, RecursionError) as error:
        hint = "; use \\w, \\d or \\s in place of \\p{...}" if "\\p" in source.lower() else ""
        raise ValueError(f"separator pattern {source!r} does not compile: {error}{hint}") from error
    except RefusedPatternError as error:
        raise ValueError(f"separator pattern {source!r} is refused: {error}") from error
    _compiled(found.source, (source,))  # so that a refusal names this pattern alone
    return found


def _compiled(pattern: str, sources: tuple[str, ...]) -> tuple[Any, Any]:
    """A pattern for RE2, compiled, and its anchor for matches anywhere."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    # What re2.compile has below: its own iteration costs several times as much for a match.
    compiled = re2._re2.RE2(pattern.encode(), options)
    if not compiled.ok():
        reason = compiled.error()
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if "repetition size" in reason:
            reason += "; a repetition is at most 1000 times, nested ones together, or without limit"
        named = repr(sources[0]) if len(sources) == 1 else repr(list(sources))
        raise ValueError(f"separator pattern {named} is refused: {reason}")
    return compiled, re2._re2.RE2.Anchor.UNANCHORED
