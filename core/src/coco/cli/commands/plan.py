"""``coco plan``."""

from __future__ import annotations

from pathlib import Path

import click

from coco.cli.apps import load_chosen
from coco.cli.failures import verbose_option
from coco.cli.hints import runnable
from coco.cli.output import note, print_json, say


@click.command("plan")
@click.argument("app_flow_specifier")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan for `coco apply`."
)
@click.option(
    "--read",
    type=click.IntRange(min=0),
    default=1_000,
    show_default=True,
    help="Read at most this many changed rows of each source, to plan what they cause.",
)
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON.")
@verbose_option
def command(app_flow_specifier: str, output: Path | None, read: int, as_json: bool) -> None:
    """Show what setup and update would do.

    Lists the sources, compares them with the state, reads changed rows, and looks calls up in the memo. Makes no call that
    costs anything, and writes to no target. Results that depend on calls not made are shown as unknown.
    """
    from coco.cli.plans import make_plan, plan_text, write_plan

    plan = make_plan(app_flow_specifier, load_chosen(app_flow_specifier), read)
    if not as_json:
        say(runnable(plan_text(plan)))
    if output is not None:
        write_plan(output, plan)
        note(f"Written to {output}; carry it out with: coco apply {output}")
    if as_json:
        print_json(plan)
