"""Async functions run on the event loop of a caller who awaits, and on coco's own where nobody does."""

from __future__ import annotations

import asyncio
import contextvars
import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from json_file import JsonFile, load
from memory_rows import MemoryRows, fill

import coco
from coco.environment.environment import ENVIRONMENT
from coco.errors import LifecycleError

LOOPS: list[asyncio.AbstractEventLoop] = []
"""Where user code ran, call by call."""
CLIENT: Client | None = None
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
MADE: list[tuple[str, asyncio.AbstractEventLoop]] = []


class Client:
    """Of use on the loop that made it only, as sessions and pools are."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._gate = asyncio.Semaphore(2)

    async def ask(self, text: str) -> str:
        assert asyncio.get_running_loop() is self.loop, "another loop"
        async with self._gate:
            await asyncio.sleep(0)
            return text.upper()


async def ask(text: str) -> str:
    LOOPS.append(asyncio.get_running_loop())
    if text == "bad":
        raise ValueError("no answer")
    return await CLIENT.ask(text) if CLIENT is not None else text.upper()


async def ask_all(texts: list[str]) -> list[str]:
    return [await ask(text) for text in texts]


class Asker(coco.op.FunctionSpec):
    """Asks a client of its own."""


@coco.op.executor_class()
class AskerExecutor:
    spec: Asker
    _client: Client

    async def prepare(self) -> None:
        self._client = Client()
        MADE.append(("made", self._client.loop))

    async def __call__(self, text: str) -> str:
        LOOPS.append(asyncio.get_running_loop())
        return await self._client.ask(text)

    async def close(self) -> None:
        MADE.append(("closed", asyncio.get_running_loop()))


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "plain": lambda: coco.op.function()(ask),
    "cached": lambda: coco.op.function(cache=True)(ask),
    "batching": lambda: coco.op.function(batching=True)(ask_all),
}


@pytest.fixture(autouse=True)
def no_client() -> Any:
    global CLIENT
    LOOPS.clear()
    MADE.clear()
    yield
    CLIENT = None


def asking(path: Path, function: Any) -> coco.Flow:
    fill("questions", {str(number): text for number, text in enumerate(["a", "b", "c", "bad"])})

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="questions"))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            rows.collect(key=doc["_key"], answer=doc["content"].transform(function))
        rows.export("rows", JsonFile(path=str(path)), primary_key_fields=["key"])

    return coco.open_flow("Asking", define)


ANSWERS = {("0",): {"answer": "A"}, ("1",): {"answer": "B"}, ("2",): {"answer": "C"}}


async def with_client(work: Callable[[], Awaitable[Any]]) -> asyncio.AbstractEventLoop:
    """Does ``work`` with a client of this loop."""
    global CLIENT
    CLIENT = Client()
    await work()
    return CLIENT.loop


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_an_awaited_update_uses_the_callers_loop(tmp_path: Path, kind: str) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS[kind]())

    async def work() -> None:
        await flow.setup_async()
        stats = (await flow.update_async())["docs"]
        assert (stats.num_insertions, stats.num_errors) == (3, 1)

    loop = asyncio.run(with_client(work))
    assert set(LOOPS) == {loop}
    assert load(tmp_path / "rows.json") == ANSWERS


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_blocking_update_uses_cocos_loop(tmp_path: Path, kind: str) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS[kind]())
    flow.setup()
    flow.update()
    assert set(LOOPS) == {ENVIRONMENT.loop._loop}
    assert load(tmp_path / "rows.json") == ANSWERS


def test_all_flows(tmp_path: Path) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS["plain"]())
    flow.setup()
    once = coco.FlowLiveUpdaterOptions(live_mode=False)
    loop = asyncio.run(with_client(lambda: coco.update_all_flows_async(once)))
    assert set(LOOPS) == {loop}


def test_a_live_updater_keeps_running_after_the_loop_that_started_it(tmp_path: Path) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS["plain"]())
    flow.setup()
    updater = coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(live_mode=False))
    asyncio.run(updater.start_async())
    updater.wait()
    assert set(LOOPS) == {ENVIRONMENT.loop._loop}
    assert load(tmp_path / "rows.json") == ANSWERS


def test_a_blocking_wait_on_the_loop_that_started_an_updater(tmp_path: Path) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS["plain"]())
    flow.setup()

    async def work() -> None:
        updater = coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(live_mode=False))
        await updater.start_async()
        updater.wait()

    asyncio.run(work())
    assert load(tmp_path / "rows.json") == ANSWERS


def answering(function: Any) -> Any:
    @coco.transform_flow()
    def answer(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(function)

    return answer


def test_transform_flows() -> None:
    answer = answering(FUNCTIONS["plain"]())

    async def work() -> None:
        assert await answer.eval_async("a") == "A"
        assert await answer.evaluate_async(text=["a", "b"]) == ["A", "B"]

    loop = asyncio.run(with_client(work))
    assert [loop] * 3 == LOOPS
    global CLIENT
    CLIENT = None
    assert answer.eval("a") == "A"
    assert LOOPS[-1] is ENVIRONMENT.loop._loop


def test_an_executor_belongs_to_one_loop() -> None:
    answer = answering(Asker())
    assert answer.eval("a") == "A"

    async def work() -> asyncio.AbstractEventLoop:
        assert await answer.eval_async("b") == "B"
        assert await answer.eval_async("c") == "C"
        return asyncio.get_running_loop()

    first, second = asyncio.run(work()), asyncio.run(work())
    assert answer.eval("d") == "D"
    own = ENVIRONMENT.loop._loop
    assert own is not None
    assert [own, first, first, second, second, own] == LOOPS
    assert [("made", own), ("made", first), ("made", second)] == MADE, "one for each loop"
    coco.stop()
    assert ("closed", own) in MADE


def test_context_variables_and_errors_arrive() -> None:
    @coco.op.function()
    async def who(text: str) -> str:
        if text == "bad":
            raise ValueError("no such")
        return f"{text} {WHO.get()}"

    answer = answering(who)

    async def work() -> None:
        WHO.set("caller")
        assert await answer.eval_async("I am") == "I am caller"
        with pytest.raises(ValueError, match="no such") as caught:
            await answer.eval_async("bad")
        assert caught.traceback[-1].name == "who"

    asyncio.run(work())


def test_a_cancelled_caller_cancels_its_functions() -> None:
    begun, ended = asyncio.Event(), threading.Event()

    @coco.op.function()
    async def wait(text: str) -> str:
        try:
            begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        return text

    async def work() -> None:
        task = asyncio.create_task(answering(wait).eval_async("a"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait)

    asyncio.run(asyncio.wait_for(work(), 20))


def test_a_shared_run_continues_when_its_first_callers_loop_ends(tmp_path: Path) -> None:
    gates = {"first": threading.Event(), "later": threading.Event()}
    begun = {text: threading.Event() for text in gates}

    async def gated(text: str) -> str:
        LOOPS.append(asyncio.get_running_loop())
        begun[text].set()
        while not gates[text].is_set():  # noqa: ASYNC110  (a thread that waited would hold up the end of a loop)
            await asyncio.sleep(0.001)
        return text.upper()

    flow = asking(tmp_path / "rows.json", coco.op.function()(gated))
    fill("questions", {"0": "first"})
    flow.setup()

    async def leaves() -> None:
        task = asyncio.create_task(flow.update_async())
        await asyncio.to_thread(begun["later"].wait)
        assert not task.done()

    before = threading.Thread(target=flow.update)
    before.start()
    begun["first"].wait()
    fill("questions", {"0": "first", "1": "later"})
    info: list[Any] = []
    leaver = threading.Thread(target=asyncio.run, args=(leaves(),))
    leaver.start()
    wait_for_callers(1)
    stayer = threading.Thread(target=lambda: info.append(flow.update()))
    stayer.start()
    wait_for_callers(2)
    gates["first"].set()
    leaver.join()
    gates["later"].set()
    stayer.join()
    before.join()
    assert load(tmp_path / "rows.json") == {("0",): {"answer": "FIRST"}, ("1",): {"answer": "LATER"}}
    assert (info[0]["docs"].num_insertions, info[0]["docs"].num_errors) == (1, 0)
    assert LOOPS[-1] is ENVIRONMENT.loop._loop and LOOPS[-2] is not LOOPS[-1]


def wait_for_callers(count: int) -> None:
    """Until so many callers wait for the next pass."""
    while True:
        waiting = ENVIRONMENT.runs._flows["Asking"].next
        if waiting is not None and waiting.waiters >= count:
            return
        threading.Event().wait(0.001)


def test_a_function_that_raises_cancelled_error_fails_its_row_only(tmp_path: Path) -> None:
    async def odd(text: str) -> str:
        if text == "bad":
            raise asyncio.CancelledError
        return text.upper()

    flow = asking(tmp_path / "rows.json", coco.op.function()(odd))
    flow.setup()
    for stats in (flow.update()["docs"], asyncio.run(flow.update_async())["docs"]):
        assert stats.num_errors == 1
    assert load(tmp_path / "rows.json") == ANSWERS


def test_blocking_calls_in_a_loop_name_what_to_await(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flow = asking(tmp_path / "rows.json", FUNCTIONS["plain"]())
    ENVIRONMENT.loop._hinted.clear()

    async def work() -> None:
        flow.setup()
        coco.setup_all_flows()
        flow.update()
        coco.flow.update_all_flows(coco.FlowLiveUpdaterOptions(live_mode=False))
        flow.drop()

    asyncio.run(work())
    twins = re.findall(r"use `await` with (\w+_async\(\)) instead", "\n".join(caplog.messages))
    assert twins == [
        "setup_async()",
        "setup_all_flows_async()",
        "update_async()",
        "update_all_flows_async()",
        "drop_async()",
    ]


def test_a_blocking_call_in_an_async_function_names_what_to_await() -> None:
    @coco.op.function()
    async def nested(text: str) -> str:
        coco.flow_by_name("Nested").setup()
        return text

    coco.open_flow("Nested", lambda builder, scope: None)

    with pytest.raises(LifecycleError, match=r"would wait for itself; await setup_async\(\)"):
        answering(nested).eval("a")
    with pytest.raises(LifecycleError, match=r"could wait for itself; await setup_async\(\)"):
        asyncio.run(answering(nested).eval_async("a"))


def block_the_loop_of_an_update(rows: Path, function: Any, begun: threading.Event) -> None:
    """Await an update and, once a call of ``function`` has begun, block the loop by a second one; all rows are written."""
    flow = asking(rows, coco.op.function()(function))
    flow.setup()

    async def work() -> None:
        task = asyncio.create_task(flow.update_async())
        await asyncio.to_thread(begun.wait)
        flow.update()
        await task

    asyncio.run(work())
    assert len(load(rows)) == 4


def test_a_blocked_loop_blocks_no_other_loop(tmp_path: Path) -> None:
    """An update waits for the one before, whose functions would run on the loop that waits."""
    begun = threading.Event()

    async def first_on_the_callers_loop(text: str) -> str:
        LOOPS.append(asyncio.get_running_loop())
        begun.set()
        await asyncio.sleep(0)
        return text.upper()

    block_the_loop_of_an_update(tmp_path / "rows.json", first_on_the_callers_loop, begun)


def test_a_blocked_loop_gets_no_more_calls(tmp_path: Path) -> None:
    begun = threading.Event()

    async def held(text: str) -> str:
        LOOPS.append(asyncio.get_running_loop())
        begun.set()
        if LOOPS[-1] is not ENVIRONMENT.loop._loop:
            await asyncio.get_running_loop().create_future()
        return text.upper()

    block_the_loop_of_an_update(tmp_path / "rows.json", held, begun)
