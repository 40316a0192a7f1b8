"""``coco errors``."""

from __future__ import annotations

import textwrap

import click

from coco.cli.apps import load_chosen
from coco.cli.failures import verbose_option
from coco.cli.hints import runnable
from coco.cli.output import note, print_json, say
from coco.errors import wants_tracebacks
from coco.printable import printable


@click.command("errors")
@click.argument("app_flow_specifier")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_flow_specifier: str, as_json: bool) -> None:
    """List the rows that failed.

    A row that failed five times in one version is quarantined: updates skip it until it changes; `coco retry` retries
    it. The target rows of earlier versions stay.
    """
    from coco.api.registry import flow_names_with_setup

    found = {name: flow.errors() for name, flow in load_chosen(app_flow_specifier).items()}
    if as_json:
        print_json({"flows": {name: [row.to_dict() for row in rows] for name, rows in found.items()}})
        return
    for name, rows in found.items():
        for row in rows:
            say(printable(runnable(f"{name} {row}")))
            if wants_tracebacks() and row.traceback:
                say(textwrap.indent(row.traceback, "    "))
    rows_of_all = [row for rows in found.values() for row in rows]
    quarantined = sum(row.quarantined for row in rows_of_all)
    if not rows_of_all:
        persisted = flow_names_with_setup()
        missing = [name for name in found if name not in persisted]
        note("No rows failed." + (f" Never set up: {', '.join(missing)}." if missing else ""))
        return
    counted = f"{len(rows_of_all)} failed row(s), {quarantined} quarantined"
    advice = "Correct the rows or the functions, then run `coco update`"
    if quarantined:
        advice += "; `coco retry` retries quarantined rows as they are"
    note(runnable(f"{counted}. {advice}."))
