"""``coco plugins``."""

from __future__ import annotations

import click

from coco.cli.output import finish, print_json


@click.command("plugins")
@click.option("-v", "--verbose", is_flag=True, help="Also the tracebacks of plugins that failed.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(verbose: bool, as_json: bool) -> None:
    """List plugins and what is wrong with them.

    Exits with 1 if a plugin failed, a name is in doubt, or COCO_PLUGINS names what is not installed.
    """
    from coco.plugins import plugin_host
    from coco.plugins.report import has_problems, plugin_report, report_lines

    report = plugin_report(plugin_host(), verbose=verbose)
    if as_json:
        print_json(report)
    else:
        click.echo("\n".join(report_lines(report)))
    finish(not has_problems(report))
