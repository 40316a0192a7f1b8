"""Makes text from outside safe to show on a terminal, in a log, and in a file of lines.

File names, keys, values in messages and lines of source code may hold any character: an escape sequence that clears the
screen or sets the title of a window, a line break that makes one record look like two, a mark that reverses the
direction of writing, half of a surrogate pair that no encoding can write. ``printable`` writes such characters as
escapes and keeps all others: accents, emoji and all scripts.
"""

from __future__ import annotations

import re

_STEERING = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    r"\u2028\u2029"  # line and paragraph separator
    r"\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of writing round
    r"\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff"  # half of a pair: bytes of a file name that are no text
)
# Compiled at first use: large classes of characters take a millisecond, and most programs meet none of these.
_IN_A_LINE = rf"[\t\n{_STEERING}]"
_IN_LINES = rf"[{_STEERING}]"
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: str) -> str:
    r"""Return text as one line, with control characters as escapes: ``\x1b``, ``\n``, ``\u202e``, ``\udc80``.

    A backslash stays as it is, so the result is for people only. Use JSON where a program needs the exact text.
    """
    return text if text.isprintable() else re.sub(_IN_A_LINE, _escape, text)


def printable_lines(text: str) -> str:
    """Do the same for text of several lines: keep line feeds and tabs, and drop a carriage return before a line feed."""
    return text if text.isprintable() else re.sub(_IN_LINES, _escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
