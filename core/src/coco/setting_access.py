"""The settings in force, for plugins: ``current_settings()``."""

from __future__ import annotations

from coco.environment.environment import current_settings

__all__ = ["current_settings"]
