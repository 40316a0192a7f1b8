"""Functions of upper layers that lower layers call. ``coco/__init__``, the topmost module, sets them.

Imports point down only. A call that has to go up, because a spec executes itself or a module has names of an earlier layout,
goes through this module, so that no module looks up another one above it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

execute_spec: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]
"""Calls the function that a spec describes once, in memory: (spec, arguments, keyword arguments) -> result."""

older_name: Callable[[str, str], Any]
"""(module, name) -> the object of that name, if it is in another module now. Raises ``AttributeError`` for other names."""
