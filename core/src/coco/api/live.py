"""``FlowLiveUpdater``: an update in the background, which runs once or until it is stopped."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from coco.api.flow import Flow
from coco.api.registry import flows
from coco.environment.environment import environment_in_use
from coco.errors import CallShapeError, LifecycleError
from coco.flow.options import FlowLiveUpdaterOptions, FlowUpdaterStatusUpdates

if TYPE_CHECKING:
    from coco.engine.stats import IndexUpdateInfo
    from coco.operations.live import LiveUpdate

NOT_STARTED = "Live updater is not started"


class FlowLiveUpdater:
    """Follows the sources of one flow. The constructor starts nothing.

    As a context manager, sync or async, it starts on entry. On exit it aborts and waits for the end. To complete an update
    with ``live_mode=False``, call ``wait()`` inside the block.
    """

    def __init__(self, flow: Flow, options: FlowLiveUpdaterOptions | None = None) -> None:
        if not isinstance(flow, Flow):
            raise CallShapeError(f"FlowLiveUpdater takes a flow, got {type(flow).__name__}")
        if options is not None and not isinstance(options, FlowLiveUpdaterOptions):
            raise CallShapeError(f"options must be FlowLiveUpdaterOptions, got {type(options).__name__}")
        self._flow = flow
        self._options = options or FlowLiveUpdaterOptions()
        self._lock = threading.Lock()
        self._claimed = False
        self._handle: LiveUpdate | None = None

    @property
    def flow(self) -> Flow:
        return self._flow

    @property
    def options(self) -> FlowLiveUpdaterOptions:
        return self._options

    def start(self) -> None:
        """Start in the background.

        Raises ``SetupRequiredError`` if the setup is not current, ``LifecycleError`` on a second start. After a start that
        failed, it may be called again.
        """
        handle = self._claim()
        try:
            handle.environment.run(handle.begin(), "start_async()")
        except BaseException:
            self._claimed = False
            raise
        self._handle = handle

    async def start_async(self) -> None:
        """Async twin of ``start``.

        Async functions of the flow run on coco's own event loop, because the updater runs longer than this call.
        """
        await self._start_async()

    async def _start_async(self, *, here: bool = False) -> None:
        handle = self._claim()
        try:
            await handle.environment.run_async(handle.begin(here))
        except BaseException:
            self._claimed = False
            raise
        self._handle = handle

    def _claim(self) -> LiveUpdate:
        self._flow._check_open()
        with self._lock:
            if self._claimed:
                raise LifecycleError(
                    f"the live updater of flow {self._flow.name} was started already; make a new one"
                )
            self._claimed = True
        try:
            from coco.operations.live import LiveUpdate

            environment = environment_in_use()
            environment.connect()
            handle = LiveUpdate(environment, self._flow.graph, self._options)
            environment.add_updater(handle)
            return handle
        except BaseException:
            self._claimed = False
            raise

    def _started(self) -> LiveUpdate:
        if self._handle is None:
            raise LifecycleError(
                f"{NOT_STARTED} (flow {self._flow.name}): call start(), or use it in a `with` block"
            )
        return self._handle

    def wait(self) -> None:
        """Block until all sources are processed, or until the updater has stopped after ``abort``.

        Raises a fatal error of the updater. Rows that fail do not raise. May be called repeatedly.
        """
        handle = self._started()
        if not handle.is_finished:
            handle.environment.run(handle.ended(), "wait_async()")
        handle.raise_error()

    async def wait_async(self) -> None:
        """Async twin of ``wait``."""
        handle = self._started()
        if not handle.is_finished:
            await handle.environment.run_async(handle.ended())
        handle.raise_error()

    def abort(self) -> None:
        """Tell the updater to stop. Does not block. Does nothing before the start and after the end."""
        if self._handle is not None:
            self._handle.abort()

    def next_status_updates(self) -> FlowUpdaterStatusUpdates:
        """Block until there is a change since the last call, and return all changes since then as one report."""
        handle = self._started()
        if handle.is_finished:
            return handle.report()
        return handle.environment.run(handle.next_report(), "next_status_updates_async()")

    async def next_status_updates_async(self) -> FlowUpdaterStatusUpdates:
        """Async twin of ``next_status_updates``."""
        handle = self._started()
        if handle.is_finished:
            return handle.report()
        return await handle.environment.run_async(handle.next_report())

    def update_stats(self) -> IndexUpdateInfo:
        """Return statistics since the start. May be called while the updater runs and after its end."""
        return self._started().update_stats()

    def __enter__(self) -> FlowLiveUpdater:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.abort()
        try:
            self.wait()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"the live updater failed too: {type(failure).__name__}: {failure}")

    async def __aenter__(self) -> FlowLiveUpdater:
        await self.start_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self.abort()
        try:
            await self.wait_async()
        except Exception as failure:
            if error is None:
                raise
            error.add_note(f"the live updater failed too: {type(failure).__name__}: {failure}")


def update_all_flows(options: FlowLiveUpdaterOptions | None = None) -> dict[str, Any]:
    """Update all flows of this process at the same time. Return statistics by flow name.

    If a flow fails, the others finish. Then its error is raised, with a note for each further one.
    """
    outcome = _Outcome()
    updaters = _updaters(options)
    try:
        for updater in updaters:
            with _blocking(), outcome.keeping(updater):
                updater.start()
        for updater in outcome.started(updaters):
            with _blocking(), outcome.keeping(updater):
                updater.wait()
    except BaseException:
        _abort(updaters)
        raise
    return outcome.result(updaters)


async def update_all_flows_async(options: FlowLiveUpdaterOptions | None = None) -> dict[str, Any]:
    """Async twin of ``update_all_flows``. Async functions of flows run on the caller's event loop."""
    outcome = _Outcome()
    updaters = _updaters(options)
    try:
        for updater in updaters:
            with outcome.keeping(updater):
                await updater._start_async(here=True)
        for updater in outcome.started(updaters):
            with outcome.keeping(updater):
                await updater.wait_async()
    except BaseException:
        _abort(updaters)
        raise
    return outcome.result(updaters)


def _blocking() -> AbstractContextManager[None]:
    from coco.environment.loop import blocking

    return blocking("update_all_flows_async()")


def _updaters(options: FlowLiveUpdaterOptions | None) -> list[FlowLiveUpdater]:
    return [FlowLiveUpdater(flow, options) for flow in flows().values()]


def _abort(updaters: list[FlowLiveUpdater]) -> None:
    for updater in updaters:
        updater.abort()


class _Outcome:
    """Errors of several updaters, kept until all are done."""

    def __init__(self) -> None:
        self._errors: dict[FlowLiveUpdater, Exception] = {}

    def keeping(self, updater: FlowLiveUpdater) -> _Keeping:
        return _Keeping(self._errors, updater)

    def started(self, updaters: list[FlowLiveUpdater]) -> list[FlowLiveUpdater]:
        return [updater for updater in updaters if updater not in self._errors]

    def result(self, updaters: list[FlowLiveUpdater]) -> dict[str, Any]:
        if self._errors:
            first, *others = self._errors.items()
            first[1].add_note(f"while updating flow {first[0].flow.name}")
            for updater, error in others:
                first[1].add_note(f"flow {updater.flow.name} failed too: {type(error).__name__}: {error}")
            raise first[1]
        return {updater.flow.name: updater.update_stats() for updater in updaters}


class _Keeping:
    def __init__(self, errors: dict[FlowLiveUpdater, Exception], updater: FlowLiveUpdater) -> None:
        self._errors = errors
        self._updater = updater

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Exception):
            self._errors[self._updater] = error
            return True
        return False
