"""The child's side of ``gpu=True`` functions: one executor, calls one after the other (X-050, SUB-07 to SUB-17).

Runs as ``main()`` of a fresh interpreter. Messages are pickles with a length before them, on what were
standard input and output; whatever user code prints goes to standard error. When the pipe from the parent
ends without a word, the parent is dead and the process ends at once, whatever it is doing (SUB-08).
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import importlib.util
import inspect
import os
import pickle
import queue
import runpy
import signal
import struct
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

LENGTH = struct.Struct(">Q")
WATCH_SECONDS = 10.0
"""How often the parent's life is looked at, besides the pipe."""

START, CALL, AUTH, STOP = "start", "call", "auth", "stop"
READY, RESULT, ERROR = "ready", "result", "error"


class TargetPlace(NamedTuple):
    """Where a function or executor class is found. ``main``: path or module of the program, if it is there."""

    module: str
    qualname: str
    path: str | None
    main: tuple[str, str] | None


class Start(NamedTuple):
    """What a worker needs first. ``spec``: pickled; ``is_class``: an executor, not a function."""

    target: TargetPlace
    is_class: bool
    spec: bytes
    auth: Mapping[str, bytes]


class RemoteError(NamedTuple):
    """An exception on its way: pickled if that works, and in any case its type, message and traceback."""

    pickled: bytes | None
    type_name: str
    message: str
    traceback: str


def pack_message(message: Any) -> bytes:
    """A message with its length before it."""
    data = pickle.dumps(message, protocol=5)
    return LENGTH.pack(len(data)) + data


def main() -> None:
    """Serve until told to stop."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inward = os.fdopen(os.dup(0), "rb")
    outward = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(inward, messages), daemon=True).start()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    with asyncio.Runner() as runner:  # one loop for all calls, so that clients stay usable
        Server(outward, runner).serve(messages)


def _receive(inward: BinaryIO, messages: queue.SimpleQueue[Any]) -> None:
    while True:
        head = inward.read(LENGTH.size)
        body = inward.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
        if not body:
            os._exit(1)
        message = pickle.loads(body)
        messages.put(message)
        if message[0] == STOP:
            return


def _watch(parent: int) -> None:
    while True:
        time.sleep(WATCH_SECONDS)
        if os.getppid() != parent:
            os._exit(1)


class Server:
    """Answers messages. One instance per process."""

    def __init__(self, outward: BinaryIO, runner: asyncio.Runner) -> None:
        self._outward = outward
        self._runner = runner
        self._function: Callable[..., Any] | None = None

    def serve(self, messages: queue.SimpleQueue[Any]) -> None:
        """Take messages in order until ``STOP``."""
        while True:
            kind, content = messages.get()
            if kind == STOP:
                self._close()
                return
            if kind == START:
                self._answer(READY, lambda: self._start(content))  # noqa: B023  called at once
            elif kind == AUTH:
                restore_auth(content)
            elif kind == CALL:
                for item in content:
                    self._answer(RESULT, lambda: self._call(item))  # noqa: B023  called at once

    def _answer(self, kind: str, work: Callable[[], bytes | None]) -> None:
        try:
            message = (kind, work())
        except BaseException as error:
            message = (ERROR, _portable(error))  # type: ignore[assignment]
        self._outward.write(pack_message(message))
        self._outward.flush()

    def _start(self, start: Start) -> None:
        restore_auth(start.auth)
        target = find_target(start.target)
        if not start.is_class:
            self._function = target
            return
        executor = target()
        executor.spec = pickle.loads(start.spec)
        for name in ("analyze", "prepare"):
            method = getattr(executor, name, None)
            if callable(method):
                self._finish(method())
        self._function = executor

    def _call(self, item: bytes) -> bytes:
        assert self._function is not None
        args, kwargs = pickle.loads(item)
        value = self._finish(self._function(*args, **kwargs))
        try:
            return pickle.dumps(value, protocol=5)
        except Exception as error:
            error.add_note("gpu=True brings results from another process, so they must be picklable")
            raise

    def _finish(self, value: Any) -> Any:
        return self._runner.run(_awaited(value)) if inspect.isawaitable(value) else value

    def _close(self) -> None:
        close = getattr(self._function, "close", None)
        if callable(close):
            self._finish(close())


async def _awaited(value: Any) -> Any:
    return await value


def restore_auth(entries: Mapping[str, bytes]) -> None:
    """Take over the parent's credentials; they came through the private pipe (AU-21)."""
    from coco.auth_registry import default_registry

    default_registry().restore({key: pickle.loads(value) for key, value in entries.items()})


def find_target(place: TargetPlace) -> Any:
    """The function or class, as the parent knows it."""
    module = _main_module(*place.main) if place.main is not None else _module(place.module, place.path)
    found: Any = module
    for part in place.qualname.split("."):
        found = getattr(found, part)
    return found


def _module(name: str, path: str | None) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        if path is None or name in sys.modules:
            raise
    # Loaded by file in the parent too, as test runners do.
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {name} from {path}", name=name, path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _main_module(kind: str, where: str) -> types.ModuleType:
    """The parent's program under another name, so that its ``if __name__ == "__main__"`` part does not run."""
    from coco.flow.runtime import set_runtime

    module = types.ModuleType("__mp_main__")
    before = set_runtime(_NO_RUNTIME)
    try:
        run = runpy.run_path if kind == "path" else runpy.run_module
        module.__dict__.update(run(where, run_name="__mp_main__"))
    finally:
        set_runtime(before)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    return module


class _NoRuntime:
    def __getattr__(self, name: str) -> Any:
        from coco.errors import LifecycleError

        raise LifecycleError(
            "the program is being loaded again to find a gpu=True function, and runs flows while it is; "
            'put what it does under `if __name__ == "__main__":`'
        )


_NO_RUNTIME: Any = _NoRuntime()


def _portable(error: BaseException) -> RemoteError:
    pickled: bytes | None
    try:
        pickled = pickle.dumps(error, protocol=5)
        pickle.loads(pickled)
    except Exception:
        pickled = None
    text = "".join(traceback.format_exception(error))
    return RemoteError(pickled, f"{type(error).__module__}.{type(error).__qualname__}", str(error), text)
