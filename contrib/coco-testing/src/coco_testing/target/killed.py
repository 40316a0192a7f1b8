"""Real crashes: the process that sets up or writes the target is killed."""

from __future__ import annotations

from typing import Any

from coco_testing.abilities import RefusedError
from coco_testing.process import Processes, task_of
from coco_testing.steps import points
from coco_testing.suite import check
from coco_testing.target.base import UNSEEN, TargetBase, row
from coco_testing.target_driver import TargetDriver

MORE_KILLED_ABILITIES = ("crash.killed",)
POINTS = 4
OLD = {f"row {number:02}": row("old", number) for number in range(20)}


class KilledChecks(TargetBase, kit=True):
    """Killed processes."""

    @check("crash.killed")
    def test_killed(self, spec: Any) -> None:
        """After a process is killed while it creates, fills or drops a resource, the next process can continue.

        If it fails and ``crash.setup`` and ``crash.write`` hold: the connector relies on clean-up that Python does after an
        exception and that a killed process does not: of a lock file, a half-written file, or a client's transaction.
        """
        processes = Processes()
        try:
            self._check_killed(processes, self.driver(spec))
        finally:
            processes.close()

    def _check_killed(self, processes: Processes, driver: TargetDriver) -> None:
        lines = processes.run(task_of(driver, states=(None, driver.state))) or 0
        if driver.without_setup:
            self.need_shared_place(driver, lambda rows: processes.run(task_of(driver, rows=rows)))
        elif self.read_back(driver.spec, driver.shape) is None:
            raise RefusedError(UNSEEN)
        for line in points(lines, POINTS):
            driver.drop()
            self._kill(processes, driver, line, states=(None, driver.state))
            driver.create()
            self.assert_holds(driver, {})
        self._kill_while_writing(processes, driver)
        driver.close()
        driver.drop()

        def prepared() -> None:
            driver.create()
            driver.write({"a": row("one")})
            driver.close()

        prepared()
        lines = processes.run(task_of(driver, states=(driver.state, None))) or 0
        self.assert_absent(driver)
        for line in points(lines, POINTS):
            prepared()
            self._kill(processes, driver, line, states=(driver.state, None))
            driver.drop()
            self.assert_absent(driver)

    def _kill(self, processes: Processes, driver: TargetDriver, line: int, **what: Any) -> None:
        assert processes.run(task_of(driver, fatal=line, **what)) is None, (
            f"the process ended before line {line}"
        )

    def _kill_while_writing(self, processes: Processes, driver: TargetDriver) -> None:
        names = list(OLD)
        planned = {**{name: row("new", None) for name in names[:8]}, "more": row("more")}
        gone = names[8:12]
        driver.write(OLD)
        driver.close()
        lines = processes.run(task_of(driver, rows=planned, deletes=gone)) or 0
        after = {name: item for name, item in {**OLD, **planned}.items() if name not in gone}
        self.assert_holds(driver, after)
        for line in points(lines, POINTS):
            driver.write(OLD, ["more"])
            driver.close()
            self._kill(processes, driver, line, rows=planned, deletes=gone)
            self.assert_untorn(driver, OLD, after)
            driver.write({name: row("newest") for name in names[:12]}, ["more"])
            self.assert_holds(driver, {**OLD, **{name: row("newest") for name in names[:12]}})
