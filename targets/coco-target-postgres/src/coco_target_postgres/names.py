"""Names of tables and indexes, within Postgres's 63 bytes."""

from __future__ import annotations

import string

from coco.kit.naming import join_names, shorten

MAX_NAME_BYTES = 63

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that every table has columns of already."""


_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def default_table_name(name: str) -> str:
    """The table of a default name: as the server reads that name where SQL does not quote it."""
    return fitted(name.translate(_LOWER))


def fitted(name: str) -> str:
    """A default name; a long one is shortened here, by a digest, and not by the server, which cuts silently."""
    return shorten(name, MAX_NAME_BYTES)


def index_name(table: str, field: str, *parts: str) -> str:
    """``<table>__<field>__<metric>__<method>``."""
    return join_names(table, field, *parts, max_bytes=MAX_NAME_BYTES)
