"""Addresses in messages, without the passwords that they hold."""

from __future__ import annotations

from coco import setting
from coco.secrets import Secret

__all__ = ["mask_url"]


def mask_url(url: Secret) -> str:
    """A URL, or a connection string of ``name=value`` pairs, with ``***`` in the place of its password.

    Of a reference to a secret it is the reference. Works for mistyped ones too: it shows only what cannot be part of a secret.
    """
    return setting.mask_url(url)
