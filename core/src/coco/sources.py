"""Sources that installed plugins provide, by the name of their spec.

A name is imported from its plugin when it is first used; one that no plugin has says what to install.
"""

from __future__ import annotations

from typing import Any

from coco.plugins.namespace import OpNamespace

_names = OpNamespace(__name__)


def __getattr__(name: str) -> Any:
    return _names.lookup(name)


def __dir__() -> list[str]:
    return _names.names()
