"""What can go wrong, as a tree.

::

    CocoError                       recovery: what the caller can do next
    ├── ClientError (ValueError)            the user's mistake: fix the definition or the input
    │   ├── DefinitionError                 found while a flow is defined; names flow, scope, field, line
    │   ├── UnknownNameError (KeyError)     a flow, field, handler or operation that does not exist
    │   ├── CallShapeError (TypeError)      wrong arguments to a decorator or a call
    │   ├── ValueConversionError            a value does not fit its declared type; names the path
    │   ├── StoredValueError                a stored value no longer reads as its declared type
    │   ├── AuthEntryError                  a referenced auth entry is not registered
    │   └── ApiError                        carries an HTTP status
    │       ├── SetupRequiredError          setup is missing or out of date; names the command
    │       ├── SetupConflictError          another process changed the setup meanwhile (409)
    │       └── DestructiveSetupError       setup would delete data, and nobody said that it may
    ├── InternalError (RuntimeError)        ours, or a system we stand on
    │   ├── StateStoreError                 the state store cannot be read or written
    │   ├── PluginError                     a plugin is missing, broken or ambiguous
    │   └── LeaseHeldError                  another process works on the same flow
    ├── LifecycleError (RuntimeError)       called in a state in which it makes no sense
    ├── SourceError                         a whole source cannot be listed
    ├── SourceReadError                     one source row cannot be read
    ├── FunctionTimeoutError (TimeoutError) a user function exceeded its limit
    ├── PrepareError                        a function could not be prepared; costs the rows that need it
    ├── WorkerDiedError                     the process that runs a function ended in the middle of a call
    ├── BatchShapeError                     a batching function returned a wrong number of results
    ├── MutationError                       a target wrote only part of a batch; names the failed keys
    ├── TargetError                         a target cannot be reached or refused a batch
    │   ├── DriftError                      its resource is missing, or another program altered it
    │   ├── TargetTimeoutError              a call of it did not answer in time, and was cancelled
    │   ├── FencedError                     a later update of the same flow writes to it
    │   ├── RowRefusedError                 it named a row that it does not take; others were written
    │   └── UnwrittenTargetError            every write of an update to it failed
    └── SafetyStopError                     a guard stopped a run that would delete too much

Exceptions of user code are never wrapped away: they are kept as ``__cause__`` and re-raised as they
are where Python code calls Python code.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

E = TypeVar("E", bound=Exception)
X = TypeVar("X", bound=BaseException)

TRACEBACK_VARIABLE = "COCO_TRACEBACK"


def wants_tracebacks() -> bool:
    """Whether ``COCO_TRACEBACK``, or ``-v`` of a command, which sets it, asks for whole tracebacks."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


class Phase(enum.Enum):
    """Where in the life of a flow an error arose."""

    DEFINE = "define"
    SETUP = "setup"
    LIST = "list"
    READ = "read"
    PREPARE = "prepare"
    EVALUATE = "evaluate"
    STAGE = "stage"
    APPLY = "apply"
    COMMIT = "commit"


class Recovery(enum.Enum):
    """What helps: nothing without a change, trying again, or going on without the part."""

    FATAL = "fatal"
    RETRIABLE = "retriable"
    IGNORABLE = "ignorable"


class CocoError(Exception):
    """Root of all errors that coco raises itself."""

    recovery: Recovery = Recovery.FATAL
    status: int = 500


class ClientError(CocoError, ValueError):
    """Something the user can fix."""

    status = 400


class DefinitionError(ClientError):
    """A flow or an operation is defined wrongly. Also usable for type analysis."""


class UnknownNameError(ClientError, KeyError):
    """A name that is not known; the message lists what is."""

    status = 404

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


class CallShapeError(ClientError, TypeError):
    """Wrong arguments: an unknown keyword, missing parentheses, a wrong type."""


class ValueConversionError(ClientError):
    """A value that does not fit its type, in the voice "expected, got, at path".

    ``path``: names and ``[i]`` positions, outermost first.
    """

    recovery = Recovery.IGNORABLE

    def __init__(self, expected: str, got: str, path: Sequence[str] = ()) -> None:
        super().__init__(expected, got, tuple(path))
        self.expected = expected
        self.got = got
        self.path = tuple(path)

    def under(self, *outer: str) -> ValueConversionError:
        """The same error seen from further outside."""
        return ValueConversionError(self.expected, self.got, (*outer, *self.path))

    def __str__(self) -> str:
        text = f"expected {self.expected}, got {self.got}"
        return f"{text} - at {format_path(self.path)}" if self.path else text


