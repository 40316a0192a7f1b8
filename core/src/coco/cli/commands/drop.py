"""``coco drop``."""

from __future__ import annotations

import click

from coco.cli.apps import load_app, need_lasting_state, parse_specifier, warn
from coco.cli.failures import verbose_option
from coco.cli.output import fail, finish, note, print_json, say


@click.command("drop")
@click.argument("app_target")
@click.argument("flow_name", nargs=-1)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option(
    "--forget",
    is_flag=True,
    help="Remove the records of targets whose plugin is not installed; the targets stay as they are.",
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@verbose_option
def command(app_target: str, flow_name: tuple[str, ...], force: bool, forget: bool, as_json: bool) -> None:
    """Remove targets and state of flows.

    Drops all flows of the app, or those named; you can also name a flow that is set up but no longer defined. Deletes
    results of cached functions that no other flow uses. Exits with 1 if a target could not be dropped because its plugin is
    not installed; the state keeps the record of that target.
    """
    from coco.api.registry import flow_names_with_setup, get_flow_full_name
    from coco.cli.pushing import push_drop

    specifier = parse_specifier(app_target)
    if specifier.flow is not None:
        warn(f"the flow name '{specifier.flow}' is ignored; name flows after the app")
    defined = load_app(specifier.app)
    need_lasting_state("drop")
    persisted = set(flow_names_with_setup())
    wanted = dict.fromkeys(flow_name or defined)
    for name in [name for name in wanted if name not in defined and name not in persisted]:
        warn(f"there is no flow '{name}', neither defined nor set up; it is ignored")
        del wanted[name]
    if flow_name and not wanted:
        fail("None of the named flows is defined or set up.")
    flows = [defined[name] for name in wanted if name in defined]
    names = [name for name in wanted if name not in defined]
    if not wanted.keys() & persisted:
        say("No flows to drop: none of them is set up.", err=as_json)
        if as_json:
            print_json({"ok": True, "dropped": [], "left": []})
        return
    full = ", ".join(get_flow_full_name(name) for name in wanted if name in persisted)
    say(f"Flows to drop: {full}", err=True)
    dropped = push_drop(flows, names, force=force, to_stderr=as_json, forget=forget)
    kept = {flow for flow, _ in dropped.left}
    if as_json:
        whole = {name for name in wanted.keys() & persisted if get_flow_full_name(name) not in kept}
        left = [{"flow": flow, "target": title} for flow, title in dropped.left]
        print_json({"ok": not left, "dropped": sorted(whole) if dropped.any else [], "left": left})
    elif not dropped.any:
        say("Nothing to drop.")
    if dropped.left:
        titles = " and ".join(title for _, title in dropped.left)
        note(
            f"No installed plugin can drop {titles}: install the plugin that made it and drop again, or add --forget, which "
            "leaves it as it is."
        )
    finish(not dropped.left)
