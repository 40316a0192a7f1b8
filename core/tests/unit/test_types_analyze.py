"""Annotations, taken apart."""

import collections
import collections.abc
import dataclasses
import datetime
import enum
import inspect
import typing
import uuid
from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    ClassVar,
    ForwardRef,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import numpy as np
import pydantic
import pytest
from numpy.typing import NDArray

from coco.typing import (
    AnalyzedAnyType,
    AnalyzedBasicType,
    AnalyzedDictType,
    AnalyzedListType,
    AnalyzedStructType,
    AnalyzedTypeInfo,
    AnalyzedUnionType,
    AnalyzedUnknownType,
    DtypeRegistry,
    Float32,
    Json,
    LocalDateTime,
    Range,
    TypeAttr,
    TypeKind,
    Vector,
    VectorInfo,
    analyze_type_info,
    extract_ndarray_elem_dtype,
    is_namedtuple_type,
    is_numpy_number_type,
    is_pydantic_model,
    is_struct_type,
    resolve_forward_ref,
)

T = TypeVar("T")
UserId = NewType("UserId", int)


@dataclasses.dataclass
class Person:
    """Somebody."""

    name: str
    age: int = 3
    tags: list[str] = dataclasses.field(default_factory=list)
    version: ClassVar[int] = 1


class Point(NamedTuple):
    x: int
    y: int = 0


class Model(pydantic.BaseModel):
    title: str = pydantic.Field(description="what it is called")
    score: Annotated[float, TypeKind("Float32")] = 0.5
    parts: list[int] = pydantic.Field(default_factory=list)


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Flags(enum.Flag):
    A = 1


class Loose(TypedDict):
    a: int


class Plain:
    pass


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (bytes, "Bytes"),
        (str, "Str"),
        (bool, "Bool"),
        (int, "Int64"),
        (np.int64, "Int64"),
        (float, "Float64"),
        (np.float32, "Float32"),
        (Float32, "Float32"),
        (np.float64, "Float64"),
        (uuid.UUID, "Uuid"),
        (datetime.date, "Date"),
        (datetime.time, "Time"),
        (datetime.datetime, "OffsetDateTime"),
        (LocalDateTime, "LocalDateTime"),
        (datetime.timedelta, "TimeDelta"),
        (Range, "Range"),
        (Json, "Json"),
        (UserId, "Int64"),
        (Annotated[float, TypeKind("Float32")], "Float32"),
        (Annotated[dict[str, Any], TypeKind("Json")], "Json"),
        (Annotated[Float32, TypeKind("Float64")], "Float64"),
        ("int", "Int64"),
        (ForwardRef("datetime.date"), "Date"),
    ],
)
def test_basic_kinds(annotation, kind):
    info = analyze_type_info(annotation)
    assert info.variant == AnalyzedBasicType(kind)
    assert not info.nullable
    assert info.attrs is None


@pytest.mark.parametrize(
    ("annotation", "element", "vector_info", "base"),
    [
        (list[str], str, None, list),
        (Sequence[str], str, None, collections.abc.Sequence),
        (typing.List[str], str, None, list),  # noqa: UP006
        (list, Any, None, list),
        (list[Person], Person, None, list),
        (Vector[str, Literal[2]], str, VectorInfo(2), list),
        (NDArray[np.float32], np.float32, None, np.ndarray),
        (Vector[np.int64], np.int64, VectorInfo(None), np.ndarray),
    ],
)
def test_lists(annotation, element, vector_info, base):
    info = analyze_type_info(annotation)
    assert info.variant == AnalyzedListType(element, vector_info)
    assert info.base_type is base


@pytest.mark.parametrize(
    ("annotation", "key", "value"),
    [
        (dict[str, Person], str, Person),
        (Mapping[int, Point], int, Point),
        (dict, Any, Any),
        (dict[str, Any], str, Any),
    ],
)
def test_dicts(annotation, key, value):
    assert analyze_type_info(annotation).variant == AnalyzedDictType(key, value)


@pytest.mark.parametrize("annotation", [Any, inspect.Parameter.empty])
def test_any(annotation):
    assert analyze_type_info(annotation).variant == AnalyzedAnyType()
    assert not analyze_type_info(annotation).nullable


@pytest.mark.parametrize(
    "annotation",
    [
        set,
        set[str],
        frozenset[int],
        tuple[int, int],
        collections.deque,
        Plain,
        Mixed,
        Flags,
        Literal[b"a"],
        Loose,
        T,
        None,
        type(None),
        "NoSuchName",
        object,
        collections.OrderedDict[str, int],
        [int],
        7,
        ([],),
    ],
)
def test_unknown_types_do_not_raise(annotation):
    assert analyze_type_info(annotation).variant == AnalyzedUnknownType()


def test_the_analysed_form_keeps_core_and_base_and_comes_back_as_it_is():
    info = analyze_type_info(Annotated[list[int], TypeAttr("a", 1)])
    assert info == AnalyzedTypeInfo(list[int], list, AnalyzedListType(int), {"a": 1}, False)
    assert analyze_type_info(info) is info


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str | None, TypeAttr("unit", "m")],
        Annotated[str, TypeAttr("unit", "m")] | None,
        Optional[Annotated[str, TypeAttr("unit", "m")]],  # noqa: UP045
        Union[None, Annotated[str, TypeAttr("unit", "m")]],  # noqa: UP007
    ],
)
def test_null_and_attributes_in_any_order(annotation):
    info = analyze_type_info(annotation)
    assert info == AnalyzedTypeInfo(str, str, AnalyzedBasicType("Str"), {"unit": "m"}, True)


