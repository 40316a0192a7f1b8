"""``coco plugins``."""

from __future__ import annotations

import click

from coco.cli.output import finish, print_json, say


@click.command("plugins")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Also tracebacks of plugins that failed, and what coco brings.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(verbose: bool, as_json: bool) -> None:
    """List plugins and what is wrong with them.

    Exits with 1 if a plugin failed, a name is in doubt, or COCO_PLUGINS names what is not there.
    """
    from coco.plugins import plugin_host
    from coco.plugins.report import has_problems, plugin_report, report_lines

    report = plugin_report(plugin_host(), verbose=verbose)
    if as_json:
        print_json(report)
    else:
        say("\n".join(report_lines(report)))
    finish(not has_problems(report))
