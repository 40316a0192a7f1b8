"""What annotations evaluate to: aliases, markers, Vector."""

import datetime
import subprocess
import sys
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import pytest
from numpy.typing import NDArray

from coco.typing import (
    Float32,
    Float64,
    Int64,
    Json,
    LocalDateTime,
    OffsetDateTime,
    Range,
    TypeAttr,
    TypeKind,
    Vector,
    VectorInfo,
)


@pytest.mark.parametrize(
    ("alias", "base", "kind"),
    [
        (Int64, int, "Int64"),
        (Float32, float, "Float32"),
        (Float64, float, "Float64"),
        (Range, tuple[int, int], "Range"),
        (LocalDateTime, datetime.datetime, "LocalDateTime"),
        (OffsetDateTime, datetime.datetime, "OffsetDateTime"),
        (Json, Any, "Json"),
    ],
)
def test_an_alias_is_its_base_with_a_kind(alias, base, kind):
    assert get_origin(alias) is Annotated
    assert get_args(alias) == (base, TypeKind(kind))


def test_markers_compare_by_value():
    assert TypeKind("Str") == TypeKind("Str") != TypeKind("Bytes")
    assert TypeAttr("unit", "m") == TypeAttr("unit", "m")
    assert VectorInfo(3) == VectorInfo(dim=3) != VectorInfo()


def test_an_unknown_kind_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match=r"unknown kind 'Text'.*Bytes, Str"):
        TypeKind("Text")


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        (Vector[str], Annotated[list[str], VectorInfo(None)]),
        (Vector[str, Literal[5]], Annotated[list[str], VectorInfo(5)]),
        (Vector[float, 5], Annotated[list[float], VectorInfo(5)]),
        (Vector[Float32, Literal[3]], Annotated[list[Float32], VectorInfo(3)]),
        (Vector[np.float32], Annotated[NDArray[np.float32], VectorInfo(None)]),
        (Vector[np.int64, Literal[768]], Annotated[NDArray[np.int64], VectorInfo(768)]),
        (
            Vector[Vector[np.float32, 2]],
            Annotated[list[Annotated[NDArray[np.float32], VectorInfo(2)]], VectorInfo(None)],
        ),
    ],
)
def test_vector_evaluates_to_an_annotated_list_or_array(vector, expected):
    assert vector == expected


@pytest.mark.parametrize("dimension", [0, -1, Literal[0], Literal[1, 2]])
def test_a_dimension_must_be_positive_and_single(dimension):
    with pytest.raises(ValueError, match="dimension"):
        Vector[float, dimension]


@pytest.mark.parametrize(
    "params", [(float, 1.5), (float, "3"), (float, True), (float, 3, 4), (float, Literal["a"])]
)
def test_what_is_no_dimension_is_a_type_error(params):
    with pytest.raises(TypeError, match=r"dimension"):
        Vector[params]


def test_importing_the_facades_imports_nothing_heavy():
    script = (
        "import sys, coco.typing, coco.engine_value\n"
        "from coco.typing import Vector, Float32, is_pydantic_model, encode_enriched_type\n"
        "from coco.engine_value import make_engine_value_encoder\n"
        "assert not is_pydantic_model(int)\n"
        "encode = make_engine_value_encoder(Vector[Float32, 2])\n"
        "assert encode([1.0, 2.0]) == bytes.fromhex('0000803f00000040')\n"
        "heavy = {'numpy', 'pydantic', 'asyncio', 'sqlite3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
