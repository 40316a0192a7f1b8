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
@click.option("--repair", is_flag=True, help="Write what is missing or differs, remove what is too much.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Compare at most this many rows of each source and target by value; keys are all compared.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_flow_specifier: str, repair: bool, sample: int | None, as_json: bool) -> None:
    """Compare targets with what they should hold.

    Sources against state, state against targets: by keys, and by contents where these can be read. Calls no
    function; --repair calls those whose results are not memoised. Exits with 1 if something is wrong and was not
    repaired.
    """
    from coco.environment.runtime import RUNTIME

    with saying_waits():
        reports = {
            name: RUNTIME.verify(flow, repair=repair, sample=sample)
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
