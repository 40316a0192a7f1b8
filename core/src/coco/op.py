"""Everything for authors of operations: specs, decorators, what connectors receive and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coco.ops.decorators import (
    attachment_connector,
    declaration_connector,
    executor_class,
    fn,
    function,
    source_connector,
    target_connector,
)
from coco.ops.op_args import ArgRelationship, OpArgs
from coco.ops.remote import Worker, answer_call, open_answer
from coco.ops.runner_names import runner
from coco.ops.runners import Answer, RemoteFunction, Runner, RunnerExecutor
from coco.ops.sources import (
    NO_ORDINAL,
    NON_EXISTENCE,
    PartialSourceRow,
    PartialSourceRowData,
    SourceConnector,
    SourceReadOptions,
)
from coco.ops.targets import Adoption, MutationColumns, TargetConnector, TargetStateCompatibility
from coco.spec import (
    DeclarationSpec,
    EmptyFunctionSpec,
    FunctionSpec,
    OpCategory,
    SourceSpec,
    SpecMeta,
    TargetAttachmentSpec,
    TargetSpec,
)

if TYPE_CHECKING:
    from coco.ops.worker_pool import WorkerLink as WorkerLink
    from coco.ops.worker_pool import WorkerPool as WorkerPool


def __getattr__(name: str) -> Any:
    if name in ("WorkerLink", "WorkerPool"):  # they need asyncio, which a definition does not
        from coco.ops import worker_pool

        return getattr(worker_pool, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "NON_EXISTENCE",
    "NO_ORDINAL",
    "Adoption",
    "Answer",
    "ArgRelationship",
    "DeclarationSpec",
    "EmptyFunctionSpec",
    "FunctionSpec",
    "MutationColumns",
    "OpArgs",
    "OpCategory",
    "PartialSourceRow",
    "PartialSourceRowData",
    "RemoteFunction",
    "Runner",
    "RunnerExecutor",
    "SourceConnector",
    "SourceReadOptions",
    "SourceSpec",
    "SpecMeta",
    "TargetAttachmentSpec",
    "TargetConnector",
    "TargetSpec",
    "TargetStateCompatibility",
    "Worker",
    "WorkerLink",
    "WorkerPool",
    "answer_call",
    "attachment_connector",
    "declaration_connector",
    "executor_class",
    "fn",
    "function",
    "open_answer",
    "runner",
    "source_connector",
    "target_connector",
]
