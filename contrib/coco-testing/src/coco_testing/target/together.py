"""Two processes that write one target concurrently."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from coco.errors import CocoError
from coco_testing.abilities import RefusedError
from coco_testing.process import LIMIT_SECONDS, FailedThereError, Processes, task_of
from coco_testing.suite import check
from coco_testing.target.base import TargetBase, row
from coco_testing.target_driver import Batch, TargetDriver

MORE_TOGETHER_ABILITIES = ("concurrent_processes",)
ROUNDS, EACH = 6, 40
LOOK_SECONDS = 0.1


class TogetherChecks(TargetBase, kit=True):
    """Two processes."""

    @check("concurrent_processes")
    def test_two_processes(self, spec: Any) -> None:
        """Two processes concurrently write and delete different rows of one resource. No change is lost.

        Two flows in two processes may write one target. If it fails and ``concurrent_writes`` holds: the connector uses a
        lock that works only within one process, or reads, changes and rewrites a file, or removes temporary data of
        another process as if a crash had left it. A writer must block on a lock and retry a temporary conflict.
        """
        driver = self.created(spec)
        ours, theirs = ([self._batch(writer, number) for number in range(ROUNDS)] for writer in "ab")
        processes = Processes()
        try:
            if driver.without_setup:
                self.need_shared_place(driver, lambda rows: processes.run(task_of(driver, rows=rows)))
            self._write_beside(processes, driver, ours, theirs)
        except CocoError as error:
            raise RefusedError(f"a write failed while another process wrote: {error}") from error
        except FailedThereError as error:
            if error.refused:
                raise RefusedError(f"a write failed while another process wrote: {error}") from error
            raise
        finally:
            processes.close()
        driver.close()
        self.assert_holds(driver, {**ours[-1][0], **theirs[-1][0]})

    @staticmethod
    def _batch(writer: str, number: int) -> Batch:
        def names(of: int) -> list[str]:
            return [f"round {of}/{writer} {place}" for place in range(EACH)]

        return {name: row(f"by {writer}", number) for name in names(number)}, names(number - 1)

    @staticmethod
    def _write_beside(
        processes: Processes, driver: TargetDriver, ours: list[Batch], theirs: list[Batch]
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
            server.settimeout(LOOK_SECONDS)
            other = pool.submit(processes.run, task_of(driver, rounds=theirs, meet=server.getsockname()[1]))
            while not other.done():
                try:
                    line, _ = server.accept()
                except TimeoutError:
                    continue
                with line:
                    line.settimeout(LIMIT_SECONDS)
                    for batch in ours:
                        if not line.recv(1):
                            break  # the process failed; its own error is more precise
                        line.sendall(b"!")
                        driver.write(*batch)
                break
            other.result()


__all__ = ["MORE_TOGETHER_ABILITIES", "TogetherChecks"]
