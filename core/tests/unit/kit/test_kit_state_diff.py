"""From any of several former states to the desired one: as a law, by carrying the changes out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coco.kit.state_diff import PartChange, PartsDiff, diff_parts, same_order, type_data
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType

STATES = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3))


def carry_out(actual: dict[str, int], diff: PartsDiff[int]) -> dict[str, int]:
    """As a target does: IF EXISTS, IF NOT EXISTS where a change is not certain, and strictly where it is."""
    result = dict(actual)
    for change in diff.drop:
        assert not change.certain or change.name in result
        result.pop(change.name, None)
    for change in diff.alter:
        assert not change.certain or result[change.name] == change.before[0]
        assert change.after is not None
        result[change.name] = change.after
    for change in diff.add:
        assert not change.certain or change.name not in result
        assert change.after is not None
        result.setdefault(change.name, change.after)
    return result


@given(st.lists(st.none() | STATES), st.none() | STATES)
def test_every_former_state_becomes_the_desired_one(
    previous: list[dict[str, int] | None], desired: dict[str, int] | None
) -> None:
    diff = diff_parts(previous, desired)
    for state in previous or [None]:
        after = carry_out(state or {}, diff)
        assert after == (desired or {})
        assert carry_out_again(after, diff) == after


def carry_out_again(actual: dict[str, int], diff: PartsDiff[int]) -> dict[str, int]:
    """After a crash: nothing is certain any more."""
    loose = [
        tuple(PartChange(item.name, item.before, item.after, False) for item in kind)
        for kind in (diff.drop, diff.alter, diff.add)
    ]
    return carry_out(actual, PartsDiff(loose[0], loose[1], loose[2]))


@given(st.lists(STATES, min_size=1, max_size=3), STATES)
def test_no_part_is_touched_without_need(previous: list[dict[str, int]], desired: dict[str, int]) -> None:
    diff = diff_parts(previous, desired)
    if all(state == desired for state in previous):
        assert not diff
        assert diff.certain
    names = [item.name for item in (*diff.drop, *diff.alter, *diff.add)] + list(diff.keep)
    assert len(names) == len(set(names))
    assert set(names) == set(desired).union(*previous)
    if len(previous) == 1:
        assert diff.certain


def test_orders_and_certainty() -> None:
    diff = diff_parts([{"a": 1, "b": 1, "c": 1}, {"a": 1, "c": 2, "d": 1}], {"e": 1, "c": 3, "a": 1})
    assert diff.drop == (PartChange("d", (1,), None, False), PartChange("b", (1,), None, False))
    assert diff.alter == (PartChange("c", (1, 2), 3, False),)
    assert diff.add == (PartChange("e", (), 1, True),)
    assert diff.keep == ("a",)
    assert bool(diff) and not diff.certain


def test_creation_and_deletion() -> None:
    assert [item.name for item in diff_parts([], {"b": 1, "a": 1}).add] == ["b", "a"]
    assert diff_parts([None], {"a": 1}) == diff_parts([], {"a": 1})
    assert [item.name for item in diff_parts([{"b": 1, "a": 1}], None).drop] == ["a", "b"]
    assert not diff_parts([], None)


def test_a_part_that_may_be_missing_is_not_certain() -> None:
    [change] = diff_parts([None, {"a": 1}], {"a": 1}).add
    assert change == PartChange("a", (1,), 1, False)


def test_definitions_need_not_be_hashable() -> None:
    definition: dict[str, Any] = {"type": "text"}
    assert diff_parts([{"a": definition}, {"a": dict(definition)}], {"a": dict(definition)}).keep == ("a",)


def test_order_of_keys() -> None:
    assert same_order([["a", "b"]], ("a", "b"))
    assert not same_order([["a", "b"], ["b", "a"]], ["a", "b"])
    assert not same_order([None], ["a"])


def test_types_for_a_state() -> None:
    plain = StructType((FieldSchema("attrs", EnrichedValueType(BasicValueType("Str"))),))
    told = StructType(
        (FieldSchema("attrs", EnrichedValueType(BasicValueType("Str"), attrs={"unit": "m"}), "how long"),)
    )
    other = StructType((FieldSchema("attrs", EnrichedValueType(BasicValueType("Str"), nullable=True)),))
    assert told.encode() != plain.encode()
    assert type_data(told) == type_data(plain) == plain.encode()
    assert type_data(other) != type_data(plain)
