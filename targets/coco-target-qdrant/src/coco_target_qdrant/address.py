"""Where a server is, how it is shown, and how long to try: everything about a connection but its language."""

from __future__ import annotations

import ipaddress
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from coco.auth_registry import get_auth_entry
from coco.errors import ClientError
from coco.kit.retry import DEFAULT, SYSTEM, RetryPolicy, Timing, retry
from coco.kit.secrets import mask_url, resolve_secret
from coco.typing import Secret
from coco_target_qdrant.wire import TransientError

if TYPE_CHECKING:
    from coco_target_qdrant.wire import Wire

LOG = logging.getLogger("coco.target.qdrant")
T = TypeVar("T")
DEFAULT_URL = "http://localhost:6334"
GRPC_PORT, REST_PORT = 6334, 6333
TIMEOUT_SECONDS = 120.0
FIRST_CONTACT = RetryPolicy(total=5.0)
"""A wrong address shall be an error soon; a server that goes away in the middle of a run is waited for."""

TIMING: Timing = SYSTEM


@dataclass(frozen=True)
class QdrantConnection:
    """The address of Qdrant: the value of an auth entry. Give exactly one of ``grpc_url``, ``url`` and ``location``.

    The addresses and the key may be references, ``coco.secret("env:QDRANT_API_KEY")``.
    """

    grpc_url: Secret | None = None
    """Such as ``http://localhost:6334``, or ``https://...`` for TLS. The default port is 6334."""
    api_key: Secret | None = field(default=None, repr=False)
    """coco never shows, logs or stores it."""
    url: Secret | None = None
    """REST instead of gRPC; slower. The default port is 6333."""
    location: str | None = None
    """A folder, or ``:memory:``, for the client's local mode. For tests and demos: it is slow, and only one process at a time
    can use it."""

    def __repr__(self) -> str:
        addresses = {"grpc_url": self.grpc_url, "url": self.url}
        shown = [f"{name}={mask_url(text)!r}" for name, text in addresses.items() if text is not None]
        shown += [f"location={self.location!r}"] if self.location is not None else []
        return f"QdrantConnection({', '.join(shown)})"


@dataclass(frozen=True)
class Address:
    """A connection that was understood. ``place``: host and port, or a folder. ``shown``: without secrets."""

    way: Literal["grpc", "rest", "local"]
    place: str
    shown: str
    secure: bool = False
    prefix: str = ""
    api_key: str | None = field(default=None, repr=False)
    timeout: float = TIMEOUT_SECONDS
    policy: RetryPolicy = DEFAULT

    def scrubbed(self, text: str) -> str:
        """``text`` without the API key."""
        return text.replace(self.api_key, "***") if self.api_key else text

    def retrying(self, call: Callable[[], T]) -> T:
        """``call()``, again after faults that pass."""
        return retry(
            call,
            op=self.shown,
            policy=self.policy,
            retriable=lambda error: isinstance(error, TransientError),
            timing=TIMING,
        )

    @property
    def url(self) -> str:
        """For REST."""
        return f"{'https' if self.secure else 'http'}://{self.place}{self.prefix}"

    def connect(self) -> Wire:
        """Open it. Nothing is sent yet."""
        if self.way == "grpc":
            from coco_target_qdrant.grpc_wire import GrpcWire

            return GrpcWire(self)
        from coco_target_qdrant.client_wire import ClientWire

        return ClientWire(self)


def address_of(key: str | None, wanted_by: str, policy: RetryPolicy = DEFAULT) -> Address:
    """The address behind an auth entry's key, or of the environment. Resolved at use.

    Raises ``AuthEntryError``, or ``ClientError`` for an address that cannot be understood.
    """
    if key is not None:
        connection: QdrantConnection = get_auth_entry(QdrantConnection, key, wanted_by=wanted_by)
        return understood(connection, f"auth entry {key!r}", policy)
    url, api_key = os.environ.get("QDRANT_URL") or DEFAULT_URL, os.environ.get("QDRANT_API_KEY") or None
    is_rest = url.rstrip("/").endswith(f":{REST_PORT}")
    connection = QdrantConnection(api_key=api_key, **{"url" if is_rest else "grpc_url": url})
    return understood(connection, "QDRANT_URL", policy)


def understood(connection: QdrantConnection, where: str, policy: RetryPolicy = DEFAULT) -> Address:
    """The address in a connection. Raises ``ClientError``; the text of an address is not shown."""
    given = [item for item in (connection.grpc_url, connection.url, connection.location) if item is not None]
    if len(given) != 1:
        raise ClientError(f"{where}: give a QdrantConnection exactly one of grpc_url, url and location")
    if connection.location is not None:
        if connection.location == ":memory:":
            return Address("local", ":memory:", "Qdrant in memory", policy=policy)
        folder = os.path.abspath(os.path.expanduser(connection.location))
        return Address("local", folder, f"Qdrant in folder {folder}", policy=policy)
    way: Literal["grpc", "rest"] = "grpc" if connection.grpc_url is not None else "rest"
    text = resolve_secret(given[0])
    try:
        parts = urlsplit(text if "://" in text else f"//{text}", scheme="http")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query:
        raise ClientError(
            f"{where}: the address cannot be understood; its form is http://host:{GRPC_PORT}, or https://... for TLS. "
            "The API key has a field of its own"
        )
    if way == "grpc" and parts.path.strip("/"):
        raise ClientError(f"{where}: a gRPC address has no path; give url= for REST behind a path")
    place = f"[{host}]" if ":" in host else host
    place = f"{place}:{port or (GRPC_PORT if way == 'grpc' else REST_PORT)}"
    secure = parts.scheme == "https"
    api_key = None if connection.api_key is None else resolve_secret(connection.api_key)
    if api_key and not secure and not _is_local(host):
        LOG.warning("the API key is sent to %s without encryption; use https", place)
    return Address(
        way,
        place,
        f"Qdrant at {place}",
        secure,
        parts.path.rstrip("/"),
        api_key or None,
        policy=policy,
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
