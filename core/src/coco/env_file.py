"""Reads the ``.env`` file of a project, for the command line and for Python programs alike.

coco reads one file, before it reads a setting, opens the state or loads plugins: the first ``.env`` in the working folder
or a folder above it. ``COCO_ENV_FILE`` names another file, or is ``off``. Each line becomes an environment variable,
unless that is set already. python-dotenv parses the file, so the syntax and the substitution of ``${NAME}`` are those
of other tools.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from coco.errors import ClientError

VARIABLE = "COCO_ENV_FILE"
OFF = "off"

_LOG = logging.getLogger("coco")
_guard = threading.RLock()
_is_read = False
_places: dict[str, str] = {}


def read_env_file() -> None:
    """Read the file, unless it has been read. Call this before a setting is read.

    Raises ``ClientError`` with the file that cannot be read, and with the line if that cannot be parsed.
    """
    if _is_read:
        return
    with _guard:
        if not _is_read:
            path = chosen_env_file()
            if path is not None:
                use_env_file(path)
                _LOG.info("environment variables come from %s too", path)
            note_env_file_read()


def use_env_file(path: Path) -> None:
    """Read this file now and no other one later. Raises ``ClientError`` if it cannot be read."""
    with _guard:
        try:
            names = load_env_file(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ClientError(f"cannot read {path}: {reason}; {VARIABLE}={OFF} goes on without it") from error
        for name in names:
            _places[name] = str(path)
        note_env_file_read()


def note_env_file_read(done: bool = True) -> None:
    """Read no file from now on. With ``done=False``, read it again at the next use."""
    global _is_read
    _is_read = done


def env_file_of(name: str) -> str | None:
    """Return the file that a variable has its value from; None if it was set in another way."""
    return _places.get(name) if name in os.environ else None


def chosen_env_file() -> Path | None:
    """Return the file to read, or None.

    It is the one that ``COCO_ENV_FILE`` names, or else the nearest ``.env``, from the working folder upwards.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return None if named.lower() == OFF else Path(named).resolve()
    try:
        return find_env_file(Path.cwd())
    except FileNotFoundError:  # the working folder was deleted
        return None


def find_env_file(start: Path) -> Path | None:
    """Return the first ``.env`` in ``start`` or a folder above it; None if there is none."""
    for folder in (start, *start.parents):
        candidate = folder / ".env"
        if os.path.isfile(candidate):
            return candidate
    return None


def parse_env(text: str) -> dict[str, str]:
    """Return the variables of a file, in order.

    Of several lines with one name the last one counts. A name without ``=`` sets no variable. Lines end with LF, CRLF or
    CR. Raises ``ValueError`` with the number of a line that cannot be parsed.
    """
    import io

    from dotenv.main import DotEnv
    from dotenv.parser import parse_stream

    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for binding in parse_stream(io.StringIO(text, newline="")):
        if binding.error:
            found = binding.original.string
            above = found[: len(found) - len(found.lstrip())].count("\n")
            raise ValueError(
                f"line {binding.original.line + above} is not NAME=value, or its quote is not closed"
            )
    values = DotEnv(None, stream=io.StringIO(text, newline=""), override=False).dict()
    return {name: value for name, value in values.items() if value is not None}


def load_env_file(path: Path) -> list[str]:
    """Set the variables of a file that the environment does not have, and return their names.

    Raises ``ValueError`` for a line that cannot be parsed, ``OSError`` for a file that cannot be read.
    """
    added = []
    for name, value in parse_env(path.read_bytes().decode("utf-8")).items():
        if name not in os.environ:
            os.environ[name] = value
            added.append(name)
    return added
