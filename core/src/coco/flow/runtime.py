"""The port through which flows reach the engine, which lies above this layer.

``coco.environment.runtime:RUNTIME`` is looked up by name at first use; tests install their own.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, cast

from coco.errors import LifecycleError
from coco.ops.origin import is_program_loaded_again
from coco.types.schema import EngineValue

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.engine.stats import IndexUpdateInfo, RowError
    from coco.flow.graph import InlineGraph
    from coco.flow.options import EvaluateAndDumpOptions, FlowLiveUpdaterOptions, FlowUpdaterStatusUpdates
    from coco.operations.plan import UpdatePlan
    from coco.operations.verify_report import VerifyReport

DEFAULT_RUNTIME = "coco.environment.runtime:RUNTIME"


class LiveHandle(Protocol):
    """A running update. Every ``next_status_updates`` after the end returns at once."""

    def start(self) -> None: ...
    async def start_async(self, *, here: bool = False) -> None: ...
    def wait(self) -> None: ...
    async def wait_async(self) -> None: ...
    def abort(self) -> None: ...
    def next_status_updates(self) -> FlowUpdaterStatusUpdates: ...
    async def next_status_updates_async(self) -> FlowUpdaterStatusUpdates: ...
    def update_stats(self) -> Any: ...


class SetupBundle(Protocol):
    """A change plan over several flows."""

    def describe(self) -> tuple[str, bool]: ...
    async def describe_async(self) -> tuple[str, bool]: ...
    def apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None: ...
    async def apply_async(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None: ...
    def describe_and_apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None: ...
    async def describe_and_apply_async(
        self, report_to_stdout: bool = False, allow_destructive: bool = False
    ) -> None: ...


class Runtime(Protocol):
    """What the environment offers to flows. Sync methods raise ``RuntimeError`` inside its loop."""

    def full_name(self, name: str) -> str: ...

    def update(
        self,
        flow: Flow,
        *,
        reexport_targets: bool,
        full_reprocess: bool,
        print_stats: bool,
        allow_deletes: bool,
    ) -> IndexUpdateInfo: ...
    async def update_async(
        self,
        flow: Flow,
        *,
        reexport_targets: bool,
        full_reprocess: bool,
        print_stats: bool,
        allow_deletes: bool,
    ) -> IndexUpdateInfo: ...

    def retry(self, flow: Flow, *, print_stats: bool) -> IndexUpdateInfo: ...
    async def retry_async(self, flow: Flow, *, print_stats: bool) -> IndexUpdateInfo: ...

    def errors(self, flow: Flow) -> list[RowError]: ...
    async def errors_async(self, flow: Flow) -> list[RowError]: ...
    def plan_update(self, flow: Flow, read: int) -> UpdatePlan: ...
    async def plan_update_async(self, flow: Flow, read: int) -> UpdatePlan: ...
    def verify(self, flow: Flow, repair: bool, sample: int | None) -> VerifyReport: ...
    async def verify_async(self, flow: Flow, repair: bool, sample: int | None) -> VerifyReport: ...

    def setup(self, flow: Flow, report: bool, allow_destructive: bool = False) -> None: ...
    async def setup_async(self, flow: Flow, report: bool, allow_destructive: bool = False) -> None: ...
    def drop(self, flow: Flow, report: bool) -> None: ...
    async def drop_async(self, flow: Flow, report: bool) -> None: ...

    def evaluate_and_dump(self, flow: Flow, options: EvaluateAndDumpOptions) -> IndexUpdateInfo: ...
    async def evaluate_and_dump_async(
        self, flow: Flow, options: EvaluateAndDumpOptions
    ) -> IndexUpdateInfo: ...

    def eval_inline(self, inline: InlineGraph, columns: list[list[EngineValue]]) -> list[EngineValue]: ...
    async def eval_inline_async(
        self, inline: InlineGraph, columns: list[list[EngineValue]]
    ) -> list[EngineValue]: ...

    def make_setup_bundle(self, flows: Iterable[Flow]) -> SetupBundle: ...
    async def make_setup_bundle_async(self, flows: Iterable[Flow]) -> SetupBundle: ...
    def make_drop_bundle(self, flows: Iterable[Flow]) -> SetupBundle: ...
    async def make_drop_bundle_async(self, flows: Iterable[Flow]) -> SetupBundle: ...

    def flow_names_with_setup(self) -> list[str]: ...
    async def flow_names_with_setup_async(self) -> list[str]: ...

    def live(self, flow: Flow, options: FlowLiveUpdaterOptions) -> LiveHandle: ...

    def close_flow(self, flow: Flow) -> None: ...


ASKED: ContextVar[str | None] = ContextVar("coco_asked", default=None)
"""The async twin of the blocking operation that the user called, where it is made of several blocking calls."""


@contextlib.contextmanager
def blocking(twin: str) -> Iterator[None]:
    """Hints within name ``twin`` instead of a part of it."""
    token = ASKED.set(ASKED.get() or twin)
    try:
        yield
    finally:
        ASKED.reset(token)


_lock = threading.Lock()
_current: Runtime | None = None


def runtime() -> Runtime:
    """The runtime in use; imports the default one at first need."""
    global _current
    if is_program_loaded_again():
        return _NO_RUNTIME
    if _current is None:
        module_name, _, attribute = DEFAULT_RUNTIME.partition(":")
        found = cast(Runtime, getattr(importlib.import_module(module_name), attribute))
        with _lock:
            if _current is None:
                _current = found
    return _current


def loaded_runtime() -> Runtime | None:
    """The runtime if anything has needed it so far."""
    return _NO_RUNTIME if is_program_loaded_again() else _current


class _NoRuntime:
    def __getattr__(self, name: str) -> Any:
        raise LifecycleError(
            "the program is being loaded again to find a function that runs in another process (gpu=True or runner=), "
            'and runs flows while it is; put what it does under `if __name__ == "__main__":`'
        )


_NO_RUNTIME = cast(Runtime, _NoRuntime())


def set_runtime(new: Runtime | None) -> Runtime | None:
    """Install a runtime (None: the default one at next need). Returns the one before."""
    global _current
    with _lock:
        before, _current = _current, new
    return before


__all__: Sequence[str] = ("LiveHandle", "Runtime", "SetupBundle", "loaded_runtime", "runtime", "set_runtime")
