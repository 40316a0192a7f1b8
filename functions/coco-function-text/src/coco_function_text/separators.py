"""Separator patterns given by users: checked when they are compiled, watched while they run.

What is guaranteed (FN-SplitRecursively-16):

* The syntax is that of Python's ``re`` without look-around, back-references, conditional or atomic groups and
  possessive quantifiers: the part that linear-time engines share. ``\\w``, ``\\s``, ``\\d`` know Unicode.
* A pattern that does not compile, uses other syntax, or has a loop that could take exponential time is
  refused with ``ValueError`` before any text is split.
* A pattern without unlimited repetition takes time in proportion to the text. One with such a repetition
  (``\\s*\\n``) can take polynomial time on hostile text; it runs window by window, each twice as long only
  while nothing is found, and raises ``SeparatorTimeoutError`` when ``TIME_LIMIT`` is about to be exceeded.
  One window of 1,024 characters is never interrupted. The windows mean that a match which is longer than
  1,024 characters may be passed over for a shorter one where the pattern allows both.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .ambiguity import examine
from .positions import Span

TIME_LIMIT = 10.0
"""Seconds that one pattern may spend on one text or section of it, besides those per character."""
TIME_PER_CHARACTER = 5e-6
"""Seconds more for each character that was got through: about fifty times what a usual pattern needs."""
_WINDOW = 1024
_LEADING_FLAGS = re.compile(r"\(\?([aimsux]+)\)")


class SeparatorTimeoutError(ValueError):
    """A separator pattern took too long on one text; a row error, since other texts may be fine."""


@dataclass(frozen=True, slots=True)
class Separator:
    """A compiled separator. ``opens``: its matches begin the piece that follows, as a heading mark does."""

    source: str
    pattern: re.Pattern[str]
    unlimited: bool
    opens: bool

    def matches(
        self,
        text: str,
        start: int = 0,
        end: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> Iterator[Span]:
        """The non-empty matches within ``text[start:end]``, from left to right, not overlapping.

        :raises SeparatorTimeoutError: the pattern takes too long.
        """
        stop = len(text) if end is None else end
        if not self.unlimited:
            for match in self.pattern.finditer(text, start, stop):
                span = match.span()
                if span[0] < span[1]:
                    yield span
            return
        yield from self._watched(text, start, stop, clock)

    def _watched(self, text: str, at: int, stop: int, clock: Callable[[], float]) -> Iterator[Span]:
        first, window, spent = at, _WINDOW, 0.0
        while at < stop:
            edge, before, began = min(at + window, stop), at, clock()
            for match in self.pattern.finditer(text, at, edge):
                left, right = match.span()
                if right == edge < stop:
                    break  # it may go on behind the edge: look again from here with more text
                if left < right:
                    at = right
                    yield left, right
            if edge == stop:
                return
            took = clock() - began
            spent += took
            window = window * 2 if at == before else _WINDOW
            # Twice the window costs a cubic pattern eight times as long: stop before it begins.
            limit = TIME_LIMIT + (at - first) * TIME_PER_CHARACTER
            if spent > limit or (window > _WINDOW and spent + 8 * took > limit):
                raise SeparatorTimeoutError(
                    f"separator pattern {self.source!r} takes too long on this text: stopped after "
                    f"{spent:.1f} s at character {at}; limit its repetitions, for example {{0,100}} for *"
                )


@functools.lru_cache(maxsize=512)
def compile_separator(source: str) -> Separator:
    """Compiles and checks one pattern.

    :raises ValueError: it does not compile or is refused (see the module); the message holds the pattern.
    """
    if not isinstance(source, str):
        raise ValueError(f"a separator pattern must be a string, got {type(source).__name__}: {source!r}")
    try:
        pattern = re.compile(source)
        facts = examine(source)
    except (re.error, OverflowError, RecursionError) as error:
        hint = "; use \\w, \\d or \\s in place of \\p{...}" if "\\p" in source.lower() else ""
        raise ValueError(f"separator pattern {source!r} does not compile: {error}{hint}") from error
    if facts.problem:
        raise ValueError(f"separator pattern {source!r} is refused: {facts.problem}")
    return Separator(source, pattern, facts.unlimited, facts.opens)


@functools.lru_cache(maxsize=128)
def compile_alternatives(sources: tuple[str, ...]) -> Separator:
    """One separator that matches where any of the patterns does; at one place the first in the list wins.

    :raises ValueError: one of them is refused, or they cannot stand side by side (a group name used twice).
    """
    parts = [_scoped(compile_separator(source).source) for source in sources]
    if len(sources) == 1:
        return compile_separator(sources[0])
    whole = "|".join(f"(?:{part})" for part in parts)
    try:
        pattern = re.compile(whole)
    except re.error as error:
        raise ValueError(f"separator patterns {list(sources)!r} do not work together: {error}") from error
    facts = examine(whole)
    return Separator(" | ".join(sources), pattern, facts.unlimited, facts.opens)


def _scoped(source: str) -> str:
    """A pattern whose leading flags, as in ``(?i)x``, hold for itself alone: ``(?i:x)``."""
    found = _LEADING_FLAGS.match(source)
    if found is None:
        return source
    end = "\n" if "x" in found[1] else ""  # closes a comment on the last line of a verbose pattern
    return f"(?{found[1]}:{source[found.end() :]}{end})"


def check_patterns(sources: Sequence[str]) -> tuple[Separator, ...]:
    """Compiles every pattern of a list, in order.

    :raises ValueError: as ``compile_separator``.
    """
    return tuple(compile_separator(source) for source in sources)
