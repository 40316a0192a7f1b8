"""Cuts a text at every match of a separator: one level, no sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from coco_function_text.positions import Span
from coco_function_text.separators import Separator

Keep = Literal["NONE", "LEFT", "RIGHT"]


def separate(
    text: str,
    separator: Separator | None,
    *,
    keep: Keep = "NONE",
    include_empty: bool = False,
    trim: bool = True,
) -> list[Span]:
    """The pieces between the matches, as ranges of characters, in order and without repeats.

    ``keep``: what becomes of a match: ``NONE`` it is dropped, ``LEFT`` it begins the piece behind it,
    ``RIGHT`` it ends the piece before it. ``trim``: without white space at both ends of a piece.
    ``include_empty``: also pieces that are empty then; two of them at one place are one. Without a separator
    the whole text is one piece.
    """
    found: dict[Span, None] = {}
    for start, end in _between(text, separator, keep):
        if trim:
            piece = text[start:end].lstrip()
            start = end - len(piece)  # an empty piece stays at its end
            end = start + len(piece.rstrip())
        if include_empty or start < end:
            found[start, end] = None
    return list(found)


def _between(text: str, separator: Separator | None, keep: Keep) -> Iterator[Span]:
    start = 0
    if separator is not None:
        for left, right in separator.matches(text):
            yield start, right if keep == "RIGHT" else left
            start = left if keep == "LEFT" else right
    yield start, len(text)
