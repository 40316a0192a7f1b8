"""Functions that the runner suite calls. Workers import this module, so it must be installed there."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from coco import op
from coco.auth_registry import get_auth_entry
from coco.harness import operation
from coco.op import RemoteFunction
from coco.typing import Json

DEATH = 3
"""Exit code of a worker that a call ends on purpose."""
_tokens = itertools.count(1)


class KitError(Exception):
    """An error with attributes that pickling could lose."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def picture(value: Any) -> tuple[str, str]:
    """Type name and hash of the ``repr`` of a value, to compare values without ``==``."""
    return type(value).__qualname__, hashlib.sha256(repr(value).encode()).hexdigest()


def here() -> tuple[str, int, int]:
    """This worker: machine, process, thread."""
    return socket.gethostname(), os.getpid(), threading.get_ident()


def where() -> str:
    """This machine and process, as text."""
    return f"{socket.gethostname()} {os.getpid()}"


@op.function()
def act(what: str, value: Json = None, other: Json = None) -> Json:
    """Do the action ``what``."""
    return _act(what, value, other)


def _act(what: str, value: Any, other: Any) -> Any:
    match what:
        case "echo":
            return value
        case "picture":
            return picture(value)
        case "nap":
            time.sleep(value)
            return value
        case "where":
            return here()
        case "raise":
            raise KitError(value, other)
        case "raise hidden":

            class HiddenError(Exception):
                pass

            raise HiddenError("cannot travel")
        case "exit":
            sys.exit(DEATH)
        case "hang":
            if value is not None:
                Path(value).write_text("begun")
            threading.Event().wait()
        case "die":
            os._exit(DEATH)
        case "die once":
            marker = Path(value)
            if not marker.exists():
                marker.write_text("died")
                os._exit(DEATH)
            return "alive"
        case "lock":
            return threading.Lock()
        case "print":
            sys.stdout.write("chatter " * 20_000)
            sys.stdout.flush()
            return value
        case "meet":
            return _meet(Path(value), *other)
        case "secret":
            return hashlib.sha256(get_auth_entry(str, value).encode()).hexdigest()
        case "surroundings":
            return f"{dict(os.environ)} {sys.orig_argv}"
    raise ValueError(what)


def _meet(mine: Path, other: str, seconds: float) -> bool:
    mine.write_text("here")
    until = time.monotonic() + seconds
    while not Path(other).exists():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@op.function(batching=True)
def shout_all(texts: list[str]) -> list[str]:
    """Upper case; ``die`` ends the worker, ``bad`` raises, ``where`` returns the worker."""
    if "die" in texts:
        os._exit(DEATH)
    if "bad" in texts:
        raise KitError(7, "bad batch")
    return [where() if text == "where" else text.upper() for text in texts]


class KitProbe(op.FunctionSpec):
    """A function that reports its spec, instance and worker. ``log``: file that ``close`` appends to."""

    greeting: str
    log: str | None = None


@op.executor_class()
class KitProbeExecutor:
    """Returns: greeting, text, number of the instance in its worker, times prepared, number of event loops, worker."""

    spec: KitProbe

    def __init__(self) -> None:
        self._token = next(_tokens)
        self._prepared = 0
        self._loops: set[int] = set()

    async def prepare(self) -> None:
        self._prepared += 1
        self._loops.add(id(asyncio.get_running_loop()))

    async def __call__(self, text: str) -> Json:
        self._loops.add(id(asyncio.get_running_loop()))
        return [self.spec.greeting, text, self._token, self._prepared, len(self._loops), here()]

    def close(self) -> None:
        if self.spec.log is not None:
            with open(self.spec.log, "a", encoding="utf-8") as log:
                log.write(f"closed {self.spec.greeting}\n")


class KitUnready(op.FunctionSpec):
    """A function that cannot be prepared."""


@op.executor_class()
class KitUnreadyExecutor:
    """Raises in ``prepare``."""

    spec: KitUnready

    def prepare(self) -> None:
        raise KitError(9, "no model")

    def __call__(self, text: str) -> str:
        return text


def remote(function: Any, spec: Any = None) -> RemoteFunction:
    """A function as the engine describes it to a runner."""
    return RemoteFunction(operation(function), spec)
