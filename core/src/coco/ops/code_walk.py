"""Walks from a function to all code of the project that affects its results.

The result is a list of units, one per function or class. Units refer to each other by position and hold no names of modules
or files, so moving code changes nothing. ``coco plan`` shows parts from the same walk.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from coco.errors import DefinitionError
from coco.ops import canonical, names
from coco.ops.origin import record_of, versions_of
from coco.ops.project import Project, module_file
from coco.ops.value_form import NoIdentityError, ValueForms

_SKIPPED_ATTRIBUTES = frozenset(
    {
        "_abc_impl",
        "_member_names_",
        "_member_map_",
        "_value2member_map_",
        "_fields",
        "_field_defaults",
        "_field_types",
    }
)
_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__set_name__", "__init_subclass__"})
_GENERATORS = frozenset({"coco", "collections", "dataclasses", "enum"})
_MISSING = object()

ENVIRONMENT = "environment"
"""As a dependency, it means the versions of the packages that a function uses."""


class CodeWalk:
    """One walk. ``units`` is the canonical result, and ``labels`` has a readable name for each unit.

    strict: whether a closure value without identity is an error. environments: functions that depend on the versions of the
    packages that they use.
    """

    def __init__(self, project: Project, *, strict: bool = True) -> None:
        self.project = project
        self.strict = strict
        self.environments: list[FunctionType] = []
        self.units: list[Any] = []
        self.labels: list[str] = []
        self.constants: dict[str, Any] = {}
        self.by_name: set[str] = set()
        self.opaque: set[str] = set()
        self._known: dict[int, int] = {}
        self._alive: list[Any] = []
        self._stores: dict[int, set[str]] = {}
        self.values = ValueForms(self.function, self.klass, self.kept, self.opaque, self.by_name)

    def function(self, function: FunctionType) -> Any:
        """Return a reference to the unit of a function; by name only for a function of another package."""
        record = record_of(function)
        if record is not None and record.op_args.behavior_version is not None and self.units:
            version = record.op_args.behavior_version
            return ["pinned", function.__name__, version, *self.dependencies(function)]
        if not self.project.covers(function.__globals__.get("__name__"), function.__code__.co_filename):
            return self._external(function)
        return self._unit(function, f"{function.__module__}.{function.__qualname__}", self._function_unit)

    def klass(self, cls: type) -> Any:
        """Return a reference to the unit of a class; by name only for a class of another package."""
        if not self._covers_class(cls):
            return self._named(cls.__module__, cls.__qualname__)
        return self._unit(cls, f"{cls.__module__}.{cls.__qualname__}", self._class_unit)

    def _covers_class(self, cls: type) -> bool:
        module = sys.modules.get(cls.__module__)
        return self.project.covers(cls.__module__, getattr(module, "__file__", None) or _class_file(cls))

    def kept(self, cls: type) -> set[str] | None:
        """Return the attributes in which a class of the project keeps state after ``__init__``; None for other classes."""
        if not self._covers_class(cls):
            return None
        stored: set[str] = set()
        for base in cls.__mro__:
            for name, member in base.__dict__.items():
                if name not in _MAKERS:
                    for function in _functions_of(member):
                        node = canonical.find_node(function)
                        stored |= names.mutated(node)[1] if node else set()
        return stored

    def methods(self, cls: type, skip: Iterable[str] = ()) -> Any:
        """Return references to the methods of a class only, for spec classes, whose fields are handled separately."""
        left_out = {"__init__", "__repr__", "__hash__", "__eq__", *skip}
        found = {}
        for base in reversed(cls.__mro__):
            for name, member in base.__dict__.items():
                for function in _functions_of(member):
                    if name not in left_out and self.project.covers(
                        function.__globals__.get("__name__"), function.__code__.co_filename
                    ):
                        found[name] = self.function(function)
        return dict(sorted(found.items()))

    def _unit(self, obj: Any, label: str, make: Callable[[Any, int], Any]) -> Any:
        known = self._known.get(id(obj))
        if known is None:
            known = len(self.units)
            self._known[id(obj)] = known
            self._alive.append(obj)
            self.units.append(None)
            self.labels.append(label)
            self.units[known] = make(obj, known)
        return ["unit", known]

    def dependencies(self, function: FunctionType) -> list[Any]:
        """Return the forms of the dependencies that a function declares. Raise ``DefinitionError`` for one without a form."""
        record = record_of(function)
        forms = []
        for place, item in enumerate(record.dependencies if record is not None else ()):
            if isinstance(item, str) and item == ENVIRONMENT:
                self.environments.append(function)
            else:
                forms.append(self._dependency(item, f"deps[{place}] of {function.__qualname__}"))
        return forms

    def _dependency(self, item: Any, where: str) -> Any:
        if isinstance(item, types.ModuleType):
            own = self.project.covers(item.__name__, module_file(item))
            versions = {} if own else versions_of(item.__name__)
            if not versions:
                raise DefinitionError(
                    f"{where} is the module {item.__name__}, which no installed package provides; give the "
                    "functions and values of it that results depend on"
                )
            return ["package", versions]
        try:
            return self.values.form(item, where, strict=True)
        except NoIdentityError as error:
            raise DefinitionError(
                f"{error.subject}; give what tells its editions apart instead, such as a name and a revision"
            ) from None

    def packages(self) -> dict[str, str]:
        """Return the versions of the installed distributions that the code walked so far uses."""
        found: dict[str, str] = {}
        for name in sorted({item.partition(".")[0] for item in self.by_name}):
            if not hasattr(builtins, name) and not self.project.covers_module(name):
                found.update(versions_of(name))
        return found

    def _named(self, module: str | None, name: str) -> Any:
        full = f"{module}.{name}" if module and module != "builtins" else name
        self.by_name.add(full)
        return ["name", full]

    def _external(self, function: FunctionType) -> Any:
        """Return a reference to code of another package, by name. Functions that it wraps may belong to the project."""
        module = function.__globals__.get("__name__")
        name = getattr(function.__code__, "co_qualname", function.__code__.co_name)
        named = self._named(module, name)
        cells = function.__closure__ or ()
        wrapped = getattr(function, "__wrapped__", None)
        if not cells and wrapped is None:
            return named
        if id(function) in self._known:
            return ["unit", self._known[id(function)]]
        return self._unit(function, f"{module}.{name}", lambda item, _: [named, self._wrapper_contents(item)])

    def _wrapper_contents(self, function: Any) -> Any:
        forms = {}
        for name, content in _cells(function):
            forms[name] = self.values.form(content, f"closure value {name!r}", strict=False)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            forms["__wrapped__"] = self.values.form(wrapped, "wrapped function", strict=False)
        return forms

    def _function_unit(self, function: FunctionType, index: int) -> Any:
        node = canonical.find_node(function)
        label = self.labels[index]
        code = canonical.canonical_text(node) if node else canonical.bytecode_form(function.__code__)
        written_names, written_attributes = names.mutated(node) if node else (set[str](), set[str]())
        self._stores[index] = written_attributes
        unit: dict[str, Any] = {"code": code}
        defaults = [
            self.values.form(item, f"a default of {label}", strict=False)
            for item in function.__defaults__ or ()
        ]
        keyword_defaults = {
            name: self.values.form(item, f"default {name!r} of {label}", strict=False)
            for name, item in sorted((function.__kwdefaults__ or {}).items())
        }
        closure = {}
        for name, content in _cells(function):
            closure[name] = self._closure_form(function, node, name, content, label)
        unit["defaults"] = defaults
        unit["keyword_defaults"] = keyword_defaults
        unit["closure"] = closure
        unit["globals"] = self._globals(function, node, written_names)
        dependencies = self.dependencies(function)
        if dependencies:
            unit["dependencies"] = dependencies
        wrapped = getattr(function, "__wrapped__", None)
        if isinstance(wrapped, FunctionType):
            unit["wraps"] = self.function(wrapped)
        return unit

    def _closure_form(self, function: FunctionType, node: Any, name: str, content: Any, label: str) -> Any:
        if content is _MISSING:
            return ["empty"]
        if isinstance(content, types.ModuleType):
            chains = names.chains(node, {name}) if node else {(name,)}
            return [self._chain_form(content, chain[1:]) for chain in sorted(chains)]
        if name == "__class__":  # the cell of super(): the class is walked where it is used
            return ["class"]
        return self.values.form(content, f"closure value {name!r} of {label}", strict=self.strict)

    def _globals(self, function: FunctionType, node: Any, written: set[str]) -> Any:
        scope = function.__globals__
        found: dict[str, Any] = {}
        imported = names.local_imports(node, scope.get("__package__")) if node else {}
        roots = {
            name
            for name in names.global_names(function)
            if name not in written or not names.is_container(scope.get(name))
        }
        if node is not None:
            used = names.chains(node, roots | set(imported))
        else:
            used = {(name,) for name in roots}
        for chain in sorted(used):
            form = self._global_form(scope, imported, chain)
            if form is not None:
                found[".".join(chain)] = form
        return found

    def _global_form(
        self, scope: dict[str, Any], imported: dict[str, tuple[str, str | None]], chain: tuple[str, ...]
    ) -> Any:
        root, rest = chain[0], chain[1:]
        if root in imported:
            module, attribute = imported[root]
            if not self.project.covers_module(module):
                self.by_name.add(module)
                return None  # the import statement itself is part of the code
            value = names.import_or_none(module)
            if attribute is not None and value is not None:
                value = getattr(value, attribute, _MISSING)
                if value is _MISSING:
                    value = names.import_or_none(f"{module}.{attribute}")
            if value is None:
                return ["name", ".".join([module, *([attribute] if attribute else [])])]
        elif root in scope:
            value = scope[root]
        elif hasattr(builtins, root):
            return None
        else:
            return ["undefined"]
        return self._chain_form(value, rest, ".".join(chain))

    def _chain_form(self, value: Any, rest: tuple[str, ...], label: str = "") -> Any:
        while isinstance(value, types.ModuleType):
            if not rest or not self.project.covers(value.__name__, module_file(value)):
                return (
                    self._named(value.__name__, ".".join(rest))
                    if rest
                    else self.values.module(value.__name__)
                )
            inner = getattr(value, rest[0], _MISSING)
            if inner is _MISSING:
                return ["undefined"]
            value, rest = inner, rest[1:]
        form = self.values.form(value, f"global {label!r}", strict=False)
        if label and form[0] not in ("unit", "name", "pinned", "module"):
            self.constants[label] = form
        return form

    def _class_unit(self, cls: type, index: int) -> Any:
        """Return methods, plain attributes, bases and, if they affect behaviour, annotations."""
        methods: dict[str, Any] = {}
        stored: set[str] = set()
        others: dict[str, Any] = {}
        for name, member in cls.__dict__.items():
            functions = _functions_of(member)
            if functions:
                mine = [item for item in functions if not _is_generated(name, item)]
                if mine:
                    methods[name] = [type(member).__name__, [self.function(item) for item in mine]]
                    stored.update(*(self._stores.get(self._known.get(id(item), -1), set()) for item in mine))
            elif not _is_machinery(name):
                others[name] = member
        unit: dict[str, Any] = {"class": cls.__name__, "methods": dict(sorted(methods.items()))}
        unit["values"] = {
            name: self.values.form(others[name], f"{cls.__qualname__}.{name}", strict=False)
            for name in sorted(others)
            if name not in stored
        }
        unit["bases"] = [
            self.values.form(base, "base", strict=False) for base in cls.__bases__ if base is not object
        ]
        if type(cls) is not type:
            unit["metaclass"] = self.klass(type(cls))
        shape = _shape(cls, self.values)
        if shape:
            unit["shape"] = shape
        return unit


def _shape(cls: type, values: ValueForms) -> Any:
    """Return the fields of dataclasses, named tuples, enums and pydantic models."""
    import enum

    if issubclass(cls, enum.Enum):
        return [[item.name, values.form(item.value, "member", strict=False)] for item in cls]
    own = cls.__dict__
    annotations = {name: _annotation_text(value) for name, value in own.get("__annotations__", {}).items()}
    if "__dataclass_fields__" in own:
        factories = {
            name: values.form(item.default_factory, "default_factory", strict=False)
            for name, item in own["__dataclass_fields__"].items()
            if callable(item.default_factory)
        }
        return [annotations, repr(own.get("__dataclass_params__")), factories]
    if "_fields" in own:
        defaults = values.form(own.get("_field_defaults", {}), "defaults", strict=False)
        return [annotations, list(own["_fields"]), defaults]
    fields = own.get("__pydantic_fields__")
    if fields is not None:
        return [annotations, {name: values.text(repr(item)) for name, item in fields.items()}]
    return None


def _annotation_text(value: Any) -> str:
    return value if isinstance(value, str) else getattr(value, "__qualname__", None) or repr(value)


def _functions_of(member: Any) -> list[FunctionType]:
    """Return the functions inside a member of a class."""
    if isinstance(member, FunctionType):
        return [member]
    if isinstance(member, (staticmethod, classmethod)):
        return _functions_of(member.__func__)
    if isinstance(member, property):
        return [item for item in (member.fget, member.fset, member.fdel) if isinstance(item, FunctionType)]
    if isinstance(member, functools.cached_property):
        return _functions_of(member.func)
    if isinstance(member, functools.partialmethod):
        return _functions_of(member.func)
    wrapped = getattr(member, "__wrapped__", None)
    if wrapped is not None and inspect.isroutine(wrapped):
        return _functions_of(wrapped)
    return []


def _is_generated(name: str, function: FunctionType) -> bool:
    filename = function.__code__.co_filename
    return (
        (_is_machinery(name) and filename == "<string>")
        or filename.startswith(("<attrs", "<string>.", "<coco "))
        or str(function.__globals__.get("__name__")).partition(".")[0] in _GENERATORS
    )


def _is_machinery(name: str) -> bool:
    return (
        (name.startswith("__") and name.endswith("__"))
        or name in _SKIPPED_ATTRIBUTES
        or name.startswith("__pydantic")
    )


def _cells(function: FunctionType) -> list[tuple[str, Any]]:
    found = []
    for name, cell in sorted(
        zip(function.__code__.co_freevars, function.__closure__ or (), strict=False), key=lambda item: item[0]
    ):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:
            found.append((name, _MISSING))
    return found


def _class_file(cls: type) -> str | None:
    for member in cls.__dict__.values():
        for function in _functions_of(member):
            return function.__code__.co_filename
    return None
