"""Setup and drop for commands: describe, ask, apply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from coco.cli.hints import runnable
from coco.cli.output import confirm, fail, say
from coco.cli.progress import saying_waits

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.operations.setup_bundle import SetupChangeBundle


class Dropped(NamedTuple):
    """``any``: whether there was anything to drop. ``left``: (flow, name) of targets whose plugin is not installed."""

    any: bool
    left: list[tuple[str, str]]


def push_setup(
    flows: Iterable[Flow],
    *,
    force: bool,
    quiet: bool = False,
    to_stderr: bool = False,
    say_current: bool = False,
    setup_given: bool | None = None,
    forget: bool = False,
) -> bool:
    """Set flows up if their setup is pending. Returns whether it was.

    setup_given: whether ``--setup`` was given, which applies a setup that loses no data without a question; None if the
    command has no such option. quiet: print only what the user must confirm. to_stderr: standard output is for a result.
    say_current: also report that nothing is pending. forget: remove records of targets whose plugin is not installed.
    """
    from coco.api.registry import make_setup_bundle

    bundle = make_setup_bundle(list(flows), forget=forget)
    text, up_to_date = bundle.describe()
    if up_to_date:
        if say_current:
            say(runnable(text), err=to_stderr)
            say("Setup is already up to date.", err=to_stderr)
        bundle.describe_and_apply(report_to_stdout=False)  # changes of internal records need no confirmation
        return False
    loses = bundle.destructive or bundle.lossy
    way_out = "Add `--force` to do it without a question"
    if setup_given is not None and not loses:
        way_out = "Add `--force` (or `--setup`, which asks only if data would be lost) to do it"
    sure = force or (bool(setup_given) and not loses)
    _push(bundle, text, force=sure, quiet=quiet, to_stderr=to_stderr, way_out=way_out)
    return True


def push_drop(
    flows: Iterable[Flow],
    names: Iterable[str] = (),
    *,
    force: bool,
    quiet: bool = False,
    to_stderr: bool = False,
    keep_results: bool = False,
    forget: bool = False,
) -> Dropped:
    """Drop flows, given as objects or by the names that state has on record.

    keep_results: keep memoised results, since the flows are set up again. forget: remove the records of targets whose
    plugin is not installed; these targets stay as they are.
    """
    from coco.api.registry import check_sources, make_drop_bundle

    flows = list(flows)
    if keep_results:
        check_sources(flows)  # a flow that could not be set up again is not dropped
    bundle = make_drop_bundle(flows, names=tuple(names), keep_results=keep_results, forget=forget)
    text, up_to_date = bundle.describe()
    if up_to_date:
        return Dropped(False, [])
    left = bundle.left
    way_out = "Add `--force` to do it without a question"
    _push(bundle, text, force=force, quiet=quiet, to_stderr=to_stderr, way_out=way_out)
    return Dropped(True, left)


def require_setup(flows: Iterable[Flow]) -> None:
    """Fail with the pending changes unless the flows are set up."""
    from coco.api.registry import make_setup_bundle

    text, up_to_date = make_setup_bundle(list(flows)).describe()
    if not up_to_date:
        say(runnable(text), err=True)
        fail(runnable("Setup is pending, and --no-setup was given; run `coco setup` first."))


def _push(
    bundle: SetupChangeBundle, text: str, *, force: bool, quiet: bool, to_stderr: bool, way_out: str
) -> None:
    invalid = bundle.invalid
    if not (quiet and force) or invalid:
        say(runnable(text), err=to_stderr or quiet)
    if invalid:
        fail(f"{' and '.join(invalid)} cannot be set up; nothing was changed.")
    if bundle.destructive and not force:
        say("This deletes data.", fg="red", err=True)
    elif bundle.lossy and not force:
        say("This loses a part of the data.", fg="red", err=True)
    if not force:
        confirm(_in_short(text), way_out)
    with saying_waits(quiet):
        bundle.apply(report_to_stdout=not quiet and not to_stderr, allow_destructive=True)


_PENDING = re.compile(r"^\s*\[ (TO [A-Z ]+?) \] (.+)$", re.MULTILINE)
_SHOWN = 5


def _in_short(text: str) -> str:
    """The steps of a described plan in one line, or the plan if it has none."""
    steps = [f"{title} {kind.lower()}" for kind, title in _PENDING.findall(text)]
    if not steps:
        return " ".join(text.split())
    more = f", and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else ""
    return ", ".join(steps[:_SHOWN]) + more
