"""Each thread that was ever at work keeps memory of its own: there are as few as the work needs, however much it is."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from coco.engine import runners
from coco.engine.runners import Calls, Outcome, Pace, run_sync
from coco.engine.threads import Threads
from coco.errors import FunctionTimeoutError

PATIENCE_SECONDS = 10.0
CALLS = 500
QUICK = 0.0001
SLOW = 0.1


class Value:
    """Something that can be seen to go."""


@pytest.fixture
def threads() -> Iterator[Threads]:
    found = Threads(8)
    yield found
    found.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that runners see. ``now`` is for the test to advance."""
    found = SimpleNamespace(now=0.0)
    found.monotonic = lambda: found.now
    monkeypatch.setattr(runners, "time", found)
    return found


def test_a_thread_is_free_before_its_result_is_delivered(threads: Threads) -> None:
    found: list[int] = []
    ended = threading.Event()

    def go_on(_: object = None) -> None:
        if len(found) == 100:
            ended.set()
            return
        threads._pool.submit(lambda: found.append(threading.get_ident())).add_done_callback(go_on)

    go_on()
    assert ended.wait(PATIENCE_SECONDS)
    assert len(set(found)) == 1


def test_the_thread_that_became_free_last_comes_first(threads: Threads) -> None:
    doors = [threading.Event() for _ in range(4)]

    def wait(door: threading.Event) -> int:
        assert door.wait(PATIENCE_SECONDS)
        return threading.get_ident()

    async def run() -> None:
        waiting = [threads.submit(lambda door=door: wait(door)) for door in doors]
        last = 0
        for place in (2, 0, 3, 1):
            doors[place].set()
            last = await waiting[place]
        for _ in range(20):
            assert await threads.run(threading.get_ident) == last

    asyncio.run(run())


def test_an_idle_thread_holds_no_reference(threads: Threads) -> None:
    gone = [threading.Event(), threading.Event()]

    def make(event: threading.Event) -> Value:
        value = Value()
        weakref.finalize(value, event.set)
        return value

    def fail() -> None:
        value = make(gone[1])
        raise ValueError(value)

    threads._pool.submit(lambda: make(gone[0])).result(PATIENCE_SECONDS)
    assert gone[0].wait(PATIENCE_SECONDS)
    assert threads._pool.submit(fail).exception(PATIENCE_SECONDS) is not None
    assert gone[1].wait(PATIENCE_SECONDS)


def parts_of(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """What is handed to threads from now on."""
    found: list[Callable[[], Any]] = []
    submit = threads.submit

    def count(function: Callable[[], Any]) -> asyncio.Future[Any]:
        found.append(function)
        return submit(function)

    monkeypatch.setattr(threads, "submit", count)
    return found


def run(threads: Threads, call: Callable[[int], int], keep: runners.Keep | None, pace: Pace) -> Outcome:
    calls = Calls(call, list(range(CALLS)), lambda value: value, keep)
    outcome = asyncio.run(run_sync(threads, calls, 3_600.0, "f", pace=pace))
    assert outcome.results == list(range(CALLS))
    return outcome


def test_calls_delayed_by_the_store_are_not_counted_as_slow(
    threads: Threads, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(threads, monkeypatch)

    def call(number: int) -> int:
        clock.now += QUICK
        return number

    def keep(places: Sequence[int], values: Sequence[Any]) -> None:
        clock.now += SLOW

    pace = Pace()
    run(threads, call, keep, pace)
    assert not pace.slow
    assert len(parts) == 1  # all of them within the first look


def test_one_delayed_call_does_not_mark_its_function_as_slow(
    threads: Threads, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(threads, monkeypatch)

    def call(number: int) -> int:
        clock.now += SLOW if number == 0 else QUICK
        return number

    pace = Pace()
    run(threads, call, None, pace)
    assert not pace.slow
    assert len(parts) == 2


def test_slow_calls_are_spread_over_threads(
    threads: Threads, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(threads, monkeypatch)

    def call(number: int) -> int:
        clock.now += SLOW
        return number

    pace = Pace()
    run(threads, call, None, pace)
    assert pace.slow
    assert len(parts) == 2 + runners.THREAD_FAN_OUT
    del parts[:]
    run(threads, call, None, pace)
    assert len(parts) == 1 + runners.THREAD_FAN_OUT  # known by now


def test_hanging_calls_time_out_in_parallel(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [0]
    at_once = [0]
    submit = threads.submit

    def count(function: Callable[[], Any]) -> asyncio.Future[Any]:
        begun[0] += 1
        at_once.append(begun[0])
        return submit(function)

    def give_up(future: asyncio.Future[Any]) -> None:
        begun[0] -= 1
        Threads.give_up(threads, future)

    monkeypatch.setattr(threads, "submit", count)
    monkeypatch.setattr(threads, "give_up", give_up)
    door = threading.Event()
    calls = Calls(lambda number: door.wait(PATIENCE_SECONDS), list(range(18)), lambda value: value)
    outcome = asyncio.run(run_sync(threads, calls, 0.1, "f"))
    door.set()
    assert sorted(outcome.errors) == list(range(18))
    assert all(isinstance(error, FunctionTimeoutError) for error in outcome.errors.values())
    assert max(at_once) == runners.THREAD_FAN_OUT
