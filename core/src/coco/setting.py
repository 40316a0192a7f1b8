"""Settings as data, and how environment variables give them.

``COCO_X`` takes precedence over ``COCOINDEX_X``. An empty variable counts as unset.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from coco.env_file import read_env_file
from coco.errors import ClientError
from coco.secrets import Secret, SecretRef, check_no_reference_within

T = TypeVar("T")


def env(name: str) -> tuple[str, str] | None:
    """Return (variable, value) of ``COCO_<name>`` or ``COCOINDEX_<name>``; None if neither is set."""
    read_env_file()
    for prefix in ("COCO_", "COCOINDEX_"):
        value = os.environ.get(prefix + name)
        if value:
            return prefix + name, value
    return None


def _parsed(name: str, convert: Callable[[str], T], default: Any, wanted: str = "") -> T | Any:
    found = env(name)
    if found is None:
        return default
    try:
        return convert(found[1])
    except ValueError as error:
        expected = f" (expected {wanted})" if wanted else ""
        raise ClientError(f"failed to parse environment variable {found[0]}: {found[1]}{expected}") from error


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off"):
        return False
    raise ValueError(text)


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?://)?")
_HOST = r"(?:[A-Za-z0-9_.\-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
_PLACE = re.compile(rf"{_HOST}(?:,{_HOST})*(?=[/?]|\Z)")
_ADDRESS = re.compile(r"(?:localhost|[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?")
"""A place without a scheme, which cannot be a user name with a password."""
_LOGIN = re.compile(r"[A-Za-z0-9_.\-]+:")
_PAIR = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'][^\s]*|)")
_SHOWN = {
    *("host", "hostaddr", "port", "dbname", "user", "sslmode", "application_name", "connect_timeout"),
    *("target_session_attrs", "channel_binding", "gssencmode", "client_encoding"),
}
"""Parameters of a connection that hold no secret. All others are masked: a misspelt one may be the password."""
_SECRETS = {"password", "sslpassword", "passfile", "sslkey", "token", "secret", "passwd", "pwd"}


def mask_url(url: Secret) -> str:
    """Return a URL, or a connection string of ``name=value`` pairs, without its password, even if it is malformed.

    Only parts that cannot be a password are shown. A password that is not encoded may hold any character, so everything
    up to the last ``@`` may belong to it. Without an ``@``, everything that is not a host and a port may belong to it.
    """
    if isinstance(url, SecretRef):
        return repr(url)
    if url.startswith(("sqlite:", "memory:")):
        return url
    scheme, found, rest = url.partition("://")
    if not found:
        return _masked_pairs(url) if "=" in url.partition("@")[0] else _masked_text(url)
    if not _SCHEME.fullmatch(f"{scheme}://"):
        return _masked_text(url)
    login = ""
    if "@" in rest:
        login, _, rest = rest.rpartition("@")
        user = _LOGIN.match(login)
        login = f"{user[0] if user else ''}***@"
    place = _PLACE.match(rest)
    if place is None:
        host = re.match(r"[A-Za-z0-9_.\-]*(?=:)", rest)
        return f"{scheme}://{login}{host[0] if host and not login else ''}***"
    path, mark, query = rest[place.end() :].partition("?")
    path = path if re.fullmatch(r"[\w./\-]*", path) else "/***"
    shown = "&".join(map(_masked_parameter, query.split("&")))
    return f"{scheme}://{login}{place[0]}{path}{mark}{shown}"


def _masked_text(text: str) -> str:
    """Mask text that is not a URL: show an address alone, or a possible scheme and the host after the last ``@``."""
    if _ADDRESS.fullmatch(text):
        return text
    scheme = _SCHEME.match(text)
    place = text.rpartition("@")[2] if "@" in text else ""
    known = re.fullmatch(rf"{_HOST}(?:/[\w.\-]*)?", place)
    return f"{scheme[0] if scheme else ''}***{'@' + place if known and place else ''}"


def _masked_pairs(text: str) -> str:
    rest = _PAIR.sub("", text).strip()
    shown = [_masked_pair(name, value) for name, value in _PAIR.findall(text)]
    return " ".join([*shown, *(["***"] if rest else [])])


def _masked_pair(name: str, value: str) -> str:
    if name in _SHOWN and re.fullmatch(r"[\w./:,\-]*", value):
        return f"{name}={value}"
    return f"{name}=***" if name in _SHOWN or name in _SECRETS else "***"


def _masked_parameter(text: str) -> str:
    name, mark, value = text.partition("=")
    return _masked_pair(name, value) if mark else text and "***"


@dataclass(frozen=True, repr=False)
class DatabaseConnectionSpec:
    """A database. ``user`` and ``password`` override what the URL holds and need no URL encoding.

    Each of the three may be a reference, ``coco.secret("env:NAME")``, which is resolved whenever a connection is made.
    """

    url: Secret
    user: Secret | None = None
    password: Secret | None = None
    max_connections: int = 25
    min_connections: int = 5

    def __post_init__(self) -> None:
        if isinstance(self.url, str):
            check_no_reference_within(self.url)
        for name, least in (("max_connections", 1), ("min_connections", 0)):
            if getattr(self, name) < least:
                raise ClientError(
                    f"{name} must be at least {least} (variable COCO_DATABASE_{name.upper()}), got {getattr(self, name)}"
                )
        if self.min_connections > self.max_connections:
            raise ClientError(
                f"min_connections ({self.min_connections}) must not exceed max_connections ({self.max_connections}); "
                "variables COCO_DATABASE_MIN_CONNECTIONS and COCO_DATABASE_MAX_CONNECTIONS"
            )

    def __repr__(self) -> str:
        password = "***" if isinstance(self.password, str) else self.password
        return (
            f"DatabaseConnectionSpec(url={mask_url(self.url)!r}, user={self.user!r}, password={password!r}, "
            f"max_connections={self.max_connections}, min_connections={self.min_connections})"
        )


@dataclass(frozen=True)
class GlobalExecutionOptions:
    """Limits that all sources of the process share."""

    source_max_inflight_rows: int | None = 1024
    """Source rows that may be in flight, at least 1. None: no limit."""
    source_max_inflight_bytes: int | None = None
    """Bytes of source rows that may be in flight, at least 1. None: no limit."""

    def __post_init__(self) -> None:
        for name in ("source_max_inflight_rows", "source_max_inflight_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ClientError(f"{name} must be at least 1 (variable COCO_{name.upper()}), got {value}")


_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def _span(text: str) -> timedelta:
    """Parse ``30d``, ``12h``, ``90m``, ``45s``, ``2w``, or ``0``."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw]?)", text.strip().lower())
    if found is None or (not found[2] and float(found[1])):
        raise ValueError(text)
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])
    except OverflowError as error:
        raise ValueError(text) from error


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return _span(text).total_seconds()


