"""What is there already and what is there no more: foreign resources, adoption, drift."""

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
    """What is there already."""

    open_names: ClassVar[frozenset[str]] = frozenset({"foreign_resource", "lose_resource"})

    def foreign_resource(self, spec: Any, shape: Shape, rows: NaturalRows) -> None:
        """May give, for ``setup.adopt``: make by hand, without the connector, what a resource of ``spec`` would be.

        It must fit ``shape`` and hold ``rows``.
        """
        raise RefusedError("there is no foreign_resource")

    def lose_resource(self, spec: Any, shape: Shape) -> None:
        """May give, for ``drift``: remove the resource behind everybody's back. The connector drops it if not given."""
        driver = self.driver(spec, shape)
        driver.drop()

    @check("setup.check_existing")
    def test_foreign_resource(self, spec: Any) -> None:
        """``check_existing`` is content where nothing is, and says in words what does not fit where something is."""
        driver = self.driver(spec)
        look = self.data_method(driver, "check_existing")
        assert not self.call(look, driver.key, driver.state)
        self.created(spec, OTHER_KEY).close()
        problem = self.call(look, driver.key, driver.state)
        assert isinstance(problem, str) and problem.strip()

    @check("setup.adopt")
    def test_adoption(self, spec: Any) -> None:
        """A resource that another program made and that fits is offered for adoption, and adopted as it is, rows included.

        If it fails: ``check_existing`` gives a text (a refusal) or nothing (as if nothing were there) in place of
        an ``Adoption``, alters what it looks at, or setup makes anew what it was to take over.
        """
        driver = self.driver(spec)
        look = self.data_method(driver, "check_existing")
        rows = {"a": row("theirs", 7), "b": row(None, None)}
        self.foreign_resource(driver.spec, PLAIN, rows)
        self.assert_holds(driver, rows)
        answer = self.call(look, driver.key, driver.state)
        if isinstance(answer, str) and answer:
            raise RefusedError(f"check_existing refuses: {answer}")
        assert isinstance(answer, Adoption), f"check_existing gave {answer!r} although something is there"
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
        """Rows for a missing resource are a ``DriftError``, whether it is open or not; reading it is an error too.

        If it fails: rows are written to nowhere, or a missing table is taken for an empty one, and `coco verify`
        finds nothing wrong. Any other error hides the way out, `coco verify --repair`, from the user.
        """
        driver = self.created(spec)
        if driver.without_setup:
            raise RefusedError("nothing is set up that could be lost")
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
                raise RefusedError(f"the error is no DriftError: {others[0]!r}") from others[0]
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
