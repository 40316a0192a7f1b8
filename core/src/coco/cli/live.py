"""Live mode of ``coco update`` (CLI-28)."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from coco.cli.failures import message, report
from coco.cli.output import note
from coco.cli.progress import progress
from coco.cli.updating import summarise
from coco.errors import CocoError

if TYPE_CHECKING:
    from coco.flow import Flow, FlowLiveUpdater


def follow(flows: Mapping[str, Flow], *, quiet: bool, as_json: bool, **options: bool) -> bool:
    """Follow all flows until SIGINT or SIGTERM, or until no source is left to follow.

    Returns whether all went well; an end by signal is well. A second signal ends at once.
    """
    from coco.environment.runtime import RUNTIME
    from coco.flow import FlowLiveUpdater, FlowLiveUpdaterOptions

    updaters = {
        name: FlowLiveUpdater(flow, FlowLiveUpdaterOptions(live_mode=True, **options))
        for name, flow in flows.items()
    }
    if not quiet:
        note("Live: following the sources until Ctrl-C. Changes of code count after a restart.")
    failures: dict[str, str] = {}
    started: dict[str, FlowLiveUpdater] = {}
    with progress(quiet) as listener, _stopping(updaters) as stopped:
        remove = RUNTIME.add_listener(listener) if listener is not None else None
        try:
            for name, updater in updaters.items():
                if not stopped:
                    updater.start()
                    started[name] = updater
            for name, updater in started.items():
                try:
                    updater.wait()
                except CocoError as error:
                    failures[name] = message(error)
                    report(error)
                if not stopped and not quiet:
                    note(f"Nothing is left to follow in flow {name}.")
        except BaseException:
            for updater in started.values():
                updater.abort()
            raise
        finally:
            if remove is not None:
                remove()
    infos: dict[str, Any] = {name: updater.update_stats() for name, updater in started.items()}
    ok = summarise(infos, failures, quiet=quiet, as_json=as_json)
    return ok or (bool(stopped) and not failures)


@contextmanager
def _stopping(updaters: Mapping[str, FlowLiveUpdater]) -> Iterator[list[int]]:
    """Signals abort the updaters. Gives a list that is empty until one came."""
    stopped: list[int] = []
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        for known, handler in before.items():
            signal.signal(known, handler)  # a second signal does what it would have done without us
        for updater in updaters.values():
            updater.abort()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
