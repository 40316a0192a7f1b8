"""Writes docs/reference from the docstrings of the public modules and of the workspace's operations.

    python tools/reference.py           write the pages
    python tools/reference.py --check   exit with 1 and name the pages that differ

Needs the environment that ``make`` builds: every distribution of the workspace must be installed.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_origin

from coco import kit

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
REQUIREMENT = re.compile(r" ?\((?:spec )?[A-Z]{1,4}(?:-[A-Za-z0-9]+)*-\d+[^()]*\)")
"""Numbers of requirements in docstrings mean nothing to readers of the reference."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
MODULE = re.compile(r"\b(?:[a-z_][a-z0-9_]*\.)+(?=[A-Za-z_])")
"""A path of modules before a name in an annotation."""
MADE_BY_COCO = (
    "DataCollector",
    "DataScope",
    "DataSlice",
    "Flow",
    "FlowBuilder",
    "TransformFlow",
    "QueryHandler",
)
"""Classes that programs never construct: their arguments are no part of the API."""


class Page(NamedTuple):
    """One page of the reference: its file, title, introduction, and the modules whose names it lists.

    has_text: the docstring of its only module is for readers of the page, from its second paragraph on.
    """

    file: str
    title: str
    about: str
    modules: tuple[str, ...]
    has_text: bool = False


PAGES = (
    Page("coco.md", "coco", "What a program that defines and runs flows imports: `import coco`.", ("coco",)),
    Page("op.md", "coco.op", "For authors of functions, sources, targets and runners.", ("coco.op",)),
    Page("typing.md", "coco.typing", "Annotations, and the types that coco makes of them.", ("coco.typing",)),
    Page("errors.md", "coco.errors", "What coco raises, and how errors are classified.", ("coco.errors",)),
    Page("events.md", "coco.events", "What plugins hear about updates.", ("coco.events",)),
    Page("plugins.md", "coco.plugins", "What a plugin's module imports.", ("coco.plugins",)),
    Page(
        "kit.md",
        "coco.kit",
        "Helpers for authors of connectors. Import from the modules.",
        tuple(f"coco.kit.{module.name}" for module in pkgutil.iter_modules(kit.__path__)),
    ),
    Page("auth_registry.md", "coco.auth_registry", "Credentials by reference.", ("coco.auth_registry",)),
    Page("indexes.md", "coco.index", "Indexes that an export asks its target for.", ("coco.index",)),
    Page("state.md", "coco.state", "For authors of state stores.", ("coco.state",), True),
    Page("harness.md", "coco.harness", "For authors of test kits.", ("coco.harness",), True),
)
OPERATIONS = (
    Page(
        "sources.md", "coco.sources", "Sources that the packages of this repository bring.", ("coco.sources",)
    ),
    Page("functions.md", "coco.functions", "Functions that they bring.", ("coco.functions",)),
    Page("targets.md", "coco.targets", "Targets, attachments and declarations.", ("coco.targets",)),
)


def main() -> int:
    """Write or check the pages; the exit code."""
    pages = {page.file: text_of(page) for page in (*PAGES, *OPERATIONS)}
    pages["README.md"] = index()
    if "--check" in sys.argv[1:]:
        there = {path.name for path in FOLDER.glob("*.md")}
        wrong = sorted(there ^ set(pages)) + [
            name
            for name, text in pages.items()
            if name in there and (FOLDER / name).read_text(encoding="utf-8") != text
        ]
        if wrong:
            print(f"docs/reference: run `make reference`; these differ: {', '.join(wrong)}")
        return 1 if wrong else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.md"):
        path.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def index() -> str:
    """The page that leads to the others."""
    lines = [
        "# Reference",
        "",
        "Generated from the docstrings by `make reference`; a test compares the pages with the code.",
        "",
        "| page | |",
        "|---|---|",
        *(f"| [{page.title}]({page.file}) | {page.about} |" for page in (*PAGES, *OPERATIONS)),
        "",
        "Commands are on [the command line page](../guide/cli.md). Hooks and methods of connectors are on "
        "[the authors' reference](../authors/reference.md).",
    ]
    return "\n".join(lines) + "\n"


def text_of(page: Page) -> str:
    """The text of one page."""
    lines = [f"# {page.title}", "", page.about]
    for name in page.modules:
        module = importlib.import_module(name)
        if len(page.modules) > 1:
            lines += ["", f"## {name}", "", *paragraphs(module.__doc__)]
        elif page.has_text:
            lines += ["", *paragraphs((module.__doc__ or "").partition("\n\n")[2])]
        for public in sorted(public_names(module), key=str.lower):
            mark = "###" if len(page.modules) > 1 else "##"
            constant = constant_of(module, public)
            lines += (
                described(public, getattr(module, public), mark)
                if constant is None
                else [
                    *("", f"{mark} {public}", ""),
                    *("```py", constant.code, "```", "", *paragraphs(constant.doc)),
                ]
            )
    return "\n".join(lines) + "\n"


def public_names(module: ModuleType) -> list[str]:
    """Names that a module offers, without modules and without what it only imports."""
    listed = getattr(module, "__all__", None)
    if listed is None:
        listed = dir(module) if module.__name__.count(".") == 1 and _is_namespace(module) else own(module)
    return [name for name in listed if not inspect.ismodule(getattr(module, name))]


