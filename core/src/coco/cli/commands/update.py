"""``coco update``."""

from __future__ import annotations

import click

from coco.cli.apps import load_chosen, need_lasting_state
from coco.cli.failures import verbose_option
from coco.cli.output import finish


@click.command("update")
@click.argument("app_flow_specifier")
@click.option("-L", "--live", is_flag=True, help="Keep following the sources until Ctrl-C.")
@click.option("--reexport", is_flag=True, help="Write every row, changed or not.")
@click.option("--full-reprocess", is_flag=True, help="Also recompute everything, without memoised results.")
@click.option("--allow-deletes", is_flag=True, help="Lift the guard against mass deletion.")
@click.option("--reset", is_flag=True, help="Drop everything first, then set up.")
@click.option(
    "--setup", "setup_given", is_flag=True, help="Set up without a question, unless data would be lost."
)
@click.option("--no-setup", is_flag=True, help="Fail if a setup is pending.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(
    app_flow_specifier: str,
    live: bool,
    reexport: bool,
    full_reprocess: bool,
    allow_deletes: bool,
    reset: bool,
    setup_given: bool,
    no_setup: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring targets up to date with their sources.

    Without :FLOW, updates all flows of the app. Asks before it applies a pending setup; in a script, add --setup or
    --force. Exits with 1 if a source or a row failed; all other rows are updated nevertheless.
    """
    if no_setup and (reset or setup_given):
        raise click.UsageError("--no-setup contradicts --reset and --setup")
    from coco.cli.pushing import push_drop, push_setup, require_setup

    flows = load_chosen(app_flow_specifier)
    if live:
        from coco.cli.live import check_followable

        check_followable(flows)
    need_lasting_state("update")
    if (
        reset
        and push_drop(flows.values(), force=force, quiet=quiet, to_stderr=as_json, keep_results=True).any
    ):
        force = True
    if not no_setup:
        push_setup(flows.values(), force=force, quiet=quiet, to_stderr=as_json, setup_given=setup_given)
    else:
        require_setup(flows.values())
    if live:
        from coco.cli.live import follow

        options = {
            "reexport_targets": reexport,
            "full_reprocess": full_reprocess,
            "allow_deletes": allow_deletes,
        }
        finish(follow(flows, quiet=quiet, as_json=as_json, **options))
        return
    from coco.cli.updating import update_once

    finish(
        update_once(
            flows,
            quiet=quiet,
            as_json=as_json,
            reexport_targets=reexport,
            full_reprocess=full_reprocess,
            allow_deletes=allow_deletes,
        )
    )
