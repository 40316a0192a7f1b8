"""Plans as files: what setup and update would do, and whether that still holds."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coco.cli.output import fail

if TYPE_CHECKING:
    from coco.flow import Flow

FORMAT = 2


def make_plan(app: str, flows: Mapping[str, Flow], read: int) -> dict[str, Any]:
    """A plan, JSON-able. ``read``: rows of each source that are read, at most.

    ``update`` is None for a flow whose setup is pending: what its update does is known after.
    """
    from coco.environment.runtime import RUNTIME

    found: dict[str, Any] = {}
    for name, flow in flows.items():
        bundle = RUNTIME.make_setup_bundle([flow])
        text, up_to_date = bundle.describe()
        plan: dict[str, Any] = {
            "flow": RUNTIME.full_name(name),
            "setup": {"text": text, "up_to_date": up_to_date, "destructive": bundle.destructive},
            "update": None,
            "update_text": "",
            "state_version": None,
        }
        if up_to_date and name in RUNTIME.flow_names_with_setup():
            update = RUNTIME.plan_update(flow, read)
            plan |= {
                "update": update.to_dict(),
                "update_text": update.render(),
                "state_version": update.state_version,
            }
        found[name] = plan
    return {"format": FORMAT, "app": app, "flows": found}


def plan_text(plan: Mapping[str, Any]) -> str:
    """A plan for people."""
    lines: list[str] = []
    for item in plan["flows"].values():
        lines.append(item["setup"]["text"])
        if item["setup"]["destructive"]:
            lines.append("  This setup deletes data.")
        if item["update"] is None:
            lines.append("  update: after setup, everything that its sources hold")
        else:
            lines += [f"  update: {line}" for line in item["update_text"].split("\n")]
    return "\n".join(lines)


def write_plan(path: Path, plan: Mapping[str, Any]) -> None:
    """Write a plan whole or not at all; raises ``click.ClickException`` if that is impossible."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(json.dumps(plan, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror or error}; name another place with -o")


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan. What is none raises ``click.ClickException``."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror or error}")
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        fail(f"{path} is not a plan of this version of coco; make one with `coco plan APP -o {path}`")
    if not isinstance(plan.get("app"), str) or not isinstance(plan.get("flows"), dict):
        raise click.ClickException(f"{path} is damaged: it names no app or no flows")
    return plan


def differences(planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Why a plan does not hold any more; empty if it does."""
    found = []
    before, after = planned["flows"], now["flows"]
    for name in sorted({*before, *after}):
        if name not in after:
            found.append(f"flow {name} is not defined any more")
        elif name not in before:
            found.append(f"flow {name} is new")
        else:
            if before[name].get("flow") != after[name]["flow"]:
                found.append(f"flow {name} is in another app namespace: {after[name]['flow']}")
            if before[name].get("setup") != after[name]["setup"]:
                found.append(f"flow {name} needs another setup than planned")
            found += [f"{text} of flow {name}" for text in _moved(before[name], after[name])]
    return found


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What an update of one flow depends on and is not as it was. What it would do is not compared, as it follows."""
    old, new = before.get("update") or {}, after["update"] or {}
    marks, now = old.get("marks", {}), new.get("marks", {})
    found = [
        text
        for mark, text in (
            ("listing", "something changed in the sources"),
            ("state", "another update changed the state"),
            ("logic", "somebody changed the definition"),
        )
        if marks.get(mark) != now.get(mark)
    ]
    if not found and before.get("state_version") != after["state_version"]:
        found.append("something changed in the sources or the state")
    return found
