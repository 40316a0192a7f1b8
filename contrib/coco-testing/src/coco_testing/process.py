"""A connector's method in a process of its own that is killed at a line: nothing is closed or rolled back there."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
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
    """What the other process does: a setup change if ``rows`` is None, else a batch of natural rows.

    entries: auth entries that the spec refers to. fatal: the line to die at; None: live. rounds: batches to write
    instead, each as soon as ``meet``, a port of this machine, has answered.
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


class FailedThereError(AssertionError):
    """The other process met an error. ``refused``: one of coco's, by which an operation says what it cannot do."""

    def __init__(self, told: str, refused: bool) -> None:
        super().__init__(told)
        self.refused = refused


def task_of(driver: TargetDriver, **what: Any) -> Task:
    """A task at the driver's place."""
    shape = Shape(driver.shape.key_fields, driver.shape.value_fields)  # without the encoders it made
    return Task(driver.spec, shape, driver.index_options, _entries(driver.spec), **what)


class Processes:
    """One process that imports everything once, and forks another one for each task."""

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise RefusedError("this system cannot fork processes")
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from coco_testing.process import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(sys.path).encode() + b"\n")

    def run(self, task: Task) -> int | None:
        """Lines that ran, or None if the process was killed. Raises ``FailedThereError`` for any other end.

        Raises ``RefusedError`` where the spec cannot go there because its class is no part of a module.
        """
        assert self._server.stdin is not None and self._server.stdout is not None
        try:
            data = pickle.dumps(task)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RefusedError(f"the spec cannot be sent to another process: {error}") from error
        self._server.stdin.write(len(data).to_bytes(8, "big") + data)
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        assert answer, "the other process ended: it cannot import what the spec needs; see its output"
        told: dict[str, Any] = json.loads(answer)
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


def serve() -> None:
    """The process that forks: tasks come on standard input, answers go to what was standard output."""
    answers = os.dup(1)
    os.dup2(2, 1)
    sys.path[:] = json.loads(sys.stdin.buffer.readline())
    while size := sys.stdin.buffer.read(8):
        task: Task = pickle.loads(sys.stdin.buffer.read(int.from_bytes(size, "big")))
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                told: dict[str, Any] = {"lines": perform(task)}
            except BaseException as error:
                refused = isinstance(error, (CocoError, NotImplementedError))
                told = {"error": traceback.format_exc(), "refused": refused}
            os.write(theirs, json.dumps(told).encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        if not answer:
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            answer = json.dumps({"lines": None} if killed else {"error": f"it ended with {status}"}).encode()
        os.write(answers, answer + b"\n")


def perform(task: Task) -> int:
    """Do the task in this process; gives the lines that ran."""
    default_registry().restore(task.entries)
    with asyncio.Runner() as runner:
        driver = TargetDriver(
            task.spec, task.shape, lambda method, *args: runner.run(call_any(method, *args)), task.indexes
        )
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
                return  # the other one failed, and says so itself
            driver.write(*batch)
    driver.close()


def _entries(spec: Any) -> dict[str, Any]:
    values = (getattr(spec, item.name) for item in dataclasses.fields(spec))
    keys = {value.key for value in values if isinstance(value, TransientAuthEntryReference)}
    return {key: value for key, value in default_registry().snapshot().items() if key in keys}
