"""Finds the outside names that a function uses, and those in which it only keeps state."""

from __future__ import annotations

import ast
import dis
import importlib
from collections.abc import MutableMapping, MutableSequence, MutableSet
from types import FunctionType
from typing import Any

from coco.ops.canonical import FunctionNode, nested_codes

_MUTATORS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "setdefault",
        "sort",
        "update",
    }
)


def global_names(function: FunctionType) -> set[str]:
    """Return the names that code reads as globals, nested functions included, without globals that it assigns (state)."""
    read: set[str] = set()
    written: set[str] = set()
    for code in nested_codes(function.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                read.add(instruction.argval)
            elif instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                written.add(instruction.argval)
    return read - written


def chains(node: ast.AST, roots: set[str]) -> set[tuple[str, ...]]:
    """Return the dotted names ``a.b.c`` in a tree that start with one of ``roots``, each in full length."""
    found: set[tuple[str, ...]] = set()

    def visit(item: ast.AST) -> None:
        chain = dotted(item)
        if chain is not None:
            if chain[0] in roots:
                found.add(chain)
            return
        for child in ast.iter_child_nodes(item):
            visit(child)

    visit(node)
    return found


def dotted(node: ast.AST) -> tuple[str, ...] | None:
    """Return ``a.b.c`` as ``("a", "b", "c")``; None for other expressions."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return (node.id, *reversed(attributes))
    return None


def mutated(node: ast.AST) -> tuple[set[str], set[str]]:
    """Return names and attributes that the code changes: ``NAME[k] = v``, ``NAME.append(v)``, ``x.attr = v``.

    A container that a function fills itself is a cache, not a constant.
    """
    names: set[str] = set()
    attributes: set[str] = set()

    def note(target: ast.AST) -> None:
        while isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            names.add(target.id)
        elif isinstance(target, ast.Attribute):
            attributes.add(target.attr)

    for item in ast.walk(node):
        if isinstance(item, (ast.Subscript, ast.Attribute)) and not isinstance(item.ctx, ast.Load):
            note(item)
        elif (
            isinstance(item, ast.Call)
            and isinstance(item.func, ast.Attribute)
            and item.func.attr in _MUTATORS
        ):
            note(item.func.value)
    return names, attributes


def is_container(value: Any) -> bool:
    """Return whether a change of it keeps state there. A function ``update`` of a module changes nothing in this sense."""
    return isinstance(value, (MutableMapping, MutableSequence, MutableSet)) or (
        type(value).__module__ == "numpy" and hasattr(value, "__setitem__")
    )


def local_imports(node: FunctionNode, package: str | None) -> dict[str, tuple[str, str | None]]:
    """Return the imports inside a function: local name -> (module, attribute or None)."""
    found: dict[str, tuple[str, str | None]] = {}
    for item in ast.walk(node):
        if isinstance(item, ast.Import):
            for alias in item.names:
                if alias.asname:
                    found[alias.asname] = (alias.name, None)
                else:
                    found[alias.name.partition(".")[0]] = (alias.name.partition(".")[0], None)
        elif isinstance(item, ast.ImportFrom):
            module = item.module or ""
            if item.level:
                base = (package or "").split(".")
                base = base[: len(base) - item.level + 1]
                module = ".".join([*base, module] if module else base)
            for alias in item.names:
                if alias.name != "*" and module:
                    found[alias.asname or alias.name] = (module, alias.name)
    return found


def import_or_none(module: str) -> Any:
    """Return a module; None if it cannot be imported now."""
    try:
        return importlib.import_module(module)
    except Exception:
        return None
