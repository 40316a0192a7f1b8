"""Which fields are vectors to Qdrant, and their numbers as it holds them: 32-bit floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coco.typing import ValueType

MAX_SIZE = 65_536
"""Dimensions that Qdrant takes."""

ZERO, ONE = 1.1920929e-7, 1e-6
"""Squared lengths below the one, or as near to 1 as the other, Qdrant does not touch."""

_TYPES = {"f": "<f4", "d": "<f8", "q": "<i8"}
_WIDTHS = {"f": 4, "d": 8, "q": 8}


@dataclass(frozen=True)
class VectorField:
    """A field that is a named vector. ``code``: of its numbers, f, d or q. ``multi``: a list of vectors."""

    size: int
    code: str
    multi: bool

    @property
    def also_in_payload(self) -> bool:
        """Integers: as floats they would lose digits, and as unit vectors everything."""
        return self.code == "q"


def vector_field(type_: ValueType) -> VectorField | None:
    """How a type is a vector: fixed size and numbers, or a list of such; None if it goes into the payload."""
    vector = getattr(type_, "vector", None)
    if vector is None:
        return None
    inner = vector.element_type.vector
    multi = inner is not None
    if inner is not None:
        vector = inner
    packed = vector.packed_format
    if packed is None or not vector.dimension:
        return None
    return VectorField(vector.dimension, packed[0], multi)


def to_floats(field: VectorField, values: Sequence[bytes], *, unit: bool = False) -> list[bytes]:
    """Packed vectors -> packed 32-bit floats, little-endian. unit: made as long as 1.

    Raises ``ValueError`` for a vector of another size, and for any number that is not finite, also because it is too
    large for 32 bits.
    """
    import numpy as np

    if not values:
        return []
    width = field.size * _WIDTHS[field.code]
    for value in values:
        if len(value) != width:
            raise ValueError(
                f"a vector of {len(value) // _WIDTHS[field.code]} numbers where {field.size} are needed"
            )
    with np.errstate(over="ignore"):
        numbers = np.frombuffer(b"".join(values), _TYPES[field.code]).astype("<f4", copy=False)
    if not np.isfinite(numbers).all():
        raise ValueError("a vector with NaN, or with infinite or too large numbers, cannot be compared")
    if unit:
        numbers = _as_units(numbers.reshape(-1, field.size))
    elif field.code == "f":
        return list(values)
    data = numbers.tobytes()
    step = field.size * 4
    return [data[start : start + step] for start in range(0, len(data), step)]


def _as_units(rows: Any) -> Any:
    """Rows of unit length. What Qdrant takes for one, or for zero, stays as it is: then Qdrant changes nothing either."""
    import numpy as np

    squares = np.einsum("ij,ij->i", rows, rows, dtype="<f8")
    todo = (squares >= ZERO) & (np.abs(squares - 1.0) > ONE)
    if not todo.any():
        return rows
    found = rows.copy()
    found[todo] = rows[todo] / np.sqrt(squares[todo])[:, None]
    return found


def from_floats(field: VectorField, data: bytes) -> bytes:
    """Packed 32-bit floats -> packed numbers of the field's type."""
    if field.code == "f":
        return data
    import numpy as np

    numbers = np.frombuffer(data, "<f4")
    if field.code == "q":
        numbers = np.rint(numbers)
    return numbers.astype(_TYPES[field.code]).tobytes()


def stored_vector(field: VectorField, value: bytes, *, unit: bool) -> bytes:
    """A vector as it comes back: rounded to 32 bits, and of unit length if it is compared by cosine.

    One that will be refused is left as it is.
    """
    if not unit and field.code == "f":
        return value
    try:
        (data,) = to_floats(field, [value], unit=unit)
    except ValueError:
        return value
    return from_floats(field, data)
