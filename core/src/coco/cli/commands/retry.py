"""``coco retry``."""

from __future__ import annotations

import click

from coco.cli.apps import load_chosen
from coco.cli.failures import verbose_option
from coco.cli.output import finish


@click.command("retry")
@click.argument("app_flow_specifier")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_flow_specifier: str, quiet: bool, as_json: bool) -> None:
    """Update, and retry quarantined rows.

    Needs a current setup. Exits with 1 if a row failed again.
    """
    from coco.cli.updating import update_once

    flows = load_chosen(app_flow_specifier)
    finish(update_once(flows, quiet=quiet, as_json=as_json, retry=True))
