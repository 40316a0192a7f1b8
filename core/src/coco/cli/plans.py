"""Plans as files: what setup and update would do, and whether a plan is still valid."""

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
    """A plan as JSON data. ``read``: how many rows of each source to read at most.

    ``update`` is None for a flow whose setup is pending: its update can be planned after the setup.
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
    """A plan as text."""
    lines: list[str] = []
    for item in plan["flows"].values():
        lines.append(item["setup"]["text"])
        if item["setup"]["destructive"]:
            lines.append("  This setup deletes data.")
        if item["update"] is None:
            lines.append("  update: after the setup, all rows of its sources")
        else:
            lines += [f"  update: {line}" for line in item["update_text"].split("\n")]
    return "\n".join(lines)


def write_plan(path: Path, plan: Mapping[str, Any]) -> None:
    """Write a plan atomically; raises ``click.ClickException`` if that fails."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(json.dumps(plan, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror or error}; name another file with -o")


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan. Raises ``click.ClickException`` if the file is not a plan."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror or error}")
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        fail(f"{path} is not a plan of this version of coco; make one with `coco plan APP -o {path}`")
    if not isinstance(plan.get("app"), str) or not isinstance(plan.get("flows"), dict):
        raise click.ClickException(f"{path} is damaged: its app or its flows are missing")
    return plan


def differences(planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The reasons why a plan is no longer valid; empty if it is."""
    found = []
    before, after = planned["flows"], now["flows"]
    for name in sorted({*before, *after}):
        if name not in after:
            found.append(f"flow {name} is no longer defined")
        elif name not in before:
            found.append(f"flow {name} is new")
        else:
            if before[name].get("flow") != after[name]["flow"]:
                found.append(f"flow {name} is in another app namespace: {after[name]['flow']}")
            if before[name].get("setup") != after[name]["setup"]:
                found.append(f"the setup of flow {name} differs from the plan")
            found += [f"{text} of flow {name}" for text in _moved(before[name], after[name])]
    return found


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changes in what an update of one flow depends on. Its actions are not compared, since they follow from it."""
    old, new = before.get("update") or {}, after["update"] or {}
    marks, now = old.get("marks", {}), new.get("marks", {})
    found = [
        text
        for mark, text in (
            ("listing", "the sources changed"),
            ("state", "another update changed the state"),
            ("logic", "the definition changed"),
        )
        if marks.get(mark) != now.get(mark)
    ]
    if not found and before.get("state_version") != after["state_version"]:
        found.append("the sources or the state changed")
    return found
