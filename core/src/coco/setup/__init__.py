"""Setup and drop: compares what a flow needs with what is on record, and makes a plan to show, confirm and apply."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from coco import ports

    return ports.older_name("setup", name)
