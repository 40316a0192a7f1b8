"""Targets, attachments and declarations that installed plugins provide, by the name of their spec.

The first use of a name imports it from its plugin. The error for a name that no plugin has says what to install.
``coco stubs`` tells type checkers which names there are.
"""

from __future__ import annotations

from typing import Any

from coco.plugins.namespace import OpNamespace

_names = OpNamespace(__name__)


def __getattr__(name: str) -> Any:
    return _names.lookup(name)


def __dir__() -> list[str]:
    return _names.names()
