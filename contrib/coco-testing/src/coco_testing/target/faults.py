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
        """May give, for ``bad_row``: a natural key and row of the plain shape that the target cannot take.

        The resource is there by then, and may be given a constraint by hand.
        """
        raise RefusedError("there is no bad_row")

    def lose_connections(self, spec: Any) -> None:
        """May give, for ``reconnect``: break every connection to the place of ``spec``; the server stays up."""
        raise RefusedError("there are no lose_connections")

    # -- one bad row ------------------------------------------------------------------------------
    @check("bad_row")
    def test_bad_row_alone(self, spec: Any) -> None:
        """A row that cannot be written costs no other one, and is taken as soon as it is good.

        The engine believes a ``MutationError``: rows that it does not name must have been written. After any other
        error the batch is halved until the culprit stands alone.
        """
        driver = self.created(spec)
        key, bad = self.bad_row(driver.spec)
        good = {f"good {number}": dict.fromkeys(bad) for number in range(9)}
        driver.write({"good 0": good["good 0"], "gone": good["good 0"]})
        batch = {**dict(list(good.items())[:4]), key: bad, **dict(list(good.items())[4:])}
        failed = driver.write_all_that_goes(batch, ["gone"])
        assert failed == {driver.shape.encode_key(key)}, (
            f"refused were {sorted(failed, key=repr)!r}, not {key!r} alone"
        )
        self.assert_holds(driver, good)
        mended = dict.fromkeys(bad)
        if not driver.write_all_that_goes({key: mended}, ["good 0"]):
            good[key] = mended
        driver.write({}, ["good 0"])  # where the key itself is what is wrong
        del good["good 0"]
        self.assert_holds(driver, good)

    # -- several writers --------------------------------------------------------------------------
    @check("concurrent_writes")
    def test_concurrent_writes(self, spec: Any) -> None:
        """Several connections write different rows of one resource at a time: all of them are there.

        If it fails: connections share state without a lock, or a writer raises instead of blocking on a lock. An error that
        names no row and passes (a conflict of transactions) must be tried again by the connector.
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
        """A broken connection is an error or made good within the call; rows are never lost without a word.

        Once it is closed and opened again, which is what the next update does, the target works.
        If it fails: ``close`` stumbles over what is broken, or a cache hands out the broken connection again.
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
                raise AssertionError("a lost connection is no lost resource") from error
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
        """Making, altering and dropping may end at any line; doing it again ends where it should.

        If it fails: a step that the next one takes for granted although it never ran, or that cannot run twice.
        The message names the step that was interrupted; the traceback begins at the resumption.
        """
        old, new = self.driver(spec), self.driver(spec, WIDER)
        in_place = new.compatibility(old) is not TargetStateCompatibility.NOT_COMPATIBLE
        for number, line in enumerate(
            points(self._lines(old, lambda steps: old.apply(None, old.state, steps=steps)))
        ):
            old.drop()
            old.apply(None, old.state, steps=Steps(old.packages, line))
            if number % 2 and in_place:  # the flow was changed before it was set up again
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
        """A batch may end at any line: each row is then as before or as planned, never something in between.

        What follows is what the engine does after a crash: it knows what was planned (it was staged), and brings
        each of these rows to where it should be by then, by a new connection. Rows that were planned and never
        written are deleted, others are overwritten.
        """
        driver = self.created(spec)
        names = list(OLD)
        planned = {
            **{name: row("new", None) for name in names[:8]},
            **{f"more {n}": row("m") for n in range(8)},
        }
        gone = names[8:12]
        final = {
            **{name: OLD[name] for name in names[:4]},  # changed back meanwhile
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
