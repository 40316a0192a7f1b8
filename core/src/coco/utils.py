"""Small helpers for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco.api.flow import Flow

__all__ = ["get_target_default_name"]


def get_target_default_name(flow: Flow, export_name: str, delimiter: str = "__") -> str:
    """``[namespace + delimiter]flow + delimiter + export``: what targets call a resource by default.

    A name that the target's spec gives explicitly is not consulted.
    """
    from coco.naming import default_name, namespace_of

    return default_name(flow.name, export_name, namespace=namespace_of(flow.full_name), delimiter=delimiter)
