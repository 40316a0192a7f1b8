"""The query handlers of one flow. ``coco.query_handler`` calls them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from coco.errors import CallShapeError, DefinitionError, UnknownNameError
from coco.flow.names import check_name
from coco.ops.editions import definition_of

if TYPE_CHECKING:
    from coco.query_handler import QueryHandlerResultFields


class QueryHandler(Struct, frozen=True):
    """A function that answers queries about one flow. ``flow``: the flow's short name."""

    flow: str
    name: str
    handler: Callable[..., Any]
    result_fields: QueryHandlerResultFields | None = None

    @property
    def is_async(self) -> bool:
        """Whether the function must be awaited."""
        return inspect.iscoroutinefunction(self.handler)

    @property
    def signature(self) -> inspect.Signature:
        """The parameters, with annotations resolved if possible."""
        try:
            return inspect.signature(self.handler, eval_str=True)
        except NameError:
            return inspect.signature(self.handler)


class QueryHandlers:
    """Handlers by name, in the order of their addition. Safe to use from several threads."""

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._lock = threading.Lock()
        self._handlers: dict[str, QueryHandler] = {}

    def add(
        self, name: str, handler: Callable[..., Any], result_fields: QueryHandlerResultFields | None
    ) -> None:
        """Add a handler. A handler that is defined again (see ``open_flow``) replaces the earlier one.

        Raises ``DefinitionError`` for a taken or illegal name, ``CallShapeError`` for a handler that cannot be called.
        """
        check_name(name, "query handler")
        if not callable(handler):
            raise CallShapeError(
                f"flow {self._flow}: query handler {name!r} must be a function, got {type(handler).__name__}"
            )
        with self._lock:
            known = self._handlers.get(name)
            if known is not None:
                first, again = definition_of(known.handler), definition_of(handler)
                if not again.is_edition_of(first):
                    raise DefinitionError(
                        f"flow {self._flow} has a query handler named {name!r} already: it is defined at {first}"
                    )
            self._handlers[name] = QueryHandler(self._flow, name, handler, result_fields)

    def get(self, name: str) -> QueryHandler:
        """Return a handler. Raises ``UnknownNameError``, with the names of all, if there is none of that name."""
        found = self._handlers.get(name)
        if found is None:
            known = ", ".join(self._handlers) or "none"
            raise UnknownNameError(
                f"flow {self._flow} has no query handler named {name!r}; there are: {known}"
            )
        return found

    def all(self) -> Mapping[str, QueryHandler]:
        """Return a copy of the handlers."""
        with self._lock:
            return dict(self._handlers)
