"""Binds functions to arguments as a flow does, and computes their identity, here and in another process."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coco.harness import ArgSchema, BoundFunction, identity_without_arguments, operation
from coco.kit.plain import from_plain
from coco.typing import EnrichedValueType
from coco_testing.values import type_named


class Anything:
    """Equal to every value: for a case whose result the author does not know."""

    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING = Anything()


@dataclass(frozen=True)
class Case:
    """One call. ``args``, ``kwargs`` and ``result`` in natural form (structs as dicts); no null for required ones.

    holds: a condition on the result in natural form (numbers in arrays), if the exact result is not known.
    types: annotations of parameters that have none of their own, by name.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    result: Any = ANYTHING
    holds: Callable[[Any], bool] | None = None
    types: Mapping[str, Any] = field(default_factory=dict)


def bind(record: Any, spec: Any, case: Case, *, nullable: bool = False) -> BoundFunction:
    """Bind a function to arguments of its declared types."""
    signature = record.signature()
    names: list[str | None] = [*(None for _ in case.args), *case.kwargs]
    args = []
    for position, name in enumerate(names):
        parameter = signature.parameters[position] if name is None else signature.parameter(name)
        assert parameter is not None, f"{record.kind} has no parameter {name!r}"
        annotation = case.types.get(parameter.name, parameter.annotation)
        type_ = type_named(annotation)
        args.append((ArgSchema(type_.as_nullable() if nullable else _required(type_)), name))
    bound: BoundFunction = record.bind(spec, args)
    return bound


def _required(type_: EnrichedValueType) -> EnrichedValueType:
    return EnrichedValueType(type_.type, False, type_.attrs)


def own_identity(record: Any, spec: Any) -> Any:
    """Identity without bound arguments, in JSON-able form."""
    identity = identity_without_arguments(record, spec)
    return [identity.code.hex(), identity.memo.hex()]


def identity_of(module: str, qualname: str, kind: str, spec: str | None) -> str:
    """``own_identity`` in another process, from names."""
    target: Any = importlib.import_module(module)
    for part in qualname.split("."):
        target = getattr(target, part)
    record: Any = operation(target)
    rebuilt: Any = None if spec is None else from_plain(record.spec_cls, json.loads(spec))
    return json.dumps(own_identity(record, rebuilt))


def close(first: Any, second: Any, tolerance: float) -> bool:
    """Equal, except that numbers may differ by ``tolerance``, relative to the larger one or to 1."""
    if hasattr(first, "tolist") or hasattr(second, "tolist"):
        first, second = (item.tolist() if hasattr(item, "tolist") else item for item in (first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(
            close(first[key], second[key], tolerance) for key in first
        )
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(
            close(a, b, tolerance) for a, b in zip(first, second, strict=True)
        )
    return bool(first == second)
