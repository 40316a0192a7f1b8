"""Vectors: packed numbers, other elements, NumPy."""

import math
import struct
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from coco.engine_value import make_engine_value_decoder, make_engine_value_encoder
from coco.errors import DefinitionError, ValueConversionError
from coco.types.analyze import enriched_type_of
from coco.typing import Float32, Json, Range, Vector

pytestmark = pytest.mark.kernels


class Tensor:
    """As torch's: no array, but can become one."""

    def __init__(self, data):
        self.data = data

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data, dtype=dtype)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


SAME = [
    [1.0, -0.5],
    (1.0, -0.5),
    [1, -0.5],
    [np.float32(1), np.float64(-0.5)],
    np.array([1, -0.5], dtype="<f4"),
    np.array([1, -0.5], dtype=">f4"),
    np.array([1, -0.5], dtype=np.float64),
    np.array([1, -0.5], dtype=np.float16),
    np.array([1, -0.5], dtype=object),
    np.array([[1, 9], [-0.5, 9]], dtype=np.float32)[:, 0],
    np.array([-0.5, 1], dtype=np.float32)[::-1],
    Tensor([1, -0.5]),
]


@pytest.mark.parametrize("value", SAME)
@pytest.mark.parametrize(
    "annotation",
    [Vector[Float32], Vector[Float32, 2], Vector[np.float32], Vector[np.float32, 2], NDArray[np.float32]],
)
def test_all_ways_to_give_numbers_are_equal(annotation, value):
    assert make_engine_value_encoder(annotation)(value) == floats(1, -0.5)


def test_broadcast_arrays_with_stride_zero():
    assert make_engine_value_encoder(Vector[Float32])(np.broadcast_to(np.float32(2), (3,))) == floats(2, 2, 2)


@pytest.mark.parametrize(
    "value", [[1, 2], (1, 2), np.array([1, 2]), np.array([1, 2], np.uint8), [np.int32(1), 2]]
)
def test_integers(value):
    assert make_engine_value_encoder(Vector[int])(value) == struct.pack("<2q", 1, 2)
    assert make_engine_value_encoder(list[float])(value) == struct.pack("<2d", 1, 2)


def test_big_integers_round_alike_in_lists_and_arrays():
    tricky = 2**60 + 2**36 + 1  # rounds differently in one step and in two
    encode = make_engine_value_encoder(Vector[Float32])
    assert encode([tricky]) == encode(np.array([tricky]))


@pytest.mark.parametrize("kind", [Float32, float])
def test_nan_is_canonical_everywhere(kind):
    encode = make_engine_value_encoder(Vector[kind, 3])
    odd = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
    expected = encode([1.0, math.nan, math.inf])
    assert encode([1.0, odd, math.inf]) == expected
    dtype = np.float32 if kind is Float32 else np.float64
    array = np.array([1.0, odd, math.inf], dtype=dtype)
    assert encode(array) == expected
    assert np.isnan(array[1])  # the caller's array is as it was
    assert encode([-0.0, 0.0, 0.0]) != encode([0.0, 0.0, 0.0])


