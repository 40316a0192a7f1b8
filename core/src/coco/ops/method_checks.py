"""Compares a class with the methods that coco calls on it, when the class is defined.

A class is read once, by its code objects, and annotations that read as expected are not evaluated: a connector of twenty
methods costs a fraction of a millisecond.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coco.errors import DefinitionError
from coco.ops.method_shapes import (
    Found,
    Shape,
    count_for,
    found_in,
    is_protocol,
    needed_by_init,
    public_members,
    shape_of,
    shape_of_code,
    wrong_kind,
)
from coco.ops.method_types import MethodTypes, text_of, without_modules
from coco.ops.methods import NEEDS, Contract, Method

_NEVER_BOUND = ("create", "types")
"""Methods that coco calls on the class, where there is no instance yet: they work without ``@staticmethod`` as well."""
_FUNCTION_KINDS = (types.FunctionType, staticmethod, classmethod, functools.partial, functools.partialmethod)


def check_methods(
    cls: type,
    contract: Contract,
    types_: Mapping[str, Any],
    *,
    either: tuple[str, ...] = (),
    more: Iterable[str] = (),
) -> None:
    """Raise one ``DefinitionError`` that names all methods of a class which coco could not call as they are.

    types_: what the type variables of the contract stand for; those that are missing may be anything. either: methods of
    which one is required, the usual one first. more: what is wrong besides.
    """
    checks = _Checks(cls, contract, types_)
    missing = [name for name, method in contract.methods.items() if method.required and not checks.has(name)]
    if either and not any(checks.has(name) for name in either):
        missing.append(either[0])
    faults = [*checks.faults(missing), *more]
    title = f"{contract.title} {cls.__name__}"
    lacks = f"lacks required methods: {', '.join(missing)}"
    if missing and not faults:
        raise DefinitionError(f"{title} {lacks}")
    if missing:
        faults.insert(0, f"it {lacks}")
    if len(faults) == 1:
        raise DefinitionError(f"{title}: {faults[0]}")
    if faults:
        lines = "".join(f"\n  {number}. {fault}" for number, fault in enumerate(faults, 1))
        raise DefinitionError(f"{title} has {len(faults)} faults:{lines}")


class _Checks:
    def __init__(self, cls: type, contract: Contract, types_: Mapping[str, Any]) -> None:
        self._cls = cls
        self._contract = contract
        self._public = public_members(cls)
        self._types = MethodTypes(types_, self._function_of("prepare"))

    def _function_of(self, name: str) -> types.FunctionType | None:
        """A method as plain Python whose annotations are its own; None if it is something else, or missing."""
        function = found_in(self._public[name][0]).function if self.has(name) else None
        return None if function is None or hasattr(function, "__wrapped__") else function

    def has(self, name: str) -> bool:
        return callable(getattr(self._cls, name, None)) and name in self._public

    def faults(self, missing: Iterable[str]) -> Iterator[str]:
        """What is wrong with methods that are there, with names that are not known, and with promises."""
        known = self._contract.methods
        names = sorted(self._public.keys() & known.keys(), key=list(known).index)
        for name in names:
            problems = list(self._problems(name, known[name]))
            if problems:
                yield (f"{self._written(name)}: {'; '.join(problems)}. coco expects {self._expected(name)}")
        for name in names:
            other = NEEDS.get(name)
            if other is not None and other in known and self.has(name) and not self.has(other):
                yield f"{name} is of no use without {other}: write {self._expected(other)} as well, or remove {name}"
        yield from self._near_names()
        yield from self._promises(missing)

    # -- one method -------------------------------------------------------------------------------
    def _problems(self, name: str, method: Method) -> Iterator[str]:
        value, _ = self._public[name]
        if value is None:
            return  # how a class says that it has no such method
        if not callable(getattr(self._cls, name, None)):
            kind = "a property" if isinstance(value, property) else f"a value ({type(value).__name__})"
            yield f"it must be a method, and is {kind}"
            return
        found = found_in(value)
        if method.on_class and found.bound and not isinstance(value, classmethod):
            if name in _NEVER_BOUND:
                found = found._replace(bound=False)
            elif problem := self._cannot_bind():
                yield problem
                return
        shape = shape_of(value, found, self._cls, name)
        if shape is None:
            return
        count = count_for(method, shape)
        if shape.keywords:
            yield f"coco passes arguments by position, and {' and '.join(shape.keywords)} must be given by name"
        if count is None and name != "mutate":  # its annotation is read besides, with a message of its own
            yield self._miscounted(method, shape, found)
        code = found.function.__code__ if found.function is not None else None
        if code is None or hasattr(found.function, "__wrapped__"):
            return  # its annotations may be those of another function
        if problem := wrong_kind(method, code.co_flags):
            yield problem
        if self._public[name][1] is self._cls:  # a base may be annotated for the spec of another connector
            yield from self._misfits(name, method, found, shape, count)

    def _miscounted(self, method: Method, shape: Shape, found: Found) -> str:
        if method.parameters and method.parameters[0][0].startswith("*"):
            return "it must take any number of batches, by one parameter with a star"
        if method.on_class and isinstance(found.value, types.FunctionType):
            unbound = shape_of_code(found.value, bound=not found.bound)
            if count_for(method, unbound) is not None:
                return "it must be a static or class method (is a @staticmethod missing?)"
        full = len(method.parameters)
        passed = f"{full - method.optional} or {full}" if method.optional else str(full)
        takes = (
            str(shape.fewest) if shape.fewest == len(shape.names) else f"{shape.fewest} to {len(shape.names)}"
        )
        if shape.variadic is not None:
            takes = f"at least {shape.fewest}"
        return f"coco passes {passed} argument{'' if passed == '1' else 's'}, and it takes {takes}"

    def _cannot_bind(self) -> str:
        """Why coco cannot call a method on an instance that it makes; empty if it can."""
        try:
            needed = needed_by_init(self._cls)
        except (TypeError, ValueError):
            return ""
        if not needed:
            return ""
        return (
            "it must be a static or class method: the class cannot be made without arguments (it needs "
            f"{', '.join(needed)})"
        )

    def _misfits(
        self, name: str, method: Method, found: Found, shape: Shape, count: int | None
    ) -> Iterator[str]:
        """Annotations that exclude what coco passes, or allow what it cannot take."""
        given = found.function.__annotations__ if found.function is not None else None
        if found.function is None or not given:
            return
        for (parameter, wanted), own in zip(method.parameters[: count or 0], shape.names, strict=False):
            if parameter.startswith("*") or own not in given:
                continue
            if not self._types.takes(found.function, own, wanted):
                yield f"{own} must take {self._types.shown(wanted)}, and is annotated {text_of(given[own])}"
        if shape.variadic is not None and method.parameters and method.parameters[0][0].startswith("*"):
            yield from self._misfit_of_batches(found, shape.variadic)
        if "return" in given and not self._types.gives(found.function, method):
            returns = self._types.shown(method.returns)
            yield f"it must return {returns}, and is annotated {text_of(given['return'])}"

    def _misfit_of_batches(self, found: Found, parameter: str) -> Iterator[str]:
        """The first part of what ``mutate`` and ``mutate_columns`` take."""
        part = self._types.first_of_pair(found.function, parameter)
        if part is not None:
            yield (
                f"batches begin with what prepare returns ({self._types.shown('PreparedT')}), or with the spec if there is "
                f"no prepare, and are annotated {part}"
            )

    # -- names ------------------------------------------------------------------------------------
    def _near_names(self) -> Iterator[str]:
        """Public methods and attributes whose names are nearly known ones."""
        known, flags = self._contract.methods, self._contract.flags
        for name, (value, owner) in self._public.items():
            if name in known or name in flags or owner.__module__ in sys.stdlib_module_names:
                continue
            if isinstance(value, _FUNCTION_KINDS):
                near = _near(name, known)
                if near is not None:
                    yield (
                        f"{name}: coco calls no method of this name, but {self._expected(near)}. Rename it; or, if it is "
                        f"a helper, let its name begin with an underscore: _{name}"
                    )
            elif not callable(value) and not isinstance(value, property):
                near = _near(name, flags)
                if near is not None:
                    yield f"{name}: coco reads no attribute of this name, but {near}. Rename it, or call it _{name}"

    def _promises(self, missing: Iterable[str]) -> Iterator[str]:
        """Methods of protocols that the class names as bases and does not have."""
        told = set(missing)
        for base in self._cls.__mro__:
            if not is_protocol(base):
                continue
            for name in vars(base):
                if name in self._contract.methods and name not in self._public and name not in told:
                    told.add(name)
                    yield f"it names op.{base.__name__} as a base and lacks {self._expected(name)}"

    # -- texts ------------------------------------------------------------------------------------
    def _expected(self, name: str) -> str:
        return self._types.signature(self._contract, name)

    def _written(self, name: str) -> str:
        """A method as its class has it."""
        owner = self._public[name][1]
        try:
            signature = inspect.signature(getattr(self._cls, name))
            text = f"{name}{without_modules(str(signature)).replace(chr(39), '')}"
        except (TypeError, ValueError):
            text = name
        return text if owner is self._cls else f"{text} of {owner.__name__}"


def _near(name: str, known: Iterable[str]) -> str | None:
    from coco.ops.near_names import near_name  # most connectors have no name that coco does not know

    return near_name(name, known)
