"""One-time updates of several flows, and their output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coco.cli.failures import message_with_place, report
from coco.cli.hints import runnable
from coco.cli.output import note, print_json, say
from coco.cli.progress import progress
from coco.errors import CocoError, UnwrittenTargetError

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.engine.stats import IndexUpdateInfo


def update_once(
    flows: Mapping[str, Flow], *, quiet: bool, as_json: bool, retry: bool = False, **options: bool
) -> bool:
    """Update one flow after the other; a failure does not stop the others. Returns whether all succeeded.

    ``options``: as for ``Flow.update``. ``retry``: take up quarantined rows too, as ``Flow.retry`` does.
    """
    infos: dict[str, IndexUpdateInfo] = {}
    failures: dict[str, str] = {}
    with progress(quiet):
        for name, flow in flows.items():
            try:
                infos[name] = flow.retry() if retry else flow.update(**options)
            except CocoError as error:
                if isinstance(error, UnwrittenTargetError):
                    infos[name] = error.info
                failures[name] = message_with_place(error)
                say(f"Flow {name} failed.", err=True)
                report(error)
    return summarise(infos, failures, quiet=quiet, as_json=as_json)


def summarise(
    infos: Mapping[str, IndexUpdateInfo], failures: Mapping[str, str], *, quiet: bool, as_json: bool
) -> bool:
    """Print the results. Returns whether no row, source or flow failed."""
    ok = not failures and not any(info.has_errors for info in infos.values())
    if as_json:
        found: dict[str, Any] = {name: info.to_dict() for name, info in infos.items()}
        for name, text in failures.items():
            found[name] = {**found.get(name, {}), "error": text}
        print_json({"ok": ok, "flows": found})
    elif not quiet:
        for name, info in infos.items():
            for item in info.sources:
                say(f"{name}.{item.source_name}: {item.stats}")
            if not info.sources:
                say(f"{name}: no sources")
    for name, info in infos.items():
        if not quiet or info.drifted:
            for text in info.warnings:
                note(runnable(f"WARNING: {text}"))
        total = info.total
        failed = [
            f"{count} {word}"
            for count, word in ((total.num_errors, "failed"), (total.num_quarantined, "quarantined"))
            if count
        ]
        if failed:
            rows = "rows of flow" if total.num_errors + total.num_quarantined > 1 else "row of flow"
            note(runnable(f"{' and '.join(failed)} {rows} {name}; `coco errors` lists them."))
    return ok
