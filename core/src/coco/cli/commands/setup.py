"""``coco setup``."""

from __future__ import annotations

import click

from coco.cli.apps import load_flows


@click.command("setup")
@click.argument("app_target")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--reset", is_flag=True, help="Drop everything first.")
def command(app_target: str, force: bool, reset: bool) -> None:
    """Create or adapt targets and state to the flows.

    Describes the changes and asks before it makes them.
    """
    from coco.cli.pushing import push_drop, push_setup

    flows = list(load_flows(app_target).values())
    if reset and push_drop(flows, force=force):
        force = True  # the same question twice would only train people to say yes
    push_setup(flows, force=force, say_current=True)
