"""Resources that exist before coco creates them, and missing resources: conflicts, adoption, drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from coco.errors import CocoError, DriftError
from coco.op import Adoption
from coco_testing.abilities import RefusedError
from coco_testing.rows import NaturalRows, Shape
from coco_testing.suite import check
from coco_testing.target.base import OTHER_KEY, PLAIN, TargetBase, row

EXISTING_ABILITIES = ("setup.check_existing",)
MORE_EXISTING_ABILITIES = ("setup.adopt", "drift")


class ExistingChecks(TargetBase, kit=True):
    """Existing and missing resources."""

    open_names: ClassVar[frozenset[str]] = frozenset({"foreign_resource", "lose_resource"})

    def foreign_resource(self, spec: Any, shape: Shape, rows: NaturalRows) -> None:
        """May give, for ``setup.adopt``: create the resource of ``spec`` without the connector.

        The resource must fit ``shape`` and hold ``rows``.
        """
        raise RefusedError("the suite does not define foreign_resource")

    def lose_resource(self, spec: Any, shape: Shape) -> None:
        """May give, for ``drift``: remove the resource, outside of coco. Default: the connector drops it."""
        driver = self.driver(spec, shape)
        driver.drop()

    @check("setup.check_existing")
    def test_foreign_resource(self, spec: Any) -> None:
        """``check_existing`` returns None for a missing resource, and a text for an existing one that does not fit."""
        driver = self.driver(spec)
        look = self.data_method(driver, "check_existing")
        assert not self.call(look, driver.key, driver.state)
        self.created(spec, OTHER_KEY).close()
        problem = self.call(look, driver.key, driver.state)
        assert isinstance(problem, str) and problem.strip()

    @check("setup.adopt")
    def test_adoption(self, spec: Any) -> None:
        """``check_existing`` offers a fitting resource of another program for adoption. Setup then keeps it and its rows.

        If it fails: ``check_existing`` returns a text (a refusal) or None (nothing exists) instead of an ``Adoption``, or
        alters the resource, or setup recreates the resource instead of keeping it.
        """
        driver = self.driver(spec)
        look = self.data_method(driver, "check_existing")
        rows = {"a": row("theirs", 7), "b": row(None, None)}
        self.foreign_resource(driver.spec, PLAIN, rows)
        self.assert_holds(driver, rows)
        answer = self.call(look, driver.key, driver.state)
        if isinstance(answer, str) and answer:
            raise RefusedError(f"check_existing refuses: {answer}")
        assert isinstance(answer, Adoption), (
            f"check_existing returned {answer!r} although the resource exists"
        )
        assert isinstance(answer.note, str)
        self.assert_holds(driver, rows)
        driver.create()
        self.assert_holds(driver, rows)
        driver.write({"b": row("ours"), "c": row("new")}, ["a"])
        self.assert_holds(driver, {"b": row("ours"), "c": row("new")})
        driver.close()
        driver.drop()
        self.assert_absent(driver)

    @check("drift")
    def test_lost_resource(self, spec: Any) -> None:
        """Writing to a missing resource raises ``DriftError``, on an open or new connection. Reading it raises an error too.

        If it fails: rows are lost without an error, or a missing table counts as an empty one, so `coco verify` finds no
        problem. Any other error does not tell the user to run `coco verify --repair`.
        """
        driver = self.created(spec)
        if driver.without_setup:
            raise RefusedError("the target has no setup, so no resource can be missing")
        driver.write({"a": row("one")})
        self.lose_resource(driver.spec, PLAIN)
        errors = [
            self._refusal(lambda: driver.write({"b": row("two")}), "writing through an open connection")
        ]
        driver.close()
        errors.append(self._refusal(lambda: driver.write({"b": row("two")}), "writing"))
        driver.close()
        for name in ("count_rows", "list_keys", "read_rows"):
            method = driver.method(name)
            if method is not None:
                self._refusal(lambda name=name: self._look(driver, name), name)  # type: ignore[misc]
                driver.close()
        others = [item for item in errors if not isinstance(item, DriftError)]
        if others:
            if isinstance(others[0], CocoError):
                raise RefusedError(f"the error is not a DriftError: {others[0]!r}") from others[0]
            raise others[0]
        driver.create()
        driver.write({"c": row("three")})
        self.assert_holds(driver, {"c": row("three")})

    def _look(self, driver: Any, name: str) -> None:
        method, prepared = driver.method(name), driver.prepared()
        if name == "list_keys":
            driver.list_keys(method)
        elif name == "read_rows":
            self.call(method, prepared, [driver.shape.encode_key("a")])
        else:
            self.call(method, prepared)

    def _refusal(self, attempt: Callable[[], object], what: str) -> Exception:
        try:
            attempt()
        except Exception as error:
            self.assert_no_failed_check(error)
            return error
        raise AssertionError(f"{what} raises no error although the resource is missing")
