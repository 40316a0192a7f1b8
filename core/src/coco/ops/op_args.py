"""Execution options of functions."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from typing import Any, TypedDict

from msgspec import Struct, structs

from coco.errors import CallShapeError, DefinitionError
from coco.ops.runner_names import check_name

DEFAULT_TIMEOUT_SECONDS = 300.0
"""Limit of one execution when ``timeout`` is unset."""

_OF_THE_SIGNATURE = ("batching", "arg_relationship")


class ArgRelationship(enum.Enum):
    """The relation of a result to one of the arguments. Stored schemas hold the values."""

    EMBEDDING_ORIGIN_TEXT = "cocoindex.io/embedding_origin_text"
    CHUNKS_BASE_TEXT = "cocoindex.io/chunk_base_text"
    RECTS_BASE_IMAGE = "cocoindex.io/rects_base_image"


class FnOptions(TypedDict, total=False):
    """Keywords that ``@fn`` shares with ``@function``, for type checkers; ``OpArgs`` describes them."""

    gpu: bool
    batching: bool
    max_batch_size: int | None
    timeout: datetime.timedelta | None
    arg_relationship: tuple[ArgRelationship, str] | None
    runner: str | None


class OpOptions(FnOptions, total=False):
    """Keywords of ``@function`` and ``@executor_class``, for type checkers; ``OpArgs`` describes them."""

    cache: bool
    behavior_version: int | None


class OpArgs(Struct, frozen=True):
    """Options of the execution of a function: the keywords of ``@function`` and ``@executor_class``."""

    gpu: bool = False
    """Run in a child process, in which all such functions take turns. coco chooses no device."""
    cache: bool = False
    """Keep results, and reuse them for the same function and equal arguments."""
    batching: bool = False
    """The function takes a list for its first argument, and returns a list of the same length."""
    max_batch_size: int | None = None
    """Most items of one call, only with ``batching``. None: the engine decides."""
    behavior_version: int | None = None
    """The identity of the function in place of its code, at least 0. None: the code."""
    timeout: datetime.timedelta | None = None
    """Limit of one execution. None: 300 seconds."""
    arg_relationship: tuple[ArgRelationship, str] | None = None
    """Relation of the result to the named argument, for lineage."""
    runner: str | None = None
    """Name of the runner that makes the calls: ``process``, or one of a plugin or the project. None: this process.

    It is not part of the function's identity.
    """

    def __post_init__(self) -> None:
        for name in ("gpu", "cache", "batching"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise CallShapeError(f"{name} must be a bool, got {type(value).__name__}")
        self._check_int("max_batch_size", 1)
        self._check_int("behavior_version", 0)
        if self.max_batch_size is not None and not self.batching:
            raise DefinitionError("max_batch_size needs batching=True")
        if self.timeout is not None:
            if not isinstance(self.timeout, datetime.timedelta):
                raise CallShapeError(
                    f"timeout must be a datetime.timedelta, got {type(self.timeout).__name__}"
                )
            if self.timeout <= datetime.timedelta(0):
                raise DefinitionError(f"timeout must be positive, got {self.timeout}")
        self._check_relationship()
        if self.runner is not None:
            check_name("runner", self.runner)
            if self.gpu:
                raise DefinitionError(
                    f"gpu=True and runner={self.runner!r} at once: gpu=True means the runner 'process', in which such "
                    "functions take turns; give one of the two"
                )

    def _check_int(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise CallShapeError(f"{name} must be an int, got {type(value).__name__}")
        if value < least:
            raise DefinitionError(f"{name} must be at least {least}, got {value}")

    def _check_relationship(self) -> None:
        value = self.arg_relationship
        if value is None:
            return
        if (
            not isinstance(value, tuple)
            or len(value) != 2
            or not isinstance(value[0], ArgRelationship)
            or not isinstance(value[1], str)
        ):
            raise CallShapeError("arg_relationship must be a pair: (ArgRelationship, name of a parameter)")

    @property
    def timeout_seconds(self) -> float:
        """The limit in effect, in seconds."""
        return DEFAULT_TIMEOUT_SECONDS if self.timeout is None else self.timeout.total_seconds()

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any], owner: str) -> OpArgs:
        """Return the options of a decorator. Raise ``CallShapeError``, with the allowed ones, for an unknown keyword."""
        _check_names(keywords, owner)
        return cls(**keywords)

    def overridden(self, changes: OpArgs | Mapping[str, Any] | None, owner: str) -> OpArgs:
        """Return these options with the changes of one step.

        Of an ``OpArgs``, the fields that differ from the defaults are changes. ``batching`` and ``arg_relationship`` belong to
        the signature of the function and cannot be changed.
        """
        if changes is None:
            return self
        if isinstance(changes, OpArgs):
            default = OpArgs()
            changes = {
                name: getattr(changes, name)
                for name in OpArgs.__struct_fields__
                if getattr(changes, name) != getattr(default, name)
            }
        elif not isinstance(changes, Mapping):
            raise CallShapeError(f"{owner}: op_args must be OpArgs or a dict, got {type(changes).__name__}")
        _check_names(changes, owner)
        for name in _OF_THE_SIGNATURE:
            if name in changes and changes[name] != getattr(self, name):
                raise DefinitionError(
                    f"{owner}: {name} belongs to the function's declaration, not to one step"
                )
        return structs.replace(self, **changes)


def _check_names(keywords: Mapping[str, Any], owner: str) -> None:
    allowed = OpArgs.__struct_fields__
    unknown = [name for name in keywords if name not in allowed]
    if unknown:
        raise CallShapeError(f"{owner}: unknown option {unknown[0]!r}; allowed are: {', '.join(allowed)}")
