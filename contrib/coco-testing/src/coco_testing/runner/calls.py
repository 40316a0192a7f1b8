"""Calls and their results: values, errors, time limits, batches."""

from __future__ import annotations

import asyncio
import datetime
import enum
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coco.errors import BatchShapeError, FunctionTimeoutError, WorkerDiedError
from coco.harness import pack_call
from coco_testing.abilities import RefusedError
from coco_testing.runner import functions
from coco_testing.runner.base import NO_LIMIT, RunnerBase
from coco_testing.suite import check
from coco_testing.values import ALL_SAMPLES, Point

MANY = 200
WIDE = 64
PACKET = 150_000
MEETING_SECONDS = 6.0


class Colour(enum.Enum):
    """A value that is pickled by its name."""

    RED = 1


@dataclass(frozen=True)
class Part:
    """A value with parts."""

    name: str
    inner: tuple[Point, ...]


def all_values() -> list[Any]:
    """Every kind of value that a function can receive or return."""
    found = [
        value
        for name, sample in ALL_SAMPLES.items()
        for value in (*sample.ordinary, *sample.limits)
        if not name.endswith("MB")
    ]
    more = [None, Part("ä", (Point("p", 1),)), Colour.RED, {1: 2}, {"set"}, complex(1, 2)]
    return [*found, *more, uuid.UUID(int=5), datetime.timedelta(1), "x" * 3_000_000, b"\0" * 3_000_000]


