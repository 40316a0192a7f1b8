"""What a type checker makes of annotations; checked by ``test_types_examples.py``, never run.

``assert_type`` states what must be inferred. A line with ``# type: ignore[...]`` must be an error: strict
mode reports an ignore that is not needed.
"""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, assert_type

import numpy as np
from numpy.typing import NDArray

import coco
from coco import op
from coco.engine_value import make_engine_value_decoder, make_engine_value_encoder
from coco.kit.secrets import resolve_secret
from coco.typing import (
    BasicValueType,
    EnrichedValueType,
    Float32,
    Float64,
    Int64,
    Json,
    LocalDateTime,
    OffsetDateTime,
    Range,
    Secret,
    Vector,
    analyze_type_info,
    encode_enriched_type,
)


def references_to_secrets_are_no_text(secret: Secret) -> None:
    reference = coco.secret("env:PASSWORD")
    assert_type(reference, coco.SecretRef)
    assert_type(resolve_secret(reference), str)
    coco.DatabaseConnectionSpec("postgres://host/db", user=secret, password=reference)
    "postgres://me:" + reference  # type: ignore[operator]
    text: str = reference  # type: ignore[assignment]
    del text


def aliases_are_their_base_types(
    i: Int64, f: Float32, d: Float64, j: Json, r: Range, local: LocalDateTime, offset: OffsetDateTime
) -> None:
    assert_type(i, int)
    assert_type(f, float)
    assert_type(d, float)
    assert_type(j, Any)
    assert_type(r, tuple[int, int])
    assert_type(local, datetime.datetime)
    assert_type(offset, datetime.datetime)


def vectors_are_read_like_sequences(
    plain: Vector[Float32],
    sized: Vector[Float32, Literal[3]],
    texts: Vector[str],
    array: Vector[np.float32, Literal[2]],
) -> None:
    assert_type(plain[0], float)
    assert_type(len(plain), int)
    assert_type(iter(sized), Iterator[float])
    assert_type(texts[0], str)
    assert_type(array[0], np.float32)
    assert_type(texts[1:], Any)
    assert_type([text.upper() for text in texts], list[str])


def a_list_is_a_vector() -> Vector[Float32, Literal[3]]:
    return [1.0, 2.0, 3.0]


def an_array_is_a_vector(array: NDArray[np.float32]) -> Vector[np.float32, Literal[3]]:
    return array


def a_list_of_arrays_is_a_multi_vector(
    rows: list[NDArray[np.float32]],
) -> Vector[Vector[np.float32, Literal[2]]]:
    return list(rows)


def texts_are_no_numbers() -> Vector[Float32]:
    return ["a"]  # type: ignore[list-item]


def a_number_is_no_vector() -> Vector[Float32]:
    return 1.0  # type: ignore[return-value]


def a_dimension_is_written_as_a_literal(vector: Vector[Float32, 3]) -> None:  # type: ignore[valid-type]
    """At run time a bare number works as well."""


@dataclasses.dataclass
class Chunk:
    text: str
    location: Range
    embedding: Vector[np.float32, Literal[384]]
    meta: Json | None = None


def structs_of_such_fields(chunk: Chunk) -> None:
    assert_type(chunk.location[0], int)
    assert_type(chunk.embedding[0], np.float32)
    Chunk("a", (0, 1), np.zeros(384, np.float32))
    Chunk("a", (0, "1"), np.zeros(384, np.float32))  # type: ignore[arg-type]


def codecs_and_schemas() -> None:
    info = analyze_type_info(int)
    assert_type(info.nullable, bool)
    assert_type(info.attrs, dict[str, Any] | None)
    assert_type(encode_enriched_type(int), dict[str, Any])
    assert_type(encode_enriched_type(None), None)
    assert_type(make_engine_value_encoder(info)(1), Any)
    schema = EnrichedValueType(BasicValueType("Int64"))
    assert_type(make_engine_value_decoder(["x"], schema, int)(1), Any)
    make_engine_value_decoder(["x"], "Int64", int)  # type: ignore[arg-type]


class Shelf(op.TargetSpec):
    folder: str


@op.row_target()
def write_shelf(spec: Shelf, upserts: dict[str, Chunk], deletes: list[str]) -> None: ...


@op.row_target(key="folder")
async def made_shelf(
    upserts: Mapping[str, Chunk], deletes: Sequence[str], folder: str, size: int = 3
) -> None: ...


def targets_of_one_function() -> None:
    assert_type(made_shelf("a"), op.TargetSpec)
    write_shelf(Shelf(folder="a"), {}, ["k"])
    made_shelf(folder=3)  # type: ignore[arg-type]
    made_shelf(folder="a", sizes=3)  # type: ignore[call-arg]
    write_shelf(Shelf(folder="a"), {}, [3])  # type: ignore[list-item]


@op.row_target()  # type: ignore[type-var, arg-type]
def keys_of_another_type(upserts: dict[str, Chunk], deletes: list[int], folder: str) -> None: ...
