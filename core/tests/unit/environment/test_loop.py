"""The background loop: calls from anywhere, errors as they are, an end in order when interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Iterator

import pytest

from coco.environment.loop import BackgroundLoop
from coco.errors import LifecycleError

NAME = contextvars.ContextVar("NAME", default="nobody")


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    found = BackgroundLoop()
    yield found
    found.stop()


def test_results_errors_and_context(loop: BackgroundLoop) -> None:
    async def who() -> str:
        return NAME.get()

    async def fail() -> None:
        raise KeyError("x")

    NAME.set("me")
    assert loop.run(who(), "x()") == "me"
    with pytest.raises(KeyError):
        loop.run(fail(), "x()")
    assert asyncio.run(loop.run_async(who())) == "me"


def test_a_blocking_call_on_the_loop_names_the_twin(loop: BackgroundLoop) -> None:
    async def inner() -> None:
        raise AssertionError("never runs")

    async def outer() -> None:
        loop.run(inner(), "update_async()")

    with pytest.raises(LifecycleError, match=r"await update_async\(\)"):
        loop.run(outer(), "x()")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and Python then installs no handler of its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_work_in_order(loop: BackgroundLoop) -> None:
    seen: list[str] = []
    main = threading.get_ident()

    async def work() -> None:
        try:
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        loop.run(work(), "x()")
    assert seen == ["cleaned up"]


def test_ctrl_c_that_another_thread_got_is_noticed(loop: BackgroundLoop) -> None:
    """The system gives a signal to any thread that takes it, and only the main one runs handlers."""

    async def work() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        loop.run(work(), "x()")


def test_ctrl_c_does_not_wait_for_what_will_not_end(
    loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coco.environment.loop.GRACE_SECONDS", 0.01)
    main = threading.get_ident()
    ended = asyncio.Event()
    stubborn = threading.Event()

    async def work() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                pass  # deaf
        stubborn.set()

    with pytest.raises(KeyboardInterrupt):
        loop.run(work(), "x()")
    assert not stubborn.is_set()
    loop.notify(ended.set)
    assert stubborn.wait(30)


def test_cancelling_an_awaiting_caller_cancels_the_work(loop: BackgroundLoop) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def main() -> None:
        task = asyncio.ensure_future(loop.run_async(work()))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(30)


def test_notify_without_a_loop_does_nothing() -> None:
    BackgroundLoop().notify(lambda: pytest.fail("there is no loop"))


def test_a_stopped_loop_starts_anew(loop: BackgroundLoop) -> None:
    async def one() -> int:
        return 1

    assert loop.run(one(), "x()") == 1
    loop.stop()
    loop.stop()
    assert loop.run(one(), "x()") == 1


def test_a_blocking_call_in_a_running_loop_names_what_to_write(
    loop: BackgroundLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def nothing() -> int:
        return 1

    async def program() -> int:
        return loop.run(nothing(), "setup_async()")

    assert asyncio.run(program()) == 1
    (record,) = caplog.records
    text = record.getMessage()
    assert "use `await` with setup_async() instead" in text
    assert "test_loop.py:" in text and 'loop.run(nothing(), "setup_async()")' in text
    asyncio.run(program())
    assert len(caplog.records) == 1, "once is enough"
