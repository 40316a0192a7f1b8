"""The source of a function is found wherever it is defined."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from coco.ops.canonical import find_node

FOUND: list[Any] = []

if not FOUND:

    def in_if() -> str:
        return "if"

    FOUND.append(in_if)

if FOUND:
    for _ in range(1):
        with contextlib.suppress(ValueError):
            try:

                def in_try() -> str:
                    return "try"

                raise ValueError
            except ValueError:

                def in_except() -> str:
                    return "except"

            finally:

                def in_finally() -> str:
                    return "finally"


match FOUND:
    case []:
        pass
    case _:

        def in_match() -> str:
            return "match"


for _ in ():
    pass
else:

    def in_else() -> str:
        return "else"


class Outer:
    class Inner:
        def in_class(self) -> str:
            return "class"

        @staticmethod
        def in_function() -> Any:
            async def inner() -> str:
                return "function"

            return inner


in_lambda = [lambda: "lambda"][0]
FOUND += [
    in_try,
    in_except,
    in_finally,
    in_match,
    in_else,
    Outer.Inner.in_class,
    Outer.Inner.in_function(),
    in_lambda,
]


@pytest.mark.parametrize("function", FOUND, ids=lambda function: function.__name__)
def test_find_node(function: Any) -> None:
    node = find_node(function)
    assert node is not None
    assert getattr(node, "name", "<lambda>") == function.__name__
