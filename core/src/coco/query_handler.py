"""Query handlers: what they return, and how to call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coco.errors import CallShapeError, DefinitionError, error_context

if TYPE_CHECKING:
    from coco.api.flow import Flow
    from coco.api.query_handlers import QueryHandler
    from coco.index import VectorSimilarityMetric

__all__ = ["QueryHandlerInfo", "QueryHandlerResultFields", "QueryInfo", "QueryOutput"]


@dataclass
class QueryInfo:
    """Describes a query, for user interfaces."""

    embedding: Any = None
    """The vector of the query, a list or array of numbers; None if there is none."""
    similarity_metric: VectorSimilarityMetric | None = None
    """How the query compared vectors; None if it did not."""


@dataclass
class QueryOutput:
    """The answer of a query handler."""

    results: list[Any]
    """Dicts or dataclasses. Their values may be nested."""
    query_info: QueryInfo = field(default_factory=QueryInfo)
    """Describes the query."""


@dataclass(frozen=True)
class QueryHandlerResultFields:
    """Names fields of the results that user interfaces treat specially."""

    embedding: list[str] = field(default_factory=list)
    """The fields that hold vectors."""
    score: str | None = None
    """The field that holds the score; None if there is none."""


@dataclass(frozen=True)
class QueryHandlerInfo:
    """Describes a handler without a call of it."""

    result_fields: QueryHandlerResultFields | None = None
    """What ``add_query_handler`` was given; None if nothing."""


def handler_info(handler: QueryHandler) -> QueryHandlerInfo:
    """Return the description of a registered handler."""
    return QueryHandlerInfo(handler.result_fields)


def call_query_handler(flow: Flow, name: str, arguments: Mapping[str, Any]) -> QueryOutput:
    """Call a handler of ``flow`` and return its answer.

    Raises ``UnknownNameError`` if there is no such handler, ``CallShapeError`` for arguments that do not fit its
    signature, ``DefinitionError`` if it does not return a ``QueryOutput``, and what the handler raises. An async handler
    runs in an event loop of its own, so call the async twin of this function where a loop runs already.
    """
    handler = _prepared(flow, name, arguments)
    with error_context(f"in query handler {flow.name}.{name}"):
        returned = handler.handler(**arguments)
        if handler.is_async:
            import asyncio

            returned = asyncio.run(returned)
        return _checked(handler, returned)


async def call_query_handler_async(flow: Flow, name: str, arguments: Mapping[str, Any]) -> QueryOutput:
    """Async twin of ``call_query_handler``; a sync handler runs in a worker thread."""
    import asyncio

    handler = _prepared(flow, name, arguments)
    with error_context(f"in query handler {flow.name}.{name}"):
        if handler.is_async:
            returned = await handler.handler(**arguments)
        else:
            returned = await asyncio.to_thread(handler.handler, **arguments)
        return _checked(handler, returned)


def _prepared(flow: Flow, name: str, arguments: Mapping[str, Any]) -> QueryHandler:
    from coco.api.query_handlers import QueryHandlers

    handlers: QueryHandlers = flow._handlers
    handler = handlers.get(name)
    signature = handler.signature
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise CallShapeError(f"query handler {flow.name}.{name}{signature}: {error}") from error
    return handler


def _checked(handler: QueryHandler, returned: Any) -> QueryOutput:
    if not isinstance(returned, QueryOutput):
        raise DefinitionError(
            f"query handler {handler.flow}.{handler.name} must return a QueryOutput, got "
            f"{type(returned).__name__}: "
            "write QueryOutput(results=[...])"
        )
    if not isinstance(returned.results, list):
        raise DefinitionError(
            f"query handler {handler.flow}.{handler.name}: QueryOutput.results must be a list, got "
            f"{type(returned.results).__name__}"
        )
    return returned
