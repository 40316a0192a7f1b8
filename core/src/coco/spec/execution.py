"""The port through which a spec reaches what can execute it, which lies above this layer.

``coco.api.execute_spec:execute_spec`` is looked up by name at first use; tests install their own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

ExecuteFn = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]

DEFAULT_EXECUTE = "coco.api.execute_spec:execute_spec"

_installed: ExecuteFn | None = None


def execute(spec: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the function that ``spec`` describes once, in memory."""
    run = _installed
    if run is None:
        module_name, _, name = DEFAULT_EXECUTE.partition(":")
        run = getattr(importlib.import_module(module_name), name)
    return run(spec, args, kwargs)


def set_execute(new: ExecuteFn | None) -> ExecuteFn | None:
    """Install another way to execute specs (None: the default). Returns the one before."""
    global _installed
    before, _installed = _installed, new
    return before
