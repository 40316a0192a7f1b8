"""``coco unlock``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from coco.cli.apps import load_chosen, need_lasting_state
from coco.cli.output import ask, fail, is_interactive, print_json, say

if TYPE_CHECKING:
    from coco.state.protocol import Lease

QUESTION = (
    "Take the lease away? If its process still works, it will write at the same time as the next one. [yes/N]"
)
FUTURE_SECONDS = 5.0
"""A renewal at least this many seconds in the future shows that clocks differ."""


@click.command("unlock")
@click.argument("app_flow_specifier", required=False)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(app_flow_specifier: str | None, force: bool, as_json: bool) -> None:
    """Release the lease of a flow whose process no longer runs.

    Shows which processes hold the leases of the app's flows (without an app: of all flows in the state) and whether they
    run, and asks. You rarely need it: a lease ends by itself one minute after its process was killed.
    """
    from coco.api.registry import get_flow_full_name
    from coco.environment.environment import ENVIRONMENT
    from coco.operations.leases import end_lease, leases

    chosen = None
    if app_flow_specifier is not None:
        chosen = {get_flow_full_name(name) for name in load_chosen(app_flow_specifier)}
    need_lasting_state("unlock")
    known = ENVIRONMENT.run(leases(ENVIRONMENT), "leases()") if ENVIRONMENT.store_exists() else []
    held = [item for item in known if chosen is None or item.flow in chosen]
    for item in held:
        say("\n".join(facts(item, time.time())), err=as_json)
    if held and not force:
        if not is_interactive():
            fail("Nothing was done: there is no terminal to ask. Use --force.")
        ask(QUESTION)
    for item in held:
        ENVIRONMENT.run(end_lease(ENVIRONMENT, item), "end_lease()")
    if as_json:
        print_json({"unlocked": [item.flow for item in held]})
    elif held:
        say(f"Unlocked: {', '.join(item.flow for item in held)}.")
    else:
        say("No lease is held.")


def facts(lease: Lease, now: float) -> list[str]:
    """Lines about a lease and its holder; ``now``: seconds since the epoch."""
    from coco.state.machine import describe_holder, is_running

    running = is_running(lease.holder)
    renewed = lease.until - lease.seconds
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(renewed))
    age = f"{now - renewed:,.0f} s ago"
    if renewed > now + FUTURE_SECONDS:
        age = f"{renewed - now:,.0f} s ahead of the clock here: one of the two clocks is wrong"
    return [
        f"{lease.flow}: held by {describe_holder(lease.holder)}",
        f"  last renewed {when}, {age}; it is renewed every {lease.seconds / 3:.0f} s and lasts {lease.seconds:.0f} s",
        {
            True: "  that process RUNS on this machine: stop it instead",
            False: "  that process no longer runs: the next command takes the lease over by itself",
            None: "  it runs, or ran, on another machine, in another container or before a restart: "
            "coco cannot determine here whether it still runs",
        }[running],
    ]
