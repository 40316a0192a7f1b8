"""``coco evaluate``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from coco.cli.apps import load_one
from coco.cli.failures import verbose_option
from coco.cli.output import fail, finish, note, print_json, say


@click.command("evaluate")
@click.argument("app_flow_specifier")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Folder to write to. Default: eval_[NAMESPACE_]FLOW_YYMMDD_HHMMSS here.",
)
@click.option("--cache/--no-cache", default=True, show_default=True, help="Use memoised results.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_flow_specifier: str, output_dir: Path | None, cache: bool, as_json: bool) -> None:
    """Evaluate a flow and write the results to files instead of targets.

    Writes one YAML file per source row, with the rows that it would export. Needs no setup and does not change the state.
    Exits with 1 if a row failed.
    """
    flow = load_one(app_flow_specifier)
    if output_dir is None:
        stamp = datetime.now().astimezone().strftime("%y%m%d_%H%M%S")
        output_dir = Path(f"eval_{flow.full_name.replace('.', '_')}_{stamp}")
    if output_dir.exists() and not output_dir.is_dir():
        fail(f"{output_dir} exists and is not a folder")
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"cannot create {output_dir}: {error.strerror or error}; name another folder with -o")
    report = flow.evaluate(output_dir, use_cache=cache)
    if as_json:
        print_json(report.to_dict())
    else:
        for line in report.lines():
            say(line)
        note(f"Written to {output_dir}, one file for each row")
    finish(report.ok)