def span_text(span: timedelta) -> str:
    """Return a span in the syntax of ``COCO_MEMO_KEEP``, in the largest unit that needs no fraction."""
    seconds = span.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds:g}s"


_NAMESPACE = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]*(?<!__)\Z")


DEFAULT_TARGET_CALL_TIMEOUT = 300.0


@dataclass(frozen=True)
class Settings:
    """The settings of a process."""

    database: DatabaseConnectionSpec | None = None
    """The default database of targets."""
    app_namespace: str = ""
    """Set before the name of every flow, so that several installations do not share state and resources."""
    global_execution_options: GlobalExecutionOptions | None = None
    """Limits for all sources together. None: the defaults of ``GlobalExecutionOptions``."""
    db_schema_name: str | None = None
    """Accepted for programs written for CocoIndex. It has no effect: no state store uses a database schema yet."""
    ignore_target_drop_failures: bool = False
    """Whether a drop continues, and removes a target from the state, if the target cannot be dropped."""
    memo_keep: timedelta = timedelta(days=30)
    """How long the result of a function is kept that no row uses any more. Zero: until the end of the run."""
    memo_max_entries: int = 5_000_000
    """With more results than this, the oldest unused ones are deleted, until half of the limit is left."""
    memo_max_bytes: int = 8 << 30
    """The same limit for the size of the results, in bytes."""
    target_call_timeout: float = DEFAULT_TARGET_CALL_TIMEOUT
    """Seconds after which a call of a target that does not answer is cancelled. 0: no limit."""

    def __post_init__(self) -> None:
        if not isinstance(self.memo_keep, timedelta) or self.memo_keep < timedelta():
            raise ClientError(
                "memo_keep (variable COCO_MEMO_KEEP) must be a timedelta of 0 or more, for example "
                f"timedelta(days=30), got {self.memo_keep!r}"
            )
        for name in ("memo_max_entries", "memo_max_bytes"):
            if getattr(self, name) < 0:
                raise ClientError(
                    f"{name} (variable COCO_{name.upper()}) must not be negative, got {getattr(self, name)}"
                )
        if not 0 <= self.target_call_timeout < float("inf"):
            raise ClientError(
                "target_call_timeout must be a number of seconds, or 0 for no limit (variable COCO_TARGET_CALL_TIMEOUT), "
                f"got {self.target_call_timeout}"
            )
        if self.app_namespace and not _NAMESPACE.match(self.app_namespace):
            raise ClientError(
                f"app_namespace {self.app_namespace!r} (variable COCO_APP_NAMESPACE) must be letters, digits and "
                "underscores, with no digit first and no double underscore at either end"
            )

    @classmethod
    def from_env(cls) -> Settings:
        """Return settings from environment variables.

        Raises ``ClientError`` with the variable that cannot be parsed.
        """
        url = env("DATABASE_URL")
        database = None
        if url is None:
            _warn_of_unused()
        if url is not None:
            user, password = env("DATABASE_USER"), env("DATABASE_PASSWORD")
            database = DatabaseConnectionSpec(
                url[1],
                user[1] if user else None,
                password[1] if password else None,
                _parsed("DATABASE_MAX_CONNECTIONS", int, 25),
                _parsed("DATABASE_MIN_CONNECTIONS", int, 5),
            )
        rows: Any = _parsed("SOURCE_MAX_INFLIGHT_ROWS", int, 1024)
        size: Any = _parsed("SOURCE_MAX_INFLIGHT_BYTES", int, None)
        namespace, schema = env("APP_NAMESPACE"), env("DATABASE_SCHEMA_NAME")
        return cls(
            database,
            namespace[1] if namespace else "",
            GlobalExecutionOptions(rows, size),
            schema[1] if schema else None,
            _parsed("IGNORE_TARGET_DROP_FAILURES", _boolean, False),
            _parsed("MEMO_KEEP", _span, cls.memo_keep, "a time such as 30d, 12h, 90m, 45s or 0"),
            _parsed("MEMO_MAX_ENTRIES", int, cls.memo_max_entries),
            _parsed("MEMO_MAX_BYTES", int, cls.memo_max_bytes),
            _parsed(
                "TARGET_CALL_TIMEOUT", _seconds, DEFAULT_TARGET_CALL_TIMEOUT, "seconds, or a time such as 5m"
            ),
        )


