"""Which form of a kernel is used, and how tests get the other one; the rules are those of ``coco.hot``.

A kernel ``x_cy.py`` may have an extension module of the same name beside it; Python then prefers the
extension. The source is taken instead if ``COCO_PURE=1`` is set at run time, and in a checkout where the
source was edited after the extension was built.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

KERNELS = ("outline_cy", "packing_cy", "pieces_cy", "rows_cy")
"""Every kernel; a test holds it equal to the files on disk and to what the build compiles."""

_PACKAGE = "coco_function_text.hot"
_FOLDER = Path(__file__).resolve().parent


def load_uncompiled_module(name: str, *, as_name: str | None = None) -> ModuleType:
    """A fresh copy of a kernel that runs its source, whatever is installed beside it.

    name: short name, such as ``rows_cy``.
    as_name: the module's ``__name__``; None: the full name with ``_uncompiled`` behind it.
    Raises ``ImportError`` if there is no such kernel.
    """
    path = _FOLDER / f"{name}.py"
    if name not in KERNELS or not path.is_file():
        raise ImportError(f"{name} is not a kernel of {_PACKAGE}; there are {', '.join(KERNELS)}", name=name)
    full = as_name or f"{_PACKAGE}.{name}_uncompiled"
    spec = spec_from_file_location(full, path, loader=SourceFileLoader(full, str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stale_kernels() -> list[str]:
    """Kernels of a checkout whose source is newer than their extension; none for an installed wheel."""
    if not (_FOLDER.parents[2] / "setup.py").is_file():
        return []
    return [name for name in KERNELS if _is_stale(name)]


def _is_stale(name: str) -> bool:
    source = (_FOLDER / f"{name}.py").stat().st_mtime
    for suffix in EXTENSION_SUFFIXES:
        extension = _FOLDER / f"{name}{suffix}"
        if extension.is_file():  # the first found is the one that Python would import
            return extension.stat().st_mtime < source
    return False


def choose_kernels() -> None:
    """Put source forms where the import system will find them. Runs once, before any kernel is imported."""
    pure = os.environ.get("COCO_PURE", "") not in ("", "0")
    for name in KERNELS if pure else stale_kernels():
        full = f"{_PACKAGE}.{name}"
        if full not in sys.modules:
            sys.modules[full] = load_uncompiled_module(name, as_name=full)
