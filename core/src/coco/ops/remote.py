"""The worker side of a runner: loads a function from its description, makes calls, and answers each by value or error.

``Worker`` is for a process or thread that serves one function, ``answer_call`` for a pool that serves any function. Both
return answers as bytes, which the runner passes to the engine. Errors of user code are part of an answer.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from coco.auth_registry import UnavailableEntry, default_registry
from coco.errors import InternalError
from coco.ops.error_text import (
    RemoteTraceback,
    masked,
    masked_error,
    place_of,
    remember_place,
    text_of,
    traceback_text,
)
from coco.ops.origin import program_loaded_again

if TYPE_CHECKING:
    import asyncio

_TOKEN = os.urandom(16).hex()


def process_token() -> str:
    """Says whether a description was made in this very process, and not in one that it was forked from."""
    return f"{_TOKEN}-{os.getpid()}"


class TargetPlace(NamedTuple):
    """The place of a function or executor class. ``main``: path or module of the program, if it is defined there."""

    module: str
    qualname: str
    path: str | None
    main: tuple[str, str] | None


class Description(NamedTuple):
    """The description of a function for a worker.

    target: pickled place, whether it is a class, and pickled spec. auth: pickled auth entries.
    """

    name: str
    key: str
    target: bytes
    process: str
    auth_version: int
    auth: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<Description of {self.name}>"


class RemoteError(NamedTuple):
    """An exception for the engine: pickled if possible, and always its type, message and traceback.

    place: the place in the user's code where it was raised, which only the worker can find.
    """

    pickled: bytes | None
    type_name: str
    message: str
    traceback: str
    place: str = ""


class Worker:
    """Makes calls of one function, which ``prepare`` or the first call loads and prepares. For use in one thread.

    description: see ``RemoteFunction.description``; None if the first message to ``answer`` holds it.
    """

    def __init__(self, description: bytes | None = None) -> None:
        self._described: Description | None = None
        self._auth: tuple[str, int] | None = None
        self._function: Callable[..., Any] | None = None
        self._runner: asyncio.Runner | None = None
        if description is not None:
            self.refresh(description)

    def answer(self, message: bytes) -> bytes:
        """Answer a message of a ``WorkerPool``: make a call, or prepare."""
        description, arguments = pickle.loads(message)
        if description is not None:
            self.refresh(description)
        return self.prepare() if arguments is None else self.call(arguments)

    def prepare(self) -> bytes:
        """Load and prepare the function. The answer holds the error, if any. Does nothing if the function is prepared."""
        return self._answer(self._load)

    def call(self, arguments: bytes) -> bytes:
        """Make one call, and return its value or error as an answer."""
        return self._answer(lambda: self._call(arguments))

    def refresh(self, description: bytes) -> None:
        """Replace the auth entries by those of a newer description."""
        self._described = pickle.loads(description)

    def close(self) -> None:
        """Close the function, if it has a ``close``, and its event loop."""
        function, self._function = self._function, None
        close = getattr(function, "close", None)
        try:
            if callable(close):
                self._finish(close())
        finally:
            loop, self._runner = self._runner, None
            if loop is not None:
                loop.close()

    def __repr__(self) -> str:
        return f"<Worker for {self._known.name}>" if self._described is not None else "<Worker>"

    @property
    def _known(self) -> Description:
        if self._described is None:
            raise InternalError("a worker was asked before it was told its function")
        return self._described

    @staticmethod
    def _answer(work: Callable[[], bytes]) -> bytes:
        try:
            answer: bytes | RemoteError = work()
        except BaseException as error:  # a SystemExit is the call's, not the worker's
            answer = _portable(error)
        return pickle.dumps(answer, protocol=5)

    def _load(self) -> bytes:
        self._restore_auth()
        if self._function is None:
            place, is_class, spec = pickle.loads(self._known.target)
            target = find_target(place)
            self._function = self._made(target, spec) if is_class else target
        return pickle.dumps(None)

    def _made(self, executor_class: type, spec: bytes) -> Any:
        executor = executor_class()
        executor.spec = pickle.loads(spec)
        for name in ("analyze", "prepare"):
            method = getattr(executor, name, None)
            if callable(method):
                self._finish(method())
        return executor

    def _restore_auth(self) -> None:
        described = self._known
        if self._auth != (described.process, described.auth_version) and described.process != process_token():
            default_registry().restore(dict(_opened(described.auth)))
        self._auth = (described.process, described.auth_version)

    def _call(self, arguments: bytes) -> bytes:
        self._load()
        assert self._function is not None
        args, kwargs = pickle.loads(arguments)
        value = self._finish(self._function(*args, **kwargs))
        try:
            return pickle.dumps(value, protocol=5)
        except Exception as error:
            error.add_note(
                f"the result of {self._known.name}, a {type(value).__name__}, comes from another process, "
                "so it must be picklable"
            )
            raise

    def _finish(self, value: Any) -> Any:
        if not inspect.isawaitable(value):
            return value
        import asyncio

        if self._runner is None:  # one loop for all calls, so that clients stay usable
            self._runner = asyncio.Runner()
        return self._runner.run(_awaited(value))


async def _awaited(value: Any) -> Any:
    return await value


def pack_message(description: bytes | None, arguments: bytes | None) -> bytes:
    """Return a message for ``Worker.answer``. description: if it has changed. arguments: None to prepare only."""
    return pickle.dumps((description, arguments), protocol=5)


_workers = threading.local()


def answer_call(description: bytes, arguments: bytes | None) -> bytes:
    """Answer one call, with a worker that this thread makes at the first call of a function, and keeps.

    arguments: None to prepare only. For pools that take a function and its arguments. These workers are never closed.
    """
    described: Description = pickle.loads(description)
    known: dict[str, Worker] = _workers.__dict__
    worker = known.get(described.key)
    if worker is None:
        worker = known[described.key] = Worker(description)
    else:
        worker.refresh(description)
    return worker.prepare() if arguments is None else worker.call(arguments)


def open_answer(data: bytes) -> Any:
    """Return the value in an answer of a worker, or raise the error in it, with the worker's traceback as its cause."""
    answer: bytes | RemoteError = pickle.loads(data)
    if isinstance(answer, RemoteError):
        raise _revived(answer)
    return pickle.loads(answer)


