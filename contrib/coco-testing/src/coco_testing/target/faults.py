"""Faults: one bad row, several writers, broken connections, and crashes in the middle of a write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from coco.errors import DriftError
from coco.op import TargetStateCompatibility
from coco_testing.abilities import RefusedError
from coco_testing.steps import Steps, points
from coco_testing.suite import check
from coco_testing.target.base import WIDER, TargetBase, row
from coco_testing.target_driver import TargetDriver

MORE_FAULT_ABILITIES = ("concurrent_writes", "bad_row", "reconnect", "crash.setup", "crash.write")
WRITERS, EACH = 4, 200
OLD = {f"row {number:02}": row("old", number) for number in range(20)}


class FaultChecks(TargetBase, kit=True):
    """Faults."""

    open_names: ClassVar[frozenset[str]] = frozenset({"bad_row", "lose_connections"})

    def bad_row(self, spec: Any) -> tuple[Any, dict[str, Any]]:
        """May give, for ``bad_row``: a natural key and row of the plain shape that the target cannot store.

        The resource exists when this is called, so the method may add a constraint to it.
        """
        raise RefusedError("the suite does not define bad_row")

    def lose_connections(self, spec: Any) -> None:
        """May give, for ``reconnect``: break every connection to the place of ``spec``. The server keeps running."""
        raise RefusedError("the suite does not define lose_connections")

    # -- one bad row ------------------------------------------------------------------------------
    @check("bad_row")
    def test_bad_row_alone(self, spec: Any) -> None:
        """A row that cannot be written does not affect other rows, and is written once it is valid.

        The engine relies on a ``MutationError``: rows that the error does not name must have been written. After any other
        error the engine halves the batch until the bad row is alone.
        """
        driver = self.created(spec)
        key, bad = self.bad_row(driver.spec)
        good = {f"good {number}": dict.fromkeys(bad) for number in range(9)}
        driver.write({"good 0": good["good 0"], "gone": good["good 0"]})
        batch = {**dict(list(good.items())[:4]), key: bad, **dict(list(good.items())[4:])}
        failed = driver.write_all_that_goes(batch, ["gone"])
        assert failed == {driver.shape.encode_key(key)}, (
            f"the target refused {sorted(failed, key=repr)!r}; it should refuse {key!r} alone"
        )
        self.assert_holds(driver, good)
        mended = dict.fromkeys(bad)
        if not driver.write_all_that_goes({key: mended}, ["good 0"]):
            good[key] = mended
        driver.write({}, ["good 0"])  # the key itself is bad
        del good["good 0"]
        self.assert_holds(driver, good)

    # -- several writers --------------------------------------------------------------------------
    @check("concurrent_writes")
    def test_concurrent_writes(self, spec: Any) -> None:
        """Several connections write different rows of one resource concurrently. All rows are stored.

        If it fails: connections share state without a lock, or a writer raises instead of blocking on a lock. The
        connector must retry after a temporary error that names no row, such as a conflict of transactions.
        """
        self.created(spec).close()
        drivers = [self.driver(spec) for _ in range(WRITERS)]
        rows = [
            {f"{writer} {number:03}": row(f"by {writer}", number) for number in range(EACH)}
            for writer in range(WRITERS)
        ]

        for start in range(0, EACH, 50):
            parts = [dict(list(own.items())[start : start + 50]) for own in rows]
            self.call_together(
                driver.writing([(part, [f"{writer} none"])])
                for writer, (driver, part) in enumerate(zip(drivers, parts, strict=True))
            )
        self.assert_holds(drivers[0], {key: item for part in rows for key, item in part.items()})

    # -- connections ------------------------------------------------------------------------------
    @check("reconnect")
    def test_connection_lost(self, spec: Any) -> None:
        """After a broken connection, a write raises an error or reconnects. Rows are never lost without an error.

        After close and a new ``prepare``, as in the next update, the target works.
        If it fails: ``close`` raises on a broken connection, or a cache returns the broken connection again.
        """
        driver = self.created(spec)
        driver.write({"a": row("one")})
        wanted = {"a": row("one")}
        self.lose_connections(driver.spec)
        try:
            driver.write({"b": row("two")})
            wanted["b"] = row("two")
        except Exception as error:
            self.assert_no_failed_check(error)
            if isinstance(error, DriftError):
                raise AssertionError(
                    "a lost connection must not raise DriftError: the resource exists"
                ) from error
        self.assert_holds(driver, wanted)
        self.lose_connections(driver.spec)
        driver.close()
        driver.write({"c": row("three")}, ["a"])
        del wanted["a"]
        self.assert_holds(driver, {**wanted, "c": row("three")})

    # -- crashes ----------------------------------------------------------------------------------
    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    @check("crash.setup")
    def test_death_during_setup(self, spec: Any) -> None:
        """Creating, altering and dropping may crash at any line. A second attempt reaches the planned state.

        If it fails: a step relies on an earlier step that never ran, or a step cannot run twice.
        The message names the interrupted step. The traceback begins at the second attempt.
        """
        old, new = self.driver(spec), self.driver(spec, WIDER)
        in_place = new.compatibility(old) is not TargetStateCompatibility.NOT_COMPATIBLE
        for number, line in enumerate(
            points(self._lines(old, lambda steps: old.apply(None, old.state, steps=steps)))
        ):
            old.drop()
            old.apply(None, old.state, steps=Steps(old.packages, line))
            if number % 2 and in_place:  # the flow was changed before setup ran again
                new.apply(old.state, new.state)
                new.write({"a": {**row("one"), "extra": "x"}})
                self.assert_holds(new, {"a": {**row("one"), "extra": "x"}})
                new.close()
            else:
                old.create()
                old.write({"a": row("one")})
                self.assert_holds(old, {"a": row("one")})
                old.close()
        if in_place:
            self._death_during_change(old, new)
        self._death_during_drop(old)

    def _death_during_change(self, old: TargetDriver, new: TargetDriver) -> None:
        def prepared() -> None:
            old.drop()
            old.create()
            old.write({"a": row("one")})
            old.close()

        prepared()
        lines = self._lines(new, lambda steps: new.apply(old.state, new.state, steps=steps))
        for line in points(lines):
            prepared()
            new.apply(old.state, new.state, steps=Steps(new.packages, line))
            new.apply(old.state, new.state)
            self.assert_holds(new, {"a": row("one")})
            new.write({"b": {**row("two"), "extra": "x"}})
            self.assert_holds(new, {"a": row("one"), "b": {**row("two"), "extra": "x"}})
            new.close()

    def _death_during_drop(self, driver: TargetDriver) -> None:
        def prepared() -> None:
            driver.drop()
            driver.create()
            driver.write({"a": row("one")})
            driver.close()

        prepared()
        for line in points(self._lines(driver, lambda steps: driver.apply(driver.state, None, steps=steps))):
            prepared()
            driver.apply(driver.state, None, steps=Steps(driver.packages, line))
            driver.drop()
            self.assert_absent(driver)
        driver.create()
        self.assert_holds(driver, {})

    @staticmethod
    def _lines(driver: TargetDriver, attempt: Callable[[Steps], None]) -> int:
        steps = Steps(driver.packages)
        attempt(steps)
        return steps.done

    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    @check("crash.write")
    def test_death_while_writing(self, spec: Any) -> None:
        """A write may crash at any line. Each row is then in its old or its planned state, never between them.

        Then the check does what the engine does after a crash. The engine has the staged plan, and writes the present state
        of each planned row through a new connection. It deletes rows that should no longer exist, and overwrites others.
        """
        driver = self.created(spec)
        names = list(OLD)
        planned = {
            **{name: row("new", None) for name in names[:8]},
            **{f"more {n}": row("m") for n in range(8)},
        }
        gone = names[8:12]
        final = {
            **{name: OLD[name] for name in names[:4]},  # the row was changed back after the crash
            **{name: row("newest", 9) for name in names[4:12]},
            **{name: OLD[name] for name in names[12:]},
            "more 0": row("m"),
        }

        def prepared() -> None:
            driver.write(OLD, list(planned.keys() - OLD.keys()))

        after = {name: item for name, item in {**OLD, **planned}.items() if name not in gone}
        prepared()
        lines = self._lines(driver, lambda steps: driver.write(planned, gone, steps=steps))
        for line in points(lines):
            prepared()
            driver.write(planned, gone, steps=Steps(driver.packages, line))
            driver.abandon()
            self.assert_untorn(driver, OLD, after)
            changed = {name: final[name] for name in {*planned, *gone} & final.keys()}
            driver.write(changed, list({*planned, *gone} - final.keys()))
            self.assert_holds(driver, final)
