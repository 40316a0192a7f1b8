"""Workers: preparation, credentials, cancellation, closing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest

from coco.auth_registry import add_auth_entry, default_registry
from coco.harness import pack_call
from coco_testing.abilities import RefusedError
from coco_testing.runner import functions
from coco_testing.runner.base import NO_LIMIT, End, Made, RunnerBase
from coco_testing.suite import check

ENTRY = "coco-testing-runner"
SECRET = "hunter2-{}-correct-horse"


class WorkerChecks(RunnerBase, kit=True):
    """Workers."""

    # -- ready ------------------------------------------------------------------------------------
    @check()
    def test_prepared_once(self) -> None:
        """Each worker creates one instance, prepares it once before its first call, and keeps one event loop."""
        made = self.probe("hello")
        self.wait(made.raw.prepare())
        answers = [*self.values(made, [("a",)] * 8), *self.values(made, [("b",)] * 8)]
        instances: dict[tuple[Any, ...], set[int]] = {}
        for _, _, token, prepared, loops, worker in answers:
            assert prepared == 1, f"the instance was prepared {prepared} times"
            assert loops == 1, (
                "calls of one worker ran on several event loops, so clients of the first loop stop working"
            )
            instances.setdefault(tuple(worker), set()).add(token)
        assert all(len(tokens) == 1 for tokens in instances.values()), "a worker created several instances"

    @check()
    def test_prepare_makes_a_worker_ready(self) -> None:
        """``prepare`` of the executor raises the error of the function's ``prepare``, unchanged, each time.

        If it fails: the runner starts no worker before the first call, so that each row reports the error.
        """
        made = self.make(functions.KitUnreadyExecutor, functions.KitUnready())
        for _ in range(2):
            with pytest.raises(functions.KitError) as caught:
                self.wait(made.raw.prepare())
            assert caught.value.code == 9
        [end] = self.ends(made, [("a",)])
        assert isinstance(end.error, functions.KitError), (
            f"the function was called although prepare failed: {end}"
        )

    @check()
    def test_specs(self) -> None:
        """Executors on one runner have their own specs and functions, also concurrently."""
        runner = self.new_runner()
        first, second = self.probe("hello", runner=runner), self.probe("good bye", runner=runner)
        other = self.make(functions.act, runner=runner)

        async def together() -> list[list[End]]:
            runs = [self.run(item, [("a",), ("b",)]) for item in (first, second, first)]
            return await asyncio.gather(*runs, self.run(other, [("echo", 1), ("echo", 2)]))

        *probes, echoes = self.wait(together())
        found = [[end.value and end.value[:2] for end in ends] for ends in probes]
        hello = [["hello", "a"], ["hello", "b"]]
        assert found == [hello, [["good bye", "a"], ["good bye", "b"]], hello]
        assert [end.value for end in echoes] == [1, 2]

    # -- credentials ------------------------------------------------------------------------------
    @check()
    def test_auth_entries(self) -> None:
        """All workers can read all auth entries, also those added or changed after the worker started.

        If it fails: the runner sends the description of the function once, but each change makes a new one.
        """
        made = self.make()
        with self._entry():
            for index in range(2):
                secret = SECRET.format(index)
                add_auth_entry(ENTRY, secret, replace=True)
                wanted = hashlib.sha256(secret.encode()).hexdigest()
                assert set(self.values(made, [("secret", ENTRY)] * 8)) == {wanted}, (
                    "a worker used an old auth entry"
                )

    @contextlib.contextmanager
    def _entry(self) -> Any:
        try:
            yield
        finally:
            default_registry().remove([ENTRY])

    @check()
    def test_secrets_do_not_show(
        self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """No log, output, error or ``repr`` of the runner contains a credential. Neither do the command line and the
        environment of a worker, which other users of the machine may read.
        """
        caplog.set_level(logging.DEBUG)
        runner = self.new_runner()
        secret = SECRET.format("shown")
        with self._entry():
            add_auth_entry(ENTRY, secret, replace=True)
            made = self.make(functions.act, runner=runner)
            self.wait(made.raw.prepare())
            told = self.values(made, [("surroundings",)])
            shown = [repr(item) for item in (runner, made.raw, vars(made.raw), made.function)]
            ends = self.ends(made, [("raise", 1, "x"), ("lock",), ("hang",)], self.limit_seconds)
            unready = self.make(functions.KitUnreadyExecutor, functions.KitUnready(), runner)
            ends += self.ends(unready, [("a",)])
            told += ["".join(traceback.format_exception(end.error)) for end in ends if end.error is not None]
            for item in (unready.raw, made.raw, runner):
                self.wait(self.closing(item))
        output, errors = capfd.readouterr()
        for text in (*told, *shown, caplog.text, output, errors):
            assert secret not in text, "a credential is visible in output of the runner"

    # -- cancelled --------------------------------------------------------------------------------
    @check()
    def test_cancelled(self, tmp_path: Path) -> None:
        """A run that is cancelled during a call ends. The next run works and receives its own results.

        If it fails: the runner takes the result of the cancelled call for that of the next call.
        """
        made = self.make()

        async def cancel() -> bool:
            marker = tmp_path / "begun"
            calls = [("echo", 1), *[("hang", str(marker))] * 4]
            task = asyncio.create_task(self.run(made, calls))
            await self._until(marker)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

        assert self.wait(cancel()), "the cancellation was swallowed"
        assert self.values(made, [("echo", index) for index in range(5)]) == list(range(5))

        async def short() -> bool:
            task = asyncio.create_task(self.run(made, [("nap", 0.3)]))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()

        assert self.wait(short())
        assert self.values(made, [("echo", "next")]) == ["next"]

    @staticmethod
    async def _until(marker: Path) -> None:
        while not marker.exists():  # noqa: ASYNC110, ASYNC240  written by another process
            await asyncio.sleep(0.01)

    # -- ends -------------------------------------------------------------------------------------
    @check()
    def test_close_ends_everything(self) -> None:
        """After ``close`` of executors and runner, no worker runs. Both can be closed twice, or without use."""
        runner = self.new_runner()
        made, unused = self.make(runner=runner), self.make(runner=runner)
        processes = self.workers(made)
        for item in (made.raw, unused.raw, runner) * 2:
            self.wait(self.closing(item))
        left = self.left_behind(processes)
        assert not left, f"still running after close: {', '.join(left)}"
        self.wait(self.closing(self.new_runner()))

    @check()
    def test_close_in_the_middle(self, tmp_path: Path) -> None:
        """``close`` while calls run ends them with errors. Then no worker runs."""
        made = self.make()
        processes = self.workers(made)

        async def close() -> list[End]:
            marker = tmp_path / "begun"
            task = asyncio.create_task(self.run(made, [("hang", str(marker))] * 4))
            await self._until(marker)
            await made.raw.close()
            return await task

        ends = self.wait(close())
        assert all(end.error is not None for end in ends)
        left = self.left_behind(processes)
        assert not left, f"still running after close: {', '.join(left)}"

    @check()
    def test_closed(self) -> None:
        """A closed executor raises an error and starts no worker. Its runner, and a new runner, can make new executors."""
        runner = self.new_runner()
        made = self.make(runner=runner)
        assert self.values(made, [("echo", 1)]) == [1]
        self.wait(made.raw.close())

        async def run() -> None:
            await made.raw.run([pack_call("echo", 2)], NO_LIMIT, lambda position, data: None)

        with pytest.raises(Exception) as caught:  # the runner chooses the type
            self.wait(run())
        assert not isinstance(caught.value, (AssertionError, TimeoutError)), caught.value
        assert str(caught.value).strip(), f"{type(caught.value).__name__} without a message"
        assert self.values(self.make(runner=runner), [("echo", 3)]) == [3]
        self.wait(self.closing(runner))
        assert self.values(self.make(), [("echo", 4)]) == [4]

    @check("close_function")
    def test_functions_are_closed(self, tmp_path: Path) -> None:
        """Closing an executor calls ``close`` of the function in each worker."""
        log = tmp_path / "log"
        made: Made = self.probe("hello", log)
        workers = {tuple(answer[5]) for answer in self.values(made, [("a",)] * 8)}
        self.wait(made.raw.close())
        told = log.read_text("utf-8").split("\n")[:-1] if log.exists() else []
        if not told:
            raise RefusedError("the runner does not call close of functions")
        assert len(told) >= len(workers), (
            f"only {len(told)} of {len(workers)} workers called close of the function"
        )
