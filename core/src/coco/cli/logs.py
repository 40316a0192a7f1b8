"""Format of log messages on the command line, if the app does not configure logging."""

from __future__ import annotations

import logging

from coco.printable import printable_lines


class PrintableFormatter(logging.Formatter):
    """Writes control characters in messages and tracebacks as escapes, and masks secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, with control characters escaped and secrets masked."""
        from coco.ops.error_text import masked

        return printable_lines(masked(super().format(record)))


def prepare_logs() -> None:
    """Set this format for Python's handler of last resort, which prints warnings and errors to standard error."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())
