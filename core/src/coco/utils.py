"""Small helpers for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco.api.flow import Flow

__all__ = ["get_target_default_name"]


def get_target_default_name(flow: Flow, export_name: str, delimiter: str = "__") -> str:
    """Return ``[namespace + delimiter]flow + delimiter + export``, the default name of an export's resource.

    A name in the target's spec is not considered.
    """
    from coco.naming import default_name, namespace_of

    return default_name(flow.name, export_name, namespace=namespace_of(flow.full_name), delimiter=delimiter)