def _is_namespace(module: ModuleType) -> bool:
    """Whether names of a module come from installed plugins."""
    return module.__name__ in ("coco.sources", "coco.functions", "coco.targets")


def own(module: ModuleType) -> list[str]:
    """Public classes and functions that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


class Constant(NamedTuple):
    """An assignment with a text below it, which says what the name is for."""

    code: str
    doc: str


def constant_of(module: ModuleType, name: str) -> Constant | None:
    """What the source says of a name that is assigned; of one that is imported, what the source of its module says."""
    body = ast.parse(inspect.getsource(module)).body
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module and any(item.name == name for item in node.names):
            value = getattr(module, name)
            known = node.module.startswith("coco.") and getattr(value, "__name__", "") != name
            return constant_of(importlib.import_module(node.module), name) if known else None
    for node, text in pairwise(body):
        if isinstance(node, ast.AnnAssign):
            target: ast.expr = node.target
            type_ = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            target, type_ = node.targets[0], ""
        else:
            continue
        if not isinstance(target, ast.Name) or target.id != name:
            continue
        if not isinstance(text, ast.Expr) or not isinstance(text.value, ast.Constant):
            return None
        code = name if type_ in ("", "TypeAlias") else f"{name}: {type_}"
        if node.value is not None and (
            type_ == "TypeAlias" or isinstance(node.value, ast.Constant | ast.Tuple)
        ):
            code += f" = {ast.unparse(node.value)}"
        return Constant(code, str(text.value.value))
    return None


def described(name: str, value: Any, mark: str) -> Iterator[str]:
    """The lines about one public name."""
    yield from ("", f"{mark} {name}", "")
    if inspect.isclass(value):
        yield from of_class(name, value)
    elif inspect.isroutine(value):
        yield from (*signature(name, value), "", *paragraphs(value.__doc__))
    elif get_origin(value) is not None:
        yield from ("```py", f"{name} = {shown(value)}", "```")
    else:
        yield from ("```py", f"{name} = {ADDRESS.sub('', repr(value))}", "```")


def of_class(name: str, value: type) -> Iterator[str]:
    """A class: how it is made, what it is for, its public methods."""
    if issubclass(value, enum.Enum):
        yield from ("```py", *(f"{name}.{item.name} = {item.value!r}" for item in value), "```")
    elif name not in MADE_BY_COCO and not getattr(value, "_is_protocol", False):
        yield from signature(name, value)
    yield from ("", *paragraphs(inspect.cleandoc(value.__doc__ or "")))
    fields = [(field, doc) for field, doc in field_docs(value) if not field.startswith("_")]
    if fields:
        yield ""
    for field, doc in fields:
        first, *rest = paragraphs(doc)
        yield from (f"- `{field}`: {first}", *(f"  {line}".rstrip() for line in rest))
    if issubclass(value, BaseException) or issubclass(value, enum.Enum):
        return
    for method, item in vars(value).items():
        if method.startswith("_") or (dataclasses.is_dataclass(value) and method in _field_names(value)):
            continue
        function = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
        if isinstance(item, property):
            if item.__doc__:
                yield from ("", f"`.{method}`: {' '.join(paragraphs(item.__doc__))}")
        elif inspect.isfunction(function) and function.__doc__:
            yield from ("", *signature(f"{name}.{method}", function), "", *paragraphs(function.__doc__))


def field_docs(value: type) -> list[tuple[str, str]]:
    """The fields and class attributes with a text below them, which says what they are for."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    except (OSError, TypeError):  # made at run time
        return []
    if not isinstance(tree, ast.ClassDef):
        return []
    found = []
    for node, text in pairwise(tree.body):
        if not isinstance(node, ast.AnnAssign | ast.Assign):
            continue
        target: ast.expr = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if (
            isinstance(target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found.append((target.id, text.value.value))
    return found


def _field_names(value: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(value)}


def signature(name: str, value: Any) -> list[str]:
    """A call as code; nothing if Python knows no signature."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return []
    parameters: list[object] = [
        parameter.replace(annotation=_Text(shown(parameter.annotation)), default=_default(parameter))
        if parameter.annotation is not inspect.Parameter.empty
        else parameter.replace(default=_default(parameter))
        for parameter in found.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    kinds = [item.kind for item in parameters if isinstance(item, inspect.Parameter)]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    returns = found.return_annotation
    arrow = (
        ""
        if returns in (inspect.Signature.empty, None) or inspect.isclass(value)
        else f" -> {shown(returns)}"
    )
    line = f"{name}({', '.join(map(str, parameters))}){arrow}"
    if len(line) > 100 and parameters:
        line = f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){arrow}"
    return ["```py", line, "```"]


class _Text(str):
    """A string that shows itself without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.default is inspect.Parameter.empty:
        return parameter.default
    if isinstance(parameter.default, enum.Enum):
        return _Text(str(parameter.default))
    text = ADDRESS.sub("", repr(parameter.default))
    return _Text("..." if text.startswith("<") else text)


def shown(annotation: Any) -> str:
    """An annotation as users write it, without paths of modules."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return MODULE.sub("", text)


def paragraphs(doc: str | None) -> list[str]:
    """The lines of a docstring as Markdown: literals by single marks, no numbers of requirements."""
    text = inspect.cleandoc(doc or "")
    text = REQUIREMENT.sub("", text).replace("``", "`")
    return text.split("\n") if text else []


if __name__ == "__main__":
    raise SystemExit(main())
