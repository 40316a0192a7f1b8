"""What a class under ``@op.executor_class`` may implement beside ``__call__``: one protocol for each ability.

coco makes an instance without arguments, sets its ``spec``, calls ``analyze`` while the flow is defined, and ``prepare`` once
before the first call. A class attribute ``runs_in_plan = True`` lets ``coco plan`` make calls.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

SpecT = TypeVar("SpecT", contravariant=True)


class Analyzes(Protocol):
    """A result type that depends on the spec. Default: the return annotation of ``__call__``."""

    @abstractmethod
    def analyze(self) -> Any:
        """The type that calls return, as an annotation (``str``, ``Vector[Float32, Literal[384]]``), or an ``Awaitable`` of it.

        Called while the flow is defined, when ``spec`` is set. What it raises refuses the flow.
        """
        ...


class PreparesCalls(Protocol):
    """Has something to load before the first call. Default: nothing."""

    @abstractmethod
    def prepare(self) -> Awaitable[None] | None:
        """Load models, connect. Rows that need the function fail if it raises; it is tried again after a pause."""
        ...


class EndsCalls(Protocol):
    """Has something to close. Default: nothing."""

    @abstractmethod
    def close(self) -> Awaitable[None] | None:
        """Called once, when no more calls come. May be async."""
        ...


class IdentifiesResults(Protocol[SpecT]):
    """Results depend on more than code and spec, such as a model's revision. Default: they do not."""

    @staticmethod
    @abstractmethod
    def extra_identity(spec: SpecT) -> str | Awaitable[str]:
        """What they depend on, as a text. Static. When it changes, results are computed again."""
        ...
