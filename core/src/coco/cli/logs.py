"""What log messages look like on the command line where the app configures no logging of its own."""

from __future__ import annotations

import logging

from coco.printable import printable_lines


class PrintableFormatter(logging.Formatter):
    """Writes control characters in messages and tracebacks as escapes, and masks secrets that coco knows."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, safe to show."""
        from coco.ops.error_text import masked

        return printable_lines(masked(super().format(record)))


def prepare_logs() -> None:
    """Make Python's handler of last resort, which prints warnings and errors to standard error, safe to read."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())