class CallChecks(RunnerBase, kit=True):
    """Calls."""

    @check()
    def test_values(self) -> None:
        """Arguments and results of every kind arrive unchanged.

        If it fails: the runner uses another serialisation than pickle, such as JSON.
        """
        values = all_values()
        made = self.make()
        seen = self.values(made, [("picture", value) for value in values])
        for value, there in zip(values, seen, strict=True):
            assert tuple(there) == functions.picture(value), (
                f"the worker received another value than {value!r}"[:300]
            )
        back = self.values(made, [("echo", value) for value in values])
        for value, found in zip(values, back, strict=True):
            assert functions.picture(found) == functions.picture(value), (
                f"the worker returned another value than {value!r}"[:300]
            )

    @check()
    def test_each_call_has_its_answer(self) -> None:
        """Each call receives its own result, also if a later call ends first or many calls run concurrently.

        If it fails: the runner assigns results in their order of arrival.
        """
        made = self.make()
        calls = [("nap", (index % 7) / 200) for index in range(MANY)]
        assert self.values(made, calls) == [value for _, value in calls]

        async def together() -> list[list[Any]]:
            runs = (self.run(made, [("echo", [run, index]) for index in range(20)]) for run in range(5))
            return await asyncio.gather(*runs)

        found = [[end.value for end in ends] for ends in self.wait(together())]
        assert found == [[[run, index] for index in range(20)] for run in range(5)]

    @check()
    def test_one_answer_each(self) -> None:
        """Each call is answered once, before ``run`` returns, on the event loop that called ``run``."""
        made = self.make()
        answers: Counter[int] = Counter()
        threads: set[int] = set()

        def answer(position: int, data: bytes | Exception) -> None:
            answers[position] += 1
            threads.add(threading.get_ident())

        async def run() -> dict[int, int]:
            calls = [pack_call("nap", 0.01) for _ in range(10)]
            await made.raw.run(calls, NO_LIMIT, answer)
            return dict(answers)

        assert self.wait(run()) == dict.fromkeys(range(10), 1), (
            "a call has no answer, two answers, or one after run returned"
        )
        assert threads == {threading.get_ident()}, (
            "the runner answered from another thread than that of the event loop"
        )

    @check()
    def test_much_at_once(self) -> None:
        """Many large arguments and results can be in transit concurrently.

        If it fails: engine and worker both write, and neither reads.
        """
        packet = "x" * PACKET
        assert self.values(self.make(), [("echo", packet)] * WIDE) == [packet] * WIDE

    # -- errors -----------------------------------------------------------------------------------
    @check()
    def test_errors(self) -> None:
        """An exception keeps its type, attributes, message and the worker's traceback, and belongs to its call only.

        An exception that cannot be pickled becomes a ``RuntimeError`` with its name and message. ``sys.exit`` is an error
        of its call.
        """
        calls: list[tuple[Any, ...]] = [("echo", index) for index in range(12)]
        for index in (1, 6, 11):
            calls[index] = ("raise", index, f"text {index}")
        calls[3], calls[8] = ("raise hidden",), ("exit",)
        ends = self.ends(self.make(), calls)
        for index in (1, 6, 11):
            error = ends[index].error
            assert isinstance(error, functions.KitError), f"{type(error).__name__}: {error}"
            assert (error.code, error.text) == (index, f"text {index}"), (
                f"call {index} has the error of another call"
            )
            assert "in _act" in str(error.__cause__), "the traceback of the worker is missing"
        assert isinstance(ends[3].error, RuntimeError)
        assert "HiddenError: cannot travel" in str(ends[3].error)
        assert isinstance(ends[8].error, RuntimeError), "sys.exit did not fail its own call"
        self._others_succeeded(ends, {1, 3, 6, 8, 11})

    @staticmethod
    def _others_succeeded(ends: list[Any], failed: set[int]) -> None:
        for index, end in enumerate(ends):
            if index not in failed:
                assert end.error is None and end.value == index, (
                    f"call {index} failed because another call did: {end.error!r}"
                )

    @check()
    def test_result_that_cannot_travel(self) -> None:
        """A result that cannot be pickled fails its call. The error names the type of the result."""
        ends = self.ends(self.make(), [("echo", 0), ("lock",), ("echo", 2)])
        error = ends[1].error
        assert error is not None, "a lock was returned from another process"
        text = " ".join([str(error), *getattr(error, "__notes__", [])])
        assert "lock" in text and "pickl" in text, f"the error does not name the type of the result: {text}"
        self._others_succeeded(ends, {1})

    @check()
    def test_printing_does_no_harm(self) -> None:
        """Output that a function prints does not corrupt its result.

        If it fails: the worker sends results over its standard output.
        """
        assert self.values(self.make(), [("print", index) for index in range(3)]) == [0, 1, 2]

    # -- limits -----------------------------------------------------------------------------------
    @check()
    def test_time_limit(self) -> None:
        """A call that exceeds its time limit fails alone and is not retried. Queued and later calls are still made.

        If it fails: the runner does not end the worker, or fails queued calls.
        """
        made = self.make()
        calls: list[tuple[Any, ...]] = [("echo", index) for index in range(8)]
        calls[2] = ("hang",)
        ends = self.ends(made, calls, self.limit_seconds)
        error = ends[2].error
        assert isinstance(error, FunctionTimeoutError), f"{type(error).__name__}: {error}"
        assert f"limit of {self.limit_seconds:g} s" in str(error)
        self._others_succeeded(ends, {2})
        assert self.values(made, [("echo", 5)]) == [5]

    @check()
    def test_time_limit_is_of_one_call(self) -> None:
        """Time in the queue, or until a worker has started, does not count towards the time limit of a call."""
        made = self.make()
        nap = self.limit_seconds * 0.28
        assert self.values(made, [("nap", nap)] * 8, self.limit_seconds) == [nap] * 8

    # -- ends of workers --------------------------------------------------------------------------
    @check("crash")
    def test_crash(self, tmp_path: Path) -> None:
        """A call that ends its worker each time fails alone after a few attempts, with the exit code or signal in
        its error. A call that ends its worker once succeeds.

        If it fails: the runner does not replace a broken pool, or a run does not end.
        """
        made = self.make()
        self.need_workers_to_lose(made)
        calls: list[tuple[Any, ...]] = [("echo", index) for index in range(8)]
        calls[3] = ("die",)
        ends = self.ends(made, calls)
        error = ends[3].error
        assert isinstance(error, WorkerDiedError), f"{type(error).__name__}: {error}"
        assert "3 times" in str(error)
        assert str(functions.DEATH) in str(error).partition("3 times")[2], (
            f"the error has neither an exit code nor a signal: {error}"
        )
        self._others_succeeded(ends, {3})
        marker = tmp_path / "marker"
        assert self.values(made, [("die once", str(marker)), ("echo", 1)]) == ["alive", 1]

    @check("crash")
    def test_crash_of_a_batch(self) -> None:
        """A batch that ends its worker raises an error, so that the engine can find the bad item by halving the batch."""
        made = self.make(functions.shout_all)

        async def batches() -> list[Any]:
            found: list[Any] = []
            [worker] = await made.calls.call_batch(["where"], timeout=NO_LIMIT, op="the call")
            if worker == functions.where():
                raise RefusedError("calls run in this process")
            for batch in (["a", "die"], ["die"], ["a"]):
                try:
                    found.append(await made.calls.call_batch(batch, timeout=NO_LIMIT, op="the call"))
                except WorkerDiedError as error:
                    found.append(error)
            return found

        pair, culprit, other = self.wait(batches())
        assert isinstance(pair, WorkerDiedError) and isinstance(culprit, WorkerDiedError)
        assert other == ["A"]

    # -- batches ----------------------------------------------------------------------------------
    @check()
    def test_batches(self) -> None:
        """A batching function receives and returns lists, several concurrently. Its exception is the error of the batch."""
        made = self.make(functions.shout_all)

        async def batch(*texts: str) -> Any:
            return await made.calls.call_batch(list(texts), timeout=NO_LIMIT, op="the call")

        async def batches() -> Any:
            return await asyncio.gather(*(batch(f"a{index}", "b", "c" * index) for index in range(10)))

        found = self.wait(batches())
        assert found == [[f"A{index}", "B", "C" * index] for index in range(10)]
        with pytest.raises(functions.KitError) as caught:
            self.wait(batch("a", "bad"))
        assert caught.value.code == 7
        assert not isinstance(caught.value, BatchShapeError)

    # -- several at a time ------------------------------------------------------------------------
    @check("parallel")
    def test_calls_of_one_function_side_by_side(self, tmp_path: Path) -> None:
        """Two calls of one function run at the same time."""
        made = self.make()
        self.values(made, [("nap", 0.2)] * 4)  # its workers have started
        full = str(self.support("parallel")) == "full"
        seconds = MEETING_SECONDS if full else self.limit_seconds
        first, second = str(tmp_path / "first"), str(tmp_path / "second")
        met = self.values(
            made, [("meet", first, [second, seconds]), ("meet", second, [first, seconds])], NO_LIMIT
        )
        if not all(met):
            raise RefusedError("calls of one function do not run concurrently")
