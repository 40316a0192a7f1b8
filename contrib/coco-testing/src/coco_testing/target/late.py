"""Late writes of an earlier run, after a slow connection or a suspended process: fencing must refuse them."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest

from coco.errors import FencedError
from coco.op import FencingToken
from coco_testing.steps import Steps, points
from coco_testing.suite import check
from coco_testing.target.base import TargetBase, row
from coco_testing.target_driver import TargetDriver

MORE_LATE_ABILITIES = ("late_writes",)
MOST_DELAYS = 9
PATIENCE_SECONDS = 0.4
"""Time that the later run may block on the delayed write before that write continues, in seconds."""
ENDS_WITHIN = 60.0


class LateChecks(TargetBase, kit=True):
    """Late writes."""

    @check("late_writes")
    def test_late_writes(self, spec: Any) -> None:
        """Once a later run of a flow writes, writes of an earlier run have no effect.

        The engine numbers runs, and calls ``fence(prepared, token)`` with the number before the first write. A write under
        a lower number raises ``FencedError``; so does ``fence`` itself, with the number that the target has stored.
        If it fails: the connector compares the number in one step and writes rows in another, or an open connection
        compares with a number that it has cached.
        """
        first = self.created(spec)
        fence = self.data_method(first, "fence")
        second = self.driver(spec)
        self.call(fence, first.prepared(), FencingToken("Kit", 10))
        first.write({"a": row("one"), "b": row("two")})
        second.prepared()
        self.call(fence, second.prepared(), FencingToken("Kit", 11))
        second.write({"a": row("new")}, ["b"])
        for late, gone in (({"a": row("late")}, []), ({}, ["a"]), ({"c": row("late")}, ["a"])):
            with pytest.raises(FencedError) as caught:
                first.write(late, gone)
            assert caught.value.number == 11, (
                f"the error reports number {caught.value.number}; the target has 11"
            )
        for number in (10, 11):
            with pytest.raises(FencedError) as caught:
                self.call(fence, first.prepared(), FencingToken("Kit", number))
            assert caught.value.number == 11, (
                f"the error reports number {caught.value.number}; the target has 11"
            )
        self.assert_holds(second, {"a": row("new")})
        other = self.driver(spec)
        self.call(fence, other.prepared(), FencingToken("Other flow", 1))
        other.write({"x": row("theirs")})
        second.write({"c": row("new")}, ["x"])
        self.call(fence, first.prepared(), FencingToken("Kit", 12))
        first.write({"a": row("newer")})
        self.assert_holds(first, {"a": row("newer"), "c": row("new")})
        if not inspect.iscoroutinefunction(fence):
            self._delayed(first, second, fence)

    def _delayed(self, old: TargetDriver, new: TargetDriver, fence: Any) -> None:
        """The same with a write that is paused at lines of the connector while the later run writes."""
        late = ({"a": row("late")}, ["b"])

        def begun(number: int) -> None:
            old.close()
            new.close()
            self.call(fence, old.prepared(), FencingToken("Kit", number))
            old.write({"a": row("before"), "b": row("before")}, ["c"])
            new.prepared()

        begun(20)
        steps = Steps(old.packages)
        old.write(*late, steps=steps)
        for number, line in enumerate(_lines(steps.done), 11):
            begun(2 * number)
            held, go_on = threading.Event(), threading.Event()

            def hold(held: threading.Event = held, go_on: threading.Event = go_on) -> None:
                held.set()
                go_on.wait(ENDS_WITHIN)

            method, args = old.writing([late])
            delayed = _Thread(Steps(old.packages, line, hold, goes_on=True).wrap(method), *args)
            while delayed.is_alive() and not held.wait(0.01):
                pass
            token = FencingToken("Kit", 2 * number + 1)
            write, batch = new.writing([({"a": row("new"), "b": row("new")}, [])])

            def later(token: FencingToken = token, write: Any = write, batch: Any = batch) -> None:
                fence(new.prepared(), token)
                write(*batch)

            after = _Thread(later)
            after.join(PATIENCE_SECONDS)
            go_on.set()
            for thread in (delayed, after):
                thread.join(ENDS_WITHIN)
                assert not thread.is_alive(), f"a write did not finish within {ENDS_WITHIN:.0f} s"
            if after.error is not None:
                raise after.error
            self.assert_holds(new, {"a": row("new"), "b": row("new")})
            old.abandon()


def _lines(count: int) -> list[int]:
    """Lines at which to pause a write: some of all lines, and more of the last quarter, which sends the write."""
    start = count * 3 // 4
    return sorted(
        {*points(count, MOST_DELAYS), *(start + n for n in points(count - start, MOST_DELAYS // 2))}
    )


class _Thread(threading.Thread):
    """Starts at once. ``error``: what the function raised."""

    def __init__(self, function: Any, *args: Any) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._arguments = args
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function(*self._arguments)
        except BaseException as error:
            self.error = error
