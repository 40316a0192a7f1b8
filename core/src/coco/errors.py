"""The exceptions of coco, as a tree, and how they are classified.

::

    CocoError                               recovery: what the caller can do next
    ├── ClientError (ValueError)            a mistake of the user: fix the definition or the input
    │   ├── DefinitionError                 found while a flow is defined; names flow, scope, field, line
    │   ├── UnknownNameError (KeyError)     a flow, field, handler or operation that does not exist
    │   ├── CallShapeError (TypeError)      wrong arguments to a decorator or a call
    │   ├── ValueConversionError            a value does not fit its declared type; names the path
    │   ├── StoredValueError                a stored value does not fit its declared type
    │   ├── AuthEntryError                  a referenced auth entry is not registered
    │   └── ApiError                        carries an HTTP status
    │       ├── SetupRequiredError          setup is missing or out of date; names the command
    │       ├── SetupConflictError          another process changed the setup meanwhile (409)
    │       └── DestructiveSetupError       setup would delete data, and the caller did not allow it
    ├── InternalError (RuntimeError)        a fault of coco, or of a system that it uses
    │   ├── StateStoreError                 the state store cannot be read or written
    │   ├── PluginError                     a plugin is missing, broken or ambiguous
    │   └── LeaseHeldError                  another process works on the same flow
    ├── LifecycleError (RuntimeError)       the object's state does not allow the call
    ├── SourceError                         a whole source cannot be listed
    ├── SourceReadError                     one source row cannot be read
    ├── FunctionTimeoutError (TimeoutError) a user function exceeded its limit
    ├── PrepareError                        a function could not be prepared; the rows that need it fail
    ├── WorkerDiedError                     the process that runs a function ended in the middle of a call
    ├── BatchShapeError                     a batching function returned a wrong number of results
    ├── MutationError                       a target wrote only part of a batch; names the failed keys
    ├── TargetError                         a target cannot be reached or refused a batch
    │   ├── DriftError                      its resource is missing, or another program altered it
    │   ├── TargetTimeoutError              a call of it did not answer in time, and was cancelled
    │   ├── FencedError                     a later update of the same flow writes to it
    │   ├── RowRefusedError                 it refused one row and wrote the others
    │   └── UnwrittenTargetError            every write of an update to it failed
    └── SafetyStopError                     a guard stopped a run that would delete too much

An exception of user code is never lost: a function that a program calls directly raises it unchanged, and otherwise it is
the ``__cause__`` of coco's error.
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
    """Return whether ``COCO_TRACEBACK`` asks for whole tracebacks. The option ``-v`` of a command sets it."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


class Phase(enum.Enum):
    """The step in the work on a flow that raised an error."""

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
    """What to do after an error: change something, retry, or continue without the part that failed."""

    FATAL = "fatal"
    RETRIABLE = "retriable"
    IGNORABLE = "ignorable"


class CocoError(Exception):
    """Base of all errors that coco raises."""

    recovery: Recovery = Recovery.FATAL
    status: int = 500


class ClientError(CocoError, ValueError):
    """A mistake that the user can fix."""

    status = 400


class DefinitionError(ClientError):
    """The definition of a flow, an operation or a type is wrong."""


class UnknownNameError(ClientError, KeyError):
    """A name does not exist. The message lists the names that do."""

    status = 404

    def __str__(self) -> str:  # the text of a KeyError is the repr of its argument
        return str(self.args[0]) if self.args else ""


class CallShapeError(ClientError, TypeError):
    """A call has wrong arguments: an unknown keyword, missing parentheses, a wrong type."""


class ValueConversionError(ClientError):
    """A value does not fit its type. The message reads "expected ..., got ... - at path".

    path: names and ``[i]`` positions, outermost first.
    """

    recovery = Recovery.IGNORABLE

    def __init__(self, expected: str, got: str, path: Sequence[str] = ()) -> None:
        super().__init__(expected, got, tuple(path))
        self.expected = expected
        self.got = got
        self.path = tuple(path)

    def under(self, *outer: str) -> ValueConversionError:
        """Return the same error with an outer path in front."""
        return ValueConversionError(self.expected, self.got, (*outer, *self.path))

    def __str__(self) -> str:
        text = f"expected {self.expected}, got {self.got}"
        return f"{text} - at {format_path(self.path)}" if self.path else text


class StoredValueError(ClientError):
    """Stored bytes do not hold a value of the declared type. A memo entry of this kind counts as missing."""


class AuthEntryError(ClientError):
    """An auth entry that a reference names is not registered, or has another type."""


class SecretError(ClientError):
    """A secret cannot be resolved: no plugin knows its scheme, or the one that does failed. The text never holds a value."""


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
    """Another process changed the setup between describe and apply."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 409)


class DestructiveSetupError(ApiError):
    """Setup would delete data or lose a part of it, and was not called with ``allow_destructive=True``. It changed nothing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 400)


class PlanOutdatedError(ApiError):
    """A plan was to be carried out, and sources, state, setup or definition have moved since it was made.

    ``moved``: what has, one sentence each.
    """

    def __init__(self, message: str, moved: list[str]) -> None:
        super().__init__(message)
        self.moved = moved


class InternalError(CocoError, RuntimeError):
    """A fault of coco, or of a system that it uses."""


class StateStoreError(InternalError):
    """The state store failed: it is locked, full, corrupt, read-only or of a newer release. coco never resets it."""


