"""Shapes, hooks and helpers that all parts of the target suite share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import pytest

from coco.index import IndexOptions
from coco_testing.abilities import RefusedError
from coco_testing.rows import NaturalRows, Shape, assert_same_rows
from coco_testing.suite import Suite, check
from coco_testing.target_driver import TargetDriver
from coco_testing.values import type_named

TEXT, NUMBER = type_named(str), type_named(int)
PLAIN = Shape.of({"id": TEXT}, {"text": TEXT, "size": NUMBER})
WIDER = Shape.of({"id": TEXT}, {"text": TEXT, "size": NUMBER, "extra": TEXT})
UNSEEN = "what another process makes cannot be seen here"
OTHER_KEY = Shape.of({"id": NUMBER}, {"text": TEXT, "size": NUMBER})
COMPOSITE = Shape.of({"a": TEXT, "b": TEXT, "n": NUMBER}, {"text": TEXT})


def row(text: str | None, size: int | None = 1) -> dict[str, Any]:
    """A row of the plain shape."""
    return {"text": text, "size": size}


class TargetBase(Suite, kit=True):
    """What must be given, and how checks work with it."""

    open_names: ClassVar[frozenset[str]] = frozenset({"spec", "read_back", "secrets"})

    @pytest.fixture
    def spec(self) -> Any:
        """Must give: a spec that names a place where nothing is yet, another one for each test."""
        raise NotImplementedError("give the fixture `spec`")

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        """Must give: all rows there, by another road than the connector's; None if there is no such resource.

        Keys and values in natural Python form: a scalar, or a tuple for a key of several parts; structs as
        dicts, LTables as lists of dicts, KTables as dicts.
        """
        raise NotImplementedError("give the method `read_back`")

    def secrets(self, spec: Any) -> Iterable[str]:
        """May give: passwords and tokens behind the spec, which must not show anywhere."""
        return ()

    @pytest.fixture(autouse=True)
    def _drivers(self, _session: None) -> Iterator[None]:
        self._made: list[TargetDriver] = []
        yield
        for driver in self._made:
            driver.close()

    def driver(self, spec: Any, shape: Shape = PLAIN, indexes: IndexOptions | None = None) -> TargetDriver:
        """The connector at a shape, closed at the end of the test."""
        made = TargetDriver(spec, shape, self.call, indexes)
        self._made.append(made)
        return made

    def created(self, spec: Any, shape: Shape = PLAIN) -> TargetDriver:
        """As ``driver``, set up."""
        made = self.driver(spec, shape)
        made.create()
        return made

    def assert_holds(self, driver: TargetDriver, expected: NaturalRows) -> None:
        """The resource is there and has these rows, no more and no less."""
        found = self.found(driver)
        assert found is not None, "the resource is not there (read_back gave None)"
        rows, wanted = driver.shape.encode(found), driver.stored(expected)
        assert_same_rows(rows, wanted, driver.shape.value_fields, driver.method("values_equal"))

    def assert_absent(self, driver: TargetDriver) -> None:
        """There is no such resource; without setup: there are no rows."""
        found = self.read_back(driver.spec, driver.shape)
        gone = not found if driver.without_setup else found is None
        assert gone, f"the resource is there, with {len(found or ())} rows"

    def need_shared_place(
        self, driver: TargetDriver, write_elsewhere: Callable[[NaturalRows], object]
    ) -> None:
        """Refuses where this process cannot see a row that another one writes. Where setup makes something, that tells."""
        write_elsewhere({"seen": row("seen")})
        if not self.read_back(driver.spec, driver.shape):
            raise RefusedError(UNSEEN)
        driver.write({}, ["seen"])
        driver.close()

    def found(self, driver: TargetDriver) -> NaturalRows | None:
        """What ``read_back`` gives; nothing and no resource are the same where nothing is set up."""
        found = self.read_back(driver.spec, driver.shape)
        return {} if found is None and driver.without_setup else found

    # -- the fixtures themselves ------------------------------------------------------------------
    @check()
    def test_read_back_is_independent(self, spec: Any) -> None:
        """``read_back`` tells rows and values apart, and an empty resource from none.

        If it fails: the fixture is not fresh for each test, or ``read_back`` gives what it likes.
        """
        driver = self.driver(spec)
        self.assert_absent(driver)
        driver.create()
        self.assert_holds(driver, {})
        driver.write({"a": row("one"), "b": row(None, None)})
        for wrong in ({}, {"a": row("one")}, {"a": row("two"), "b": row(None, None)}):
            with pytest.raises(AssertionError):
                self.assert_holds(driver, wrong)
        self.assert_holds(driver, {"a": row("one"), "b": row(None, None)})

    def assert_untorn(self, driver: TargetDriver, before: NaturalRows, after: NaturalRows) -> None:
        """Each row is, as a whole, what it was or what it was to be."""
        found = self.found(driver)
        assert found is not None, "the resource is missing"
        there, old, new = driver.shape.encode(found), driver.stored(before), driver.stored(after)
        for key in {*there, *old, *new}:
            states = (old.get(key), new.get(key))
            assert there.get(key) in states, (
                f"{key!r} is {there.get(key)!r}, neither before nor after: {states!r}"
            )

    @staticmethod
    def data_method(driver: TargetDriver, name: str) -> Any:
        """A method that an ability stands for; its absence is a refusal."""
        found = driver.method(name)
        if found is None:
            raise RefusedError(f"there is no {name}")
        return found

    @staticmethod
    def assert_no_failed_check(error: BaseException) -> None:
        """Any error will do, but for one of the checks themselves."""
        if isinstance(error, AssertionError):
            raise error
