"""Secrets that need no plugin: environment variables and files."""

from __future__ import annotations

import os
from pathlib import Path

from coco.env_file import read_env_file
from coco.errors import SecretError

MAX_BYTES = 1 << 16
"""Larger than any password, token or certificate, so that a wrong path does not read a huge file."""


def read_secret(ref: str) -> str | None:
    """The value of ``env:NAME`` or ``file:PATH``; None for other schemes. Raises ``SecretError``."""
    scheme, _, rest = ref.partition(":")
    if scheme == "env":
        return _variable(rest)
    return _file(rest) if scheme == "file" else None


def _variable(name: str) -> str:
    read_env_file()
    value = os.environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise SecretError(f"the environment variable {name} {state}; set it, in .env for example")
    return value


def _file(text: str) -> str:
    path = Path(text).expanduser()
    shown = path if path.is_absolute() else f"{path} in {Path.cwd()}"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise SecretError(f"the file {shown} cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise SecretError(f"the file {shown} has more than {MAX_BYTES} bytes, too many for a secret")
    try:
        value = data.decode("utf-8")
    except UnicodeDecodeError:  # its text quotes bytes of the file
        raise SecretError(f"the file {shown} is not UTF-8 text") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SecretError(f"the file {shown} is empty")
    return value