def test_infinities_of_both_signs_are_no_nan():
    assert make_engine_value_encoder(Vector[Float32])([math.inf, -math.inf]) == floats(math.inf, -math.inf)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Vector[Float32, 3], [1.0, 2.0], "dimension mismatch: expected 3, got 2 - at v"),
        (Vector[Float32, 3], np.zeros(2), "dimension mismatch: expected 3, got 2 - at v"),
        (Vector[Float32, 3], [], "dimension mismatch: expected 3, got 0"),
        (Vector[str, 2], ["a"], "dimension mismatch: expected 2, got 1 - at v"),
        (Vector[Float32], [1.0, "x"], r"expected Float32, got str - at v\[1\]"),
        (Vector[Float32], [1.0, None], r"expected Float32, declared non-nullable, got None - at v\[1\]"),
        (Vector[Float32], [1.0, True], r"expected Float32, got bool - at v\[1\]"),
        (Vector[Float32], [1.0, 1e39], r"expected Float32, got float too large for 32 bits - at v\[1\]"),
        (
            Vector[Float32],
            np.array([0, 1e39]),
            r"expected Float32, got float too large for 32 bits - at v\[1\]",
        ),
        (Vector[int], [1.5], r"expected Int64, got float - at v\[0\]"),
        (Vector[int], [2**63], r"expected Int64, got int outside"),
        (
            Vector[int],
            np.array([1, 2**63], dtype=np.uint64),
            r"expected Int64, got int outside .* - at v\[1\]",
        ),
        (Vector[int], np.array([1.5]), r"expected Vector\[Int64\], got ndarray of float64"),
        (Vector[Float32], np.array([True]), r"expected Vector\[Float32\], got ndarray of bool"),
        (Vector[Float32], np.array([1j]), r"expected Vector\[Float32\], got ndarray of complex128"),
        (Vector[Float32], np.zeros((2, 2)), r"expected Vector\[Float32\], got ndarray with 2 dimensions"),
        (Vector[Float32, 2], np.float32(1), r"expected Vector\[Float32, 2\], got float32"),
        (Vector[Float32], "abc", r"expected Vector\[Float32\], got str"),
        (Vector[Float32], {1.0}, r"expected Vector\[Float32\], got set"),
        (Vector[Float32], iter([1.0]), r"expected Vector\[Float32\], got list_iterator"),
        (Vector[Float32], None, "declared non-nullable, got None"),
        (Vector[str], ["a", 1], r"expected Str, got int - at v\[1\]"),
        (Vector[str], "abc", r"expected Vector\[Str\], got str"),
        (Vector[str], np.zeros((2, 2)), "with 2 dimensions"),
        (
            Vector[Vector[Float32, 2]],
            [[1.0, 2.0], [1.0]],
            r"dimension mismatch: expected 2, got 1 - at v\[1\]",
        ),
        (Vector[Vector[Float32]], [[1.0], ["x"]], r"expected Float32, got str - at v\[1\]\[0\]"),
        (Vector[Range], [(0, 1), (1, 0)], r"expected Range, got tuple .* - at v\[1\]"),
        (Vector[Json], [1, None], r"expected Json, declared non-nullable, got None - at v\[1\]"),
    ],
)
def test_refused(annotation, value, message):
    with pytest.raises(ValueConversionError, match=message):
        make_engine_value_encoder(annotation, path=("v",))(value)


def test_other_elements():
    assert make_engine_value_encoder(Vector[str, 2])(("a", "é")) == ("a", "é")
    assert make_engine_value_encoder(list[str])(np.array(["a", "b"])) == ("a", "b")
    assert make_engine_value_encoder(list[bool])([True, np.bool_(False)]) == (True, False)
    assert make_engine_value_encoder(list[int | str])([1, "a"]) == ((0, 1), (1, "a"))


def test_vectors_of_vectors_have_rows_of_their_own_length():
    encode = make_engine_value_encoder(Vector[Vector[Float32]])
    assert encode([[1.0], [2.0, 3.0], []]) == (floats(1), floats(2, 3), b"")
    assert encode(np.array([[1, 2], [3, 4]], np.float32)) == (floats(1, 2), floats(3, 4))
    assert encode(Tensor([[1, 2]])) == (floats(1, 2),)


def decoded(source: Any, target: Any, value: Any) -> Any:
    encoded = make_engine_value_encoder(source)(value)
    return make_engine_value_decoder(["v"], enriched_type_of(source), target)(encoded)


def test_lists_and_arrays_by_declaration():
    assert decoded(Vector[Float32, 2], Vector[Float32, 2], [1, 2]) == [1.0, 2.0]
    assert decoded(Vector[np.float32, 2], list[float], [1, 2]) == [1.0, 2.0]
    assert decoded(list[int], Sequence[int], [1, 2]) == [1, 2]
    assert decoded(list[int], list, [1, 2]) == [1, 2]
    array = decoded(Vector[Float32], NDArray[np.float32], [1, 2])
    assert array.dtype == np.float32 and array.tolist() == [1, 2]
    assert [type(item) for item in decoded(list[float], list[np.float32], [0.5])] == [np.float32]


