"""The canonical text of a function, which changes only if its behaviour may change.

The text has names and constants, but no positions, comments, formatting, docstrings and annotations. It is made from the
syntax tree, not from bytecode, so an upgrade of the interpreter does not change it. Without source, or if the file was edited
after the import, it is made from bytecode, constants and names.
"""

from __future__ import annotations

import ast
import dis
import functools
import linecache
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SKIPPED = frozenset({"ctx", "type_comment", "type_ignores", "type_params", "kind", "returns", "annotation"})


def canonical_text(node: ast.AST) -> str:
    """Return the canonical text of a definition, without its own decorators, whose effect is in the function object."""
    out: list[str] = []
    _emit(node, out, root=True)
    return "".join(out)


def _emit(node: Any, out: list[str], *, root: bool = False) -> None:
    if isinstance(node, ast.Constant):
        out.append(_constant(node.value))
    elif isinstance(node, ast.AnnAssign):
        if node.value is None:  # `x: int` alone says nothing but a type
            out.append("Pass()")
        else:
            _emit(ast.Assign(targets=[node.target], value=node.value), out)
    elif isinstance(node, ast.AST):
        out.append(type(node).__name__)
        out.append("(")
        for name in node._fields:
            if name in _SKIPPED or (root and name == "decorator_list"):
                continue
            value = getattr(node, name, None)
            if name == "body" and isinstance(value, list):
                value = _without_text_statements(value)
            if value is None or value == []:
                continue
            out.append(name + "=")
            _emit(value, out)
            out.append(",")
        out.append(")")
    elif isinstance(node, list):
        out.append("[")
        for item in node:
            _emit(item, out)
            out.append(",")
        out.append("]")
    else:
        out.append(repr(node))


def _without_text_statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without docstrings and other strings that stand alone."""
    kept = [
        item
        for item in body
        if not (
            isinstance(item, ast.Expr)
            and isinstance(item.value, ast.Constant)
            and isinstance(item.value.value, str)
        )
    ]
    return kept or [ast.Pass()]


def _constant(value: Any) -> str:
    return f"<{type(value).__name__} {value!r}>"


class _ModuleSource:
    """A parsed file: definitions and code objects by first line and name, and lambdas by line."""

    def __init__(self, tree: ast.Module, code: CodeType) -> None:
        self._tree = tree
        self.definitions: dict[tuple[int, str], ast.AST] = {}
        for node in _definitions(tree):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            self.definitions[first, node.name] = node
        self.codes: dict[tuple[int, str], list[CodeType]] = {}
        for inner in nested_codes(code):
            self.codes.setdefault((inner.co_firstlineno, inner.co_name), []).append(inner)

    @functools.cached_property
    def lambdas(self) -> dict[int, list[ast.Lambda]]:
        found: dict[int, list[ast.Lambda]] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Lambda):
                found.setdefault(node.lineno, []).append(node)
        return found


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield all definitions at any depth. They are statements, so expressions, which are most of a tree, are skipped."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _DEFINITIONS):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


_parsed: dict[str, tuple[str, _ModuleSource | None]] = {}


def _module_source(filename: str, global_names: dict[str, Any]) -> _ModuleSource | None:
    linecache.checkcache(filename)
    text = "".join(linecache.getlines(filename, global_names))
    known = _parsed.get(filename)
    if known is not None and known[0] == text:
        return known[1]
    parsed = _parse(text, filename) if text else None
    _parsed[filename] = (text, parsed)
    return parsed


def _parse(text: str, filename: str) -> _ModuleSource | None:
    try:
        tree = ast.parse(text)
        code = compile(text, filename, "exec", dont_inherit=True, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return None
    return _ModuleSource(tree, code)


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all code objects inside it."""
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from nested_codes(item)


def find_node(function: FunctionType) -> FunctionNode | None:
    """Return the syntax tree of a function; None without source, or if the source differs from the running code."""
    code = function.__code__
    source = _module_source(code.co_filename, function.__globals__)
    if source is None:
        return None
    found = _running(source, code)
    if found is None:
        return None
    if code.co_name == "<lambda>":
        return _find_lambda(source, found)
    node = source.definitions.get((found.co_firstlineno, code.co_name))
    return node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _running(source: _ModuleSource, code: CodeType) -> CodeType | None:
    """Return the code object in the source that equals the running one, even if it has moved since it was loaded."""
    running = _code_key(code)
    for item in source.codes.get((code.co_firstlineno, code.co_name), ()):
        if _code_key(item) == running:
            return item
    moved = [
        item
        for (_, name), items in source.codes.items()
        if name == code.co_name
        for item in items
        if _code_key(item) == running
    ]
    return moved[0] if len(moved) == 1 else None


def _find_lambda(source: _ModuleSource, code: CodeType) -> ast.Lambda | None:
    candidates = source.lambdas.get(code.co_firstlineno, [])
    if len(candidates) == 1:
        return candidates[0]
    places = {
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0)
    }
    fitting = [
        node
        for node in candidates
        if places and all(_within(node.body, line, column) for line, column in places)
    ]
    # Of nested ones on a line the innermost has the shortest body.
    fitting.sort(key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    return fitting[0] if fitting else None


def _within(node: ast.expr, line: int, column: int) -> bool:
    start = (node.lineno, node.col_offset)
    end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return start <= (line, column) <= end


def _code_key(code: CodeType) -> Any:
    """Return a key that is equal for code objects of one source text, within a process."""
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        tuple(
            _code_key(item) if isinstance(item, CodeType) else (type(item), repr(item))
            for item in code.co_consts
        ),
    )


def bytecode_form(code: CodeType) -> list[Any]:
    """Return text that replaces the canonical text if there is no source. It depends on the version of the interpreter.

    Operations have names and constants in place of positions, so that a docstring changes nothing.
    """
    form: list[Any] = ["bytecode", list(code.co_varnames), list(code.co_freevars)]
    for item in dis.get_instructions(code):
        argument: Any = item.arg
        if isinstance(item.argval, CodeType):
            argument = bytecode_form(item.argval)
        elif item.opcode in dis.hasconst:
            value = item.argval
            argument = _constant(sorted(value, key=repr) if isinstance(value, frozenset) else value)
        elif isinstance(item.argval, str):
            argument = item.argval
        form.append([item.opname, argument])
    return form
