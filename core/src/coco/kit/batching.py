"""Lists within limits on number and bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from coco.errors import DefinitionError

T = TypeVar("T")


def chunks(
    items: Iterable[T],
    max_items: int,
    *,
    max_bytes: int | None = None,
    size_of: Callable[[T], int] | None = None,
) -> Iterator[list[T]]:
    """Consecutive lists of ``items``, none empty, in order, taken from the iterable as they are needed.

    max_items: at most so many in a list, 1 or more. max_bytes: at most so many bytes by ``size_of``
    (default: ``value_size``); an item larger than that stands alone, for the product to refuse by name.
    Raises ``DefinitionError`` for a limit below 1.
    """
    if max_items < 1 or (max_bytes is not None and max_bytes < 1):
        raise DefinitionError(
            f"limits of a batch must be at least 1, got {max_items} items, {max_bytes} bytes"
        )
    return _chunks(items, max_items, max_bytes, size_of or value_size)


def _chunks(
    items: Iterable[T], max_items: int, max_bytes: int | None, size_of: Callable[[T], int]
) -> Iterator[list[T]]:
    batch: list[T] = []
    used = 0
    for item in items:
        size = size_of(item) if max_bytes is not None else 0
        if batch and (len(batch) >= max_items or (max_bytes is not None and used + size > max_bytes)):
            yield batch
            batch, used = [], 0
        batch.append(item)
        used += size
    if batch:
        yield batch


def value_size(value: Any) -> int:
    """Bytes an engine value, or a nest of lists, tuples and dicts, takes on its way to a product, about.

    Text counts as UTF-8, numbers as 8, everything else as 1; containers add nothing of their own.
    """
    total = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            total += len(item) if item.isascii() else len(item.encode("utf-8", "surrogatepass"))
        elif isinstance(item, (bytes, bytearray, memoryview)):
            total += len(item)
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            total += 8
        else:
            total += 1
    return total


def rows_per_statement(columns: int, max_parameters: int, max_rows: int) -> int:
    """How many rows of ``columns`` parameters fit into a statement that takes ``max_parameters``.

    At most ``max_rows``, at least 1. Raises ``DefinitionError`` if not even one row fits.
    """
    if columns > max_parameters:
        raise DefinitionError(
            f"a row has {columns} columns, but a statement takes only {max_parameters} parameters; collect fewer fields"
        )
    return max(1, min(max_rows, max_parameters // max(columns, 1)))
