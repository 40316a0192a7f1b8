"""Trying again after faults that pass.

The engine does not retry calls; a connector or function that talks to a service does, here. What is worth
another attempt is a property of the error: see ``is_retriable``, and tell of your client library's errors
with ``register_retriable``.
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, TypeVar

from coco.errors import ClientError, http_status, is_retriable, mark_retriable, register_retriable
from coco.kit.interruption import is_interrupted, progressed

__all__ = [
    "DEFAULT",
    "HEAVY_LOAD",
    "SYSTEM",
    "Attempt",
    "RetryPolicy",
    "Timing",
    "is_retriable",
    "mark_retriable",
    "register_retriable",
    "retry",
    "retry_after",
    "retry_async",
]

LOG = logging.getLogger("coco.retry")
T = TypeVar("T")
GROWTH_LOW, GROWTH_STEPS = 1.618, 382
"""Each wait is the one before times 1.618 to 2.000, in steps of a thousandth."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long and how often.

    total: seconds from the start after which no further attempt begins; None: no limit.
    first: seconds before the second attempt. cap: the longest wait in seconds, also of what a server asks for.
    max_attempts: None: no limit; time decides. full_jitter: draw each wait between 0 and the computed one:
    for many clients that were refused at the same moment.
    """

    total: float | None = 600.0
    first: float = 0.1
    cap: float = 10.0
    max_attempts: int | None = None
    full_jitter: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.cap:
            raise ClientError(f"RetryPolicy: expected 0 < first <= cap, got {self.first} and {self.cap}")
        if self.total is not None and self.total < 0:
            raise ClientError(f"RetryPolicy.total: expected 0 or more seconds, got {self.total}")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ClientError(f"RetryPolicy.max_attempts: expected 1 or more, got {self.max_attempts}")


DEFAULT = RetryPolicy()
HEAVY_LOAD = RetryPolicy(first=1.0, cap=60.0)
"""For services that limit rates: after HTTP 429."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where time and chance come from; tests put their own here.

    now: seconds, never going back. wall: seconds since 1970, for dates in ``Retry-After``.
    sleep, sleep_async: wait so many seconds. draw: uniform in [0, 1).
    """

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = field(default=random.random)


SYSTEM = Timing()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A failed attempt that will be followed by another one.

    number: of the failed attempt, from 1. delay: seconds until the next. elapsed: seconds since the start.
    error_type: its class by name; the message is left out, since it may hold credentials. status: HTTP, if any.
    """

    op: str
    number: int
    delay: float
    elapsed: float
    error_type: str
    status: int | None


OnRetry = Callable[[Attempt], Any]


def retry(
    call: Callable[[], T],
    *,
    op: str,
    policy: RetryPolicy = DEFAULT,
    retriable: Callable[[BaseException], bool] = is_retriable,
    on_retry: OnRetry | None = None,
    timing: Timing = SYSTEM,
) -> T:
    """Result of ``call()``, repeated after errors that are ``retriable`` until the policy ends it.

    op: what is done, for log and note; no secrets. on_retry: told of each attempt that is followed by another
    (besides the log, which says the same at level warning). Raises the last error as it is, with a note on the
    attempts if there were several. Blocks: not for an event loop's thread. ``call`` must be idempotent, since
    an attempt that failed may have had its effect.
    """
    schedule = _Schedule(op, policy, retriable, on_retry, timing)
    while True:
        try:
            return call()
        except Exception as error:
            delay = schedule.delay_after(error)
            if delay is None:
                raise
        timing.sleep(delay)
        progressed()


async def retry_async(
    call: Callable[[], Awaitable[T]],
    *,
    op: str,
    policy: RetryPolicy = DEFAULT,
    retriable: Callable[[BaseException], bool] = is_retriable,
    on_retry: OnRetry | None = None,
    timing: Timing = SYSTEM,
) -> T:
    """As ``retry``, for a coroutine function. Cancellation ends it at once, also while it waits."""
    schedule = _Schedule(op, policy, retriable, on_retry, timing)
    while True:
        try:
            return await call()
        except Exception as error:
            delay = schedule.delay_after(error)
            if delay is None:
                raise
        await timing.sleep_async(delay)
        progressed()


def retry_after(error: BaseException, *, wall: Callable[[], float] = time.time) -> float | None:
    """Seconds a server asks to wait: ``error.retry_after``, or the header ``Retry-After``.

    Headers are looked for in ``error.headers`` and ``error.response.headers``; seconds or an HTTP date, a past
    one being 0. None if there is none that can be read.
    """
    given = getattr(error, "retry_after", None)
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return float(given) if given >= 0 else None
    for owner in (error, getattr(error, "response", None)):
        text = _header(getattr(owner, "headers", None))
        if text is not None:
            return _seconds(text.strip(), wall)
    return None


def _header(headers: Any) -> str | None:
    get = getattr(headers, "get", None)
    if not callable(get):
        return None
    for name in ("Retry-After", "retry-after"):
        found = get(name)
        if isinstance(found, (str, int)):
            return str(found)
    return None


def _seconds(text: str, wall: Callable[[], float]) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - wall())


class _Schedule:
    """Attempts of one call: when the next one is, or that there is none."""

    def __init__(
        self,
        op: str,
        policy: RetryPolicy,
        retriable: Callable[[BaseException], bool],
        on_retry: OnRetry | None,
        timing: Timing,
    ) -> None:
        self._op = op
        self._policy = policy
        self._retriable = retriable
        self._on_retry = on_retry
        self._timing = timing
        self._started = timing.now()
        self._backoff = policy.first
        self._attempts = 0

    def delay_after(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None if there shall be none."""
        self._attempts += 1
        if is_interrupted() or not self._retriable(error):
            return None
        elapsed = self._timing.now() - self._started
        left = None if self._policy.total is None else self._policy.total - elapsed
        if (left is not None and left <= 0) or self._attempts == self._policy.max_attempts:
            if self._attempts > 1:
                error.add_note(f"{self._op}: gave up after {self._attempts} attempts in {elapsed:.1f} s")
            return None
        return self._plan(error, elapsed, left)

    def _plan(self, error: Exception, elapsed: float, left: float | None) -> float:
        policy, timing = self._policy, self._timing
        delay = self._backoff * (1.0 - timing.draw() if policy.full_jitter else 1.0)
        asked = retry_after(error, wall=timing.wall)
        if asked is not None:
            delay = max(delay, min(asked, policy.cap))
        if left is not None:
            delay = min(delay, left)
        growth = GROWTH_LOW + int(timing.draw() * (GROWTH_STEPS + 1)) / 1000
        self._backoff = min(self._backoff * growth, policy.cap)
        told = Attempt(self._op, self._attempts, delay, elapsed, type(error).__name__, http_status(error))
        LOG.warning(
            "%s: attempt %d failed (%s%s), next one in %.2f s",
            told.op,
            told.number,
            told.error_type,
            "" if told.status is None else f", HTTP {told.status}",
            told.delay,
        )
        if self._on_retry is not None:
            self._on_retry(told)
        return delay
