"""Values and keys of every type, ordinary ones and limits."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from coco_testing.rows import Shape
from coco_testing.suite import check
from coco_testing.target.base import COMPOSITE, NUMBER, TEXT, TargetBase
from coco_testing.target_driver import TargetDriver
from coco_testing.values import ALL_SAMPLES, KEY_TYPES, MORE_SAMPLES, SAMPLES, key_samples

TYPE_ABILITIES = (
    *(f"value {name}" for name in SAMPLES),
    *(f"key {name}" for name in KEY_TYPES),
    "key composite",
)
MORE_TYPE_ABILITIES = tuple(f"value {name}" for name in MORE_SAMPLES)


class TypeChecks(TargetBase, kit=True):
    """Types."""

    @check("value {name}")
    @pytest.mark.parametrize(
        "name", [pytest.param(name, id=f"value {name}") for name in (*SAMPLES, *MORE_SAMPLES)]
    )
    def test_values(self, spec: Any, name: str) -> None:
        """Values of a type come back unchanged, or as ``stored_form`` returns them, or ``values_equal`` to that.

        If it fails: the column type is too narrow, or the connector inserts text into a statement without quoting.
        """
        samples = ALL_SAMPLES[name]
        shape = Shape.of({"id": NUMBER}, {"value": samples.type})
        rows = {
            number: {"value": item} for number, item in enumerate([*samples.ordinary, *samples.limits, None])
        }
        driver = self.created(spec, shape)
        apart = {
            repr(item) for item in driver.stored({n: rows[n] for n in range(len(samples.ordinary))}).values()
        }
        assert len(apart) == len(samples.ordinary), "stored_form maps different ordinary values to one"
        self._assert_apart(driver, [rows[n] for n in range(len(samples.ordinary))])
        driver.write(rows)
        self.assert_holds(driver, rows)
        driver.write({number: {"value": None} for number in rows})
        self.assert_holds(driver, {number: {"value": None} for number in rows})

    def _assert_apart(self, driver: TargetDriver, rows: list[dict[str, Any]]) -> None:
        equal = driver.method("values_equal")
        values = [row[0] for row in driver.stored(dict(enumerate(rows))).values()]
        for left in range(len(values)):
            for right in range(len(values)):
                assert (
                    left == right
                    or equal is None
                    or not equal(driver.shape.value_fields[0], values[left], values[right])
                ), "values_equal holds for different ordinary values"

    @check("value Vector[Float32, 3]")
    def test_wrong_dimension(self, spec: Any) -> None:
        """A vector of a wrong dimension is refused or comes back unchanged; it is never cut or padded.

        After it is deleted, other rows can still be read and written.
        """
        shape = Shape.of({"id": NUMBER}, {"value": SAMPLES["Vector[Float32, 3]"].type})
        driver = self.created(spec, shape)
        driver.write({1: {"value": [1.0, 2.0, 3.0]}})
        for wrong in (b"", struct.pack("<2f", 1.0, 2.0), struct.pack("<4f", 1.0, 2.0, 3.0, 4.0)):
            batch = driver.columns([(2, {"value": [9.0, 9.0, 9.0]})], [])
            batch.upsert_rows = [(wrong,)]
            try:
                driver.write_columns(batch)
            except Exception as error:
                self.assert_no_failed_check(error)
                driver.abandon()
            found = self.read_back(driver.spec, shape) or {}
            stored = found.get(2, {}).get("value")
            length = len(wrong) // 4
            assert stored is None or len(stored) == length, (
                f"a vector of {length} numbers was stored as {stored!r}"
            )
            driver.write(deletes=[2])
        self.assert_holds(driver, {1: {"value": [1.0, 2.0, 3.0]}})

    @check("key {name}")
    @pytest.mark.parametrize("name", [pytest.param(name, id=f"key {name}") for name in KEY_TYPES])
    def test_keys(self, spec: Any, name: str) -> None:
        """Different keys of a type have different rows, and updates and deletions find them."""
        shape = Shape.of({"id": SAMPLES[name].type}, {"text": TEXT})
        keys = key_samples(name)
        driver = self.created(spec, shape)
        driver.write({key: {"text": str(number)} for number, key in enumerate(keys)})
        self.assert_holds(driver, {key: {"text": str(number)} for number, key in enumerate(keys)})
        driver.write({key: {"text": "new"} for key in keys})
        self.assert_holds(driver, {key: {"text": "new"} for key in keys})
        driver.write(deletes=keys[1:])
        self.assert_holds(driver, {keys[0]: {"text": "new"}})

    @check("key composite")
    def test_keys_of_several_parts(self, spec: Any) -> None:
        """Keys that differ in one part, or whose joined parts are equal, name different rows."""
        keys = [
            ("a", "bc", 1),
            ("ab", "c", 1),
            ("a", "bc", 2),
            ("a", "b", 1),
            ("a,b", "c", 1),
            ("a", "b,c", 1),
        ]
        driver = self.created(spec, COMPOSITE)
        rows = {key: {"text": repr(key)} for key in keys}
        driver.write(rows)
        self.assert_holds(driver, rows)
        driver.write({keys[0]: {"text": "new"}}, [keys[1], ("ab", "c", 2)])
        del rows[keys[1]]
        self.assert_holds(driver, {**rows, keys[0]: {"text": "new"}})
