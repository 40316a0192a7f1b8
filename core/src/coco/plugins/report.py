"""The report of ``coco plugins``, as data and as text."""

from __future__ import annotations

import sys
from typing import Any

from coco.plugins import API_NUMBER
from coco.plugins.loader import PluginHost
from coco.plugins.plugin import Plugin


def plugin_report(host: PluginHost, *, verbose: bool = False) -> dict[str, Any]:
    """Everything about the plugins, JSON-able. ``verbose`` adds tracebacks.

    ``plugins``: coco's own first, with ``built_in`` true. ``overridden``: names of a plugin that are not used, because this
    process or coco defines them, with the place of the definition in use.
    """
    defined = _defined_here()
    return {
        "api": API_NUMBER,
        "plugins": [_describe(plugin, verbose=verbose) for plugin in host.plugins],
        "overridden": {
            op.key: defined[op.key]
            for plugin in host.plugins
            for op in plugin.ops
            if _package(defined.get(op.key, op.target)) != _package(op.target)
        }
        | host.overridden(),
        "conflicts": host.conflicts(),
        "unmet": host.unmet_picks(),
        "unknown": host.unknown_names(),
    }


def has_problems(report: dict[str, Any]) -> bool:
    """Whether a report shows a problem: a failed plugin, a name that several plugins provide, an unknown chosen plugin.

    A slow plugin works, so it is not a problem.
    """
    failed = any(plugin["status"] == "disabled" for plugin in report["plugins"])
    return failed or any(report[part] for part in ("conflicts", "unmet", "unknown"))


def _package(target: str) -> str:
    return target.partition(":")[0].partition(".")[0]


def _defined_here() -> dict[str, str]:
    """What is registered in this process: ``category:name`` -> ``module:qualified name``. Imports nothing."""
    registry = sys.modules.get("coco.ops.registry")
    if registry is None:
        return {}
    found = {}
    for record in registry.registry.records():
        category = record.spec_cls.__coco_category__.value
        found[f"{category}:{record.kind}"] = f"{record.spec_cls.__module__}:{record.spec_cls.__qualname__}"
    return found


def _describe(plugin: Plugin, *, verbose: bool) -> dict[str, Any]:
    distribution, version = plugin.distribution()
    described: dict[str, Any] = {
        "name": plugin.name,
        "distribution": distribution,
        "version": version,
        "module": plugin.candidate.module,
        "built_in": plugin.built_in,
        "inferred": plugin.inferred,
        "status": plugin.status,
        "reason": plugin.reason,
        "muted": plugin.muted,
        "slow": plugin.slowness(),
        "seconds": round(plugin.seconds, 4),
        "hooks": sorted(plugin.hooks),
        "ops": [
            {
                "category": op.category,
                "name": op.name,
                "target": op.target,
                "doc": op.doc or plugin.summary(),
                "also": list(op.companions),
            }
            for op in plugin.ops
        ],
        "stores": [{"scheme": item.scheme, "target": item.target, "doc": item.doc} for item in plugin.stores],
        "runners": [{"name": item.name, "target": item.target, "doc": item.doc} for item in plugin.runners],
        "commands": [{"name": item.name, "target": item.target, "doc": item.doc} for item in plugin.commands],
    }
    if verbose:
        described["trace"] = plugin.trace
    return described


def report_lines(report: dict[str, Any]) -> list[str]:
    """A report for people. Tracebacks are shown if the report has them."""
    lines: list[str] = []
    for plugin in report["plugins"]:
        lines += _plugin_lines(plugin)
    if all(plugin["built_in"] for plugin in report["plugins"]):
        lines.append(
            "no plugins are installed; for a start: pip install coco-source-localfs coco-target-sqlite"
        )
    for key, providers in report["conflicts"].items():
        name = providers[0].partition(" ")[0]
        lines.append(
            f"in doubt: {key} is provided by {', '.join(providers)}; set COCO_PLUGINS={key}={name} to pick"
        )
    for key, place in report["overridden"].items():
        lines.append(f"overridden: {key} is defined by {place}")
    lines += report["unmet"].values()
    if report["unknown"]:
        lines.append(f"COCO_PLUGINS names plugins that are not installed: {', '.join(report['unknown'])}")
    if any(plugin["status"] == "disabled" and "trace" not in plugin for plugin in report["plugins"]):
        lines.append("The others work. More: coco plugins -v; to leave one out: COCO_PLUGINS=-NAME")
    return lines


def _plugin_lines(plugin: dict[str, Any]) -> list[str]:
    origin = f"{plugin['distribution']} {plugin['version']}".strip() or plugin["module"]
    state = "" if plugin["status"] == "loaded" else f"  {plugin['status'].upper()}: {plugin['reason']}"
    if plugin["built_in"]:
        state = "  BUILT IN"
    lines = [f"{plugin['name']}  ({origin}){state}"]
    if plugin["built_in"] and "trace" not in plugin:
        return [f"{lines[0]}: {_summary(plugin)}"]
    for op in plugin["ops"]:
        lines.append(_item(op["category"].replace("_", " "), op["name"], op["doc"]))
    if plugin["inferred"] and plugin["ops"] and "trace" in plugin:
        lines.append(f"    its entry point is the operation: {plugin['module']}, imported at first use")
    for kind in ("stores", "runners", "commands"):
        for item in plugin[kind]:
            lines.append(_item(kind[:-1], item.get("name") or f"{item['scheme']}://", item["doc"]))
    if "coco_resolve_secret" in plugin["hooks"]:
        lines.append("    secrets: looks up references of coco.secret")
    if plugin["slow"]:
        lines.append(f"    SLOW: {plugin['slow']}")
    if plugin["muted"]:
        lines.append(f"    observer muted: {plugin['muted']}")
    lines += [f"    | {line}" for line in plugin.get("trace", "").strip("\n").split("\n") if line]
    return lines


def _summary(plugin: dict[str, Any]) -> str:
    """Names of stores, runners and commands, in one line."""
    parts = []
    for kind in ("stores", "runners", "commands"):
        names = [str(item.get("name") or item["scheme"]) for item in plugin[kind]]
        if names:
            parts.append(f"{kind[:-1] if len(names) == 1 else kind} {', '.join(names)}")
    return "; ".join(parts)


def _item(kind: str, name: str, doc: str) -> str:
    return f"    {kind} {name}" + (f": {doc}" if doc else "")
