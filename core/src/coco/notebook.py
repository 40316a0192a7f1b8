"""Tables in HTML for notebooks: what ``_repr_html_`` of reports gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def html_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a caption. Everything is escaped: keys and messages come from outside."""
    head = "".join(f"<th>{_escaped(item)}</th>" for item in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_escaped(item)}</td>' for item in row)}</tr>" for row in rows)
    return f"<table><caption>{_escaped(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_text(text: str) -> str:
    """A text of several lines as it is."""
    return f"<pre>{_escaped(text)}</pre>"


def _escaped(value: Any) -> str:
    from html import escape

    from coco.printable import printable_lines

    return escape(printable_lines("" if value is None else str(value)))
