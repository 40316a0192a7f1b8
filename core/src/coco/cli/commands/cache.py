"""``coco cache``."""

from __future__ import annotations

import time
from typing import Any

import click

from coco.cli.apps import load_app, need_lasting_state, parse_specifier
from coco.cli.output import print_json, say


@click.command("cache")
@click.argument("action", type=click.Choice(["stats", "prune"]))
@click.argument("app_target", required=False)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(action: str, app_target: str | None, as_json: bool) -> None:
    """Show or prune the results that functions with cache=True returned.

    The state stores them for all its flows. prune deletes the results that no row uses, without waiting for
    COCO_MEMO_KEEP, and rewrites the state file without them. With APP_TARGET: in the state that its settings name.
    """
    from coco.environment.environment import ENVIRONMENT

    if app_target is not None:
        load_app(parse_specifier(app_target).app)
    need_lasting_state("cache")
    if not ENVIRONMENT.store_exists():
        found: dict[str, Any] = {}
        text = "There is no state yet, so there are no results."
    else:
        found, text = _stats() if action == "stats" else _prune()
    if as_json:
        print_json(found)
    else:
        say(text)


def _stats() -> tuple[dict[str, Any], str]:
    from coco.lib import cache_stats

    found = cache_stats()
    since = found["unused_since"]
    first = (
        "" if since is None else f", the first since {time.strftime('%Y-%m-%d %H:%M', time.localtime(since))}"
    )
    lines = [
        f"Results      {found['entries']:>12,} of at most {found['max_entries']:,}",
        f"Bytes        {found['bytes']:>12,} of at most {found['max_bytes']:,}",
        f"Not in use   {found['unused_entries']:>12,} ({found['unused_bytes']:,} bytes{first})",
        f"Kept unused  {_span(found['keep_seconds']):>12}",
        f"To give back {found['blank_bytes']:>12,} bytes",
    ]
    if found["file_bytes"] is not None:
        lines.append(f"State        {found['file_bytes']:>12,} bytes in {found['state']}")
    return found, "\n".join(lines)


def _prune() -> tuple[dict[str, Any], str]:
    from coco.lib import prune_cache

    found: dict[str, Any] = dict(prune_cache())
    return found, f"Deleted {found['deleted_entries']:,} results ({found['deleted_bytes']:,} bytes)."


def _span(seconds: float) -> str:
    from datetime import timedelta

    from coco.setting import span_text

    return span_text(timedelta(seconds=seconds))
