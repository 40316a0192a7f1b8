"""``coco apply``."""

from __future__ import annotations

from pathlib import Path

import click

from coco.cli.apps import load_chosen
from coco.cli.failures import verbose_option
from coco.cli.output import fail, finish, note


@click.command("apply")
@click.argument("plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--allow-deletes", is_flag=True, help="Lift the guard against mass deletion.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(plan_file: Path, allow_deletes: bool, quiet: bool, as_json: bool) -> None:
    """Carry out a plan if it is still valid.

    PLAN_FILE comes from `coco plan -o`. If sources, state, setup or the definition of a flow have changed since then, the
    command does nothing and exits with 1. It asks no question. Run it in the folder where you made the plan.
    """
    from coco.cli.plans import make_plan, moved, read_plan
    from coco.cli.pushing import push_setup
    from coco.cli.updating import update_once

    plan = read_plan(plan_file)
    flows = load_chosen(plan["app"])
    differences = moved(plan, make_plan(plan["app"], flows, read=0))
    if differences:
        for text in differences:
            note(text)
        fail(
            f"{plan_file} is no longer valid; nothing was done. "
            f"Make a new one with `coco plan {plan['app']} -o {plan_file}`"
        )
    push_setup(flows.values(), force=True, quiet=quiet, to_stderr=as_json)
    finish(update_once(flows, quiet=quiet, as_json=as_json, allow_deletes=allow_deletes))
