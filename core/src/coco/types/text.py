"""Makes text that every store and target accepts."""

from __future__ import annotations


def whole_text(text: str) -> str:
    """Return ``text`` with U+FFFD for each half of a surrogate pair; two matching halves become their character.

    Such halves come from JSON escapes, from names of files, and from other languages. UTF-8 cannot hold them.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
