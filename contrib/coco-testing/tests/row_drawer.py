"""A target of one function: rows in a dictionary, with nothing to set up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coco import op

DRAWERS: dict[str, dict[Any, dict[str, Any]]] = {}


def rows_in(name: str) -> Iterable[tuple[Any, dict[str, Any]]]:
    return DRAWERS.get(name, {}).items()


@op.row_target(read=rows_in)
def row_drawer(upserts: dict[Any, dict[str, Any]], deletes: list[Any], name: str) -> None:
    """Rows of a dictionary."""
    drawer = DRAWERS.setdefault(name, {})
    drawer.update(upserts)
    for key in deletes:
        drawer.pop(key, None)
