"""Setup: creating, keeping, altering and dropping a resource, also twice and after a crash."""

from __future__ import annotations

from typing import Any

import pytest

from coco.kit.plain import to_plain
from coco.op import TargetStateCompatibility
from coco_testing.abilities import RefusedError
from coco_testing.suite import check
from coco_testing.target.base import OTHER_KEY, PLAIN, WIDER, TargetBase, row
from coco_testing.target_driver import TargetDriver

SETUP_ABILITIES = ("setup.add_field", "setup.remove_field")


class SetupChecks(TargetBase, kit=True):
    """Setup."""

    @check()
    def test_create(self, spec: Any) -> None:
        """Setup creates an empty resource. A second creation, as after a crash, deletes nothing.

        If it fails: use IF NOT EXISTS or its equivalent; never drop or truncate on creation.
        """
        driver = self.created(spec)
        self.assert_holds(driver, {})
        driver.write({"a": row("one")})
        driver.create()
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_unchanged_state_changes_nothing(self, spec: Any) -> None:
        """``apply_setup_change`` with ``previous == current`` keeps all rows."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.apply(driver.state, driver.state)
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_key_and_state_are_plain_and_stable(self, spec: Any) -> None:
        """Key and setup state are JSON-able, equal after a round trip through the state store, and equal each time.

        If it fails: they contain a set, a timestamp, a random name, or a type that ``persistent_key_type`` or
        ``setup_state_cls`` does not rebuild.
        """
        driver = self.driver(spec)
        again = self.driver(spec)
        for first, second in (
            (driver.persistent_key(), again.persistent_key()),
            (driver.setup_state(), again.setup_state()),
        ):
            assert to_plain(first) == to_plain(second)
        for stored, fresh in ((driver.key, driver.persistent_key()), (driver.state, driver.setup_state())):
            assert to_plain(stored) == to_plain(fresh)
        assert driver.compatibility(again) is TargetStateCompatibility.COMPATIBLE

    @check()
    def test_described(self, spec: Any) -> None:
        """``describe`` returns one line for a key, without a spec and without a connection."""
        describe = self.driver(spec).method("describe")
        if describe is not None:
            shown = describe(self.driver(spec).key)
            assert isinstance(shown, str) and shown.strip() and "\n" not in shown

    @check("setup.add_field")
    def test_field_added(self, spec: Any) -> None:
        """Setup adds a new value field in place: rows stay, and the next write fills the field. Setup may run twice.

        If it fails: ``check_state_compatibility`` or ``apply_setup_change`` treats an addition as another
        resource, or the second call (after a crash) raises because the field exists.
        """
        before = self.created(spec)
        before.write({"a": row("one")})
        before.close()
        driver = self.driver(spec, WIDER)
        self._in_place(driver, before)
        self.assert_holds(driver, {"a": row("one")})
        driver.apply(before.state, driver.state)
        driver.write({"b": {**row("two"), "extra": "x"}})
        self.assert_holds(driver, {"a": row("one"), "b": {**row("two"), "extra": "x"}})

    @check("setup.remove_field")
    def test_field_removed(self, spec: Any) -> None:
        """Setup drops a removed value field in place or ignores it. The other fields stay."""
        before = self.created(spec, WIDER)
        before.write({"a": {**row("one"), "extra": "x"}})
        before.close()
        driver = self.driver(spec, PLAIN)
        self._in_place(driver, before)
        self.assert_holds(driver, {"a": row("one")})
        driver.apply(before.state, driver.state)
        driver.write({"b": row("two")})
        self.assert_holds(driver, {"a": row("one"), "b": row("two")})

    def _in_place(self, driver: TargetDriver, before: TargetDriver) -> None:
        if driver.compatibility(before) is TargetStateCompatibility.NOT_COMPATIBLE:
            raise RefusedError("check_state_compatibility returned NOT_COMPATIBLE")
        driver.change_from(before)

    @check()
    def test_other_key(self, spec: Any) -> None:
        """After a change of the key type, setup drops and recreates the resource, which can then be written."""
        before = self.created(spec)
        before.write({"a": row("one")})
        before.close()
        driver = self.driver(spec, OTHER_KEY)
        assert driver.change_from(before) is TargetStateCompatibility.NOT_COMPATIBLE
        self.assert_holds(driver, {})
        driver.write({7: row("seven")})
        self.assert_holds(driver, {7: row("seven")})

    @check()
    def test_setup_after_a_crash(self, spec: Any) -> None:
        """A setup change succeeds from any possible former state: the resource is missing, or altered already.

        If it fails: ``apply_setup_change`` relies on ``previous``. After a crash the true state may be another one.
        """
        old, driver = self.driver(spec), self.driver(spec, WIDER)
        if driver.compatibility(old) is TargetStateCompatibility.NOT_COMPATIBLE:
            driver.apply(old.state, None)
            driver.create()
        else:
            driver.apply(old.state, driver.state)  # the stored state has a creation that did not happen
        driver.apply(old.state, driver.state)  # the change happened, but a crash prevented its record
        driver.write({"a": {**row("one"), "extra": "x"}})
        self.assert_holds(driver, {"a": {**row("one"), "extra": "x"}})

    @check()
    def test_drop(self, spec: Any) -> None:
        """Setup drops the resource and its rows by the stored key alone. Dropping a missing resource is no error.

        If it fails: use IF EXISTS or its equivalent.
        """
        driver = self.driver(spec)
        driver.drop()
        driver.create()
        driver.write({"a": row("one")})
        driver.close()
        driver.drop()
        self.assert_absent(driver)
        driver.drop()
        driver.create()
        self.assert_holds(driver, {})

    @check()
    def test_resource_of_the_user(self, spec: Any) -> None:
        """``setup_by_user``: the connector writes rows into an existing resource without setup. A missing one is an error.

        If it fails: ``prepare`` or ``mutate`` creates, alters or drops a resource. Only setup may do that.
        A connector that is ``without_setup`` must do the opposite: it writes rows although no setup ran.
        """
        driver = self.driver(spec)
        if driver.without_setup:
            driver.write({"a": row("one")})
            self.assert_holds(driver, {"a": row("one")})
            return
        with pytest.raises(Exception) as caught:  # the check requires an error of any type
            driver.write({"a": row("one")})
        assert not isinstance(caught.value, AssertionError)
        self.assert_absent(driver)
        driver.close()
        self.created(spec).close()
        users = self.driver(spec)
        users.write({"a": row("one")})
        users.close()
        self.assert_holds(users, {"a": row("one")})
