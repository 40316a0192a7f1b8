"""Where calls of user functions run: the protocol of runners.

A function may ask for a runner by name, ``@op.function(runner="pool")``. The engine describes the function as a
``RemoteFunction``, has the runner make an executor of it, and hands that the arguments of calls as bytes. What becomes
of them over there is the business of ``coco.ops.remote``. Tries again, limits in words, and the places of rows are the
engine's; where a function runs changes neither its results nor its identity.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from coco.auth_registry import UnavailableEntry, default_registry
from coco.ops import remote
from coco.ops.origin import main_program
from coco.ops.remote import open_answer

if TYPE_CHECKING:
    from coco.ops.function_record import RegisteredFunction

__all__ = [
    "Answer",
    "RemoteFunction",
    "Runner",
    "RunnerExecutor",
    "open_answer",
    "pack_call",
]

Answer: TypeAlias = Callable[[int, bytes | Exception], None]
"""Told of the end of each call, once: its position, and the answer's bytes or what kept it from one."""


class RunnerExecutor(Protocol):
    """One function at work somewhere. All methods are called on the engine's event loop and must not block it."""

    async def prepare(self) -> None:
        """Make one worker ready, so that what ``prepare`` of the function raises is raised here.

        Raises ``WorkerDiedError`` if the worker ended meanwhile. What failed may be tried again later.
        """

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        """Make calls; each is answered once, in any order, as it ends, from this event loop.

        ``answer`` takes what the worker gave as it is; ``TimeoutError`` for a call that ran longer than ``timeout``
        seconds (waiting for a worker does not count); ``WorkerDiedError("exit code 3")`` for calls whose worker ended,
        guilty or not: the engine makes them again, one at a time and with no other call of this executor beside it.
        What is raised here is the error of all calls without an answer. When it is cancelled, calls that run are given
        up and the executor stays fit for use. Several ``run`` may be under way.
        """

    async def close(self) -> None:
        """End all workers, calls that run included. May be repeated; afterwards ``run`` raises."""


class Runner(Protocol):
    """A place where functions run. An environment makes one at the first need, by calling in some thread what the
    manifest names, and closes it when it stops.

    An optional ``async close()`` ends what executors share; they are closed before it.
    """

    def executor(self, function: RemoteFunction) -> RunnerExecutor:
        """An executor for a function. Starts nothing yet."""


class RemoteFunction:
    """A function or executor class with its spec, described so that another process can make it.

    name: of the operation, for messages and logs. key: equal for equal functions, made of the description's lasting part.
    gpu: whether the function was declared with ``gpu=True``; such functions must not work at the same time.
    """

    def __init__(self, record: RegisteredFunction, spec: Any, *, gpu: bool = False) -> None:
        module = sys.modules.get(record.origin.module)
        place = remote.TargetPlace(
            record.origin.module,
            record.origin.qualname,
            getattr(module, "__file__", None),
            main_program() if record.origin.module == "__main__" else None,
        )
        if place.main is not None:  # what the program's classes are called there
            sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
        self.name: str = record.kind
        self.gpu = gpu
        self._target = pickle.dumps((place, record.is_class, pickle.dumps(spec)), protocol=5)
        self.key = hashlib.sha256(self._target).hexdigest()
        self._lock = threading.Lock()
        self._version = -1
        self._described = b""

    def description(self) -> bytes:
        """What ``Worker`` and ``answer_call`` take: where the function is found, its spec, and all auth entries.

        It holds credentials: hand it over on a private channel only, and never show it. The same object until an auth
        entry changes.
        """
        registry = default_registry()
        with self._lock:
            if self._version != registry.version:
                self._version = registry.version
                described = remote.Description(
                    self.name, self.key, self._target, remote.process_token(), self._version, _auth_entries()
                )
                self._described = pickle.dumps(described, protocol=5)
            return self._described

    def __repr__(self) -> str:
        return f"<RemoteFunction {self.name}>"


def _auth_entries() -> dict[str, bytes]:
    entries = {}
    for key, value in default_registry().snapshot().items():
        try:
            entries[key] = pickle.dumps(value, protocol=5)
        except Exception as error:  # an error where the entry is needed, and only there
            entries[key] = pickle.dumps(UnavailableEntry(f"{type(error).__name__}: {error}"), protocol=5)
    return entries


def pack_call(*args: Any, **kwargs: Any) -> bytes:
    """Arguments of one call; raises what pickling raises, with a hint."""
    try:
        return pickle.dumps((args, kwargs), protocol=5)
    except Exception as error:
        error.add_note("arguments are sent to another process, so they must be picklable")
        raise
