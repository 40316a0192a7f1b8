"""One thread per matrix product while we run several products at a time ourselves.

The library under numpy splits even small products over all processors and lets its threads wait for each
other by spinning. On a machine that has other work, and an engine that overlaps reading, embedding and
writing always has some, that made an embedding twenty times slower (measured on two processors).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limiter: Any = None


@contextmanager
def single_threaded_products() -> Iterator[None]:
    """Inside, matrix products of this process use the calling thread only; nested and parallel use is fine.

    The setting is process-wide, so it is put back when the last user leaves. Does nothing where the package
    ``threadpoolctl`` is missing.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _limiter
    with _lock:
        if _users == 0:
            try:
                package = importlib.import_module("threadpoolctl")
            except ImportError:
                _limiter = None
            else:
                _limiter = package.threadpool_limits(limits=1, user_api="blas")
        _users += 1


def _leave() -> None:
    global _users, _limiter
    with _lock:
        _users -= 1
        if _users == 0 and _limiter is not None:
            _limiter.restore_original_limits()
            _limiter = None