class StoredValueError(ClientError):
    """Stored bytes that do not read as the declared type; a memo entry like this is a miss."""


class AuthEntryError(ClientError):
    """An auth entry that is referred to but not registered."""


class SecretError(ClientError):
    """A secret that cannot be had: nothing knows its scheme, or what does could not give it. Its text never holds a value."""


class ApiError(ClientError):
    """A client error with an HTTP status (default 400)."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SetupRequiredError(ApiError):
    """The flow's setup is missing or out of date."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 400)


class SetupConflictError(ApiError):
    """Someone else changed the setup between describe and apply."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 409)


class DestructiveSetupError(ApiError):
    """Setup would delete data or lose a part of it, and ``allow_destructive=True`` was not given; nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 400)


class InternalError(CocoError, RuntimeError):
    """A fault of ours or of a system below us."""


class StateStoreError(InternalError):
    """The state store failed: locked, full, corrupt, read-only or too new. Never reset silently."""


class PluginError(InternalError):
    """A plugin that is missing, failed to import, or clashes with another."""


class LeaseHeldError(InternalError):
    """Another process holds the flow's lease."""

    recovery = Recovery.RETRIABLE


class LifecycleError(CocoError, RuntimeError):
    """An object used in a state that does not allow it."""


class SourceError(CocoError):
    """A source as a whole failed; no deletion is inferred from what it listed."""

    recovery = Recovery.RETRIABLE


class SourceReadError(CocoError):
    """One row could not be read; its old target rows stay."""

    recovery = Recovery.RETRIABLE


class FunctionTimeoutError(CocoError, TimeoutError):
    """A function call exceeded its ``timeout``."""

    recovery = Recovery.RETRIABLE


class PrepareError(CocoError):
    """A function's ``prepare`` failed, so it cannot be called. ``reason``: what was raised."""

    recovery = Recovery.RETRIABLE

    def __init__(self, where: str, reason: Exception) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason
        self.__cause__ = reason

    def __str__(self) -> str:
        reason = f"{type(self.reason).__name__}: {self.reason}"
        return f"{self.where}: {reason}; what needs it is tried again by the next update"


class WorkerDiedError(CocoError):
    """The worker of a function that runs in another process ended during a call, repeatedly.

    Runners answer a call with it, and a word on how it ended; the engine then makes the call again.
    """

    recovery = Recovery.RETRIABLE


class BatchShapeError(CocoError):
    """A batching function returned a list of another length."""


class MutationError(CocoError):
    """Part of a batch was not written.

    ``failed_keys``: target key (tuple of engine values) -> reason. All other rows were written.
    """

    recovery = Recovery.RETRIABLE

    def __init__(self, failed_keys: Mapping[tuple[Any, ...], str]) -> None:
        super().__init__(f"{len(failed_keys)} row(s) were refused by the target")
        self.failed_keys = dict(failed_keys)


class TargetError(CocoError):
    """A target that cannot be reached or does not hold its resource."""

    recovery = Recovery.RETRIABLE


class TargetTimeoutError(TargetError, TimeoutError):
    """A call of a target that did not answer within ``Settings.target_call_timeout``.

    left: its thread could not be interrupted and was left behind, so what it uses must not be touched.
    """

    def __init__(self, message: str, *, left: bool = False) -> None:
        super().__init__(message)
        self.left = left


class RowRefusedError(TargetError):
    """A row that a target named as one that it does not take; see ``MutationError``."""


