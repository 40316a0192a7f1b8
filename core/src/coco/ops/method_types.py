"""Whether the annotations of a method fit what coco passes and takes, and how they are written in messages."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from coco.ops.methods import Contract, Method

_VARIABLES = ("SpecT", "KeyT", "StateT", "PreparedT", "ValueT")
_READS_AS = {
    "list": frozenset({"list", "Sequence", "Iterable", "Collection"}),
    "Iterable": frozenset({"Iterable", "Iterator", "Generator", "Sequence", "list"}),
    "Listing": frozenset({"Iterable", "Iterator", "Generator", "Sequence", "list", "AsyncIterator"}),
    "AsyncIterable": frozenset({"AsyncIterable", "AsyncIterator", "AsyncGenerator"}),
    "Mapping": frozenset({"Mapping", "dict"}),
    "tuple": frozenset({"tuple"}),
}
"""Generic types whose names say enough: by what is expected, what an annotation may begin with."""


class MethodTypes:
    """The annotations of one class's methods against those of its contract.

    known: what type variables stand for; those that are missing may be anything. prepare: the method, for what the methods
    of rows get.
    """

    def __init__(self, known: Mapping[str, Any], prepare: types.FunctionType | None) -> None:
        self._known = dict(known)
        self._prepare = prepare
        self._hints: dict[Any, dict[str, Any]] = {}
        self._texts: dict[str, str] = {}

    # -- comparing --------------------------------------------------------------------------------
    def takes(self, function: types.FunctionType, parameter: str, wanted: str) -> bool:
        """Whether what coco passes fits a parameter's annotation. None is not looked at."""
        if self._reads_as(function.__annotations__[parameter], wanted):
            return True
        from coco.ops.type_fit import fits, without_none

        return fits(without_none(self._type(wanted)), self._hint(function, parameter))

    def gives(self, function: types.FunctionType, method: Method) -> bool:
        """Whether coco can take all that a return annotation allows."""
        if self._reads_as(function.__annotations__["return"], method.returns, result=True):
            return True
        from coco.ops.type_fit import awaited, fits

        hint, wanted = self._hint(function, "return"), self._type(method.returns)
        waits = bool(function.__code__.co_flags & inspect.CO_COROUTINE)
        if method.returns.startswith("Awaitable"):
            return waits or fits(hint, wanted)
        if method.waits and not waits:
            hint = awaited(hint)
        if method.returns == "Iterable[str]" and hint is str:
            return False  # a text is an iterable of its characters
        return fits(hint, wanted)

    def first_of_pair(self, function: types.FunctionType | None, parameter: str) -> str | None:
        """The first part of the tuples that a parameter takes, if it is not what ``prepare`` returns; None if it is."""
        given = getattr(function, "__annotations__", {}).get(parameter, Any)
        if isinstance(given, str) and given.startswith(f"tuple[{self.shown('PreparedT')}, "):
            return None
        from coco.ops.type_fit import fits

        hint = self._hint(function, parameter)
        parts = typing.get_args(hint)
        if typing.get_origin(hint) is not tuple or len(parts) != 2 or fits(self._type("PreparedT"), parts[0]):
            return None
        return text_of(parts[0])

    def _reads_as(self, given: Any, wanted: str, *, result: bool = False) -> bool:
        """Whether an annotation says nothing or is what is expected, by its text; then it need not be evaluated."""
        if given is Any or wanted == "Any" or given == "Any":
            return True
        if not isinstance(given, str):
            return wanted == "None" if given is None else self._known.get(wanted) is given
        text, shown = without_modules(given), self.shown(wanted)
        if text == shown or (text == f"{shown} | None" and not result):
            return True
        head, bracket, _ = text.partition("[")
        return bool(bracket) and "|" not in text and head in _READS_AS.get(wanted.partition("[")[0], ())

    def _type(self, annotation: str) -> Any:
        """An annotation of the contract as an object; ``Any`` where it depends on what is not known."""
        if annotation == "PreparedT" and annotation not in self._known:
            self._known[annotation] = self._prepared()
        if annotation in self._known:
            return self._known[annotation]
        variables = dict.fromkeys(_VARIABLES, Any) | self._known
        try:
            return eval(annotation, {**_names(), **variables})
        except TypeError:  # a type that was declared to coco is no type to Python
            return Any

    def _prepared(self) -> Any:
        if self._prepare is None:
            return self._known.get("SpecT", Any)
        from coco.ops.type_fit import awaited

        return awaited(self._hint(self._prepare, "return"))

    def _hint(self, function: Any, name: str) -> Any:
        """A method's annotation as an object; ``Unresolved`` if it names what is not there at run time."""
        if function not in self._hints:
            from coco.spec.hints import callable_hints

            self._hints[function] = callable_hints(function)
        return self._hints[function].get(name, Any)

    # -- texts ------------------------------------------------------------------------------------
    def shown(self, annotation: str) -> str:
        """An annotation of the contract in terms of this class."""
        if annotation not in self._texts:
            text = annotation
            for variable in _VARIABLES:
                if variable in text:
                    text = text.replace(variable, self._name_of(variable))
            self._texts[annotation] = text
        return self._texts[annotation]

    def _name_of(self, variable: str) -> str:
        if variable == "PreparedT" and self._prepare is not None:
            return text_of(self._prepare.__annotations__.get("return", Any))
        return text_of(self._known.get("SpecT" if variable == "PreparedT" else variable, Any))

    def signature(self, contract: Contract, name: str) -> str:
        """The whole signature of a method that coco knows."""
        method = contract.methods[name]
        parts = [f"{parameter}: {self.shown(wanted)}" for parameter, wanted in method.parameters]
        if not method.on_class:
            parts.insert(0, "self")
        left_out = ""
        if method.optional:
            names = [parameter for parameter, _ in method.parameters[-method.optional :]]
            left_out = f" ({' and '.join(names)} may be left out)"
        return f"{name}({', '.join(parts)}) -> {self.shown(method.returns)}{left_out}"


class _Listing:
    def __getitem__(self, item: Any) -> Any:
        return typing.Union[collections.abc.Iterable[Any], collections.abc.AsyncIterable[Any]]  # noqa: UP007


@functools.cache
def _names() -> dict[str, Any]:
    """What the annotations of the contracts name."""
    from coco.index import IndexOptions
    from coco.ops import sources, targets
    from coco.types.schema import FieldSchema

    names: dict[str, Any] = {
        name: getattr(collections.abc, name)
        for name in ("AsyncIterable", "Awaitable", "Callable", "Iterable", "Mapping", "Sequence")
    }
    names |= {"Any": Any, "FieldSchema": FieldSchema, "IndexOptions": IndexOptions, "Change": Any}
    for name in ("Adoption", "FencingToken", "FlowView", "MutationColumns", "TargetStateCompatibility"):
        names[name] = getattr(targets, name)
    for name in ("PartialSourceRow", "PartialSourceRowData", "SourceReadOptions"):
        names[name] = getattr(sources, name)
    names["Listing"] = _Listing()
    names |= {"RemoteFunction": Any, "RunnerExecutor": Any}
    return names


def text_of(annotation: Any) -> str:
    """An annotation as one writes it, without paths of modules."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return without_modules(annotation if isinstance(annotation, str) else str(annotation))


def without_modules(text: str) -> str:
    """A text without the paths of modules before its names."""
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text) if "." in text else text
