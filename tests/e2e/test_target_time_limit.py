"""A call of a target that does not answer is ended after a limit, and what it should have done is done later."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from memory_rows import WORLD, MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.engine import target_calls
from coco.environment.environment import ENVIRONMENT
from coco.errors import TargetTimeoutError, UnwrittenTargetError, is_retriable
from coco.kit.interruption import interruptible, is_interrupted
from coco.kit.retry import RetryPolicy, Timing, retry

LIMIT = 0.3


@dataclasses.dataclass
class Server:
    """``stuck``: the step that does not answer, until ``released``. ``told``: what was interrupted or left the call."""

    rows: dict[Any, Any] = dataclasses.field(default_factory=dict)
    stuck: str = ""
    deaf: bool = False
    released: threading.Event = dataclasses.field(default_factory=threading.Event)
    told: list[str] = dataclasses.field(default_factory=list)

    def work(self, step: str) -> None:
        if self.stuck != step:
            return
        cancelled = threading.Event()
        if self.deaf:
            self.released.wait(60)
        else:
            with interruptible(cancelled.set):
                cancelled.wait(60)
        self.told.append(step)
        raise OSError("the line was cut")


SERVER = Server()


class Distant(op.TargetSpec):
    """The rows of ``SERVER``. ``waits``: on the event loop."""

    waits: bool = False


class Opened:
    def close(self) -> None:
        SERVER.told.append("closed")


@op.target_connector(spec_cls=Distant, persistent_key_type=str)
class DistantConnector:
    @staticmethod
    def get_persistent_key(spec: Distant, target_name: str) -> str:
        return "distant"

    @staticmethod
    def describe(key: str) -> str:
        return "the distant table"

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        SERVER.work("setup")

    @staticmethod
    def prepare(spec: Distant) -> Opened:
        SERVER.work("prepare")
        return Opened()

    @staticmethod
    def mutate(*batches: tuple[Opened, dict[Any, Any]]) -> Any:
        if SERVER.stuck == "mutate, waiting":
            return asyncio.sleep(60)
        SERVER.work("mutate")
        for _, changes in batches:
            SERVER.rows = {key: row for key, row in (SERVER.rows | changes).items() if row is not None}
        return None

    @staticmethod
    def count_rows(opened: Opened) -> int:
        SERVER.work("count")
        return len(SERVER.rows)


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("COCO_TARGET_CALL_TIMEOUT", str(LIMIT))
    SERVER.__init__()  # type: ignore[misc]
    TABLES.clear()
    fill("near", {"a": "one", "b": "two"})
    yield SERVER
    SERVER.released.set()


def make() -> coco.Flow:
    """Into the distant target, and into one that answers."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="near"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(file=doc["_key"], text=doc["content"])
        out.export("distant", Distant(), primary_key_fields=["file"])
        out.export("near", RowTable(name="near"), primary_key_fields=["file"])

    table("near")
    return coco.open_flow("Far", define)


def threads_at_work() -> list[str]:
    return [item.name for item in threading.enumerate() if item.name.startswith("coco-work")]


@pytest.mark.parametrize("step", ["mutate", "mutate, waiting", "prepare"])
def test_a_call_over_the_limit_is_interrupted(step: str, server: Server) -> None:
    flow = make()
    flow.setup()
    server.stuck = step
    with pytest.raises(UnwrittenTargetError, match="no answer"):
        flow.update()
    assert len(TABLES["near"].rows) == 2, "the other target has all"
    what = "opening it" if step == "prepare" else "writing 2 rows"
    message = flow.errors()[0].message
    assert f"target 'distant' of flow 'Far', {what}: no answer for 0 s; the call was cancelled" in message
    assert "COCO_TARGET_CALL_TIMEOUT" in message
    assert server.told == {"mutate": ["mutate", "closed"], "prepare": ["prepare"]}.get(step, ["closed"])
    server.stuck = ""
    assert not flow.update().has_errors
    assert len(server.rows) == 2


def test_a_thread_that_cannot_be_interrupted_is_abandoned(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_calls, "INTERRUPT_SECONDS", 0.1)
    flow = make()
    flow.setup()
    server.stuck, server.deaf = "mutate", True
    with pytest.raises(UnwrittenTargetError):
        flow.update()
    assert "its thread is abandoned" in str(flow.errors())
    assert server.told == [], "what it uses is not closed while it may use it"
    server.stuck = ""
    assert not flow.update().has_errors
    before = set(threads_at_work())
    server.released.set()
    for _ in range(3):
        flow.update(reexport_targets=True)
    assert len(threads_at_work()) <= len(before)


def test_a_count_that_does_not_answer_is_reported(server: Server) -> None:
    flow = make()
    flow.setup()
    flow.update()
    server.stuck = "count"
    WORLD["near"]["a"].content, WORLD["near"]["a"].ordinal = "three", 2
    info = flow.update()
    assert info.drifted == ["distant"]
    assert "no answer for 0 s" in str(info.warnings)
    assert info["docs"].num_errors == 0
    assert {row["text"] for row in server.rows.values()} == {"three", "two"}


def test_setup_is_limited_too(server: Server) -> None:
    flow = make()
    server.stuck = "setup"
    with pytest.raises(TargetTimeoutError, match="setup of flow 'Far': no answer for 0 s") as caught:
        flow.setup()
    assert "the distant table" in "".join(caught.value.__notes__)
    assert is_retriable(caught.value)
    server.stuck = ""
    flow.setup()
    assert not flow.update().has_errors


def test_zero_means_no_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_TARGET_CALL_TIMEOUT", "0")
    flow = make()
    flow.setup()
    server.stuck, server.deaf = "mutate", True
    seen: list[Any] = []

    async def update() -> None:
        running = asyncio.ensure_future(flow.update_async())
        done, _ = await asyncio.wait({running}, timeout=4 * LIMIT)
        seen.extend(done)
        server.stuck = ""
        server.released.set()
        await running

    asyncio.run(update())
    assert seen == []


def call_with_limit(limit: float, function: Any) -> Any:
    async def run() -> Any:
        return await target_calls.TargetCalls(ENVIRONMENT.threads, limit)("a call", function)

    return ENVIRONMENT.loop.run(run(), "")


def test_pauses_between_attempts_do_not_count() -> None:
    """Only an attempt has to answer in time: a server that restarts is waited for longer."""
    now = [0.0]
    attempts = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def attempt() -> str:
        from coco.kit.interruption import current_call

        call = current_call.get()
        assert call is not None
        attempts.append(call.progressed_at)
        if len(attempts) < 4:
            raise TimeoutError
        return "done"

    timing = Timing(now=lambda: now[0], sleep=sleep)
    assert call_with_limit(60, lambda: retry(attempt, op="try", timing=timing)) == "done"
    assert attempts == sorted(set(attempts)), "each began its time anew"


def test_an_interrupted_call_is_not_retried() -> None:
    attempts = []

    def attempt() -> None:
        attempts.append(is_interrupted())
        stopped = threading.Event()
        with interruptible(stopped.set):
            stopped.wait(60)
        raise TimeoutError

    with pytest.raises(TargetTimeoutError, match="a call: no answer"):
        call_with_limit(LIMIT, lambda: retry(attempt, op="try", policy=RetryPolicy(first=0.001)))
    assert attempts == [False]


@pytest.mark.parametrize("text", ["-1", "inf", "nan", "soon"])
def test_an_invalid_limit_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_TARGET_CALL_TIMEOUT", text)
    with pytest.raises(coco.errors.ClientError, match="COCO_TARGET_CALL_TIMEOUT"):
        coco.Settings.from_env()
