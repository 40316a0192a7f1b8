"""Addresses in messages, without the passwords that they hold."""

from __future__ import annotations

from coco import setting

__all__ = ["mask_url"]


def mask_url(url: str) -> str:
    """A URL, or a connection string of ``name=value`` pairs, with ``***`` in the place of its password.

    Works for mistyped ones too: it shows only what cannot be part of a secret.
    """
    return setting.mask_url(url)
