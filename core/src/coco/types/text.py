"""Text that every store and target takes."""

from __future__ import annotations


def whole_text(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair, which is no character; two halves that fit are one.

    Such halves come from JSON escapes, from names of files, and from other languages. No UTF-8 holds them.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
