"""The ``.env`` file: variables for a project, the same for the command line and for Python programs.

It is read once, before anything asks for a setting, the state or the plugins: the first ``.env`` in the working folder
or a folder above it. ``COCO_ENV_FILE`` names another file, or is ``off``. What it says becomes an environment variable,
except for variables that are set already. python-dotenv reads the file, so its syntax and its substitution of
``${NAME}`` are those that other tools know.
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
    """Read the file unless that was done. Call it before a setting is looked up.

    Raises ``ClientError`` naming a file that cannot be read, and the line where that is the reason.
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
    """Read this file now, and no other one later. Raises ``ClientError`` if that is impossible."""
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
    """Read no file from here on; with ``done=False``, read it again at the next use."""
    global _is_read
    _is_read = done


def env_file_of(name: str) -> str | None:
    """The file from which a variable has its value; None if it was set in another way."""
    return _places.get(name) if name in os.environ else None


def chosen_env_file() -> Path | None:
    """What ``COCO_ENV_FILE`` names, else the nearest ``.env`` from the working folder upwards; None if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return None if named.lower() == OFF else Path(named).resolve()
    try:
        return find_env_file(Path.cwd())
    except FileNotFoundError:  # the working folder was deleted
        return None


def find_env_file(start: Path) -> Path | None:
    """The first ``.env`` in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / ".env"
        if os.path.isfile(candidate):
            return candidate
    return None


def parse_env(text: str) -> dict[str, str]:
    """Variables of a file, in order; the last of one name counts, and a name without ``=`` is none.

    Lines end with LF, CRLF or CR. Raises ``ValueError`` naming the line that cannot be read.
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
                f"line {binding.original.line + above} is no NAME=value, or its quote is not closed"
            )
    values = DotEnv(None, stream=io.StringIO(text, newline=""), override=False).dict()
    return {name: value for name, value in values.items() if value is not None}


def load_env_file(path: Path) -> list[str]:
    """Set what the file says and the environment does not have yet; the names. Raises ``ValueError``, ``OSError``."""
    added = []
    for name, value in parse_env(path.read_bytes().decode("utf-8")).items():
        if name not in os.environ:
            os.environ[name] = value
            added.append(name)
    return added
