"""Checks of what source connectors return. A message names the method and what it must return.

A check covers a whole list of rows, since listings may be long.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from coco.errors import SourceError, SourceReadError
from coco.ops.sources import NO_ORDINAL

ROW = "PartialSourceRow(key=..., data=PartialSourceRowData(...))"
DATA = "PartialSourceRowData(value=...)"
DELETED = "PartialSourceRowData(value=NON_EXISTENCE) for a row that does not exist"


class Shapes:
    """The checks for one connector class. Errors name its methods."""

    def __init__(self, connector_cls: type) -> None:
        self._name = connector_cls.__name__

    def connector(self, made: Any) -> Any:
        """The result of ``create``; raises ``SourceError`` if it cannot be a connector."""
        missing = [name for name in ("list", "get_value") if not _has_method(made, name)]
        if missing and not (missing == ["list"] and _has_method(made, "list_batches")):
            raise SourceError(
                f"{self._name}.create() must return an instance that lists and reads, such as {self._name}(spec); "
                f"it returned {shown(made)}, which has no {' and no '.join(missing)}"
            )
        return made

    def listing(self, method: str, given: Any) -> Any:
        """The result of a listing method, which must be a sync or async iterable of rows."""
        if isinstance(given, AsyncIterable) or _is_sequence(given):
            return given
        raise SourceError(
            f"{self._name}.{method}() must return or yield {self._items(method)}; it returned {shown(given)}"
        )

    def batch(self, given: Any) -> Sequence[Any]:
        """One batch of ``list_batches``."""
        if isinstance(given, (list, tuple)):
            return given
        if _is_sequence(given):
            return list(given)
        raise SourceError(
            f"{self._name}.list_batches() must yield {self._items('list_batches')}; it yielded {shown(given)}"
        )

    @staticmethod
    def _items(method: str) -> str:
        return f"lists of {ROW}" if method == "list_batches" else f"{ROW}, one for each key"

    def rows(self, rows: Sequence[Any]) -> list[Any]:
        """The data of listed rows."""
        try:
            given = [row.data for row in rows]
            for row in rows:
                row.key  # noqa: B018
            ordinals = [data.ordinal for data in given]
            content_fps = [data.content_version_fp for data in given]
            sizes = [data.size for data in given]
            for data in given:
                data.value  # noqa: B018
        except AttributeError:
            raise SourceError(next(filter(None, map(self._wrong_row, rows)))) from None
        for name, values, wrong in (
            ("ordinal", ordinals, _wrong_ordinal),
            ("content_version_fp", content_fps, _wrong_fingerprint),
            ("size", sizes, _wrong_size),
        ):
            if not set(map(type, values)) <= _RIGHT[name] or not _fits(values):
                for row, value in zip(rows, values, strict=True):
                    if problem := wrong(value):
                        raise SourceError(
                            f"{self._name}: {name} of the listed row {shown(row.key)} {problem}"
                        )
        return given

    def _wrong_row(self, row: Any) -> str:
        if not (hasattr(row, "key") and hasattr(row, "data")):
            hint = "" if not isinstance(row, tuple) else "; give a key and its data by name"
            return f"{self._name} must list {ROW}; it listed {shown(row)}{hint}"
        if not _is_data(row.data):
            return (
                f"{self._name}: data of the listed row {shown(row.key)} must be PartialSourceRowData(...), which may hold a "
                f"value and an ordinal; it is {shown(row.data)}"
            )
        return ""

    def data(self, given: Any, method: str) -> Any:
        """The data of one row; raises ``SourceReadError``."""
        if not _is_data(given):
            raise SourceReadError(
                f"{self._name}.{method}() must return {DATA}, or {DELETED}; it returned {shown(given)}"
            )
        for name, wrong in (
            ("ordinal", _wrong_ordinal),
            ("content_version_fp", _wrong_fingerprint),
            ("size", _wrong_size),
        ):
            if problem := wrong(getattr(given, name)):
                raise SourceReadError(f"{name} in what {self._name}.{method}() returned {problem}")
        return given

    def texts(self, method: str, given: Any) -> list[str]:
        """A list of strings, or of tuples that begin with one; None stands for an empty list."""
        if given is None:
            return []
        if _is_sequence(given):
            found = [item[0] if isinstance(item, tuple) and item else item for item in given]
            if all(isinstance(item, str) for item in found):
                return found
        raise SourceError(
            f"{self._name}.{method}() must return a list of strings; it returned {shown(given)}"
        )

    def pairs(self, method: str, given: Any) -> list[tuple[str, str]]:
        """A list of pairs of strings; None stands for an empty list."""
        found = [] if given is None else list(given) if _is_sequence(given) else [given]
        if all(isinstance(item, (tuple, list)) and len(item) == 2 for item in found):
            return [(str(name), str(text)) for name, text in found]
        raise SourceError(
            f"{self._name}.{method}() must return a list of (name, message); it returned {shown(given)}"
        )

    def stream(self, given: Any) -> Any:
        """The result of ``change_stream``."""
        if isinstance(given, AsyncIterable):
            return given
        raise SourceError(
            f"{self._name}.change_stream() must be an async generator (async def with yield); it returned {shown(given)}"
        )

    def changes(self, given: Any) -> list[tuple[Any, Any, Any]]:
        """One item of ``change_stream``: a list of (key, data or None, ack or None)."""
        if _is_sequence(given):
            found = list(given)
            if all(isinstance(item, (list, tuple)) and len(item) == 3 for item in found):
                return [(key, data, ack) for key, data, ack in found]
        raise SourceError(
            f"{self._name}.change_stream() must yield lists of (key, data or None, ack), where ack is a function or None; "
            f"it yielded {shown(given)}"
        )


LEAST = -(1 << 63)


def _fits(values: Sequence[Any]) -> bool:
    """Whether all integers have 64 bits."""
    numbers = [value for value in values if type(value) is int]
    return not numbers or (min(numbers) >= LEAST and max(numbers) <= -LEAST - 1)


_RIGHT: Mapping[str, set[type]] = {
    "ordinal": {int, type(None), type(NO_ORDINAL)},
    "content_version_fp": {bytes, type(None)},
    "size": {int, type(None)},
}


def _wrong_ordinal(value: Any) -> str:
    if value is None or value is NO_ORDINAL or (_is_int(value) and LEAST <= value <= -LEAST - 1):
        return ""
    return (
        "must be an int of 64 bits that grows with each change (microseconds of a time, a version), or NO_ORDINAL; "
        f"it is {shown(value)}"
    )


def _wrong_fingerprint(value: Any) -> str:
    return "" if value is None or isinstance(value, bytes) else f"must be bytes or None; it is {shown(value)}"


def _wrong_size(value: Any) -> str:
    if value is None or (_is_int(value) and 0 <= value <= -LEAST - 1):
        return ""
    return f"must be a number of bytes as an int, or None; it is {shown(value)}"


def _has_method(made: Any, name: str) -> bool:
    """Whether ``made`` has a method ``name`` that can be called on it; for a class: without an instance."""
    if isinstance(made, type):
        return isinstance(inspect.getattr_static(made, name, None), (staticmethod, classmethod))
    return callable(getattr(made, name, None))


def _is_sequence(value: Any) -> bool:
    """Whether a value is a sequence of items. Texts and mappings are refused: they would be mistakes."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_data(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("value", "ordinal", "content_version_fp", "size"))


def shown(value: Any) -> str:
    """A value for a message: its type, and advice if a call or `await` is missing. Not its content: it may be secret."""
    if value is None:
        return "None (is a `return` missing?)"
    if inspect.iscoroutine(value):
        value.close()  # prevents a further warning of Python
        return "a coroutine (is an `await` missing?)"
    if isinstance(value, type):
        return f"the class {value.__name__} and no instance of it"
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__name__', '')} (is a call missing?)"
    if isinstance(value, (str, int, float)) and len(text := repr(value)) <= 40:
        return f"{type(value).__name__} {text}"
    return f"{'an' if type(value).__name__[:1] in 'aeiouAEIOU' else 'a'} {type(value).__name__}"
