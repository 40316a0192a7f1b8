"""Credentials by reference.

Specs hold references, never secrets: a reference shows its key, and only code that opens a connection
asks for the value. Entries live in memory, for the life of the process, and are never persisted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_origin

from coco.errors import AuthEntryError

__all__ = [
    "AuthEntryReference",
    "AuthRegistry",
    "TransientAuthEntryReference",
    "add_auth_entry",
    "add_transient_auth_entry",
    "default_registry",
    "get_auth_entry",
    "ref_auth_entry",
]

T = TypeVar("T")

TRANSIENT_PREFIX = "__transient_"
"""Generated keys start with this; stable keys must not."""


@dataclass(frozen=True, repr=False)
class TransientAuthEntryReference(Generic[T]):
    """Refers to an entry of this process. For sources and functions; the wider of the two kinds.

    ``key``: generated, unguessable and different in every process, so it enters no fingerprint and
    no stored state.
    """

    key: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        return {"type": "string", "description": "Key of an auth entry."}


class AuthEntryReference(TransientAuthEntryReference[T]):
    """Refers to an entry by a key that the user chose.

    The key names the backend: the same key in a later run is the same backend even if address or
    password behind it changed. Targets and declarations need this kind.
    """


class AuthRegistry:
    """Thread-safe map from key to credential."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Any] = {}
        self._version = 0

    def add(self, key: str, value: T, *, replace: bool = False) -> AuthEntryReference[T]:
        """Register ``value`` under ``key``.

        The same key with an equal value is fine; with another value it raises ``AuthEntryError``
        unless ``replace``.
        """
        if not isinstance(key, str) or not key:
            raise AuthEntryError("an auth entry needs a non-empty string as its key")
        if key.startswith(TRANSIENT_PREFIX):
            raise AuthEntryError(f"auth entry keys must not start with {TRANSIENT_PREFIX!r}: {key!r}")
        with self._lock:
            if key in self._entries and not replace and not _equal(self._entries[key], value):
                raise AuthEntryError(
                    f"auth entry {key!r} is registered already with another value; "
                    "use another key, or replace=True if the same backend is meant"
                )
            self._entries[key] = value
            self._version += 1
        return AuthEntryReference(key)

    def add_transient(self, value: T) -> TransientAuthEntryReference[T]:
        """Register ``value`` under a generated key."""
        key = TRANSIENT_PREFIX + os.urandom(16).hex()
        with self._lock:
            self._entries[key] = value
            self._version += 1
        return TransientAuthEntryReference(key)

    def get(
        self,
        type_: type[T] | Any,
        ref: TransientAuthEntryReference[T] | str,
        *,
        wanted_by: str | None = None,
    ) -> T:
        """The value behind a reference, as an instance of ``type_``.

        ``ref``: a reference, or its key. ``wanted_by``: who asks, for the message. A mapping is turned
        into ``type_`` if that is a class with fields. Raises ``AuthEntryError`` if there is no such
        entry or it has another type; the value itself is never shown.
        """
        key = ref if isinstance(ref, str) else ref.key
        with self._lock:
            found = key in self._entries
            value = self._entries.get(key)
        by = f" (wanted by {wanted_by})" if wanted_by else ""
        if not found:
            if key.startswith(TRANSIENT_PREFIX):
                raise AuthEntryError(
                    f"a transient auth entry is gone{by}: it belongs to the process that made it; "
                    "use add_auth_entry() with a key of your own where the reference must outlive it"
                )
            raise AuthEntryError(
                f"auth entry {key!r} is not registered{by}; "
                f"call coco.add_auth_entry({key!r}, ...) before it is used"
            )
        found_value: T = _as_type(type_, value, key, by)
        return found_value

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._entries

    def remove(self, keys: Iterable[str]) -> None:
        """Forget entries; unknown keys are ignored."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)
            self._version += 1

    @property
    def version(self) -> int:
        """Grows with every change, so that a child process can be told of changes only."""
        return self._version

    def snapshot(self) -> dict[str, Any]:
        """All entries, for a child process that runs functions. Hand it over a private channel only."""
        with self._lock:
            return dict(self._entries)

    def restore(self, entries: Mapping[str, Any]) -> None:
        """Take over a parent's snapshot; own entries of the same key are replaced."""
        with self._lock:
            self._entries.update(entries)
            self._version += 1

    def __repr__(self) -> str:
        with self._lock:
            return f"<AuthRegistry with {len(self._entries)} entries>"


def _equal(left: Any, right: Any) -> bool:
    try:
        return type(left) is type(right) and bool(left == right)
    except Exception:
        return False


def _as_type(type_: Any, value: Any, key: str, by: str) -> Any:
    wanted = get_origin(type_) or type_
    if wanted is Any or (isinstance(wanted, type) and isinstance(value, wanted)):
        return value
    if isinstance(value, Mapping):
        from coco.engine_object import load_engine_object

        try:
            return load_engine_object(type_, value)
        except Exception:
            # The cause could quote the secret, so it is neither chained nor shown.
            pass
    name = getattr(wanted, "__name__", str(wanted))
    raise AuthEntryError(f"auth entry {key!r}{by}: expected {name}, got {type(value).__name__}") from None


_default = AuthRegistry()


def default_registry() -> AuthRegistry:
    """The registry of this process."""
    return _default


def add_auth_entry(key: str, value: T, *, replace: bool = False) -> AuthEntryReference[T]:
    """Register a credential under a stable key; see ``AuthRegistry.add``."""
    return _default.add(key, value, replace=replace)


def ref_auth_entry(key: str) -> AuthEntryReference[Any]:
    """Refer to an entry that may be registered later; resolved at use."""
    return AuthEntryReference(key)


def add_transient_auth_entry(value: T) -> TransientAuthEntryReference[T]:
    """Register a credential under a generated key; see ``AuthRegistry.add_transient``."""
    return _default.add_transient(value)


def get_auth_entry(
    type_: type[T] | Any, ref: TransientAuthEntryReference[T] | str, *, wanted_by: str | None = None
) -> T:
    """The credential behind a reference; see ``AuthRegistry.get``. For connector authors."""
    value: T = _default.get(type_, ref, wanted_by=wanted_by)
    return value
