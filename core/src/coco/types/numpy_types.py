"""Recognises NumPy types without importing NumPy."""

from __future__ import annotations

import sys
from typing import Any, get_args, get_origin

from coco.errors import DefinitionError

NUMPY_KINDS: dict[str, str] = {"float32": "Float32", "float64": "Float64", "int64": "Int64"}
"""NumPy type name -> kind; no other NumPy type may be annotated."""


_NO_DTYPE = "NDArray for Vector must use a concrete numpy dtype, such as NDArray[np.float32]"


class DtypeRegistry:
    """The NumPy number types that annotations may name, and the kinds that they mean."""

    @staticmethod
    def get_kind(dtype: Any) -> str | None:
        """Return the kind of a NumPy scalar type or dtype; None if it is not supported."""
        name = getattr(dtype, "__name__", None) if isinstance(dtype, type) else getattr(dtype, "name", None)
        if not isinstance(name, str) or name not in NUMPY_KINDS or not _is_of_numpy(dtype):
            return None
        return NUMPY_KINDS[name]

    @staticmethod
    def validate_dtype_and_get_kind(dtype: Any) -> str:
        """Return the kind like ``get_kind``; raise ``DefinitionError`` (a ``ValueError``) if it is not supported."""
        if dtype is None or dtype is Any:
            raise DefinitionError(_NO_DTYPE)
        kind = DtypeRegistry.get_kind(dtype)
        if kind is None:
            raise DefinitionError(
                f"Unsupported NumPy dtype in NDArray: {_name(dtype)}; supported are "
                f"{', '.join(f'np.{name}' for name in NUMPY_KINDS)}"
            )
        return kind


def _name(dtype: Any) -> str:
    return getattr(dtype, "__name__", None) or str(dtype)


def _is_of_numpy(dtype: Any) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    return isinstance(dtype, numpy.dtype) or (isinstance(dtype, type) and issubclass(dtype, numpy.generic))


def is_numpy_scalar_type(t: Any) -> bool:
    """Return whether ``t`` is a NumPy scalar class, of numbers or not. Never raises."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(t, type) and issubclass(t, numpy.generic)


def is_numpy_number_type(t: Any) -> bool:
    """Return whether ``t`` is a NumPy number class, such as ``np.float32``. Never raises."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(t, type) and issubclass(t, numpy.number)


def is_ndarray_type(t: Any) -> bool:
    """Return whether ``t`` is ``np.ndarray`` without parameters. Never raises."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and t is numpy.ndarray


def extract_ndarray_elem_dtype(t: Any) -> Any:
    """Return the element type of an array type: ``np.float32`` for ``NDArray[np.float32]``.

    Raises ``DefinitionError`` (a ``ValueError``) if ``t`` has no concrete dtype.
    """
    args = get_args(t)
    if is_ndarray_type(get_origin(t)) and len(args) == 2:
        dtype_args = get_args(args[1])
        if len(dtype_args) == 1 and isinstance(dtype_args[0], type):
            return dtype_args[0]
    raise DefinitionError(f"{_NO_DTYPE}; got {t}")
