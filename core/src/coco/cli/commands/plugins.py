"""``coco plugins``."""

from __future__ import annotations

import click

from coco.cli.output import finish, print_json, say


@click.command("plugins")
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Also show tracebacks of plugins that failed, and what coco itself provides.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(verbose: bool, as_json: bool) -> None:
    """List the plugins, and the problems of each.

    Exits with 1 if a plugin failed, if several plugins provide one name, or if COCO_PLUGINS names a missing plugin.
    """
    from coco.plugins import plugin_host
    from coco.plugins.report import has_problems, plugin_report, report_lines

    report = plugin_report(plugin_host(), verbose=verbose)
    if as_json:
        print_json(report)
    else:
        say("\n".join(report_lines(report)))
    finish(not has_problems(report))
