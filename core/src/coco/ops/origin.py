"""The origin of an operation: its module, package and program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from msgspec import Struct

from coco.errors import DefinitionError

RECORD = "__coco_record__"
"""Name of the attribute of a decorated object that holds its record."""


class OpOrigin(Struct, frozen=True):
    """Module and qualified name of a decorated object."""

    module: str
    qualname: str

    @property
    def distribution(self) -> str | None:
        """The distribution that has installed the module; None for code of a project."""
        return distribution_of(self.module)

    @property
    def is_local(self) -> bool:
        """Whether it was defined inside a function, so that others may have the same name."""
        return "<locals>" in self.qualname

    def same(self, other: OpOrigin) -> bool:
        """Return whether both are the same place. A file that runs as a program and is imported too is one place."""
        return self.qualname == other.qualname and (
            self.module == other.module
            or resolved_module_name(self.module) == resolved_module_name(other.module)
        )

    def memo_scope(self) -> str:
        """Text that distinguishes memo entries of different operations of one kind.

        For an operation of a package it is the distribution, so entries stay valid if a module moves. For one of a project it
        is module and name, with the file in place of ``__main__``, so that a script and the command line share entries.
        """
        distribution = self.distribution
        if distribution is not None:
            return f"package {distribution}"
        return f"module {resolved_module_name(self.module)}:{self.qualname}"

    def __str__(self) -> str:
        distribution = self.distribution
        suffix = f" (package {distribution})" if distribution else ""
        return f"{self.module}.{self.qualname}{suffix}"


def record_of(function: Any) -> Any:
    """Return the record of a decorated function; None for a wrapper that has copied its attributes."""
    record = getattr(function, RECORD, None)
    return record if record is not None and record.target is function else None


def origin_of(obj: Any) -> OpOrigin:
    """Return the origin of a class or function."""
    return OpOrigin(obj.__module__ or "__main__", obj.__qualname__)


def resolved_module_name(module: str) -> str:
    """Return the name under which ``__main__`` would be imported, and other names as they are."""
    if module != "__main__":
        return module
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        name: str = spec.name
        return name.removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(path))[0] if path else "__main__"


def main_program() -> tuple[str, str]:
    """Return how another process can load the running program: ("module", name) or ("path", file)."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return "module", spec.name
    path = getattr(main, "__file__", None)
    if path is None:
        raise DefinitionError("the program has no file, so another process cannot load it")
    return "path", os.path.abspath(path)


_loaded_again = False


@contextmanager
def program_loaded_again() -> Iterator[None]:
    """Context in which a worker loads the file of the program to find a function. No flow may run in it."""
    global _loaded_again
    before, _loaded_again = _loaded_again, True
    try:
        yield
    finally:
        _loaded_again = before


def is_program_loaded_again() -> bool:
    """Return whether a worker loads the program now."""
    return _loaded_again


_STDLIB = os.path.join(os.path.realpath(os.path.dirname(os.__file__)), "")
"""Folders of the standard library. ``sysconfig`` has them too, but reads the whole build configuration first."""


@cache
def is_installed_file(path: str) -> bool:
    """Return whether a file belongs to the standard library or to an installed package."""
    parts = path.replace("\\", "/").split("/")
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    return os.path.realpath(path).startswith(_STDLIB)


@cache
def distribution_of(module: str) -> str | None:
    """Return the normalised name of the distribution that provides a module, or None."""
    top = module.partition(".")[0]
    if top in ("__main__", "builtins") or top in sys.stdlib_module_names:
        return None
    from importlib import metadata

    try:  # the usual case, and the only one that does not read every distribution's metadata
        return _normalised(metadata.distribution(top.replace("_", "-")).metadata["Name"])
    except metadata.PackageNotFoundError:
        pass
    path = getattr(sys.modules.get(top), "__file__", None)
    if path is None or not is_installed_file(path):
        return None
    names = metadata.packages_distributions().get(top)
    return _normalised(names[0]) if names else None


def versions_of(module: str) -> dict[str, str]:
    """Return the versions of the distributions that provide a module, by normalised name; several for a namespace.

    Empty for the standard library and for code of a project. A distribution without a list of its files counts if its name
    is that of the module.
    """
    from importlib import metadata

    top = module.partition(".")[0]
    if top in ("__main__", "builtins") or top in sys.stdlib_module_names:
        return {}
    found = {_normalised(name): metadata.version(name) for name in _providers().get(top, ())}
    if not found:
        name = distribution_of(top)
        found = {name: metadata.version(name)} if name is not None else {}
    return found


@cache
def _providers() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()


def _normalised(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