def test_attributes_add_up_and_the_outermost_wins():
    inner = Annotated[int, TypeAttr("a", 1), TypeAttr("b", 1), "something else"]
    assert analyze_type_info(Annotated[inner, TypeAttr("b", 2)]).attrs == {"a": 1, "b": 2}


def test_an_explicit_kind_goes_through_none():
    info = analyze_type_info(Annotated[float | None, TypeKind("Float32")])
    assert info == AnalyzedTypeInfo(float, float, AnalyzedBasicType("Float32"), None, True)


def test_any_or_none_is_a_nullable_any():
    info = analyze_type_info(Optional[Any])  # noqa: UP045
    assert (info.variant, info.nullable) == (AnalyzedAnyType(), True)


def test_unions_are_flattened():
    nested = Union[int, Annotated[Union[str, None, bytes], TypeAttr("a", 1)]]  # noqa: UP007, RUF036
    info = analyze_type_info(nested)
    assert info.variant == AnalyzedUnionType([int, str, bytes])
    assert (info.nullable, info.attrs) == (True, {"a": 1})
    assert analyze_type_info(int | str).variant == AnalyzedUnionType([int, str])


@pytest.mark.parametrize("bad", [NDArray[Any], np.ndarray])
def test_arrays_need_a_concrete_dtype(bad):
    with pytest.raises(ValueError, match="NDArray for Vector must use a concrete numpy dtype"):
        analyze_type_info(bad)


@pytest.mark.parametrize("bad", [NDArray[np.int32], NDArray[np.uint64], NDArray[np.str_], Vector[np.float16]])
def test_other_dtypes_are_refused(bad):
    with pytest.raises(ValueError, match="Unsupported NumPy dtype in NDArray"):
        analyze_type_info(bad)


@pytest.mark.parametrize("bad", [np.int32, np.uint64, np.str_, np.bool_])
def test_other_numpy_scalars_are_refused(bad):
    with pytest.raises(ValueError, match="Unsupported NumPy dtype"):
        analyze_type_info(bad)


def test_fields_of_a_dataclass():
    info = analyze_type_info(Person)
    assert isinstance(info.variant, AnalyzedStructType)
    name, age, tags = info.variant.fields
    assert (name.name, name.type_hint, name.default_value, name.description) == (
        "name",
        str,
        inspect.Parameter.empty,
        None,
    )
    assert (age.default_value, age.has_default, name.has_default) == (3, True, False)
    assert tags.default_value == []
    assert tags.default_value is not tags.default_value  # a factory is called anew each time


def test_fields_of_named_tuples_with_and_without_annotations():
    x, y = analyze_type_info(Point).variant.fields
    assert (x.type_hint, x.has_default, y.default_value) == (int, False, 0)
    bare = collections.namedtuple("bare", ["a"])
    (a,) = analyze_type_info(bare).variant.fields
    assert a.type_hint is inspect.Parameter.empty


def test_fields_of_a_pydantic_model():
    title, score, parts = analyze_type_info(Model).variant.fields
    assert (title.description, title.has_default) == ("what it is called", False)
    assert analyze_type_info(score.type_hint).variant == AnalyzedBasicType("Float32")
    assert (score.default_value, parts.default_value) == (0.5, [])


def test_type_parameters_of_pydantic_models_are_filled_in():
    class Box(pydantic.BaseModel, typing.Generic[T]):
        content: T

    (content,) = analyze_type_info(Box[int]).variant.fields
    assert content.type_hint is int


def test_inherited_fields_come_first():
    @dataclasses.dataclass
    class Employee(Person):
        salary: int = 0

    assert [field.name for field in analyze_type_info(Employee).variant.fields] == [
        "name",
        "age",
        "tags",
        "salary",
    ]


@pytest.mark.parametrize("anything", [int, 3, None, "x", list[int], Person(name="a"), T, Any, np.float32(1)])
def test_the_helpers_answer_for_any_object(anything):
    for helper in (is_namedtuple_type, is_pydantic_model, is_struct_type, is_numpy_number_type):
        assert helper(anything) is False


def test_the_helpers_say_yes():
    assert is_namedtuple_type(Point) and is_struct_type(Point) and not is_pydantic_model(Point)
    assert is_pydantic_model(Model) and is_struct_type(Model) and not is_namedtuple_type(Model)
    assert is_struct_type(Person)
    assert is_numpy_number_type(np.int8) and not is_numpy_number_type(np.bool_)


def test_dtypes():
    assert extract_ndarray_elem_dtype(NDArray[np.float32]) is np.float32
    with pytest.raises(ValueError, match="concrete numpy dtype"):
        extract_ndarray_elem_dtype(list[int])
    assert DtypeRegistry.get_kind(np.float64) == DtypeRegistry.get_kind(np.dtype("float64")) == "Float64"
    assert DtypeRegistry.get_kind(np.int32) is None and DtypeRegistry.get_kind(float) is None
    assert DtypeRegistry.validate_dtype_and_get_kind(np.int64) == "Int64"


def test_forward_references():
    assert resolve_forward_ref("list[int]") == list[int]
    assert resolve_forward_ref(ForwardRef("Vector[Float32, 3]")) == Vector[Float32, 3]
    assert resolve_forward_ref("Optional[UUID]") == Optional[uuid.UUID]  # noqa: UP045
    assert resolve_forward_ref("np.float32") is np.float32
    assert resolve_forward_ref(int) is int
    assert resolve_forward_ref("NoSuchName") == "NoSuchName"
    assert resolve_forward_ref("1 +") == "1 +"
