"""The ``.env`` file, under the name that it had in the command line."""

from __future__ import annotations

from coco.env_file import find_env_file, load_env_file, parse_env

__all__ = ["find_env_file", "load_env_file", "parse_env"]
