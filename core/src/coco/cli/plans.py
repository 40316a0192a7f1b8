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
    from coco.api.flow import Flow

FORMAT = 2


def make_plan(app: str, flows: Mapping[str, Flow], read: int) -> dict[str, Any]:
    """A plan as JSON data. ``read``: how many rows of each source to read at most.

    ``update`` is None for a flow whose setup is pending: its update can be planned after the setup.
    """
    plans = {name: flow.plan(read=read).to_dict() for name, flow in flows.items()}
    return {"format": FORMAT, "app": app, "flows": plans}


def plan_text(plan: Mapping[str, Any]) -> str:
    """A plan as text."""
    from coco.operations.plan import plan_text

    return "\n".join(plan_text(item) for item in plan["flows"].values())


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


def moved(planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The reasons why a plan is no longer valid; empty if it is."""
    from coco.operations.apply import differences

    found = []
    before, after = planned["flows"], now["flows"]
    for name in sorted({*before, *after}):
        if name not in after:
            found.append(f"flow {name} is no longer defined")
        elif name not in before:
            found.append(f"flow {name} is new")
        else:
            found += differences(name, before[name], after[name])
    return found
