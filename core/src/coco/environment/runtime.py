"""Kept for scripts of earlier releases that import ``RUNTIME``. Write ``flow.verify()`` and ``flow.errors()`` instead."""

from __future__ import annotations

from typing import Any


class Runtime:
    """Calls the methods of the flow."""

    def verify(self, flow: Any, repair: bool = False, sample: int | None = None) -> Any:
        return flow.verify(repair=repair, sample=sample)

    def errors(self, flow: Any) -> Any:
        return flow.errors()


RUNTIME = Runtime()
