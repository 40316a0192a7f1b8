"""Checks the specs that users pass to the builder."""

from __future__ import annotations

from typing import Any

from coco.errors import DefinitionError
from coco.spec import OpCategory, spec_category

_BASES = {
    OpCategory.SOURCE: "SourceSpec",
    OpCategory.FUNCTION: "FunctionSpec",
    OpCategory.TARGET: "TargetSpec",
    OpCategory.DECLARATION: "DeclarationSpec",
    OpCategory.TARGET_ATTACHMENT: "TargetAttachmentSpec",
}


def checked_spec(spec: Any, category: OpCategory, taker: str) -> Any:
    """Return ``spec`` if it is an instance of the right category; raise ``DefinitionError`` otherwise."""
    expected = _BASES[category]
    if isinstance(spec, type):
        if spec_category(spec) is category:
            raise DefinitionError(
                f"{taker} takes an instance of a {expected}, got the class {spec.__name__}: write "
                f"{spec.__name__}(...)"
            )
        raise DefinitionError(f"{taker} takes a {expected}, got the class {spec.__name__}")
    found = spec_category(spec)
    if found is None:
        raise DefinitionError(f"{taker} takes a {expected}, got {type(spec).__name__}")
    if found is not category:
        raise DefinitionError(
            f"{taker} takes a {expected}, got {type(spec).__name__}, which is a {_BASES[found]}"
        )
    return spec
