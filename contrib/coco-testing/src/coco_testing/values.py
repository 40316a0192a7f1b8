"""Sample values of every type, ordinary ones and limits, in natural Python form."""

from __future__ import annotations

import datetime
import math
import uuid
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from coco.typing import (
    EnrichedValueType,
    Float32,
    Json,
    LocalDateTime,
    OffsetDateTime,
    Range,
    Vector,
    encode_enriched_type,
)

UTC = datetime.UTC
HOUR = datetime.timedelta(hours=1)


class Point(NamedTuple):
    """A struct to nest."""

    name: str
    size: int


@dataclass(frozen=True)
class Samples:
    """Samples of one type. ``ordinary``: at least two that every store must distinguish. ``limits``: the others."""

    type: EnrichedValueType
    ordinary: tuple[Any, ...]
    limits: tuple[Any, ...] = ()
    is_key: bool = False


def _of(
    annotation: Any, ordinary: list[Any], limits: list[Any] | None = None, *, key: bool = False
) -> Samples:
    type_ = EnrichedValueType.decode(encode_enriched_type(annotation))
    return Samples(type_, tuple(ordinary), tuple(limits or ()), key)


TEXTS = [
    "",
    " ",
    "a'b\"c`d\\e\\u0041%_$1?:x",
    "\n\r\t\x1f",
    "Größe",
    "日本語",
    "👩‍👩‍👧",
    "é",
    "e\u0301",
    "x" * 70_000,
]

SAMPLES: dict[str, Samples] = {
    "Str": _of(str, ["one", "two"], TEXTS, key=True),
    "Str with U+0000": _of(str, ["a", "b"], ["Hello\0World"]),
    "Bytes": _of(
        bytes, [b"one", b"\x00\xff"], [b"", bytes(range(256)), b"\\x41", b"'" * 3, b"\x00" * 70_000], key=True
    ),
    "Bool": _of(bool, [True, False], key=True),
    "Int64": _of(int, [1, -2], [0, 2**53 + 1, 2**63 - 1, -(2**63)], key=True),
    "Float32": _of(Float32, [0.5, -1.25], [0.0, 3.4028234663852886e38, 1.401298464324817e-45]),
    "Float64": _of(float, [0.1, -1.5], [0.0, 1.7976931348623157e308, 5e-324, 2.0**53 + 2, math.pi]),
    "Float64 not finite": _of(float, [0.5, 1.5], [math.inf, -math.inf, math.nan]),
    "Uuid": _of(
        uuid.UUID,
        [uuid.UUID(int=7), uuid.UUID(int=8)],
        [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
        key=True,
    ),
    "Date": _of(
        datetime.date,
        [datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)],
        [datetime.date.min, datetime.date.max],
        key=True,
    ),
    "Time": _of(
        datetime.time,
        [datetime.time(1, 2, 3, 4), datetime.time(13)],
        [datetime.time.min, datetime.time.max],
        key=True,
    ),
    "LocalDateTime": _of(
        LocalDateTime,
        [
            datetime.datetime.fromisoformat(text)
            for text in ("2024-02-29T01:02:03.000004", "1969-12-31T23:00")
        ],
        [datetime.datetime.min, datetime.datetime.max],  # noqa: DTZ901 - without an offset is meant
        key=True,
    ),
    "OffsetDateTime": _of(
        OffsetDateTime,
        [
            datetime.datetime(2024, 2, 29, 1, 2, 3, 4, UTC),
            datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.timezone(2 * HOUR)),
        ],
        [datetime.datetime(1, 1, 2, tzinfo=UTC), datetime.datetime(9999, 12, 30, 23, 59, 59, 999_999, UTC)],
        key=True,
    ),
    "TimeDelta": _of(
        datetime.timedelta,
        [datetime.timedelta(days=1, microseconds=1), datetime.timedelta(seconds=-1)],
        [datetime.timedelta(0), datetime.timedelta(days=100_000), datetime.timedelta(days=-100_000)],
        key=True,
    ),
    "Range": _of(Range, [(0, 5), (5, 9)], [(0, 0), (7, 7), (2**53, 2**62)], key=True),
    "Json": _of(
        Json,
        [{"a": [1, "x", None, True]}, [1.5]],
        ["text", 0, False, {}, [], {"": {"ä": "\u2028"}}, "'\"\\", 1e300],
    ),
    "Vector[Float32, 3]": _of(
        Vector[Float32, Literal[3]], [[1.0, 2.0, 3.0], [0.5, 0.0, -0.5]], [[0.0, 0.0, 0.0], [1e-8, 1e8, -1e8]]
    ),
    "Vector[Float64, 3]": _of(Vector[float, Literal[3]], [[1.0, 2.0, 3.0], [0.5, 0.0, -0.5]]),
    "Vector[Int64, 3]": _of(Vector[int, Literal[3]], [[1, 2, 3], [0, -1, 5]]),
    "Vector[Float32]": _of(Vector[Float32], [[1.0], [1.0, 2.0]], [[]]),
    "Vector[Str]": _of(list[str], [["a"], ["b", "c"]], [[], [""], ["'\"\\"]]),
    "Vector[Vector[Float32, 2]]": _of(
        Vector[Vector[Float32, Literal[2]]], [[[1.0, 2.0]], [[0.0, 1.0], [2.0, 3.0]]], [[]]
    ),
    "Struct": _of(
        Point, [{"name": "a", "size": 1}, {"name": "b", "size": -1}], [{"name": "'\"", "size": 2**53 + 1}]
    ),
    "LTable": _of(
        list[Point],
        [
            [{"name": "b", "size": 1}, {"name": "a", "size": 2}],
            [{"name": "a", "size": 2}, {"name": "b", "size": 1}],
        ],
        [[]],
    ),
    "KTable": _of(dict[str, Point], [{"k": {"name": "a", "size": 1}}, {"l": {"name": "a", "size": 1}}], [{}]),
    "Union": _of(int | str, [1, "1"], ["", -5]),
}
"""Name of a type to its samples."""


