"""Former names of public attributes. They work for one release, with a ``DeprecationWarning``."""

from __future__ import annotations

import warnings
from typing import Any


def renamed(old: str, new: str) -> Any:
    """A read-only property under an attribute's former name ``old``; it returns the attribute ``new`` and warns."""

    def get(self: Any) -> Any:
        owner = type(self).__name__
        warnings.warn(f"{owner}.{old} is now {owner}.{new}", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(get, doc=f"Deprecated: the former name of ``{new}``.")