def _portable(error: BaseException) -> RemoteError:
    """Return an error without secrets that were resolved here, because the other process cannot mask them."""
    pickled: bytes | None = None
    clean = masked_error(error)
    if clean is not None:
        try:
            pickled = pickle.dumps(clean, protocol=5)
            pickle.loads(pickled)
        except Exception:
            pickled = None
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return RemoteError(pickled, name, masked(text_of(error)), traceback_text(error), place_of(error))


def _revived(remote: RemoteError) -> Exception:
    error: BaseException | None = None
    if remote.pickled is not None:
        with contextlib.suppress(Exception):
            error = pickle.loads(remote.pickled)
    if not isinstance(error, Exception):  # a SystemExit there must not end this process
        error = RuntimeError(f"{remote.type_name}: {remote.message}")
    error.__cause__ = RemoteTraceback(remote.traceback)
    if remote.place:
        remember_place(error, remote.place)
    return error


def _opened(entries: Mapping[str, bytes]) -> Iterator[tuple[str, Any]]:
    """Return unpickled auth entries. One that fails, for example without its class, is an error only when it is used."""
    for key, value in entries.items():
        try:
            entry = pickle.loads(value)
        except Exception as error:
            entry = UnavailableEntry(f"{type(error).__name__}: {error}")
        yield key, entry


def find_target(place: TargetPlace) -> Any:
    """Return the function or class of a description."""
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
    """Load the program of the parent under another name, so that its ``if __name__ == "__main__"`` part does not run."""
    known = sys.modules.get("__mp_main__")
    if known is not None:  # this very program, or multiprocessing was here before
        return known
    import runpy

    module = types.ModuleType("__mp_main__")
    with program_loaded_again():
        run = runpy.run_path if kind == "path" else runpy.run_module
        module.__dict__.update(run(where, run_name="__mp_main__"))
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    return module