class PluginError(InternalError):
    """A plugin is missing, cannot be imported, or clashes with another one."""


class LeaseHeldError(InternalError):
    """Another process holds the lease of the flow."""

    recovery = Recovery.RETRIABLE


class LifecycleError(CocoError, RuntimeError):
    """The state of an object does not allow the call, for example a flow that is closed."""


class SourceError(CocoError):
    """A source as a whole failed. coco deletes no rows that its listing lacks."""

    recovery = Recovery.RETRIABLE


class SourceReadError(CocoError):
    """One source row cannot be read. Its earlier target rows stay."""

    recovery = Recovery.RETRIABLE


class FunctionTimeoutError(CocoError, TimeoutError):
    """A call of a function exceeded its ``timeout``."""

    recovery = Recovery.RETRIABLE


class PrepareError(CocoError):
    """The ``prepare`` of a function failed, so the function cannot be called. ``reason``: the error that it raised."""

    recovery = Recovery.RETRIABLE

    def __init__(self, where: str, reason: Exception) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason
        self.__cause__ = reason

    def __str__(self) -> str:
        reason = f"{type(self.reason).__name__}: {self.reason}"
        return f"{self.where}: {reason}; the next update retries the rows that need it"


class WorkerDiedError(CocoError):
    """The worker process of a function ended during a call, repeatedly.

    A runner answers a call with this error if its worker ended. The engine then repeats the call.
    """

    recovery = Recovery.RETRIABLE


class BatchShapeError(CocoError):
    """A batching function returned a list whose length is not that of its input."""


class MutationError(CocoError):
    """A target did not write some rows of a batch.

    failed_keys: target key (tuple of engine values) -> reason. All other rows were written.
    """

    recovery = Recovery.RETRIABLE

    def __init__(self, failed_keys: Mapping[tuple[Any, ...], str]) -> None:
        super().__init__(f"{len(failed_keys)} row(s) were refused by the target")
        self.failed_keys = dict(failed_keys)


class TargetError(CocoError):
    """A target cannot be reached, or refused a batch."""

    recovery = Recovery.RETRIABLE


class TargetTimeoutError(TargetError, TimeoutError):
    """A call of a target did not answer within ``Settings.target_call_timeout``.

    left: whether its thread could not be interrupted and still runs; its connection must then not be used.
    """

    def __init__(self, message: str, *, left: bool = False) -> None:
        super().__init__(message)
        self.left = left


class RowRefusedError(TargetError):
    """A target refused one row; see ``MutationError``."""


class FencedError(TargetError):
    """A later run of the same flow writes to the target, so this run must not.

    number: the highest number that the target has on record; see ``coco.op.FencingToken``.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class DriftError(TargetError):
    """The resource that setup created is missing, or lacks what rows need.

    Target connectors raise it with the resource and its place. coco adds what to do: ``coco verify --repair``.
    """


class UnwrittenTargetError(TargetError):
    """Every write of an update to a target failed. ``info``: what the update did (``IndexUpdateInfo``)."""

    def __init__(self, message: str, info: Any = None) -> None:
        super().__init__(message)
        self.info = info


class SafetyStopError(CocoError):
    """A guard stopped the run. The message names the option that allows it."""


def format_path(path: Sequence[str]) -> str:
    """Return a path as text: ``("person", "tags", "[3]")`` -> ``person.tags[3]``."""
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text


@contextmanager
def error_context(message: str | Callable[[], str]) -> Iterator[None]:
    """Add a context, such as "while updating flow Demo", to an error that is raised inside. Its type stays.

    message: the context, or a function that returns it, which is called only if an error is raised.
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
    """Return the text of an error: its contexts, numbered, outermost first, and then the error itself."""
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
"""HTTP statuses after which the same request may succeed."""

RetriableFn: TypeAlias = Callable[[Any], "bool | None"]
_MARK = "__coco_retriable__"
_retriable_types: dict[type[BaseException], RetriableFn] = {}


def register_retriable(
    error_type: type[E], when: Callable[[E], bool | None] | None = None, /, *, replace: bool = False
) -> None:
    """Declare errors of a client library as retriable, for the whole process.

    error_type: a class of errors; its subclasses are included unless they are registered themselves. when: decides for
    one error: True, False, or None if it cannot tell. Without it, all errors of the class are retriable. replace: whether
    another ``when`` of the same class is replaced.

    Registering the same again changes nothing. Raises ``ClientError`` for another ``when`` without ``replace``, and for a
    class that does not derive from ``Exception`` or belongs to Python or coco.
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
    """Mark one error as retriable or not, which precedes all other rules. Return the error."""
    try:
        setattr(error, _MARK, retriable)
    except AttributeError as problem:  # exceptions with __slots__
        raise ClientError(
            f"{type(error).__name__} takes no mark because of its __slots__; use register_retriable"
        ) from problem
    return error


def is_retriable(error: BaseException) -> bool:
    """Return whether a retry may succeed.

    The first rule that applies decides: the mark of ``mark_retriable``; ``recovery`` of coco's own errors; what a plugin
    has registered for the class (``register_retriable``, nearest base class first); time-outs and connection errors are
    retriable; the HTTP status in ``status_code``, ``status`` or ``response.status_code``. Other errors are not retriable.
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
    """Return the HTTP status in an error of a client library; None if there is none."""
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
