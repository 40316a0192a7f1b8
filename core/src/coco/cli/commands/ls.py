"""``coco ls``."""

from __future__ import annotations

import click

from coco.cli.apps import load_app, parse_specifier, warn
from coco.cli.output import print_json, say


@click.command("ls")
@click.argument("app_target", required=False)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(app_target: str | None, as_json: bool) -> None:
    """List flows.

    With APP_TARGET: the flows that it defines; [+] marks those that are not set up. Without: the flows that are
    set up, in the current app namespace. Creates nothing.
    """
    from coco.api.registry import flow_names_with_setup
    from coco.lib import get_app_namespace

    namespace = get_app_namespace()
    if app_target is None:
        names = sorted(flow_names_with_setup())
        if as_json:
            print_json({"namespace": namespace, "flows": names})
            return
        _heading(namespace)
        for name in names:
            say(name)
        if not names:
            say("No flows are set up.")
        return
    specifier = parse_specifier(app_target)
    if specifier.flow is not None:
        warn(f"the flow name '{specifier.flow}' is ignored: this command applies to the whole app")
    found = sorted(load_app(specifier.app))
    if as_json:
        known = set(flow_names_with_setup())
        print_json({"namespace": namespace, "flows": {name: {"set_up": name in known} for name in found}})
        return
    if not found:
        say(f"No flows are defined in '{specifier.app}'.")
        return
    persisted = set(flow_names_with_setup())
    _heading(namespace)
    for name in found:
        say(name if name in persisted else f"{name} [+]")
    if not persisted.issuperset(found):
        say("\nNotes:\n  [+]: not set up yet; run `coco setup` or `coco update`")


def _heading(namespace: str) -> None:
    if namespace:
        say(f"App namespace {namespace}:")
