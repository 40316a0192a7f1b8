"""Workers: how they are made ready, what they know, how they end."""

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
        """Each worker makes one instance, prepares it once and before its first call, and keeps one event loop."""
        made = self.probe("hello")
        self.wait(made.raw.prepare())
        answers = [*self.values(made, [("a",)] * 8), *self.values(made, [("b",)] * 8)]
        instances: dict[tuple[Any, ...], set[int]] = {}
        for _, _, token, prepared, loops, worker in answers:
            assert prepared == 1, f"prepared {prepared} times before a call"
            assert loops == 1, (
                "calls of one worker had several event loops, so clients of the first no longer work"
            )
            instances.setdefault(tuple(worker), set()).add(token)
        assert all(len(tokens) == 1 for tokens in instances.values()), "an instance for each call"

    @check()
    def test_prepare_makes_a_worker_ready(self) -> None:
        """What ``prepare`` of the function raises is raised by ``prepare`` of the executor, as it was; each time.

        If it fails: nothing is started before the first call, so that each row would report it.
        """
        made = self.make(functions.KitUnreadyExecutor, functions.KitUnready())
        for _ in range(2):
            with pytest.raises(functions.KitError) as caught:
                self.wait(made.raw.prepare())
            assert caught.value.code == 9
        [end] = self.ends(made, [("a",)])
        assert isinstance(end.error, functions.KitError), f"called all the same: {end}"

    @check()
    def test_specs(self) -> None:
        """Each executor has its own spec and function, on one runner and at the same time."""
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
        """Auth entries are known to all workers, also those that came or changed after a worker started.

        If it fails: the description is sent once; it is another object after each change.
        """
        made = self.make()
        with self._entry():
            for index in range(2):
                secret = SECRET.format(index)
                add_auth_entry(ENTRY, secret, replace=True)
                wanted = hashlib.sha256(secret.encode()).hexdigest()
                assert set(self.values(made, [("secret", ENTRY)] * 8)) == {wanted}, "an old entry"

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
        """Nothing that the runner logs, prints, raises or shows holds a credential, nor do a worker's command line and
        environment, which others on the machine may read.
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
            assert secret not in text, "a credential shows"

    # -- cancelled --------------------------------------------------------------------------------
    @check()
    def test_cancelled(self, tmp_path: Path) -> None:
        """A run that is cancelled in the middle of a call ends; the next one is made, and has its own answers.

        If it fails: the answer of the call that was given up is taken for that of the next one.
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
        """After ``close`` of executors and runner no worker is left; both can be closed again, and unused."""
        runner = self.new_runner()
        made, unused = self.make(runner=runner), self.make(runner=runner)
        processes = self.workers(made)
        for item in (made.raw, unused.raw, runner) * 2:
            self.wait(self.closing(item))
        left = self.left_behind(processes)
        assert not left, f"still there: {', '.join(left)}"
        self.wait(self.closing(self.new_runner()))

    @check()
    def test_close_in_the_middle(self, tmp_path: Path) -> None:
        """Closing while calls run ends them too: their run ends, with errors, and no worker is left."""
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
        assert not left, f"still there: {', '.join(left)}"

    @check()
    def test_closed(self) -> None:
        """A closed executor raises, and starts nothing. The runner makes others; a new runner starts afresh."""
        runner = self.new_runner()
        made = self.make(runner=runner)
        assert self.values(made, [("echo", 1)]) == [1]
        self.wait(made.raw.close())

        async def run() -> None:
            await made.raw.run([pack_call("echo", 2)], NO_LIMIT, lambda position, data: None)

        with pytest.raises(Exception) as caught:  # which one is the runner's choice
            self.wait(run())
        assert not isinstance(caught.value, (AssertionError, TimeoutError)), caught.value
        assert str(caught.value).strip(), f"{type(caught.value).__name__} without a message"
        assert self.values(self.make(runner=runner), [("echo", 3)]) == [3]
        self.wait(self.closing(runner))
        assert self.values(self.make(), [("echo", 4)]) == [4]

    @check("close_function")
    def test_functions_are_closed(self, tmp_path: Path) -> None:
        """``close`` of a function is called in each of its workers when the executor is closed."""
        log = tmp_path / "log"
        made: Made = self.probe("hello", log)
        workers = {tuple(answer[5]) for answer in self.values(made, [("a",)] * 8)}
        self.wait(made.raw.close())
        told = log.read_text("utf-8").split("\n")[:-1] if log.exists() else []
        if not told:
            raise RefusedError("functions are not closed")
        assert len(told) >= len(workers), f"{len(workers)} workers, {len(told)} of them closed it"