def _warn_of_unused() -> None:
    names = ("DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_MAX_CONNECTIONS", "DATABASE_MIN_CONNECTIONS")
    unused = [found[0] for found in map(env, names) if found is not None]
    if unused:
        warnings.warn(
            f"{', '.join(unused)} without COCO_DATABASE_URL: not used; set COCO_DATABASE_URL, or unset these",
            stacklevel=3,
        )


@dataclass(frozen=True)
class ServerSettings:
    """The address of a server. Accepted for programs written for CocoIndex; no server is available yet."""

    address: str = "127.0.0.1:49344"
    """Host and port."""
    cors_origins: list[str] | None = field(default=None)
    """Origins whose pages may use the server. None: none."""

    @classmethod
    def from_env(cls) -> ServerSettings:
        """Return settings from ``COCO_SERVER_ADDRESS`` and ``COCO_SERVER_CORS_ORIGINS``."""
        address, origins = env("SERVER_ADDRESS"), env("SERVER_CORS_ORIGINS")
        return cls(
            address[1] if address else cls.address, cls.parse_cors_origins(origins[1]) if origins else None
        )

    @staticmethod
    def parse_cors_origins(text: str | None) -> list[str] | None:
        """Split text at commas and drop blanks and empty parts; None for None."""
        if text is None:
            return None
        return [item.strip() for item in text.split(",") if item.strip()]


def split_app_namespace(full_name: str, delimiter: str) -> tuple[str, str]:
    """Return (namespace, name), cut at the first delimiter. Without a delimiter the namespace is empty."""
    namespace, found, name = full_name.partition(delimiter)
    return (namespace, name) if found else ("", full_name)
