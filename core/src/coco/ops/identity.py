"""Identity of a function: all that its results depend on besides its arguments.

By default it covers the canonical code of the function, of every method of an executor class and of its bases in the project,
and of everything in the project that they call, decorated or not; defaults, closure values and module constants; and the
spec. It does not cover comments, formatting, docstrings and annotations. Code of other packages counts by name only. A
``behavior_version`` replaces all code.

A container that a function fills itself (``CACHE[key] = ...``) is state and does not count. An object can give its identity by
``__coco_identity__() -> str``. An executor class can add to its identity by a static ``extra_identity(spec) -> str``, for
example a model revision. The ``deps`` of a function count too, also in addition to a version, and also if another function
calls it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

from msgspec import Struct, field

from coco.engine_object import canonical_json, dump_for_identity
from coco.errors import DefinitionError
from coco.ops.calls import call_blocking
from coco.ops.code_walk import CodeWalk
from coco.ops.origin import RECORD, OpOrigin, versions_of
from coco.ops.project import Project

IDENTITY_VERSION = 1
"""We increase it when the canonical form changes. Every function without a version then counts as changed."""


class FunctionIdentity(Struct, frozen=True):
    """Two fingerprints of 16 bytes, and their parts as text.

    code: of kind, spec, and version or code. If it changes, rows are processed again. memo: of the same, the origin, and the
    values of parameters left to their defaults. It is part of the key of a memo entry, with the arguments. parts: name of a
    part -> short hash or text. Comparing two of these shows which code has changed.
    """

    code: bytes
    memo: bytes
    parts: Mapping[str, str] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.code, self.memo) == (other.code, other.memo)

    def __hash__(self) -> int:
        return hash((self.code, self.memo))


def fingerprint_of(data: Any) -> bytes:
    """Return the 16-byte fingerprint of JSON-able data."""
    from coco.hot import fingerprint

    digest: bytes = fingerprint(canonical_json(data).encode())
    return digest


def function_identity(
    *,
    kind: str,
    target: Any,
    origin: OpOrigin,
    spec: Any,
    behavior_version: int | None,
    defaults: Mapping[str, Any],
    result_type: Any,
) -> FunctionIdentity:
    """Return the identity of one use of an operation.

    target: the function or executor class. defaults: parameters left out -> their default values.
    result_type: JSON form of the result's type without attributes.
    Raises ``DefinitionError`` for a spec that cannot be dumped or a closure value without identity.
    """
    dumped = dump_for_identity(spec)
    parts: dict[str, str] = {"kind": kind, "spec": canonical_json(dumped)}
    data: dict[str, Any] = {
        "identity": IDENTITY_VERSION,
        "kind": kind,
        "spec": dumped,
        "behavior_version": behavior_version,
        "result": result_type,
    }
    if behavior_version is not None:
        parts["behavior_version"] = str(behavior_version)
        walk = CodeWalk(_project_of(target))
        dependencies = walk.dependencies(target) if isinstance(target, FunctionType) else []
        if dependencies:
            data["dependencies"] = [dependencies, walk.units]
    else:
        walk, root = walk_code(target, spec)
        data["code"] = [root, walk.units]
    parts.update(_code_parts(walk))
    if walk.environments:
        packages = _packages_of(walk.environments)
        data["packages"] = packages
        parts.update({f"package {name}": version for name, version in packages.items()})
    extra = getattr(target, "extra_identity", None) if isinstance(target, type) else None
    if extra is not None:
        data["extra"] = str(call_blocking(extra, spec))
        parts["extra"] = data["extra"]
    code = fingerprint_of(data)
    memo = fingerprint_of(["memo", code.hex(), origin.memo_scope(), _default_forms(defaults)])
    return FunctionIdentity(code, memo, parts)


def walk_code(target: Any, spec: Any = None, *, strict: bool = True) -> tuple[CodeWalk, Any]:
    """Walk a function, or an executor class together with the methods of its spec's class.

    strict: raise ``DefinitionError`` for a closure value without identity.
    """
    walk = CodeWalk(_project_of(target), strict=strict)
    if isinstance(target, FunctionType):
        return walk, walk.function(target)
    return walk, [walk.klass(target), walk.methods(type(spec)) if spec is not None else {}]


def _project_of(target: Any) -> Project:
    if isinstance(target, FunctionType):
        return Project(target.__module__, target.__code__.co_filename)
    call = getattr(target, "__call__", None)  # noqa: B004 - the method itself is wanted
    code = getattr(getattr(call, "__func__", call), "__code__", None)
    return Project(target.__module__, getattr(code, "co_filename", None))


def _packages_of(functions: Iterable[FunctionType]) -> dict[str, str]:
    """Return the versions of the interpreter and of the installed packages that functions and their helpers use."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for function in functions:
        walk, _ = walk_code(function, strict=False)
        found.update(versions_of(function.__module__))
        found.update(walk.packages())
    return dict(sorted(found.items()))


def _code_parts(walk: CodeWalk) -> dict[str, str]:
    parts = {}
    for label, unit in zip(walk.labels, walk.units, strict=True):
        parts[f"code {label}"] = fingerprint_of(_without_references(unit)).hex()[:12]
    for name, form in sorted(walk.constants.items()):
        text = json.dumps(form, ensure_ascii=True)
        parts[f"constant {name}"] = text if len(text) <= 80 else fingerprint_of(form).hex()[:12]
    return parts


def _without_references(unit: Any) -> Any:
    """Return a unit with a mark in place of each reference, so that a part changes only with its own code."""
    if isinstance(unit, list):
        if len(unit) == 2 and unit[0] == "unit":
            return "unit"
        return [_without_references(item) for item in unit]
    if isinstance(unit, dict):
        return {key: _without_references(item) for key, item in unit.items() if key != "globals"}
    return unit


def _default_forms(defaults: Mapping[str, Any]) -> dict[str, Any]:
    walk = CodeWalk(Project("", None))
    return {
        name: walk.values.form(value, f"default {name!r}", strict=False)
        for name, value in sorted(defaults.items())
    }


def describe_identity(function: Any, spec: Any = None) -> dict[str, Any]:
    """Return what the identity of a function or executor class covers.

    Keys: ``behavior_version`` (None if code counts), ``code`` (functions and classes), ``constants``
    (name -> form), ``by_name`` (other packages' code that counts by name only), ``opaque`` (types of
    objects that count by type only), ``dependencies`` (forms of what it declares) and ``packages`` (versions
    of packages, if it depends on its environment). Works for undecorated functions too.
    """
    record = getattr(function, RECORD, None)
    target = function if record is None else record.target
    if not isinstance(target, (FunctionType, type)):
        raise DefinitionError(f"{function!r} is neither a function nor an executor class")
    version = None if record is None else record.op_args.behavior_version
    if version is None:
        walk, _ = walk_code(target, spec)
    else:
        walk = CodeWalk(_project_of(target))
    dependencies = walk.dependencies(target) if isinstance(target, FunctionType) else []
    return {
        "behavior_version": version,
        "code": sorted(walk.labels),
        "constants": dict(sorted(walk.constants.items())),
        "by_name": sorted(walk.by_name),
        "opaque": sorted(walk.opaque),
        "dependencies": dependencies,
        "packages": _packages_of(walk.environments) if walk.environments else {},
    }
