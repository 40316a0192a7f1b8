"""``.env`` files: ``NAME=value`` lines, for variables that are not set already (CLI-4)."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def find_env_file(start: Path) -> Path | None:
    """The first ``.env`` in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / ".env"
        if candidate.is_file():
            return candidate
    return None


def parse_env(text: str) -> dict[str, str]:
    """Variables of a file, in order; the last of one name counts.

    Single quotes keep everything; double quotes know ``\\n``, ``\\t``, ``\\r``, ``\\"``, ``\\\\``, ``\\$``;
    without quotes the value ends at `` #``. Quoted values may span lines. ``export`` may stand in front.
    Nothing is substituted. Raises ``ValueError`` naming the line that cannot be read.
    """
    found: dict[str, str] = {}
    lines = text.removeprefix("\ufeff").splitlines()
    number = 0
    while number < len(lines):
        first, line = number + 1, lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {first}: expected NAME=value")
        name, value = match.groups()
        if value[:1] not in ("'", '"'):
            found[name] = re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()
            continue
        quote, value = value[0], value[1:]
        while (end := _closing(value, quote)) is None:
            if number == len(lines):
                raise ValueError(f"line {first}: the quote of {name} is not closed")
            value += "\n" + lines[number]
            number += 1
        rest = value[end + 1 :].strip()
        if rest and not rest.startswith("#"):
            raise ValueError(f"line {number}: unexpected text after the value of {name}")
        found[name] = _unescaped(value[:end]) if quote == '"' else value[:end]
    return found


def _closing(text: str, quote: str) -> int | None:
    position = 0
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 2
            continue
        if text[position] == quote:
            return position
        position += 1
    return None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text, flags=re.DOTALL)


def load_env_file(path: Path) -> list[str]:
    """Set what the file says and the environment does not have yet; the names. Raises ``ValueError``, ``OSError``."""
    added = []
    for name, value in parse_env(path.read_text(encoding="utf-8")).items():
        if name not in os.environ:
            os.environ[name] = value
            added.append(name)
    return added
