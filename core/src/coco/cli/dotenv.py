"""Former place of ``coco.env_file``."""

from __future__ import annotations

from coco.env_file import find_env_file, load_env_file, parse_env

__all__ = ["find_env_file", "load_env_file", "parse_env"]
