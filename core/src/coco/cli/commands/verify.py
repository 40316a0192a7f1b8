"""``coco verify``."""

from __future__ import annotations

import click

from coco.cli.apps import load_chosen
from coco.cli.failures import verbose_option
from coco.cli.hints import runnable
from coco.cli.output import finish, print_json, say
from coco.cli.progress import saying_waits


@click.command("verify")
@click.argument("app_flow_specifier")
@click.option(
    "--repair",
    is_flag=True,
    help="Recreate missing targets, write missing and different rows, delete surplus rows.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Compare the values of at most this many rows of each source and target. All keys are compared.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_flow_specifier: str, repair: bool, sample: int | None, as_json: bool) -> None:
    """Compare targets with what they should hold.

    Compares sources with the state, and the state with the targets: all keys, and the contents that can be read. Calls no
    function; --repair calls functions whose results are not memoised. Exits with 1 if differences remain.
    """
    with saying_waits():
        reports = {
            name: flow.verify(repair=repair, sample=sample)
            for name, flow in load_chosen(app_flow_specifier).items()
        }
    ok = all(report.ok for report in reports.values())
    if as_json:
        print_json({"ok": ok, "flows": {name: report.to_dict() for name, report in reports.items()}})
    else:
        for name, report in reports.items():
            say(f"Flow {name}")
            say(runnable(report.render()) or "no targets")
    finish(ok)
