"""Which relative paths a pair of pattern lists admits.

Syntax, matched against the whole path relative to the root, ``/`` separated, case-sensitive:

=============  ==========================================================================
``*``          any text, ``/`` included: ``*.md`` admits ``docs/a/b.md``
``**/``        zero or more whole directories; any other ``**`` is the same as ``*``
``?``          one character except ``/``
``[abc]``      one of these characters, ``[a-z]`` ranges, ``[!abc]`` none of them; never ``/``
``{a,b}``      one of these; may be nested; expanded before anything else
``\\``          takes the next character literally
=============  ==========================================================================

A leading ``./`` is dropped. All patterns of a list become one regular expression, which takes time linear in the length
of a path, whatever the pattern. The module does not access files, so that sources of other kinds can use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

MAX_EXPANSIONS = 1_000
"""Limit on what the ``{}`` of one pattern expand to: enough for lists, too small for accidents."""

_ANY_TEXT = "*"
_ANY_DIRECTORIES = "**/"
_LONGEST = {_ANY_TEXT: ".*", _ANY_DIRECTORIES: "(?:.*/|(?<![^/]))"}
_SPECIAL = frozenset("*?[{}\\")


class PatternError(ValueError):
    """A pattern that has no meaning; the message names field and pattern."""


class PathFilter(NamedTuple):
    """Compiled include and exclude lists.

    ``included(path)`` and ``excluded(path)`` are truthy on a match of a *file*; ``pruned(path)`` is
    truthy for a *directory* none of whose contents can be admitted. ``admits(path)`` answers for a
    file without a walk: it looks at the directories above it too. ``suffixes``: a file is included and not
    excluded if its name ends with one of these, where that is all there is to ask; else None.
    """

    included: Callable[[str], Any]
    excluded: Callable[[str], Any]
    pruned: Callable[[str], Any]
    admits: Callable[[str], bool]
    suffixes: tuple[str, ...] | None


def compile_filter(
    included: Sequence[str] | None,
    excluded: Sequence[str] | None,
    *,
    included_field: str = "included_patterns",
    excluded_field: str = "excluded_patterns",
) -> PathFilter:
    """One filter from two lists. ``included=None`` admits everything, an empty list nothing; an exclude wins.

    Raises ``PatternError`` naming field and pattern.
    """
    wanted = None if included is None else _alternatives(included, included_field)
    unwanted = _alternatives(excluded or (), excluded_field)
    is_included = _everything if wanted is None else _matcher(wanted)
    if not unwanted:
        return PathFilter(
            is_included,
            _nothing,
            _pruner(None, wanted),
            lambda path: bool(is_included(path)),
            ("",) if wanted is None else _suffixes_of_names(wanted),
        )
    is_excluded = _matcher(unwanted)
    # The match may end with the path or where a directory above it ends.
    excluded_at_all = re.compile(f"(?:{_union(unwanted)})(?:\\Z|/|(?<=/))", re.DOTALL).match

    def directory(path: str) -> Any:  # `build/` and `build/*` name a directory as `build` does
        return is_excluded(path) or is_excluded(path + "/")

    def admits(path: str) -> bool:
        return bool(is_included(path)) and not excluded_at_all(path)

    return PathFilter(is_included, is_excluded, _pruner(directory, wanted), admits, None)


def check_patterns(patterns: Sequence[str] | None, field: str) -> None:
    """Raise ``PatternError`` if one of ``patterns`` (the value of ``field``) is invalid."""
    _alternatives(patterns or (), field)


def _everything(path: str) -> Any:
    return True


def _nothing(path: str) -> Any:
    return None


class _Plain(NamedTuple):
    """A pattern without braces: its expression and the literal text every match starts with."""

    expression: str
    prefix: str
    suffix: str | None


def _suffixes_of_names(plains: Sequence[_Plain]) -> tuple[str, ...] | None:
    suffixes = [plain.suffix for plain in plains if plain.suffix is not None and "/" not in plain.suffix]
    return tuple(suffixes) if len(suffixes) == len(plains) else None


def _matcher(plains: Sequence[_Plain]) -> Callable[[str], Any]:
    # Lists by extension are the rule; for them a suffix test is several times faster than a search.
    suffixes = tuple(plain.suffix for plain in plains if plain.suffix is not None)
    others = [plain for plain in plains if plain.suffix is None]
    if not others:
        return lambda path: path.endswith(suffixes)
    rest = re.compile(_union(others), re.DOTALL).fullmatch
    if not suffixes:
        return rest
    return lambda path: path.endswith(suffixes) or rest(path)


def _pruner(excluded: Callable[[str], Any] | None, included: Sequence[_Plain] | None) -> Callable[[str], Any]:
    prefixes = None if included is None else tuple({plain.prefix for plain in included})
    if prefixes is None or "" in prefixes:
        return excluded or _nothing

    def pruned(path: str) -> Any:
        if excluded is not None and excluded(path):
            return True
        inside = path + "/"
        return not any(inside.startswith(prefix) or prefix.startswith(inside) for prefix in prefixes)

    return pruned


def _union(plains: Sequence[_Plain]) -> str:
    return "|".join(f"(?:{plain.expression})" for plain in plains)


def _alternatives(patterns: Sequence[str], field: str) -> list[_Plain]:
    found: list[_Plain] = []
    for pattern in patterns:
        try:
            if not isinstance(pattern, str):
                raise _Fault(f"a pattern is text, this is {type(pattern).__name__}")
            if not pattern:
                raise _Fault("it is empty")
            found += [_translate(text.removeprefix("./")) for text in _expand(pattern)]
        except _Fault as fault:
            raise PatternError(f"{field}: invalid pattern {pattern!r}: {fault}") from None
    return found


class _Fault(Exception):
    pass


def _expand(pattern: str) -> list[str]:
    """Every text that the braces of ``pattern`` stand for; escapes and classes stay as they are."""
    texts, position = _expand_sequence(pattern, 0, nested=False)
    assert position == len(pattern)
    return texts


def _expand_sequence(pattern: str, position: int, *, nested: bool) -> tuple[list[str], int]:
    texts = [""]
    while position < len(pattern):
        char = pattern[position]
        if nested and char in ",}":
            break
        if char == "{":
            choices, position = _expand_braces(pattern, position)
        elif char == "}":
            raise _Fault("'}' without '{' (write '\\}' for the character)")
        else:
            end = _end_of_item(pattern, position)
            choices, position = [pattern[position:end]], end
        if len(texts) * len(choices) > MAX_EXPANSIONS:
            raise _Fault(f"its braces stand for more than {MAX_EXPANSIONS} patterns")
        texts = [text + choice for text in texts for choice in choices]
    return texts, position


def _expand_braces(pattern: str, start: int) -> tuple[list[str], int]:
    choices: list[str] = []
    position = start + 1
    while True:
        texts, position = _expand_sequence(pattern, position, nested=True)
        choices += texts
        if len(choices) > MAX_EXPANSIONS:
            raise _Fault(f"its braces stand for more than {MAX_EXPANSIONS} patterns")
        if position >= len(pattern):
            raise _Fault("'{' is never closed (write '\\{' for the character)")
        position += 1
        if pattern[position - 1] == "}":
            return choices, position


def _end_of_item(pattern: str, start: int) -> int:
    """Where the escape, class or single character at ``start`` ends."""
    if pattern[start] == "\\":
        if start + 1 == len(pattern):
            raise _Fault("it ends with '\\', which has nothing to escape")
        return start + 2
    if pattern[start] != "[":
        return start + 1
    position = start + 1
    if pattern[position : position + 1] in ("!", "^"):
        position += 1
    first = position
    while position < len(pattern):
        if pattern[position] == "]" and position > first:
            return position + 1
        position += 2 if pattern[position] == "\\" else 1
    raise _Fault("'[' is never closed (write '\\[' for the character)")


def _translate(pattern: str) -> _Plain:
    start: list[str] = []
    gaps: list[tuple[str, list[str]]] = []
    fixed = start
    prefix: list[str] = []
    literal_so_far = True
    position = 0
    while position < len(pattern):
        char = pattern[position]
        end = _end_of_item(pattern, position)
        if char in _SPECIAL and char not in "\\{}":
            literal_so_far = False
        if char == "*":
            while pattern[end : end + 1] == "*":
                end += 1
            kind, fixed = _ANY_TEXT, []
            if end - position > 1 and pattern[end : end + 1] == "/":
                end += 1
                kind = _ANY_DIRECTORIES
            gaps.append((kind, fixed))
        elif char == "?":
            fixed.append("[^/]")
        elif char == "[":
            fixed.append(_translate_class(pattern[position + 1 : end - 1]))
        else:
            text = pattern[end - 1]
            fixed.append(re.escape(text))
            if literal_so_far:
                prefix.append(text)
        position = end
    return _Plain("".join(start) + _join(gaps), "".join(prefix), _suffix(pattern))


def _join(gaps: Sequence[tuple[str, Sequence[str]]]) -> str:
    """One expression for gaps of any length, each with the characters (a fixed number) that follow it.

    The shortest text for a gap leaves every choice to the gaps behind it. So a match of all gaps but the last is final
    (an atomic group), and the expression never goes back to it: without that, ``*a*a*a*b`` would take time that grows
    with the fourth power of the length. A ``*`` at the end matches whatever is left, so it is not a choice.
    """
    choices = len(gaps) - (bool(gaps) and gaps[-1] == (_ANY_TEXT, []))
    return "".join(
        f"(?>{_shortest(kind, fixed)})" if position < choices - 1 else _LONGEST[kind] + "".join(fixed)
        for position, (kind, fixed) in enumerate(gaps)
    )


def _shortest(kind: str, fixed: Sequence[str]) -> str:
    """A gap that tries short texts first. From one place where it may end it skips to the next, without single steps."""
    if kind == _ANY_DIRECTORIES:
        return "(?:(?<![^/])|(?:[^/]*+/)+?)" + "".join(fixed)
    if not fixed or len(fixed[0].removeprefix("\\")) > 1:
        return ".*?" + "".join(fixed)
    return f"(?:[^{fixed[0]}]*+{fixed[0]})+?" + "".join(fixed[1:])


def _suffix(pattern: str) -> str | None:
    """The text S if the pattern is ``*S`` or ``**/*S`` with a literal S, which both mean "ends with S"."""
    for start in ("**/*", "*"):
        rest = pattern.removeprefix(start)
        if rest != pattern and not _SPECIAL.intersection(rest):
            return rest
    return None


def _translate_class(body: str) -> str:
    negated = body[:1] in ("!", "^")
    chars = _class_chars(body[1:] if negated else body)
    items: list[str] = []
    position = 0
    while position < len(chars):
        low = chars[position][0]
        is_range = position + 2 < len(chars) and chars[position + 1] == ("-", False)
        if is_range:
            high = chars[position + 2][0]
            if high < low:
                raise _Fault(f"the range '{low}-{high}' runs backwards")
            items.append(f"{re.escape(low)}-{re.escape(high)}")
            position += 3
        else:
            items.append(re.escape(low))
            position += 1
    return f"(?!/)[{'^' if negated else ''}{''.join(items)}]"


def _class_chars(body: str) -> list[tuple[str, bool]]:
    """(character, whether it was escaped) for each member of a class."""
    chars: list[tuple[str, bool]] = []
    position = 0
    while position < len(body):
        escaped = body[position] == "\\"
        position += escaped
        chars.append((body[position], escaped))
        position += 1
    return chars
