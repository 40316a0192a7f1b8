"""``coco setup``."""

from __future__ import annotations

import click

from coco.cli.apps import load_flows, need_lasting_state
from coco.cli.failures import verbose_option
from coco.cli.output import print_json


@click.command("setup")
@click.argument("app_target")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--reset", is_flag=True, help="Drop everything first.")
@click.option(
    "--forget",
    is_flag=True,
    help="Remove the records of earlier targets whose plugin is not installed; the targets stay as they are.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_target: str, force: bool, reset: bool, forget: bool, as_json: bool) -> None:
    """Create or change targets and state as the flows require.

    Describes the changes and asks before it makes them.
    """
    from coco.cli.pushing import push_drop, push_setup

    flows = load_flows(app_target)
    need_lasting_state("setup")
    dropped = (
        reset
        and push_drop(flows.values(), force=force, to_stderr=as_json, keep_results=True, forget=forget).any
    )
    # One question covers drop and setup.
    changed = push_setup(
        flows.values(), force=force or dropped, to_stderr=as_json, say_current=True, forget=forget
    )
    if as_json:
        print_json({"ok": True, "flows": sorted(flows), "dropped": dropped, "changed": changed})
