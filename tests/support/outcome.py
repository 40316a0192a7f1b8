"""Updates whose targets may fail."""

from __future__ import annotations

from typing import Any

import coco
from coco.errors import UnwrittenTargetError


def outcome(flow: coco.Flow, **options: Any) -> coco.IndexUpdateInfo:
    """What an update did; also if it raises because every write to a target failed."""
    try:
        info = flow.update(**options)
    except UnwrittenTargetError as error:
        info = error.info
    assert isinstance(info, coco.IndexUpdateInfo)
    return info