class Leaf(NamedTuple):
    """The innermost struct."""

    text: str
    number: float | None
    when: datetime.date | None


class Branch(NamedTuple):
    """A struct of structs and tables."""

    leaf: Leaf
    leaves: list[Leaf]
    by_name: dict[str, Leaf]
    tags: list[str]


class Tree(NamedTuple):
    """Five levels: row, tree, branches, leaves, values."""

    top: Branch | None
    branches: list[Branch]


_LEAF = {"text": "'\"\\", "number": None, "when": None}
_BRANCH = {"leaf": _LEAF, "leaves": [], "by_name": {}, "tags": []}
_FULL_LEAF = {"text": "日本", "number": 0.1, "when": datetime.date(2024, 2, 29)}
_FULL_BRANCH = {
    "leaf": _FULL_LEAF,
    "leaves": [_FULL_LEAF, _LEAF],
    "by_name": {"a": _FULL_LEAF},
    "tags": ["", "x"],
}


def _deep(levels: int) -> Any:
    data: Any = 1
    for level in range(levels):
        data = [data] if level % 2 else {"in": data}
    return data


MORE_SAMPLES: dict[str, Samples] = {
    "Struct of many levels": _of(
        Tree,
        [{"top": _BRANCH, "branches": []}, {"top": None, "branches": [_FULL_BRANCH, _BRANCH]}],
        [{"top": _FULL_BRANCH, "branches": [_FULL_BRANCH] * 20}],
    ),
    "Json of 50 levels": _of(Json, [_deep(2), _deep(50)]),
    "Str of 5 MB": _of(str, ["a", "b"], ["äx\n" * 1_250_000]),
    "Bytes of 5 MB": _of(bytes, [b"a", b"b"], [bytes(range(256)) * 20_000]),
}
"""Types and sizes added in this minor version, whose abilities need not be declared yet."""

ALL_SAMPLES = {**SAMPLES, **MORE_SAMPLES}

KEY_TYPES: tuple[str, ...] = tuple(name for name, item in SAMPLES.items() if item.is_key)
KEY_TEXT_LIMIT = 200


def key_samples(name: str) -> tuple[Any, ...]:
    """Values of a type for use as keys: all except empty and huge ones, which stores may limit."""
    return tuple(
        item
        for item in (*SAMPLES[name].ordinary, *SAMPLES[name].limits)
        if not isinstance(item, (str, bytes)) or 0 < len(item) <= KEY_TEXT_LIMIT
    )


def type_named(annotation: Any) -> EnrichedValueType:
    """Engine type of an annotation."""
    return EnrichedValueType.decode(encode_enriched_type(annotation))
