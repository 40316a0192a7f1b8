"""Version 3: a recorded failure keeps the traceback of its exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def migrate(db: sqlite3.Connection) -> None:
    """Add the column. Earlier failures have no traceback."""
    db.execute("ALTER TABLE failures ADD COLUMN traceback TEXT")
