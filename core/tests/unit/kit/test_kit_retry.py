"""When a call is made again, after how long, and what is told of it. No test waits: time is given."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.errors import ClientError, LeaseHeldError, TargetError
from coco.kit.retry import (
    DEFAULT,
    HEAVY_LOAD,
    Attempt,
    RetryPolicy,
    Timing,
    is_retriable,
    mark_retriable,
    register_retriable,
    retry,
    retry_after,
    retry_async,
)


class Clock:
    """Time that moves only when somebody sleeps. ``draws``: what chance gives, over and over."""

    def __init__(self, draw: float = 0.0) -> None:
        self.time = 1_000.0
        self.waits: list[float] = []
        self.draw = draw

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def timing(self, **changes: Any) -> Timing:
        made = Timing(lambda: self.time, lambda: 0.0, self.sleep, self.sleep_async, lambda: self.draw)
        return dataclasses.replace(made, **changes)


class HttpError(Exception):
    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"https://user:secret@host answered {status}")
        self.status_code = status
        self.headers = headers or {}


def failing(times: int, make: Callable[[], Exception] = lambda: ConnectionError("gone")) -> Callable[[], str]:
    calls = iter(range(times))

    def call() -> str:
        if next(calls, None) is not None:
            raise make()
        return "done"

    return call


def test_a_successful_call_does_not_wait() -> None:
    clock = Clock()
    assert retry(failing(0), op="x", timing=clock.timing()) == "done"
    assert clock.waits == []


def test_first_wait_is_the_initial_one_and_waits_grow_to_the_ceiling() -> None:
    clock = Clock(draw=0.0)
    assert retry(failing(13), op="x", timing=clock.timing()) == "done"
    assert clock.waits[:3] == pytest.approx([0.1, 0.1618, 0.1618 * 1.618])
    assert clock.waits[-1] == 10.0
    assert clock.waits == sorted(clock.waits)


@given(st.floats(0, 1, exclude_max=True))
def test_growth_lies_within_its_bounds(draw: float) -> None:
    clock = Clock(draw)
    retry(failing(4), op="x", timing=clock.timing())
    for before, after in pairwise(clock.waits):
        assert 1.618 - 1e-9 <= after / before <= 2.0 + 1e-9


@pytest.mark.parametrize(("policy", "low", "high"), [(DEFAULT, 66, 70), (HEAVY_LOAD, 16, 19)])
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_number_of_attempts_until_the_deadline(policy: RetryPolicy, low: int, high: int, draw: float) -> None:
    clock = Clock(draw)
    with pytest.raises(ConnectionError, match="gone") as caught:
        retry(failing(10_000), op="writing rows", policy=policy, timing=clock.timing())
    assert low <= len(clock.waits) + 1 <= high
    assert clock.time == pytest.approx(1_600.0)  # the last wait is cut to the time left
    assert caught.value.__notes__ == [
        f"writing rows: gave up after {len(clock.waits) + 1} attempts in 600.0 s"
    ]


def test_without_a_deadline_attempts_are_the_limit() -> None:
    clock = Clock()
    with pytest.raises(ConnectionError):
        retry(
            failing(10_000), op="x", policy=RetryPolicy(total=None, max_attempts=200), timing=clock.timing()
        )
    assert len(clock.waits) == 199


def test_what_is_not_retriable_is_raised_at_once_and_as_it_is() -> None:
    clock = Clock()
    problem = ValueError("bad spec")
    with pytest.raises(ValueError, match="bad spec") as caught:
        retry(failing(1, lambda: problem), op="x", timing=clock.timing())
    assert caught.value is problem
    assert not hasattr(problem, "__notes__")
    assert clock.waits == []


def test_full_jitter_spreads_waits_below_the_computed_ones() -> None:
    high, low = Clock(draw=0.0), Clock(draw=0.75)
    policy = RetryPolicy(full_jitter=True)
    for clock in (high, low):
        retry(failing(1), op="x", policy=policy, timing=clock.timing())
    assert high.waits == [0.1]
    assert low.waits == pytest.approx([0.025])


@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7.0), ("3600", 10.0), ("0", 0.1), ("soon", 0.1), ("-5", 0.1), ("", 0.1)]
)
def test_retry_after_of_a_server_is_limited_by_the_ceiling(header: str, wait: float) -> None:
    clock = Clock()
    retry(failing(1, lambda: HttpError(429, {"Retry-After": header})), op="x", timing=clock.timing())
    assert clock.waits == [wait]


def test_dates_and_attributes_of_retry_after() -> None:
    dated = HttpError(503, {"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"})
    assert retry_after(dated, wall=lambda: 10.0) == 20.0
    assert retry_after(dated, wall=lambda: 100.0) == 0.0
    error = ConnectionError()
    error.retry_after = 2.5  # type: ignore[attr-defined]
    assert retry_after(error) == 2.5
    assert retry_after(ConnectionError()) is None
    outer = ConnectionError()
    outer.response = HttpError(429, {"Retry-After": "4"})  # type: ignore[attr-defined]
    assert retry_after(outer) == 4.0


def test_attempts_are_reported_and_logged_without_the_message(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    told: list[Attempt] = []
    with caplog.at_level(logging.WARNING, "coco.retry"):
        retry(failing(1, lambda: HttpError(503)), op="embedding", timing=clock.timing(), on_retry=told.append)
    assert told == [Attempt("embedding", 1, 0.1, 0.0, "HttpError", 503)]
    assert caplog.messages == ["embedding: attempt 1 failed (HttpError, HTTP 503), next one in 0.10 s"]


def test_async_calls_are_made_anew_each_time() -> None:
    clock = Clock()
    call = failing(2)

    async def work() -> str:
        return call()

    assert asyncio.run(retry_async(work, op="x", timing=clock.timing())) == "done"
    assert len(clock.waits) == 2


def test_a_cancelled_call_stops_waiting() -> None:
    calls = []

    async def work() -> None:
        calls.append(1)
        raise ConnectionError

    async def main() -> None:
        waiting = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(retry_async(work, op="x", timing=Clock().timing(sleep_async=sleep)))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert calls == [1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (HttpError(429), True),
        (HttpError(500), True),
        (HttpError(503), True),
        (HttpError(504), True),
        (HttpError(400), False),
        (HttpError(401), False),
        (HttpError(403), False),
        (HttpError(501), False),
        (ValueError(), False),
        (TargetError("unreachable"), True),
        (LeaseHeldError("other"), True),
        (ClientError("bad"), False),
    ],
)
def test_which_errors_are_retriable(error: Exception, expected: bool) -> None:
    assert is_retriable(error) is expected


def test_an_explicit_mark_overrides_the_classification() -> None:
    assert not is_retriable(mark_retriable(TimeoutError(), False))
    assert is_retriable(mark_retriable(ValueError()))
    assert is_retriable(mark_retriable(ClientError("x")))


def test_plugins_classify_errors_of_their_client_libraries() -> None:
    class Driver(Exception):
        code = ""

    class Busy(Driver): ...

    class Own(Driver): ...

    def look(error: Driver) -> bool | None:
        return {"40001": True, "42601": False}.get(error.code)

    register_retriable(Driver, look)
    register_retriable(Busy)
    register_retriable(Driver, look)  # again is fine
    deadlock, syntax, other = Own(), Own(), Own()
    deadlock.code, syntax.code = "40001", "42601"
    other.status_code = 503  # type: ignore[attr-defined]  # no opinion: the status decides
    assert [is_retriable(item) for item in (deadlock, syntax, other, Own(), Busy())] == [
        True,
        False,
        True,
        False,
        True,
    ]
    with pytest.raises(ClientError, match="registered already"):
        register_retriable(Driver, lambda error: False)
    register_retriable(Driver, lambda error: False, replace=True)
    assert not is_retriable(deadlock)


@pytest.mark.parametrize("owned", [ValueError, OSError, TargetError])
def test_types_of_python_and_coco_cannot_be_classified(owned: type[Exception]) -> None:
    with pytest.raises(ClientError, match="not yours"):
        register_retriable(owned)


def test_a_type_is_needed() -> None:
    with pytest.raises(ClientError, match="subclass of Exception"):
        register_retriable("Timeout")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"first": 0}, {"first": 20}, {"total": -1}, {"max_attempts": 0}, {"cap": 0.01}]
)
def test_policies_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError):
        RetryPolicy(**wrong)
