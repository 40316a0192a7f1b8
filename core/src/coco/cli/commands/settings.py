"""``coco settings``."""

from __future__ import annotations

from typing import Any

import click

from coco.cli.apps import load_app, parse_specifier
from coco.cli.output import note, print_json, say
from coco.env_file import env_file_of
from coco.printable import printable


@click.command("settings")
@click.argument("app_target", required=False)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(app_target: str | None, as_json: bool) -> None:
    """Show the settings in force and where they come from.

    With APP_TARGET: the settings of its settings function or its coco.init(). Without: those of the environment variables.
    Masks passwords. Connects to nothing.
    """
    from coco.environment.environment import ENVIRONMENT
    from coco.operations.settings_report import settings_report

    if app_target is not None:
        load_app(parse_specifier(app_target).app)
    report = settings_report(ENVIRONMENT)
    if as_json:
        found = report.to_dict()
        for line in found["settings"].values():
            line["file"] = env_file_of(line["place"])
        print_json(found)
        return
    rows = []
    for item in report.settings:
        path = env_file_of(item.place)
        file = f" in {path}" if path else ""
        origin = item.place + file if item.origin == "env" else f"{item.origin} {item.place}".strip()
        rows.append((item.name, printable(_shown(item.value)), printable(origin)))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, origin in rows:
        say(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}".rstrip())
    for name in report.unused:
        note(f"{name} is set and has no effect: the app supplies its settings itself")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) else str(value) or "(empty)"
