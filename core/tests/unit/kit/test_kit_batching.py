from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.errors import DefinitionError
from coco.kit.batching import chunks, rows_per_statement, value_size


@given(st.lists(st.integers(0, 30)), st.integers(1, 5), st.none() | st.integers(1, 40))
def test_chunks_keep_order_and_limits_and_are_as_few_as_may_be(
    items: list[int], count: int, size: int | None
) -> None:
    found = list(chunks(items, count, max_bytes=size, size_of=lambda item: item))
    assert [item for part in found for item in part] == items
    assert all(found)
    for part in found:
        assert len(part) <= count
        assert size is None or sum(part) <= size or len(part) == 1
    for part, following in pairwise(found):
        assert len(part) == count or (size is not None and sum(part) + following[0] > size)


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    parts = chunks(items(), 3)
    assert next(parts) == [0, 1, 2]
    assert taken == [0, 1, 2, 3]


def test_limits_are_checked_before_anything_is_taken() -> None:
    wrong: tuple[dict[str, Any], ...] = ({"max_items": 0}, {"max_items": 1, "max_bytes": 0})
    for limits in wrong:
        with pytest.raises(DefinitionError):
            chunks([], **limits)


def test_sizes_of_values() -> None:
    assert value_size(None) == value_size(True) == 1
    assert value_size(7) == value_size(0.5) == 8
    assert value_size("aä") == 3
    assert value_size("\ud800") == 3
    assert value_size(b"abc") == 3
    assert value_size(("a", [b"bc", {"d": 1}])) == 12
    assert list(chunks(["aaaa", "b", "c"], 10, max_bytes=2)) == [["aaaa"], ["b", "c"]]


def test_rows_per_statement() -> None:
    assert rows_per_statement(10, 65_535, 1_000) == 1_000
    assert rows_per_statement(100, 65_535, 1_000) == 655
    assert rows_per_statement(0, 10, 5) == 5
    with pytest.raises(DefinitionError, match="collect fewer"):
        rows_per_statement(11, 10, 5)
