"""The settings in force and the origin of each, with secrets masked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from coco.environment.environment import DEFAULT_STATE_URL, Environment
from coco.environment.preparation import max_delete_share
from coco.secrets import SecretRef
from coco.setting import GlobalExecutionOptions, Settings, env, mask_url, span_text

FIELDS: Mapping[str, str] = {
    "app_namespace": "APP_NAMESPACE",
    "database.url": "DATABASE_URL",
    "database.user": "DATABASE_USER",
    "database.password": "DATABASE_PASSWORD",
    "database.max_connections": "DATABASE_MAX_CONNECTIONS",
    "database.min_connections": "DATABASE_MIN_CONNECTIONS",
    "global_execution_options.source_max_inflight_rows": "SOURCE_MAX_INFLIGHT_ROWS",
    "global_execution_options.source_max_inflight_bytes": "SOURCE_MAX_INFLIGHT_BYTES",
    "ignore_target_drop_failures": "IGNORE_TARGET_DROP_FAILURES",
    "memo_keep": "MEMO_KEEP",
    "memo_max_entries": "MEMO_MAX_ENTRIES",
    "memo_max_bytes": "MEMO_MAX_BYTES",
    "target_call_timeout": "TARGET_CALL_TIMEOUT",
}
"""Field of ``Settings`` -> its variable, without prefix. Variables without effect are not listed."""


@dataclass(frozen=True)
class SettingLine:
    """One setting. ``value``: plain data, masked. ``origin``: env, function, init or default; ``place``: the variable,
    or where the function is.
    """

    name: str
    value: Any
    origin: str
    place: str = ""


@dataclass(frozen=True)
class SettingsReport:
    """All settings. ``unused``: variables without effect, since a function or ``init`` supplies the settings."""

    settings: list[SettingLine]
    unused: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: settings by name."""
        lines = {item.name: asdict(item) for item in self.settings}
        return {
            "settings": {name: _without_name(line) for name, line in lines.items()},
            "unused": self.unused,
        }


def settings_report(environment: Environment) -> SettingsReport:
    """Resolve the settings, unless that was done, and report their origins. Opens nothing.

    Raises ``ClientError`` for a variable that does not parse.
    """
    settings, origin = environment.settings, environment.settings_origin
    lines = []
    unused = []
    for name, variable in FIELDS.items():
        value, default = _value(settings, name), _value(Settings(), name)
        found = env(variable)
        if origin == "env":
            known = found if name.partition(".")[0] != "database" or env("DATABASE_URL") is not None else None
            lines.append(_line(name, value, known))
            continue
        if found is not None:
            unused.append(found[0])
        if value == default:
            lines.append(SettingLine(name, value, "default"))
        elif callable(origin):
            lines.append(SettingLine(name, _masked(name, value), "function", _place(origin)))
        else:
            lines.append(SettingLine(name, _masked(name, value), "init"))
    return SettingsReport([*lines, *_variables(environment, lines)], unused)


def _variables(environment: Environment, fields: list[SettingLine]) -> list[SettingLine]:
    """Settings that only variables can set, also if a function or ``init`` supplies the others."""
    url = environment.state_url()
    explicit = os.environ.get("COCO_STATE_URL")
    if explicit:
        state = SettingLine("state_url", mask_url(url), "env", "COCO_STATE_URL")
    elif url == DEFAULT_STATE_URL:
        state = SettingLine("state_url", url, "default")
    else:
        database = next(item for item in fields if item.name == "database.url")
        given = environment.settings.database
        shown = repr(given.url) if given is not None and isinstance(given.url, SecretRef) else mask_url(url)
        state = SettingLine("state_url", shown, database.origin, database.place or "database.url")
    share = os.environ.get("COCO_MAX_DELETE_SHARE")
    plugins = os.environ.get("COCO_PLUGINS")
    return [
        state,
        _line("max_delete_share", max_delete_share(), ("COCO_MAX_DELETE_SHARE", "") if share else None),
        _line("plugins", plugins or None, ("COCO_PLUGINS", "") if plugins else None),
    ]


def _line(name: str, value: Any, found: tuple[str, str] | None) -> SettingLine:
    masked = _masked(name, value)
    return (
        SettingLine(name, masked, "default") if found is None else SettingLine(name, masked, "env", found[0])
    )


def _value(settings: Settings, name: str) -> Any:
    """A field by its dotted name. Without a database its fields are None."""
    first, _, rest = name.partition(".")
    if first == "global_execution_options":
        return getattr(settings.global_execution_options or GlobalExecutionOptions(), rest)
    found = getattr(settings, first)
    if isinstance(found, timedelta):
        return span_text(found)
    return getattr(found, rest) if rest and found is not None else found


def _masked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, SecretRef):
        return str(value)
    if name == "database.password":
        return "***"
    return mask_url(value) if name == "database.url" else value


def _place(function: Any) -> str:
    code = getattr(function, "__code__", None)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code is not None else str(name)


def _without_name(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "name"}
