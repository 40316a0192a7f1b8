"""Live mode of ``coco update``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from coco.cli.apps import warn
from coco.cli.failures import message_with_place, report
from coco.cli.output import note
from coco.cli.progress import progress
from coco.cli.signals import handled, leave
from coco.cli.updating import summarise
from coco.errors import CocoError

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.api.live import FlowLiveUpdater
    from coco.flow.graph import SourceStep

STOP_SECONDS = 1.8
"""Seconds after a signal; then the program ends without waiting for code of users and plugins that hangs."""


def check_followable(flows: Mapping[str, Flow]) -> None:
    """Raise ``click.UsageError`` if no source can be followed; warn of sources that are updated once only."""
    from coco.operations.live_source import can_be_followed, how_to_follow

    still = {
        name: [step for step in flow.graph.sources if not can_be_followed(step)]
        for name, flow in flows.items()
    }
    if all(len(still[name]) == len(flow.graph.sources) for name, flow in flows.items()):
        lines = [
            f"flow {name} has no source to follow: {_ways(still[name], how_to_follow)}" for name in flows
        ]
        raise click.UsageError("\n".join([*lines, "Without -L, `coco update` updates them once."]))
    for name, steps in still.items():
        for step in steps:
            warn(f"flow {name}: {how_to_follow(step)}. Until then it is updated once and not followed")


def _ways(steps: list[SourceStep], how_to_follow: Callable[[SourceStep], str]) -> str:
    return "; ".join(map(how_to_follow, steps)) or "it has no source"


def follow(flows: Mapping[str, Flow], *, quiet: bool, as_json: bool, **options: bool) -> bool:
    """Follow all flows until SIGINT or SIGTERM, or until no source is left to follow.

    Returns whether all updates succeeded; an end by a signal is a success. A second signal ends the process at once.
    """
    from coco.api.live import FlowLiveUpdater
    from coco.flow.options import FlowLiveUpdaterOptions

    updaters = {
        name: FlowLiveUpdater(flow, FlowLiveUpdaterOptions(live_mode=True, **options))
        for name, flow in flows.items()
    }
    if not quiet:
        note("Live: following the sources until Ctrl-C. Changes of code take effect after a restart.")
    failures: dict[str, str] = {}
    started: dict[str, FlowLiveUpdater] = {}
    timers: list[threading.Timer] = []
    with progress(quiet), handled(_stop_after(updaters, timers)) as stopped:
        try:
            for name, updater in updaters.items():
                if not stopped:
                    updater.start()
                    started[name] = updater
            for name, updater in started.items():
                try:
                    updater.wait()
                except CocoError as error:
                    failures[name] = message_with_place(error)
                    report(error)
                if not stopped and not quiet and name not in failures:
                    note(f"Flow {name} has no source left to follow.")
        except BaseException:
            for updater in started.values():
                updater.abort()
            raise
        finally:
            for timer in timers:
                timer.cancel()
    infos: dict[str, Any] = {name: updater.update_stats() for name, updater in started.items()}
    ok = summarise(infos, failures, quiet=quiet, as_json=as_json)
    return ok or (bool(stopped) and not failures)


def _stop_after(
    updaters: Mapping[str, FlowLiveUpdater], timers: list[threading.Timer]
) -> Callable[[int], None]:
    """The handler of the first signal: aborts the updaters, and ends the process if they do not stop."""

    def stop(number: int) -> None:
        timer = threading.Timer(STOP_SECONDS, leave, (0,))
        timer.daemon = True
        timer.start()
        timers.append(timer)
        for updater in updaters.values():
            updater.abort()

    return stop
