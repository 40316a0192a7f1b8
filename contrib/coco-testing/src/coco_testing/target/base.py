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
UNSEEN = "this process cannot read what another process writes"
OTHER_KEY = Shape.of({"id": NUMBER}, {"text": TEXT, "size": NUMBER})
COMPOSITE = Shape.of({"a": TEXT, "b": TEXT, "n": NUMBER}, {"text": TEXT})


def row(text: str | None, size: int | None = 1) -> dict[str, Any]:
    """A row of the plain shape."""
    return {"text": text, "size": size}


class TargetBase(Suite, kit=True):
    """Fixtures and methods that a subclass gives, and helpers of the checks."""

    open_names: ClassVar[frozenset[str]] = frozenset({"spec", "read_back", "secrets"})

    @pytest.fixture
    def spec(self) -> Any:
        """Must give: a spec of an empty place, another place for each test."""
        raise NotImplementedError("define the fixture `spec`")

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        """Must give: all rows of the resource, read without the connector; None if there is no such resource.

        Keys and values in natural Python form: a scalar, or a tuple for a key of several parts; structs as
        dicts, LTables as lists of dicts, KTables as dicts.
        """
        raise NotImplementedError("define the method `read_back`")

    def secrets(self, spec: Any) -> Iterable[str]:
        """May give: passwords and tokens of the spec, which must not appear in any output."""
        return ()

    @pytest.fixture(autouse=True)
    def _drivers(self, _session: None) -> Iterator[None]:
        self._made: list[TargetDriver] = []
        yield
        for driver in self._made:
            driver.close()

    def driver(self, spec: Any, shape: Shape = PLAIN, indexes: IndexOptions | None = None) -> TargetDriver:
        """A driver of the connector for a shape. The end of the test closes it."""
        made = TargetDriver(spec, shape, self.call, indexes)
        self._made.append(made)
        return made

    def created(self, spec: Any, shape: Shape = PLAIN) -> TargetDriver:
        """As ``driver``, with the resource created."""
        made = self.driver(spec, shape)
        made.create()
        return made

    def assert_holds(self, driver: TargetDriver, expected: NaturalRows) -> None:
        """Assert that the resource exists and has exactly these rows."""
        found = self.found(driver)
        assert found is not None, "the resource is missing (read_back returned None)"
        rows, wanted = driver.shape.encode(found), driver.stored(expected)
        assert_same_rows(rows, wanted, driver.shape.value_fields, driver.method("values_equal"))

    def assert_absent(self, driver: TargetDriver) -> None:
        """Assert that the resource does not exist, or, for a target without setup, that it has no rows."""
        found = self.read_back(driver.spec, driver.shape)
        gone = not found if driver.without_setup else found is None
        assert gone, f"the resource exists and has {len(found or ())} rows"

    def need_shared_place(
        self, driver: TargetDriver, write_elsewhere: Callable[[NaturalRows], object]
    ) -> None:
        """Raise ``RefusedError`` if this process cannot read a row that another process writes."""
        write_elsewhere({"seen": row("seen")})
        if not self.read_back(driver.spec, driver.shape):
            raise RefusedError(UNSEEN)
        driver.write({}, ["seen"])
        driver.close()

    def found(self, driver: TargetDriver) -> NaturalRows | None:
        """The result of ``read_back``. For a target without setup, a missing resource counts as empty."""
        found = self.read_back(driver.spec, driver.shape)
        return {} if found is None and driver.without_setup else found

    # -- the fixtures themselves ------------------------------------------------------------------
    @check()
    def test_read_back_is_independent(self, spec: Any) -> None:
        """``read_back`` distinguishes rows, values, an empty resource and a missing resource.

        If it fails: the fixture ``spec`` names the same place in two tests, or ``read_back`` does not read the resource.
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
        """Assert that each row is completely in its state before or its state after the write."""
        found = self.found(driver)
        assert found is not None, "the resource is missing"
        there, old, new = driver.shape.encode(found), driver.stored(before), driver.stored(after)
        for key in {*there, *old, *new}:
            states = (old.get(key), new.get(key))
            assert there.get(key) in states, (
                f"row {key!r} is {there.get(key)!r}, which is neither of its states before and after: {states!r}"
            )

    @staticmethod
    def data_method(driver: TargetDriver, name: str) -> Any:
        """The connector's method of that name. Raises ``RefusedError`` if there is none."""
        found = driver.method(name)
        if found is None:
            raise RefusedError(f"the connector has no method {name}")
        return found

    @staticmethod
    def assert_no_failed_check(error: BaseException) -> None:
        """Raise ``error`` if it is an assertion of a check. The connector may raise any other error."""
        if isinstance(error, AssertionError):
            raise error
