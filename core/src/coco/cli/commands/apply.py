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
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(plan_file: Path, allow_deletes: bool, quiet: bool, as_json: bool) -> None:
    """Carry out a plan, unless things have moved since.

    PLAN_FILE comes from `coco plan -o`. Sources, state and setup must be as they were then; otherwise nothing is
    done and the exit code is 1. Asks nothing: the plan is the consent. Run it in the same folder.
    """
    from coco.cli.plans import differences, make_plan, read_plan
    from coco.cli.pushing import push_setup
    from coco.cli.updating import update_once

    plan = read_plan(plan_file)
    flows = load_chosen(plan["app"])
    moved = differences(plan, make_plan(plan["app"], flows, read=0))
    if moved:
        for text in moved:
            note(text)
        fail(
            f"things have moved since {plan_file} was made; nothing was done. "
            f"Make a new one with `coco plan {plan['app']} -o {plan_file}`"
        )
    push_setup(flows.values(), force=True, quiet=quiet, to_stderr=as_json)
    finish(update_once(flows, quiet=quiet, as_json=as_json, allow_deletes=allow_deletes))
