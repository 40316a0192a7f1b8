"""What users write in annotations: aliases of kinds, ``Vector``, and markers for ``Annotated``."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, get_args, get_origin, overload

from coco.types.schema import SCALAR_KINDS

KEY_FIELD_NAME = "_key"
"""Name of the only field of a key that is not a struct."""


@dataclass(frozen=True, slots=True)
class TypeKind:
    """Marker for ``Annotated``: the value has this scalar kind, regardless of the Python type.

    Raises ``ValueError`` for a name that is not one of the fourteen scalar kinds.
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in SCALAR_KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; the kinds are {', '.join(SCALAR_KINDS)}")


@dataclass(frozen=True, slots=True)
class TypeAttr:
    """Marker for ``Annotated``: an attribute of the type, such as a unit. ``value`` is plain JSON data."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class VectorInfo:
    """Marker for ``Annotated``: the list or array is a vector of ``dim`` elements; None: of any number."""

    dim: int | None = None


Int64: TypeAlias = Annotated[int, TypeKind("Int64")]
"""A 64-bit signed integer; the same as ``int``."""

Float32: TypeAlias = Annotated[float, TypeKind("Float32")]
"""A ``float`` that is stored with 32 bits."""

Float64: TypeAlias = Annotated[float, TypeKind("Float64")]
"""A 64-bit floating point number; the same as ``float``."""

Range: TypeAlias = Annotated[tuple[int, int], TypeKind("Range")]
"""First and past-the-end position, with ``0 <= start <= end``."""

LocalDateTime: TypeAlias = Annotated[datetime.datetime, TypeKind("LocalDateTime")]
"""A ``datetime`` without an offset."""

OffsetDateTime: TypeAlias = Annotated[datetime.datetime, TypeKind("OffsetDateTime")]
"""A ``datetime`` with an offset; the same as ``datetime.datetime``."""

Json: TypeAlias = Annotated[Any, TypeKind("Json")]
"""Free-form JSON data: None, bool, int, float, str, lists, and dicts with ``str`` keys."""

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # defaults of type variables came with Python 3.13

    ElementT_co = TypeVar("ElementT_co", covariant=True)
    DimensionT_co = TypeVar("DimensionT_co", covariant=True, default=None)

    class Vector(Protocol[ElementT_co, DimensionT_co]):
        """For type checkers: the protocol that lists and arrays share. The class below is for run time."""

        @overload
        def __getitem__(self, index: int, /) -> ElementT_co: ...
        @overload
        def __getitem__(self, index: slice, /) -> Any: ...
        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[ElementT_co]: ...

else:

    class Vector:
        """``Vector[T]`` or ``Vector[T, Literal[N]]``: elements of one type, N of them if N is given.

        It means ``Annotated[NDArray[T], VectorInfo(N)]`` if ``T`` is a NumPy number, and
        ``Annotated[list[T], VectorInfo(N)]`` otherwise. ``Vector[T, N]`` with a bare number works at run time, but type
        checkers require ``Literal[N]``.

        Raises ``ValueError`` for a dimension below 1, ``TypeError`` for a dimension that is not an int.
        """

        def __class_getitem__(cls, params: Any) -> Any:
            if not isinstance(params, tuple):
                params = (params, None)
            if len(params) != 2:
                raise TypeError(f"Vector takes an element type and one dimension, got {params}")
            element, dimension = params
            info = VectorInfo(_dimension(dimension))
            if _is_numpy_number(element):
                from numpy.typing import NDArray

                return Annotated[NDArray[element], info]
            return Annotated[list[element], info]


def _dimension(given: Any) -> int | None:
    if get_origin(given) is Literal:
        args = get_args(given)
        if len(args) != 1:
            raise ValueError(f"a Vector has one dimension, got {given}")
        given = args[0]
    if given is None or given is type(None):
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"the dimension of a Vector is Literal[N] or a number, got {given!r}")
    if given < 1:
        raise ValueError(f"the dimension of a Vector is at least 1, got {given}")
    return given


def _is_numpy_number(element: Any) -> bool:
    # An annotation with a NumPy type implies that NumPy is imported.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(element, type) and issubclass(element, numpy.number)
