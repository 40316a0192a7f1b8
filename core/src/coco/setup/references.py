"""Finds references to credentials in keys and states that are on record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from coco.auth_registry import AuthEntryReference


def auth_keys(value: Any) -> list[str]:
    """Return the keys of all stable references in a key or state, outermost first."""
    if isinstance(value, AuthEntryReference):
        return [value.key]
    parts: list[Any] = []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, item.name, None) for item in dataclasses.fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    return [key for part in parts for key in auth_keys(part)]
