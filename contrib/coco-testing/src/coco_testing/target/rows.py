"""Writing rows: insertions, updates, deletions, large batches, empty batches, several batches."""

from __future__ import annotations

from typing import Any

from coco_testing.abilities import RefusedError
from coco_testing.rows import Shape
from coco_testing.suite import check
from coco_testing.target.base import NUMBER, TEXT, TargetBase, row

ROW_ABILITIES = ("partial_update",)
RESERVED = Shape.of({"select": TEXT}, {"order": TEXT, "from": NUMBER, "Group": TEXT})
MANY = 10_000


class RowChecks(TargetBase, kit=True):
    """Rows."""

    @check()
    def test_upsert(self, spec: Any) -> None:
        """New rows are stored when ``mutate`` returns. Another connection and a later run can read them."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two", None)})
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})
        driver.close()
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})

    @check()
    def test_overwrite(self, spec: Any) -> None:
        """A second write of a key replaces the whole row, nulls included. Writing an equal row changes nothing.

        If it fails: an upsert that inserts a second row, keeps the first, or leaves out null fields.
        """
        driver = self.created(spec)
        driver.write({"a": row("one", 1), "b": row("two")})
        driver.write({"a": row(None, 2)})
        self.assert_holds(driver, {"a": row(None, 2), "b": row("two")})
        driver.write({"a": row(None, 2)})
        self.assert_holds(driver, {"a": row(None, 2), "b": row("two")})

    @check()
    def test_delete(self, spec: Any) -> None:
        """Deleted rows are removed, and other rows stay."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write(deletes=["a", "c"])
        self.assert_holds(driver, {"b": row("two")})

    @check()
    def test_delete_what_is_not_there(self, spec: Any) -> None:
        """Deleting a missing row is no error, because the engine repeats deletions after a crash."""
        driver = self.created(spec)
        driver.write({"b": row("two")})
        driver.write(deletes=["a"])
        driver.write(deletes=["b", "a"])
        driver.write(deletes=["b"])
        self.assert_holds(driver, {})

    @check()
    def test_mixed_batch(self, spec: Any) -> None:
        """A call may hold insertions, updates and deletions in one batch, and several batches, which apply in order."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write({"a": row("changed"), "d": row("four")}, ["b", "x"])
        expected = {"a": row("changed"), "c": row("three"), "d": row("four")}
        self.assert_holds(driver, expected)
        driver.write_batches([({"e": row("five")}, ["a"]), ({"a": row("back")}, ["c"])])
        self.assert_holds(driver, {"a": row("back"), "d": row("four"), "e": row("five")})

    @check()
    def test_same_key_twice(self, spec: Any) -> None:
        """If a key is in several batches of a call, the last batch wins. If it is twice in one batch, there is one row.

        The engine never sends a batch that holds a key twice. A target may refuse such a batch or write either row, but it
        must not lose other rows of the batch without an error.
        """
        driver = self.created(spec)
        driver.write({"a": row("old"), "b": row("old")})
        driver.write_batches([({"a": row("first")}, []), ({"a": row("last")}, []), ({"c": row("x")}, ["b"])])
        driver.write_batches([({}, ["c"]), ({"c": row("back")}, [])])
        self.assert_holds(driver, {"a": row("last"), "c": row("back")})
        rows = [("a", row("one")), ("b", row("b")), ("a", row("two"))]
        batch = driver.columns(rows, [])
        try:
            driver.write_columns(batch)
        except Exception as error:
            self.assert_no_failed_check(error)
            driver.abandon()
            driver.write({"a": row("two"), "b": row("b")})
        found = driver.shape.encode(self.read_back(driver.spec, driver.shape) or {})
        choices = [
            driver.stored({"a": row(text), "b": row("b"), "c": row("back")}) for text in ("one", "two")
        ]
        assert found in choices, f"two rows with one key became {found!r}"

    @check()
    def test_nothing_to_write(self, spec: Any) -> None:
        """An empty batch, and a call without batches, raise no error and change nothing."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.write({})
        driver.write_batches([])
        driver.write_batches([({}, []), ({"b": row("two")}, [])])
        self.assert_holds(driver, {"a": row("one"), "b": row("two")})

    @check()
    def test_large_batch(self, spec: Any) -> None:
        """10 000 rows can be inserted, changed and deleted in one call.

        If it fails: a statement exceeds a limit on parameters or bytes; see ``coco.kit.batching``.
        """
        driver = self.created(spec)
        rows = {f"key {number:05}": row(f"text {number} " * 5, number) for number in range(MANY)}
        driver.write(rows)
        self.assert_holds(driver, rows)
        keys = list(rows)
        changed = {key: row("changed", None) for key in keys[::2]}
        driver.write(changed, keys[1::2])
        self.assert_holds(driver, changed)

    @check()
    def test_names_that_are_keywords(self, spec: Any) -> None:
        """Fields may be called ``select``, ``order``, ``from`` or ``Group``. If it fails: quote the names of fields."""
        driver = self.created(spec, RESERVED)
        driver.write({"a": {"order": "1", "from": 2, "Group": "g"}, "b": {"order": None}})
        driver.write({"b": {"order": "2"}}, ["a"])
        self.assert_holds(driver, {"b": {"order": "2"}})

    @check("partial_update")
    def test_partial_update(self, spec: Any) -> None:
        """A write that names the changed fields stores the whole new row, also in mixed batches."""
        driver = self.created(spec)
        if not getattr(driver.record.connector_cls, "partial_update", False):
            raise RefusedError("partial_update is not set")
        if driver.method("mutate_columns") is None:
            raise AssertionError(
                "partial_update requires mutate_columns: mutate does not receive the changed fields"
            )
        driver.write({"a": row("one", 1), "b": row("two", 2)}, changed=[None, None])
        driver.write(
            {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)}, changed=[(1,), (0,), None]
        )
        self.assert_holds(driver, {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)})
