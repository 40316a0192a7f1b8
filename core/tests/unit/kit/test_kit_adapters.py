from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from coco.errors import LifecycleError
from coco.kit.adapters import call_any, iterate_blocking, iterate_in_thread, maybe_await, run_blocking

PLACE: contextvars.ContextVar[str] = contextvars.ContextVar("PLACE")


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


def test_values_and_awaitables() -> None:
    async def main() -> list[int]:
        return [await maybe_await(3), await maybe_await(double(3))]

    assert asyncio.run(main()) == [3, 6]


def test_blocking_code_runs_elsewhere_with_the_callers_context() -> None:
    def where() -> tuple[bool, str]:
        return threading.current_thread() is threading.main_thread(), PLACE.get()

    async def main() -> tuple[bool, str]:
        PLACE.set("here")
        return await run_blocking(where)

    assert contextvars.copy_context().run(asyncio.run, main()) == (False, "here")


def test_calls_of_either_kind() -> None:
    async def main() -> tuple[int, int, int]:
        return (
            await call_any(double, 2),
            await call_any(abs, -2),
            await call_any(lambda: double(5)),  # sync, but gives something to await
        )

    assert asyncio.run(main()) == (4, 2, 10)


class Numbers:
    def __init__(self) -> None:
        self.closed = False

    async def items(self, count: int) -> AsyncIterator[int]:
        try:
            for item in range(count):
                yield await double(item)
        finally:
            await asyncio.sleep(0)
            self.closed = True


def test_async_items_for_sync_code() -> None:
    numbers = Numbers()
    assert list(iterate_blocking(numbers.items(3))) == [0, 2, 4]
    assert numbers.closed


def test_stopping_early_closes_the_async_iterator() -> None:
    numbers = Numbers()
    items = iterate_blocking(numbers.items(10))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert numbers.closed


def test_errors_of_the_async_iterator_come_through() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise KeyError("x")

    items = iterate_blocking(broken())
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_a_running_loop_is_not_blocked() -> None:
    async def main() -> None:
        iterate_blocking(Numbers().items(1))

    with pytest.raises(LifecycleError, match="async for"):
        asyncio.run(main())


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_blocking_items_for_async_code(chunk: int) -> None:
    threads = set()
    closed = []

    def items() -> Iterator[int]:
        try:
            for item in range(6):
                threads.add(threading.current_thread())
                yield item
        finally:
            closed.append(True)

    async def main() -> list[int]:
        return [item async for item in iterate_in_thread(items(), chunk=chunk)]

    assert asyncio.run(main()) == list(range(6))
    assert threading.main_thread() not in threads
    assert closed == [True]


def test_leaving_early_closes_the_generator() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    async def main() -> int:
        stream = iterate_in_thread(items(), chunk=2)
        async for item in stream:
            await stream.aclose()  # type: ignore[attr-defined]
            return item
        return -1

    assert asyncio.run(main()) == 0
    assert closed == [True]
