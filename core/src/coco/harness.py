"""Operations without a flow, for test kits such as ``coco-testing``.

``operation`` returns coco's record of an operation. A record of a function or target has ``bind``, and a record of a source
has encoders and decoders; they do what the definition of a flow does. ``runner`` makes a runner by its name, and
``RemoteCalls`` makes calls through it as the engine does. ``program`` returns the command line.

This module follows the engine, so it may change with a minor release of coco-core; the change log says so. A kit that uses
it requires one minor release: ``coco-core>=0.1,<0.2``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coco.ops.connector_records import (
    BoundTarget,
    RegisteredAttachment,
    RegisteredDeclaration,
    RegisteredSource,
    RegisteredTarget,
)
from coco.ops.function_record import ArgSchema, BoundFunction, RegisteredFunction
from coco.ops.identity import FunctionIdentity, function_identity
from coco.ops.registry import registered_function, registry
from coco.ops.runners import pack_call
from coco.spec import (
    DeclarationSpec,
    FunctionSpec,
    OpCategory,
    SourceSpec,
    TargetAttachmentSpec,
    TargetSpec,
)

if TYPE_CHECKING:
    import click

    from coco.engine.remote_calls import RemoteCalls
    from coco.op import Runner

__all__ = [
    "ArgSchema",
    "BoundFunction",
    "BoundTarget",
    "FunctionIdentity",
    "RegisteredAttachment",
    "RegisteredDeclaration",
    "RegisteredFunction",
    "RegisteredSource",
    "RegisteredTarget",
    "RemoteCalls",
    "identity_without_arguments",
    "operation",
    "pack_call",
    "program",
    "runner",
]

_CATEGORIES: tuple[tuple[type, OpCategory], ...] = (
    (SourceSpec, OpCategory.SOURCE),
    (FunctionSpec, OpCategory.FUNCTION),
    (TargetSpec, OpCategory.TARGET),
    (DeclarationSpec, OpCategory.DECLARATION),
    (TargetAttachmentSpec, OpCategory.TARGET_ATTACHMENT),
)


def operation(subject: Any) -> Any:
    """The record of an operation: a ``RegisteredFunction``, ``RegisteredSource``, ``RegisteredTarget``,
    ``RegisteredDeclaration`` or ``RegisteredAttachment``.

    subject: a spec or its class, a function under ``@op.function``, or a class under ``@op.executor_class``. Raises
    ``UnknownNameError`` for a spec without an implementation, and ``TypeError`` for anything else.
    """
    cls = subject if isinstance(subject, type) else type(subject)
    for base, category in _CATEGORIES:
        if issubclass(cls, base):
            return registry.get(category, cls.__name__)
    record = registered_function(subject)
    if record is None:
        raise TypeError(f"{subject!r} is neither a spec nor a registered function")
    return record


def identity_without_arguments(function: RegisteredFunction, spec: Any = None) -> FunctionIdentity:
    """A function's identity before any argument is bound, to compare it between processes.

    Two fingerprints of 16 bytes: ``code`` decides whether rows are processed again, ``memo`` is in the keys of the memo.
    Raises ``DefinitionError`` for a spec that cannot be stored, and for a captured value without an identity.
    """
    return function_identity(
        kind=function.kind,
        target=function.target,
        origin=function.origin,
        spec=spec,
        behavior_version=function.op_args.behavior_version,
        defaults={},
        result_type=None,
    )


def runner(name: str) -> Runner:
    """A new runner by its name: coco's own ``process``, one of this process, or one that a plugin brings.

    Raises ``DefinitionError`` if there is none of that name.
    """
    from coco.engine.remote_calls import Runners
    from coco.environment.environment import find_runner

    return Runners(find_runner).make(name)


def program() -> click.Group:
    """The ``coco`` command with all its commands, those of plugins included, to call with ``click.testing.CliRunner``."""
    from coco.cli.group import cli

    return cli


if not TYPE_CHECKING:  # the engine is imported where it is needed

    def __getattr__(name: str) -> Any:
        if name != "RemoteCalls":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from coco.engine.remote_calls import RemoteCalls

        return RemoteCalls
