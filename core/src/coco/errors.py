"""What can go wrong, as a tree (spec ERR-01 to ERR-09, G-034).

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
    │       └── SetupConflictError          another process changed the setup meanwhile (409)
    ├── InternalError (RuntimeError)        ours, or a system we stand on
    │   ├── StateStoreError                 the state store cannot be read or written
    │   ├── PluginError                     a plugin is missing, broken or ambiguous
    │   └── LeaseHeldError                  another process works on the same flow
    ├── LifecycleError (RuntimeError)       called in a state in which it makes no sense
    ├── SourceError                         a whole source cannot be listed
    ├── SourceReadError                     one source row cannot be read
    ├── FunctionTimeoutError (TimeoutError) a user function exceeded its limit
    ├── BatchShapeError                     a batching function returned a wrong number of results
    ├── MutationError                       a target wrote only part of a batch; names the failed keys
    ├── TargetError                         a target cannot be reached or refused a batch
    ├── SafetyStopError                     a guard stopped a run that would delete too much
    └── DriftError                          a target does not hold what state says it holds

Exceptions of user code are never wrapped away: they are kept as ``__cause__`` and re-raised as they
are where Python code calls Python code (ERR-05).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class Phase(enum.Enum):
    """Where in the life of a flow an error arose."""

    DEFINE = "define"
    SETUP = "setup"
    LIST = "list"
    READ = "read"
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
    """A value that does not fit its type, in the voice "expected, got, at path" (E-080).

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
    """An auth entry that is referred to but not registered (AU-7)."""


class ApiError(ClientError):
    """A client error with an HTTP status (default 400)."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SetupRequiredError(ApiError):
    """The flow's setup is missing or out of date (EN-9)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 400)


class SetupConflictError(ApiError):
    """Someone else changed the setup between describe and apply (SU-25)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 409)


class InternalError(CocoError, RuntimeError):
    """A fault of ours or of a system below us."""


class StateStoreError(InternalError):
    """The state store failed: locked, full, corrupt, read-only or too new. Never reset silently."""


class PluginError(InternalError):
    """A plugin that is missing, failed to import, or clashes with another (ERR-12)."""


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
    """A function call exceeded its ``timeout`` (X-040)."""

    recovery = Recovery.RETRIABLE


class BatchShapeError(CocoError):
    """A batching function returned a list of another length (X-033)."""


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


class SafetyStopError(CocoError):
    """A guard stopped the run; the message says how to go on."""


class DriftError(CocoError):
    """A target does not hold what state says (lost or changed behind our back)."""


def format_path(path: Sequence[str]) -> str:
    """``("person", "tags", "[3]")`` -> ``person.tags[3]``."""
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text


@contextmanager
def error_context(message: str | Callable[[], str]) -> Iterator[None]:
    """Attach "while ..." to whatever is raised inside, keeping its type and traceback (ERR-03).

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
    """Text with numbered contexts, outermost first, then the root (ERR-04)."""
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


def is_retriable(error: BaseException) -> bool:
    """Whether trying again may help (RET-01): our own marks, time-outs, connection errors, HTTP 429/500-503."""
    if isinstance(error, CocoError):
        return error.recovery is Recovery.RETRIABLE
    if isinstance(error, (TimeoutError, ConnectionError)):
        return True
    status = getattr(error, "status_code", None) or getattr(
        getattr(error, "response", None), "status_code", None
    )
    return status in (429, 500, 502, 503)
