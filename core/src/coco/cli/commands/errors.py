"""``coco errors``."""

from __future__ import annotations

from typing import Any

import click

from coco.cli.apps import load_chosen
from coco.cli.hints import runnable
from coco.cli.output import note, print_json, say
from coco.printable import printable


@click.command("errors")
@click.argument("app_flow_specifier")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(app_flow_specifier: str, as_json: bool) -> None:
    """List the rows that failed.

    A parked row is not tried again before it changes; `coco retry` takes it up. Their old target rows stay.
    """
    from coco.environment.runtime import RUNTIME

    found = {name: RUNTIME.errors(flow) for name, flow in load_chosen(app_flow_specifier).items()}
    if as_json:
        print_json({"flows": found})
        return
    for name, rows in found.items():
        for row in rows:
            say(printable(runnable(_line(name, row))))
    rows_of_all = [row for rows in found.values() for row in rows]
    parked = sum(bool(row.get("parked")) for row in rows_of_all)
    if not rows_of_all:
        persisted = RUNTIME.flow_names_with_setup()
        missing = [name for name in found if name not in persisted]
        note("No rows failed." + (f" Never set up: {', '.join(missing)}." if missing else ""))
        return
    said = f"{len(rows_of_all)} failed row(s), {parked} parked. Mend the rows or the functions, then run `coco update`"
    note(runnable(f"{said}; `coco retry` takes up parked rows as they are." if parked else f"{said}."))


def _line(flow: str, row: dict[str, Any]) -> str:
    state = "parked" if row.get("parked") else "failed"
    where = f"{row['phase']} {row['op']}".strip()
    text = row["message"]
    if not text.startswith(row["error_type"]):
        text = f"{row['error_type']}: {text}"
    return (
        f"{flow} {row['source']} {row['key']}: {state} in {where} after {row['attempts']} attempt(s): {text}"
    )
