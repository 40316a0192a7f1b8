"""Credentials by reference.

Specs hold references, never secrets. The text of a reference shows its key only, and only code that opens a connection
reads the value. Entries are kept in the memory of the process and are never stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_origin

from coco.errors import AuthEntryError
from coco.secrets import check_references, resolve_secrets

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
"""Generated keys start with it. Keys that users choose must not."""


@dataclass(frozen=True, repr=False)
class TransientAuthEntryReference(Generic[T]):
    """Refers to an auth entry of this process. Sources and functions take it, and ``AuthEntryReference`` as well."""

    key: str
    """Generated, unguessable, and different in each process, so it is part of no fingerprint and no stored state."""

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
    """Refers to an auth entry by a key that the user chose. Targets and declarations require it.

    The key identifies the backend: in a later run the same key means the same backend, even if its address or
    password has changed.
    """


@dataclass(frozen=True)
class UnavailableEntry:
    """Stands for an entry that could not be copied to this process."""

    reason: str


class AuthRegistry:
    """Maps keys to credentials. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Any] = {}
        self._version = 0

    def add(self, key: str, value: T, *, replace: bool = False) -> AuthEntryReference[T]:
        """Register ``value`` under ``key`` and return a reference to it.

        Registering an equal value again changes nothing. Raises ``AuthEntryError`` for another value under a registered
        key unless ``replace``, for an empty key, and for a key that starts with the prefix of generated keys.
        """
        if not isinstance(key, str) or not key:
            raise AuthEntryError("an auth entry needs a non-empty string as its key")
        if key.startswith(TRANSIENT_PREFIX):
            raise AuthEntryError(f"auth entry keys must not start with {TRANSIENT_PREFIX!r}: {key!r}")
        check_references(value)
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
        """Register ``value`` under a generated key and return a reference to it."""
        check_references(value)
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
        """Return the value that a reference refers to, as an instance of ``type_``.

        ref: a reference, or its key. wanted_by: what needs the value, for messages. A mapping is converted if ``type_``
        is a class with fields. References to secrets within the value are resolved now: call this for each connection and
        do not keep the result. Raises ``AuthEntryError`` if the entry does not exist or has another type, and
        ``SecretError`` if a secret cannot be resolved; no message holds the value.
        """
        key = ref if isinstance(ref, str) else ref.key
        with self._lock:
            found = key in self._entries
            value = self._entries.get(key)
        by = f" (wanted by {wanted_by})" if wanted_by else ""
        if not found:
            if key.startswith(TRANSIENT_PREFIX):
                raise AuthEntryError(
                    f"a transient auth entry does not exist{by}: it belongs to the process that made it; "
                    "use add_auth_entry() with a key of your own where the reference is used by another process"
                )
            raise AuthEntryError(
                f"auth entry {key!r} is not registered{by}; "
                f"call coco.add_auth_entry({key!r}, ...) before it is used"
            )
        if isinstance(value, UnavailableEntry):
            raise AuthEntryError(f"auth entry {key!r}{by} is not available in this process: {value.reason}")
        value = resolve_secrets(value, wanted_by=wanted_by or f"the auth entry {key!r}")
        found_value: T = _as_type(type_, value, key, by)
        return found_value

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._entries

    def remove(self, keys: Iterable[str]) -> None:
        """Remove entries. Unknown keys are ignored."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)
            self._version += 1

    @property
    def version(self) -> int:
        """A number that grows with every change, so that a child process receives changed entries only."""
        return self._version

    def snapshot(self) -> dict[str, Any]:
        """Return all entries, for a child process that runs functions. Send them over a private channel only."""
        with self._lock:
            return dict(self._entries)

    def restore(self, entries: Mapping[str, Any]) -> None:
        """Add the entries of a snapshot of the parent process, replacing entries of the same keys."""
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
            # The cause may quote the secret, so it is neither chained nor shown.
            pass
    name = getattr(wanted, "__name__", str(wanted))
    raise AuthEntryError(f"auth entry {key!r}{by}: expected {name}, got {type(value).__name__}") from None


_default = AuthRegistry()


def default_registry() -> AuthRegistry:
    """Return the registry of this process."""
    return _default


def add_auth_entry(key: str, value: T, *, replace: bool = False) -> AuthEntryReference[T]:
    """Register a credential under a key of your choice; see ``AuthRegistry.add``."""
    return _default.add(key, value, replace=replace)


def ref_auth_entry(key: str) -> AuthEntryReference[Any]:
    """Return a reference to an entry that may be registered later. It is resolved when it is used."""
    return AuthEntryReference(key)


def add_transient_auth_entry(value: T) -> TransientAuthEntryReference[T]:
    """Register a credential under a generated key; see ``AuthRegistry.add_transient``."""
    return _default.add_transient(value)


def get_auth_entry(
    type_: type[T] | Any, ref: TransientAuthEntryReference[T] | str, *, wanted_by: str | None = None
) -> T:
    """Return the credential that a reference refers to; see ``AuthRegistry.get``. For authors of connectors."""
    value: T = _default.get(type_, ref, wanted_by=wanted_by)
    return value
