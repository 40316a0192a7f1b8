"""What kernels use of the module ``cython``, for type checkers and where Cython is not installed: names that
mean nothing. Cython is needed to compile this package and never to run it.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

_Decorated = TypeVar("_Decorated")

compiled = False
bint: TypeAlias = bool
Py_ssize_t: TypeAlias = int
Py_UCS4: TypeAlias = str
void: TypeAlias = None


def cclass(decorated: _Decorated) -> _Decorated:
    """A class whose annotated attributes are fields of a C struct."""
    return decorated


def cfunc(decorated: _Decorated) -> _Decorated:
    """A function that only its own module can call."""
    return decorated


def cast(kind: type[_Decorated], value: Any) -> _Decorated:
    """The value, taken for one of ``kind`` without a check."""
    return value  # type: ignore[no-any-return]
