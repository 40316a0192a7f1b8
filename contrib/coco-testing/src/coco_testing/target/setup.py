"""Setup: made, kept, altered, dropped; twice, and after a crash."""

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
        """Creating makes an empty resource; creating again, as after a crash, takes nothing away.

        If it fails: use IF NOT EXISTS or its like; never drop or truncate on creation.
        """
        driver = self.created(spec)
        self.assert_holds(driver, {})
        driver.write({"a": row("one")})
        driver.create()
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_unchanged_state_changes_nothing(self, spec: Any) -> None:
        """``previous == current`` leaves rows alone."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.apply(driver.state, driver.state)
        self.assert_holds(driver, {"a": row("one")})

    @check()
    def test_key_and_state_are_plain_and_stable(self, spec: Any) -> None:
        """Key and setup state are JSON-able, come back equal from the state store, and are equal each time.

        If it fails: a set, a timestamp, a random name or a type that ``persistent_key_type`` /
        ``setup_state_cls`` does not rebuild is in them.
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
        """``describe`` gives one line for a key alone, without the spec and without connecting."""
        describe = self.driver(spec).method("describe")
        if describe is not None:
            shown = describe(self.driver(spec).key)
            assert isinstance(shown, str) and shown.strip() and "\n" not in shown

    @check("setup.add_field")
    def test_field_added(self, spec: Any) -> None:
        """A new value field is added in place: rows stay, and the next write fills it. Twice is fine.

        If it fails: ``check_state_compatibility`` or ``apply_setup_change`` treats an addition as another
        resource, or the second call (after a crash) stumbles over the field being there.
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
        """A removed value field is dropped in place or ignored from then on: the other fields stay."""
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
            raise RefusedError("the connector says NOT_COMPATIBLE")
        driver.change_from(before)

    @check()
    def test_other_key(self, spec: Any) -> None:
        """Another key type means another resource: dropped and made anew, and writable as such."""
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
        """From any possible former state: a change is applied to a resource that is absent, or changed already.

        If it fails: ``apply_setup_change`` trusts ``previous``. After a crash it is one of several that may be.
        """
        old, driver = self.driver(spec), self.driver(spec, WIDER)
        if driver.compatibility(old) is TargetStateCompatibility.NOT_COMPATIBLE:
            driver.apply(old.state, None)
            driver.create()
        else:
            driver.apply(old.state, driver.state)  # the creation on record never happened
        driver.apply(old.state, driver.state)  # it did happen, the confirmation was lost
        driver.write({"a": {**row("one"), "extra": "x"}})
        self.assert_holds(driver, {"a": {**row("one"), "extra": "x"}})

    @check()
    def test_drop(self, spec: Any) -> None:
        """Dropping removes the resource with its rows, from the stored key alone; again, and of nothing, is fine.

        If it fails: use IF EXISTS or its like.
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
        """``setup_by_user``: rows go into what is there, without any setup call; where nothing is, it is an error.

        If it fails: ``prepare`` or ``mutate`` creates, alters or drops something. That is setup's business alone.
        A connector that is ``without_setup`` must do the opposite: rows are written without a setup.
        """
        driver = self.driver(spec)
        if driver.without_setup:
            driver.write({"a": row("one")})
            self.assert_holds(driver, {"a": row("one")})
            return
        with pytest.raises(Exception) as caught:  # any error will do, silence will not
            driver.write({"a": row("one")})
        assert not isinstance(caught.value, AssertionError)
        self.assert_absent(driver)
        driver.close()
        self.created(spec).close()
        users = self.driver(spec)
        users.write({"a": row("one")})
        users.close()
        self.assert_holds(users, {"a": row("one")})
