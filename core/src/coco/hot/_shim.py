"""What kernels use of the module ``cython`` when Cython is not installed: names that mean nothing.

A kernel says ``try: import cython`` and falls back to the object below, so Cython is needed to compile coco
and never to run it. Compiled kernels use neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TYPES = {
    "bint": bool,
    "char": int,
    "double": float,
    "float": float,
    "int": int,
    "long": int,
    "longlong": int,
    "Py_ssize_t": int,
    "p_char": bytes,
    "p_double": bytes,
    "p_float": bytes,
    "p_longlong": bytes,
    "size_t": int,
    "short": int,
    "uchar": int,
    "uint": int,
    "ulong": int,
    "ulonglong": int,
    "ushort": int,
}
_DECORATORS = frozenset({"ccall", "cclass", "cfunc", "final", "inline", "nogil", "returns_none"})
_DECORATOR_FACTORIES = frozenset(
    {
        "boundscheck",
        "cdivision",
        "exceptval",
        "freelist",
        "initializedcheck",
        "locals",
        "returns",
        "wraparound",
    }
)


class _Cython:
    """Stands for the module. An unknown name is an error: better here than a kernel that cannot compile."""

    compiled = False

    def __getattr__(self, name: str) -> Any:
        if name in _TYPES:
            return _TYPES[name]
        if name in _DECORATORS:
            return _unchanged
        if name in _DECORATOR_FACTORIES:
            return _unchanged_factory
        raise AttributeError(f"coco.hot._shim has no cython.{name}; add it there if a kernel needs it")

    def cast(self, kind: Any, value: Any, *, typecheck: bool = False) -> Any:
        return value

    def declare(self, kind: Any = None, value: Any = None, **names: Any) -> Any:
        return value


def _unchanged(decorated: Any) -> Any:
    return decorated


def _unchanged_factory(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return _unchanged


cython: Any = _Cython()
