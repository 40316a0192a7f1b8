"""The protocol of runners, which make calls of user functions in another place.

A function names its runner: ``@op.function(runner="pool")``. The engine describes the function as a ``RemoteFunction``, gets
an executor for it from the runner, and passes the arguments of calls to that as bytes. ``coco.ops.remote`` makes the calls
in the other place. The engine retries calls, words limits, and adds places of rows. The runner changes neither the results
of a function nor its identity.
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
"""Called once at the end of each call, with its position, and with the bytes of the answer or an exception."""


class RunnerExecutor(Protocol):
    """Makes the calls of one function. The engine calls all methods on its event loop; they must not block it."""

    async def prepare(self) -> None:
        """Make one worker ready, and raise what ``prepare`` of the function raises there.

        Raises ``WorkerDiedError`` if the worker ended meanwhile. After an error, the engine may call it again.
        """

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        """Make calls, and answer each once at its end, in any order, on this event loop.

        ``answer`` receives the bytes of the worker; ``TimeoutError`` for a call that ran longer than ``timeout`` seconds,
        without the wait for a worker; ``WorkerDiedError("exit code 3")`` for calls whose worker ended, also if another call
        may have caused that: the engine repeats them one by one, with no other call of this executor at the same time. An
        error that this method raises is the error of all calls without an answer. If it is cancelled, it abandons running
        calls, and the executor stays usable. Several ``run`` may run at the same time.
        """

    async def close(self) -> None:
        """End all workers, also those with a running call. May be called again. After it, ``run`` raises."""


class Runner(Protocol):
    """Makes executors for functions.

    coco makes a runner at its first use, by a call, in any thread, of the factory that the manifest names, and closes it when
    it stops. An optional ``async close()`` releases what executors share. The executors are closed before it.
    """

    def executor(self, function: RemoteFunction) -> RunnerExecutor:
        """Return an executor for a function. Starts nothing."""


class RemoteFunction:
    """A function or executor class with its spec, described so that another process can load it.

    name: of the operation, for messages and logs. key: equal for equal functions; made from the parts of the description that
    do not change. gpu: whether the function was declared with ``gpu=True``; such functions must not run at the same time.
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
        """Return the place of the function, its spec and all auth entries, as bytes for ``Worker`` and ``answer_call``.

        It holds credentials: send it over a private channel only, and never show it. Until an auth entry changes, each call
        returns the same object.
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
    """Return the arguments of one call as bytes. Raises what pickling raises, with advice."""
    try:
        return pickle.dumps((args, kwargs), protocol=5)
    except Exception as error:
        error.add_note("arguments are sent to another process, so they must be picklable")
        raise
