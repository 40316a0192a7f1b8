"""Where a text may be cut without tearing a character that people see as one.

A practical part of Unicode's rules (UAX 29): combining marks, variation selectors, joiners, emoji modifiers,
flags, Hangul syllables and ``\\r\\n`` stay whole. It needs no table besides the one in the standard library.
"""

from __future__ import annotations

import unicodedata

_FARTHEST = 64
"""How many code points to look back. A cluster longer than that is cut between code points."""
_JOINER = "\u200d"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _extends(char: str) -> bool:
    """Whether ``char`` belongs to the character before it."""
    if char < "\u0300":
        return False
    if char == _JOINER or "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f":
        return True
    return unicodedata.category(char) in ("Mn", "Me", "Mc")


def _hangul_joins(left: str, right: str) -> bool:
    """Leading, vowel and trailing jamo of one syllable; a precomposed syllable may take a vowel or a trailing
    one.
    """
    if not ("\u1160" <= right <= "\u11ff" or "\u1100" <= right <= "\u115f"):
        return False
    if "\u1100" <= left <= "\u115f":
        return True
    if "\u1160" <= left <= "\u11a7" or ("\uac00" <= left <= "\ud7a3" and (ord(left) - 0xAC00) % 28 == 0):
        return "\u1160" <= right <= "\u11ff"
    return ("\u11a8" <= left <= "\u11ff" or "\uac00" <= left <= "\ud7a3") and "\u11a8" <= right <= "\u11ff"


def is_boundary(text: str, index: int) -> bool:
    """Whether a cut at ``index`` leaves every visible character whole."""
    if index <= 0 or index >= len(text):
        return True
    left, right = text[index - 1], text[index]
    if right < "\u0300" and left < "\u0300":
        return not (left == "\r" and right == "\n")
    if _extends(right) or left == _JOINER or _hangul_joins(left, right):
        return False
    if _is_flag_letter(left) and _is_flag_letter(right):
        run = index
        while run > 0 and index - run < _FARTHEST and _is_flag_letter(text[run - 1]):
            run -= 1
        return (index - run) % 2 == 0
    return True


def cut_before(text: str, index: int, floor: int) -> int:
    """The last boundary at or before ``index`` and after ``floor``; ``index`` itself when there is none
    near.
    """
    for at in range(index, max(floor, index - _FARTHEST), -1):
        if is_boundary(text, at):
            return at
    return index


def cut_after(text: str, index: int, ceiling: int) -> int:
    """The first boundary at or after ``index`` and before ``ceiling``; ``index`` itself when there is none
    near.
    """
    for at in range(index, min(ceiling, index + _FARTHEST)):
        if is_boundary(text, at):
            return at
    return index