def test_arrays_are_read_only_views_of_the_engine_value():
    encoded = make_engine_value_encoder(Vector[Float32])([1, 2])
    decode = make_engine_value_decoder(["v"], enriched_type_of(Vector[Float32]), Vector[np.float32])
    array = decode(encoded)
    assert not array.flags.writeable and not array.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 9
    assert np.shares_memory(array, np.frombuffer(encoded, np.uint8))


def test_an_encoded_array_does_not_follow_its_source():
    array = np.array([1, 2], np.float32)
    encoded = make_engine_value_encoder(Vector[np.float32])(array)
    array[0] = 9
    assert encoded == floats(1, 2)


@pytest.mark.parametrize(
    ("source", "target", "given", "expected"),
    [
        (Vector[Float32], NDArray[np.float64], [0.5], np.float64),
        (Vector[float], NDArray[np.float32], [0.5], np.float32),
        (Vector[int], NDArray[np.float64], [5], np.float64),
        (Vector[int], list[float], [5], float),
        (Vector[float], list[Float32], [0.5], float),
    ],
)
def test_numbers_convert(source, target, given, expected):
    result = decoded(source, target, given)
    assert list(result) == given
    assert isinstance(result[0], expected)
    if isinstance(result, np.ndarray):
        assert result.dtype == expected and not result.flags.writeable


@pytest.mark.parametrize("target", [list[Float32], NDArray[np.float32]])
def test_what_does_not_fit_32_bits_is_a_row_error(target):
    with pytest.raises(ValueConversionError, match="too large for 32 bits - at v"):
        decoded(Vector[float], target, [1e300])


@pytest.mark.parametrize("target", [Vector[Float32, 2], Vector[np.float32, 2], Vector[np.float64, 2]])
def test_an_open_dimension_is_checked_per_value(target):
    assert list(decoded(Vector[Float32], target, [1, 2])) == [1, 2]
    with pytest.raises(ValueConversionError, match="dimension mismatch: expected 2, got 3 - at v"):
        decoded(Vector[Float32], target, [1, 2, 3])


def test_an_open_dimension_is_checked_for_other_elements_too():
    with pytest.raises(ValueConversionError, match="dimension mismatch: expected 2, got 1 - at v"):
        decoded(list[str], Vector[str, 2], ["a"])


def test_a_fixed_dimension_must_be_the_declared_one():
    with pytest.raises(
        DefinitionError, match=r"declared Vector\[Float32, 3\], got Vector\[Float32, 2\].* - at v"
    ):
        make_engine_value_decoder(["v"], enriched_type_of(Vector[Float32, 2]), Vector[Float32, Literal[3]])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Vector[float], list[int]),
        (Vector[float], NDArray[np.int64]),
        (Vector[str], NDArray[np.float32]),
        (Vector[str], list[bytes]),
        (Vector[Vector[Float32]], NDArray[np.float32]),
        (Vector[Float32], Vector[Vector[Float32]]),
        (Vector[Float32], str),
        (str, list[str]),
        (Json, list[Any]),
    ],
)
def test_incompatible_vectors(source, target):
    with pytest.raises(DefinitionError, match=r"declared .*, got .* - at v"):
        make_engine_value_decoder(["v"], enriched_type_of(source), target)


def test_empty_vectors():
    for target in (list[float], NDArray[np.float32], NDArray[np.float64], Any):
        assert len(decoded(Vector[Float32], target, [])) == 0


def test_natural_form():
    array = decoded(Vector[Float32], Any, [1, 2])
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    assert decoded(list[str], Any, ["a"]) == ["a"]
    rows = decoded(Vector[Vector[Float32]], Any, [[1], [2, 3]])
    assert [type(row) for row in rows] == [np.ndarray, np.ndarray]
