"""Rows: written, overwritten, deleted; many, none, and several batches."""

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
        """New rows are there when ``mutate`` returns, also for another connection and a later run."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two", None)})
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})
        driver.close()
        self.assert_holds(driver, {"a": row("one"), "b": row("two", None)})

    @check()
    def test_overwrite(self, spec: Any) -> None:
        """A known key gets the new row as a whole, nulls included; writing the same again changes nothing.

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
        """Deleted rows are missing afterwards, their neighbours stay."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write(deletes=["a", "c"])
        self.assert_holds(driver, {"b": row("two")})

    @check()
    def test_delete_what_is_not_there(self, spec: Any) -> None:
        """Deleting a missing row is no error: after a crash it is what happens."""
        driver = self.created(spec)
        driver.write({"b": row("two")})
        driver.write(deletes=["a"])
        driver.write(deletes=["b", "a"])
        driver.write(deletes=["b"])
        self.assert_holds(driver, {})

    @check()
    def test_mixed_batch(self, spec: Any) -> None:
        """Insertions, updates and deletions in one batch, and several batches in one call, in order."""
        driver = self.created(spec)
        driver.write({"a": row("one"), "b": row("two"), "c": row("three")})
        driver.write({"a": row("changed"), "d": row("four")}, ["b", "x"])
        expected = {"a": row("changed"), "c": row("three"), "d": row("four")}
        self.assert_holds(driver, expected)
        driver.write_batches([({"e": row("five")}, ["a"]), ({"a": row("back")}, ["c"])])
        self.assert_holds(driver, {"a": row("back"), "d": row("four"), "e": row("five")})

    @check()
    def test_same_key_twice(self, spec: Any) -> None:
        """One key in several batches of a call: the last one wins. Twice in one batch: never two rows.

        The engine gives no batch in which a key stands twice. A target that gets one may refuse it, or take either
        row; its neighbours are not lost without a word.
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
        """An empty batch, and no batch at all, are fine and change nothing."""
        driver = self.created(spec)
        driver.write({"a": row("one")})
        driver.write({})
        driver.write_batches([])
        driver.write_batches([({}, []), ({"b": row("two")}, [])])
        self.assert_holds(driver, {"a": row("one"), "b": row("two")})

    @check()
    def test_large_batch(self, spec: Any) -> None:
        """10 000 rows in one call: inserted, changed, deleted.

        If it fails: limits on parameters or bytes of a statement; see ``coco.kit.batching``.
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
        """Fields may be called ``select``, ``order``, ``from`` or ``Group``. If it fails: quote names."""
        driver = self.created(spec, RESERVED)
        driver.write({"a": {"order": "1", "from": 2, "Group": "g"}, "b": {"order": None}})
        driver.write({"b": {"order": "2"}}, ["a"])
        self.assert_holds(driver, {"b": {"order": "2"}})

    @check("partial_update")
    def test_partial_update(self, spec: Any) -> None:
        """Told which fields differ, the target ends with the whole new row, in mixed batches too."""
        driver = self.created(spec)
        if not getattr(driver.record.connector_cls, "partial_update", False):
            raise RefusedError("partial_update is not set")
        if driver.method("mutate_columns") is None:
            raise AssertionError("partial_update is set, but only mutate_columns is told what changed")
        driver.write({"a": row("one", 1), "b": row("two", 2)}, changed=[None, None])
        driver.write(
            {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)}, changed=[(1,), (0,), None]
        )
        self.assert_holds(driver, {"a": row("one", 5), "b": row(None, 2), "c": row("three", 3)})
