"""Values of references to secrets, where a connection is made."""

from __future__ import annotations

from coco.secrets import SecretRef, resolve_secret, resolve_secrets

__all__ = ["SecretRef", "resolve_secret", "resolve_secrets"]
