"""``coco plan``."""

from __future__ import annotations

from pathlib import Path

import click

from coco.cli.apps import load_chosen
from coco.cli.output import note, print_json


@click.command("plan")
@click.argument("app_flow_specifier")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan for `coco apply`."
)
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
def command(app_flow_specifier: str, output: Path | None, as_json: bool) -> None:
    """Say what setup and update would do.

    Lists the sources and compares; calls no function, writes to no target.
    """
    from coco.cli.plans import make_plan, plan_text, write_plan

    plan = make_plan(app_flow_specifier, load_chosen(app_flow_specifier))
    if as_json:
        print_json(plan)
    else:
        click.echo(plan_text(plan))
    if output is not None:
        write_plan(output, plan)
        note(f"Written to {output}; carry it out with: coco apply {output}")