class FencedError(TargetError):
    """A later run of the same flow writes to a target, so that this one may not.

    number: the highest number that the target has seen; see ``coco.op.FencingToken``.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class DriftError(TargetError):
    """The resource that setup made is gone, or lacks what rows need. Target connectors raise it with what and where;
    the way out, ``coco verify --repair``, is named by coco.
    """


class UnwrittenTargetError(TargetError):
    """Every write of an update to a target failed. ``info``: what the update did all the same (``IndexUpdateInfo``)."""

    def __init__(self, message: str, info: Any = None) -> None:
        super().__init__(message)
        self.info = info


class SafetyStopError(CocoError):
    """A guard stopped the run; the message says how to go on."""


def format_path(path: Sequence[str]) -> str:
    """``("person", "tags", "[3]")`` -> ``person.tags[3]``."""
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text


@contextmanager
def error_context(message: str | Callable[[], str]) -> Iterator[None]:
    """Attach "while ..." to whatever is raised inside, keeping its type and traceback.

    A callable is evaluated only on failure.
    """
    try:
        yield
    except Exception as error:
        text = message() if callable(message) else message
        contexts = list(getattr(error, "__coco_contexts__", ()))
        contexts.append(text)
        try:
            error.__coco_contexts__ = contexts  # type: ignore[attr-defined]
        except AttributeError:  # exceptions with __slots__
            pass
        error.add_note(text)
        raise


def render_error(error: BaseException) -> str:
    """Text with numbered contexts, outermost first, then the root."""
    contexts = list(getattr(error, "__coco_contexts__", ()))
    root = str(error) or type(error).__name__
    if isinstance(error, ClientError):
        root = f"Invalid Request: {root}"
    elif not isinstance(error, CocoError):
        root = f"{type(error).__name__}: {root}"
    if not contexts:
        return root
    lines = ["Context:"]
    lines += [f"  {number}. {text}" for number, text in enumerate(reversed(contexts), 1)]
    return "\n".join([*lines, root])


RETRIABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504, 529})
"""HTTP answers after which the same request may succeed."""

RetriableFn: TypeAlias = Callable[[Any], "bool | None"]
_MARK = "__coco_retriable__"
_retriable_types: dict[type[BaseException], RetriableFn] = {}


def register_retriable(
    error_type: type[E], when: Callable[[E], bool | None] | None = None, /, *, replace: bool = False
) -> None:
    """Say of a client library's errors whether trying again may help; for the whole process.

    when: looks at one error; True, False, or None for "no opinion". Left out: all of them are retriable.
    Holds for subclasses too unless they have an entry of their own. Registering the same again is fine;
    something else for a known type raises ``ClientError`` unless ``replace``, as does a type that does not
    derive from ``Exception`` or that Python itself or coco owns.
    """
    if not (isinstance(error_type, type) and issubclass(error_type, Exception)):
        raise ClientError(f"register_retriable takes a subclass of Exception, got {error_type!r}")
    if error_type.__module__ == "builtins" or issubclass(error_type, CocoError):
        raise ClientError(
            f"register_retriable: {error_type.__name__} is not yours to classify; "
            "derive a class from it, or mark single errors with mark_retriable"
        )
    chosen: RetriableFn = _always if when is None else when
    known = _retriable_types.get(error_type, chosen)
    if not replace and (known.__module__, known.__qualname__) != (chosen.__module__, chosen.__qualname__):
        raise ClientError(
            f"register_retriable: {error_type.__module__}.{error_type.__qualname__} is registered already with "
            "another test; give replace=True if that is meant"
        )
    _retriable_types[error_type] = chosen


def mark_retriable(error: X, retriable: bool = True) -> X:
    """Say of one error whether trying again may help; goes before everything else. Returns the error."""
    try:
        setattr(error, _MARK, retriable)
    except AttributeError as problem:  # exceptions with __slots__
        raise ClientError(
            f"{type(error).__name__} takes no mark because of its __slots__; use register_retriable"
        ) from problem
    return error


def is_retriable(error: BaseException) -> bool:
    """Whether trying again may help.

    In this order: a mark (``mark_retriable``); coco's own ``recovery``; what a plugin registered for its type
    (``register_retriable``, the nearest base class first); time-outs and connection errors; the HTTP status in
    ``status_code``, ``status`` or ``response.status_code``. Anything else is not.
    """
    marked = getattr(error, _MARK, None)
    if marked is not None:
        return bool(marked)
    if isinstance(error, CocoError):
        return error.recovery is Recovery.RETRIABLE
    for base in type(error).__mro__:
        test = _retriable_types.get(base)
        answer = test(error) if test is not None else None
        if answer is not None:
            return answer
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    return http_status(error) in RETRIABLE_STATUS


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an error of a client library carries, if any."""
    for owner, name in (
        (error, "status_code"),
        (getattr(error, "response", None), "status_code"),
        (error, "status"),
    ):
        found = getattr(owner, name, None)
        if isinstance(found, int) and not isinstance(found, bool):
            return int(found)
    return None


def _always(error: BaseException) -> bool:
    return True
