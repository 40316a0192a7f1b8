"""What modules below ask of modules above: functions that ``coco/__init__``, the topmost of all, fills in.

Imports point down only. Where a call has to go up all the same (a spec executes itself, a module answers for names of
an earlier layout), it goes through here, so that no module looks up another one above it by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

execute_spec: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]
"""Calls the function that a spec describes once, in memory: (spec, arguments, keyword arguments) -> result."""

older_name: Callable[[str, str], Any]
"""(module, name) -> what has that name, where another module has it now. Raises ``AttributeError`` for others."""
