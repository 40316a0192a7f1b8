"""The child's side of the built-in runner: one worker, calls one after the other.

Runs as ``main()`` of a fresh interpreter. Messages are pickles preceded by their length, on the original standard input
and output; what user code prints goes to standard error. If the pipe from the parent is closed without a message, the
parent has been killed, and this process exits at once.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import queue
import signal
import struct
import threading
import time
from typing import Any, BinaryIO

from coco.ops.remote import Worker

LENGTH = struct.Struct(">Q")
WATCH_SECONDS = 10.0
"""How often the child checks that the parent still runs, besides reading the pipe, in seconds."""

START, CALL, AUTH, STOP = "start", "call", "auth", "stop"


def pack_message(kind: str, content: Any) -> bytes:
    """A message to the child, preceded by its length."""
    data = pickle.dumps((kind, content), protocol=5)
    return LENGTH.pack(len(data)) + data


def main() -> None:
    """Serve until the parent sends ``STOP``."""
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
    serve(messages, outward)


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


def serve(messages: queue.SimpleQueue[Any], outward: BinaryIO) -> None:
    """Process messages in order until ``STOP``. Answers are written, preceded by their length."""
    worker: Worker | None = None
    while True:
        kind, content = messages.get()
        if kind == STOP:
            if worker is not None:
                worker.close()
            return
        if kind == START:
            worker = Worker(content)
            _write(outward, worker.prepare())
            continue
        assert worker is not None
        if kind == AUTH:
            worker.refresh(content)
        elif kind == CALL:
            for arguments in content:
                _write(outward, worker.call(arguments))


def _write(outward: BinaryIO, answer: bytes) -> None:
    outward.write(LENGTH.pack(len(answer)))
    outward.write(answer)
    outward.flush()
