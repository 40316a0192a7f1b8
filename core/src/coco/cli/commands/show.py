"""``coco show``."""

from __future__ import annotations

import click

from coco.cli.apps import load_one
from coco.cli.output import print_json, say_styled


@click.command("show")
@click.argument("app_flow_specifier")
@click.option("--color/--no-color", default=True, show_default=True, help="Use colours on a terminal.")
@click.option("-v", "--verbose", is_flag=True, help="Also show limits, code versions and places in the code.")
@click.option("--json", "as_json", is_flag=True, help="The whole definition as JSON.")
def command(app_flow_specifier: str, color: bool, verbose: bool, as_json: bool) -> None:
    """Show a flow: its operations and its fields.

    Needs neither state nor setup. Secrets are shown by their keys only.
    """
    from coco.plugins import connect_registry

    connect_registry()
    if as_json:
        from coco.operations.graph_report import graph_report

        print_json(graph_report(load_one(app_flow_specifier).graph))
        return
    from coco.flow.show import render

    say_styled(render(load_one(app_flow_specifier).graph, color=color, verbose=verbose), nl=False)
