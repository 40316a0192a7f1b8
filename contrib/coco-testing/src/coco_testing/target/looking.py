"""Methods that `coco verify` calls: the number of rows, the keys, the values."""

from __future__ import annotations

from typing import Any

import pytest

from coco_testing.rows import assert_same_rows
from coco_testing.suite import check
from coco_testing.target.base import COMPOSITE, TargetBase, row

LOOKING_ABILITIES = ("verify.count_rows", "verify.list_keys", "verify.read_rows")


class LookingChecks(TargetBase, kit=True):
    """Reading a target."""

    @check("verify.count_rows")
    def test_count_rows(self, spec: Any) -> None:
        """``count_rows`` returns the present number of rows. For a missing resource it raises an error and never returns 0.

        If it fails on the error: a dropped table would count as an empty one, and coco would not detect the drift.
        """
        driver = self.created(spec)
        count = self.data_method(driver, "count_rows")
        assert self.call(count, driver.prepared()) == 0
        driver.write({"a": row("one"), "b": row("two")})
        assert self.call(count, driver.prepared()) == 2
        driver.write(deletes=["a"])
        assert self.call(count, driver.prepared()) == 1
        driver.close()
        driver.drop()
        if driver.without_setup:
            assert self.call(count, driver.prepared()) == 0
            return
        with pytest.raises(Exception) as caught:
            self.call(count, driver.prepared())
        assert not isinstance(caught.value, AssertionError)

    @check("verify.list_keys")
    def test_list_keys(self, spec: Any) -> None:
        """``list_keys`` gives every key once, as tuples of engine values, in lists."""
        driver = self.created(spec, COMPOSITE)
        list_keys = self.data_method(driver, "list_keys")
        assert driver.list_keys(list_keys) == []
        rows = {("a", str(number), number): {"text": "x"} for number in range(2_500)}
        driver.write(rows)
        found = driver.list_keys(list_keys)
        assert len(found) == len(set(found)), "list_keys gave a key twice"
        assert set(found) == set(driver.stored(rows))

    @check("verify.read_rows")
    def test_read_rows(self, spec: Any) -> None:
        """``read_rows`` returns rows by key, as engine values. A missing key has no entry."""
        driver = self.created(spec)
        read = self.data_method(driver, "read_rows")
        rows = {"a": row("one"), "b": row(None, None), "c": row("three")}
        driver.write(rows)
        wanted = driver.stored({key: rows[key] for key in "ab"})
        found = self.call(read, driver.prepared(), [*wanted, driver.shape.encode_key("missing")])
        assert_same_rows(dict(found), wanted, driver.shape.value_fields)
        assert not self.call(read, driver.prepared(), [])
