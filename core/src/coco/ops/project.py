"""Finds out which code belongs to the user's project, so that its edits count."""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
import types
from functools import lru_cache

from coco.ops.origin import is_installed_file


class Project:
    """The code that belongs together with one operation.

    For an operation of a project: everything that is neither the standard library, nor an installed
    package, nor coco itself. For one from an installed package: that package's own code.
    """

    def __init__(self, module: str, filename: str | None) -> None:
        self._own_top = module.partition(".")[0]
        self._packaged = filename is not None and is_installed_file(filename)

    def covers(self, module: str | None, filename: str | None) -> bool:
        """Return whether code of this module and file belongs to the project."""
        top = (module or "").partition(".")[0]
        if top == "coco" or not filename:
            return False
        if not os.path.exists(filename) and filename not in linecache.cache and filename.startswith("<"):
            # Code made by exec() belongs to the module that made it.
            return top == self._own_top or top == "__main__"
        if is_installed_file(filename):
            return self._packaged and top == self._own_top
        return top not in sys.stdlib_module_names

    def covers_module(self, module: str) -> bool:
        """Return the same by the name of the module, without an import."""
        top = module.partition(".")[0]
        if top == "coco" or top in sys.stdlib_module_names:
            return False
        return self.covers(module, _file_of(top))


def module_file(module: types.ModuleType | None) -> str | None:
    """Return the file of a loaded module; for a package without a file, a name in its first folder."""
    path = getattr(module, "__file__", None)
    if path:
        return str(path)
    folders = list(getattr(module, "__path__", ()))
    return os.path.join(folders[0], "__init__.py") if folders else None


@lru_cache(maxsize=256)
def _file_of(top: str) -> str | None:
    path = module_file(sys.modules.get(top))
    if path:
        return path
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    locations = list(spec.submodule_search_locations or ())
    if spec.has_location and spec.origin:
        return spec.origin
    return os.path.join(locations[0], "__init__.py") if locations else None
