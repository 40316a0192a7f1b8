"""References to secrets, resolved where a connection is made, and addresses in messages without their passwords."""

from __future__ import annotations

from coco import setting
from coco.secrets import SecretRef, resolve_secret, resolve_secrets

__all__ = ["SecretRef", "mask_url", "resolve_secret", "resolve_secrets"]


def mask_url(url: str | SecretRef) -> str:
    """A URL, or a connection string of ``name=value`` pairs, with ``***`` in the place of its password.

    Works for mistyped ones too: it shows only what cannot be part of a secret. A reference is shown as it is.
    """
    return setting.mask_url(url)
