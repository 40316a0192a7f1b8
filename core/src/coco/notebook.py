"""Makes tables in HTML for notebooks, for the ``_repr_html_`` of reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def html_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table with a caption. All text is escaped, because keys and messages come from outside."""
    head = "".join(f"<th>{_escaped(item)}</th>" for item in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_escaped(item)}</td>' for item in row)}</tr>" for row in rows)
    return f"<table><caption>{_escaped(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_text(text: str) -> str:
    """Return text of several lines with its line breaks."""
    return f"<pre>{_escaped(text)}</pre>"


def _escaped(value: Any) -> str:
    from html import escape

    from coco.printable import printable_lines

    return escape(printable_lines("" if value is None else str(value)))
