"""Query handlers: what they return, and how they are called."""

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
    """About the query itself, for user interfaces.

    embedding: the query's vector, a list or array of numbers. similarity_metric: how it was compared.
    """

    embedding: Any = None
    similarity_metric: VectorSimilarityMetric | None = None


@dataclass
class QueryOutput:
    """What a handler returns. ``results``: dicts or dataclasses, whose values may nest freely."""

    results: list[Any]
    query_info: QueryInfo = field(default_factory=QueryInfo)


@dataclass(frozen=True)
class QueryHandlerResultFields:
    """Which fields of a result hold vectors, and which one the score."""

    embedding: list[str] = field(default_factory=list)
    score: str | None = None


@dataclass(frozen=True)
class QueryHandlerInfo:
    """What is known about a handler without calling it."""

    result_fields: QueryHandlerResultFields | None = None


def handler_info(handler: QueryHandler) -> QueryHandlerInfo:
    """The declared part of a registered handler."""
    return QueryHandlerInfo(handler.result_fields)


def call_query_handler(flow: Flow, name: str, arguments: Mapping[str, Any]) -> QueryOutput:
    """Call a handler of ``flow`` and wait for its answer.

    Raises ``UnknownNameError`` for no such handler, ``CallShapeError`` for arguments that do not fit its
    signature, ``DefinitionError`` if it returns no ``QueryOutput``; its own exceptions come through. An async
    handler runs in an event loop of its own, so this must not be called from one; use the async twin there.
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
