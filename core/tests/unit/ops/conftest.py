"""Modules on disk whose code has an identity, for the tests of identity."""

import importlib
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from coco.ops.function_record import ArgSchema
from coco.ops.identity import FunctionIdentity
from coco.ops.registry import registered_function, registry
from coco.spec import OpCategory
from coco.types.schema import BasicValueType, EnrichedValueType

STR = EnrichedValueType(BasicValueType("Str"))


def identity_of(function: Any, spec: Any = None, **op_args: Any) -> FunctionIdentity:
    """Identity of one use with one text argument."""
    record = registered_function(function)
    if record is None:
        record = registry.get(OpCategory.FUNCTION, type(spec).__name__)
    return record.bind(spec, [(ArgSchema(STR), None)], op_args or None).identity


class Project:
    """Modules on disk that can be edited and loaded again, as a new process would see them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: set[str] = set()

    def load(self, **modules: str) -> ModuleType:
        """Write the modules (``a__b`` stands for a.b) and import ``flowcode`` afresh."""
        for name, text in modules.items():
            path = self.folder.joinpath(*name.split("__")).with_suffix(
                ".py"
            )  # no __init__: it may do without
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text))
            self.names.add(name.split("__")[0])
        self.forget()
        importlib.invalidate_caches()
        linecache.clearcache()
        sys.dont_write_bytecode = True
        return importlib.import_module("flowcode")

    def forget(self) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in self.names:
                del sys.modules[name]

    def identity(self, *, spec: str | None = None, **modules: str) -> FunctionIdentity:
        """Identity of ``f``, or of the operation with the spec ``spec``, an expression."""
        module = self.load(**modules)
        if spec is not None:
            return identity_of(None, eval(spec, vars(module)))
        return identity_of(module.f)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(tmp_path)
    yield made
    made.forget()


@pytest.fixture(name="identity_of")
def identity_of_fixture() -> Callable[..., FunctionIdentity]:
    return identity_of
