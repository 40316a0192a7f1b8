"""Specs: frozen, validated descriptions of operations."""

from coco.spec.bases import (
    DeclarationSpec,
    EmptyFunctionSpec,
    FunctionSpec,
    OpCategory,
    SourceSpec,
    TargetAttachmentSpec,
    TargetSpec,
    spec_category,
    spec_doc,
    spec_kind,
)
from coco.spec.meta import SpecBase, SpecMeta

__all__ = [
    "DeclarationSpec",
    "EmptyFunctionSpec",
    "FunctionSpec",
    "OpCategory",
    "SourceSpec",
    "SpecBase",
    "SpecMeta",
    "TargetAttachmentSpec",
    "TargetSpec",
    "spec_category",
    "spec_doc",
    "spec_kind",
]
