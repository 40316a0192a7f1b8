"""A handle on a store in another process, used like one of this process."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import IO, Any

from coco_testing.abilities import RefusedError

LIMIT_SECONDS = 30


class Elsewhere:
    """The opened store ``make(*arguments)`` of another process, which runs its methods. Iterators come back as lists.

    Raises ``RefusedError`` if ``make`` is not at the top level of a module, and any error of opening the store.
    """

    def __init__(self, make: Callable[..., Any], arguments: Sequence[Any]) -> None:
        try:
            first = pickle.dumps((make, tuple(arguments)))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise RefusedError(f"the store cannot be opened by another process: {error}") from error
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from coco_testing.store.elsewhere import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(sys.path).encode() + b"\n")
        try:
            self._ask(first)
        except BaseException:
            self.close()
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._ask(pickle.dumps((name, args, kwargs)))

    def close(self) -> None:
        """Close the handle and end the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, data: bytes) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        _send(self._process.stdin, data)
        answer = _receive(self._process.stdout)
        assert answer is not None, "the other process ended; see its output"
        good, value = pickle.loads(answer)
        if not good:
            raise value
        return value


def serve() -> None:
    """Main loop of the other process. Calls come on standard input; results go to the original standard output."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        questions = sys.stdin.buffer
        sys.path[:] = json.loads(questions.readline())
        store: Any = None
        while (question := _receive(questions)) is not None:
            try:
                if store is None:
                    make, arguments = pickle.loads(question)
                    store, value = make(*arguments), None
                    store.open()
                else:
                    name, args, kwargs = pickle.loads(question)
                    value = getattr(store, name)(*args, **kwargs)
                    value = list(value) if hasattr(value, "__next__") else value
                answer = pickle.dumps((True, value))
            except Exception as error:
                answer = pickle.dumps((False, _portable(error)))
            _send(answers, answer)
        if store is not None:
            store.close()


def _portable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return AssertionError(f"in the other process: {''.join(traceback.format_exception(error))}")
    return error


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    size = stream.read(8)
    return stream.read(int.from_bytes(size, "big")) if size else None
