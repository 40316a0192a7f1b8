"""Vector and full-text indexes that exports ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from coco.index import FtsIndexDef, IndexOptions, VectorIndexDef, VectorSimilarityMetric
from coco.op import TargetStateCompatibility
from coco_testing.abilities import RefusedError
from coco_testing.rows import Shape
from coco_testing.suite import check
from coco_testing.target.base import TEXT, TargetBase
from coco_testing.values import SAMPLES

INDEXED = Shape.of({"id": TEXT}, {"text": TEXT, "vector": SAMPLES["Vector[Float32, 3]"].type})
METRICS = {f"index.vector {item.value}": item for item in VectorSimilarityMetric}
MORE_INDEX_ABILITIES = (*METRICS, "index.fts")
ROWS = {
    "a": {"text": "one two", "vector": [1.0, 0.0, 0.0]},
    "b": {"text": "three", "vector": [0.0, 0.6, 0.8]},
}


def options(vector: VectorSimilarityMetric | None = None, *, fts: bool = False) -> IndexOptions:
    """Index options of the indexed shape."""
    vectors = [] if vector is None else [VectorIndexDef("vector", vector)]
    return IndexOptions(["id"], vectors, [FtsIndexDef("text")] if fts else [])


class IndexChecks(TargetBase, kit=True):
    """Indexes."""

    open_names: ClassVar[frozenset[str]] = frozenset({"indexed_fields"})

    def indexed_fields(self, spec: Any) -> Iterable[str]:
        """May give, for ``index.*``: names of fields that have an index, read without the connector."""
        raise RefusedError("the suite does not define indexed_fields")

    def _check_index(self, spec: Any, wanted: IndexOptions, field: str) -> None:
        plain = self.driver(spec, INDEXED, options())
        plain.create()
        assert not set(self.indexed_fields(plain.spec)), (
            "indexed_fields returned fields although the flow asked for no index"
        )
        plain.write(ROWS)
        plain.close()
        driver = self.driver(spec, INDEXED, wanted)
        answer = driver.compatibility(plain)
        assert answer is not TargetStateCompatibility.NOT_COMPATIBLE, (
            "a change of indexes alone must not recreate the resource"
        )
        driver.change_from(plain)
        assert set(self.indexed_fields(driver.spec)) == {field}
        self.assert_holds(driver, ROWS)
        driver.apply(plain.state, driver.state)
        driver.write({"b": ROWS["a"], "c": ROWS["b"]}, ["a"])
        after = {"b": ROWS["a"], "c": ROWS["b"]}
        self.assert_holds(driver, after)
        driver.close()
        plain.change_from(driver)
        assert not set(self.indexed_fields(plain.spec)), "the index was not removed"
        plain.drop()
        driver.create()
        assert set(self.indexed_fields(driver.spec)) == {field}, (
            "the index was not created together with the resource"
        )
        driver.write(ROWS)
        self.assert_holds(driver, ROWS)

    @check("{name}")
    @pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in METRICS])
    def test_vector_index(self, spec: Any, name: str) -> None:
        """A vector index can be added, stays after writes, can be removed, and can be created with the resource.

        If it fails: ``get_setup_state`` forgets ``index_options``, or a change of indexes alters rows.
        """
        self._check_index(spec, options(METRICS[name]), "vector")

    @check("index.fts")
    def test_text_index(self, spec: Any) -> None:
        """A full-text index can be added, stays after writes, can be removed, and can be created with the resource."""
        self._check_index(spec, options(fts=True), "text")
