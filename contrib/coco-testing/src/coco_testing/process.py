"""Runs a connector's method in another process and kills that process at a line, without any clean-up."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from coco.auth_registry import TransientAuthEntryReference, default_registry
from coco.errors import CocoError
from coco.index import IndexOptions
from coco.kit.adapters import call_any
from coco_testing.abilities import RefusedError
from coco_testing.rows import Shape
from coco_testing.steps import Steps
from coco_testing.target_driver import Batch, TargetDriver

LIMIT_SECONDS = 30


@dataclasses.dataclass
class Task:
    """Work for the other process: a setup change if ``rows`` is None, else a batch of natural rows.

    entries: auth entries that the spec refers to. fatal: the line at which the process is killed; None: never. rounds:
    batches to write instead, each after ``meet``, a port of this machine, has answered. written: the driver's own.
    """

    spec: Any
    shape: Shape
    indexes: IndexOptions
    entries: dict[str, Any]
    states: tuple[Any, Any] = (None, None)
    rows: Mapping[Any, Mapping[str, Any]] | None = None
    deletes: Sequence[Any] = ()
    fatal: int | None = None
    rounds: Sequence[Batch] = ()
    meet: int = 0
    written: dict[Any, Any] = dataclasses.field(default_factory=dict)


class FailedThereError(AssertionError):
    """The task raised an error in the other process. ``refused``: an error of coco's, which counts as a refusal."""

    def __init__(self, told: str, refused: bool) -> None:
        super().__init__(told)
        self.refused = refused


def task_of(driver: TargetDriver, **what: Any) -> Task:
    """A task at the driver's place."""
    shape = Shape(driver.shape.key_fields, driver.shape.value_fields)  # without the encoders
    for upserts, _ in ((what.get("rows") or {}, ()), *what.get("rounds", ())):
        driver.note_written(upserts)
    written = dict(driver.written)
    return Task(driver.spec, shape, driver.index_options, _entries(driver.spec), written=written, **what)


class Processes:
    """A server process that forks a child for each task. It imports the modules that the first task imported."""

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise RefusedError("this system cannot fork processes")
        self._start()

    def _start(self, *, warm: bool = True) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", f"from coco_testing.process import serve; serve(warm={warm})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(sys.path).encode() + b"\n")

    def run(self, task: Task) -> int | None:
        """Run a task. Returns the number of lines that ran, or None if the process was killed.

        Raises ``FailedThereError`` for any other end of the process, and ``RefusedError`` if the spec cannot be pickled
        because its class is not at the top level of a module.
        """
        assert self._server.stdin is not None and self._server.stdout is not None
        try:
            data = pickle.dumps(task)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RefusedError(f"the spec cannot be sent to another process: {error}") from error
        self._server.stdin.write(len(data).to_bytes(8, "big") + data)
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the other process ended: it cannot import the module of the spec; see its output"
        told: dict[str, Any] = json.loads(answer)
        if told.get("threads"):
            self.close()
            self._start(warm=False)
        if "error" in told:
            raise FailedThereError(told["error"][-3_000:], told.get("refused", False))
        lines: int | None = told["lines"]
        return lines

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        try:
            self._server.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


def serve(*, warm: bool = True) -> None:
    """Main loop of the server process. Tasks come on standard input; answers go to the original standard output.

    warm: import the modules that the first task imported, so that later tasks need not. The answer reports whether
    the imports started threads, because a forked child does not have them.
    """
    answers = os.dup(1)
    os.dup2(2, 1)
    sys.path[:] = json.loads(sys.stdin.buffer.readline())
    while size := sys.stdin.buffer.read(8):
        task: Task = pickle.loads(sys.stdin.buffer.read(int.from_bytes(size, "big")))
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(json.dumps(_performed(task)).encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if answer:
            told = json.loads(answer)
            imported = told.pop("imported", ())
            if warm:
                _import(imported)
                told["threads"] = threading.active_count() > 1
        else:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            told = {"lines": None} if killed else {"error": f"the process ended with status {status}"}
        os.write(answers, json.dumps(told).encode() + b"\n")


def _performed(task: Task) -> dict[str, Any]:
    """Result of a task: the number of lines that ran and the modules that it imported, or an error."""
    before = set(sys.modules)
    try:
        lines = perform(task)
    except BaseException as error:
        refused = isinstance(error, (CocoError, NotImplementedError))
        return {"error": traceback.format_exc(), "refused": refused}
    return {"lines": lines, "imported": [name for name in sys.modules if name not in before]}


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):  # modules that other modules create cannot be imported by name
            importlib.import_module(name)


def perform(task: Task) -> int:
    """Run the task in this process. Returns the number of lines that ran."""
    default_registry().restore(task.entries)
    with asyncio.Runner() as runner:
        driver = TargetDriver(
            task.spec, task.shape, lambda method, *args: runner.run(call_any(method, *args)), task.indexes
        )
        driver.written.update(task.written)
        if task.rounds:
            _write_rounds(driver, task)
            return 0
        steps = Steps(driver.packages, task.fatal, lambda: os.kill(os.getpid(), signal.SIGKILL))
        if task.rows is None:
            driver.apply(*task.states, steps=steps)
        else:
            driver.write(task.rows, task.deletes, steps=steps)
        driver.close()
    return steps.done


def _write_rounds(driver: TargetDriver, task: Task) -> None:
    with socket.create_connection(("127.0.0.1", task.meet), LIMIT_SECONDS) as line:
        for batch in task.rounds:
            line.sendall(b"?")
            if not line.recv(1):
                return  # the other process failed and reports its error itself
            driver.write(*batch)
    driver.close()


def _entries(spec: Any) -> dict[str, Any]:
    values = (getattr(spec, item.name) for item in dataclasses.fields(spec))
    keys = {value.key for value in values if isinstance(value, TransientAuthEntryReference)}
    return {key: value for key, value in default_registry().snapshot().items() if key in keys}
