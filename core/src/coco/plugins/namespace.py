"""Look-up of names in ``coco.sources``, ``coco.functions`` and ``coco.targets``, which plugins provide."""

from __future__ import annotations

import opcode
import sys
from typing import TYPE_CHECKING, Any

from coco.errors import UnknownNameError
from coco.plugins import connect_registry, plugin_host
from coco.plugins.hints import PLANNED, distribution_for, hinted_names, is_planned

if TYPE_CHECKING:
    from coco.plugins.loader import PluginHost

_IMPORT_FROM = opcode.opmap.get("IMPORT_FROM")


class MissingOpError(UnknownNameError, AttributeError):
    """``coco.targets.X``, if no installed plugin provides X. An ``AttributeError``, so that ``hasattr`` works."""


class MissingOpImportError(UnknownNameError, ImportError):
    """The same for ``from coco.targets import X``."""


NAMESPACES = {
    "coco.sources": ("source",),
    "coco.functions": ("function",),
    "coco.targets": ("target", "target_attachment", "declaration"),
}
"""The modules, and the categories of operations that each looks through, in this order."""


class OpNamespace:
    """Looks names up among the operations of plugins.

    module: full name of the module it serves, one of ``NAMESPACES``. host: default is that of the process.
    """

    def __init__(self, module: str, host: PluginHost | None = None) -> None:
        self.module = module
        self.categories = NAMESPACES[module]
        self._host = host

    @property
    def host(self) -> PluginHost:
        """The plugins that it looks through."""
        return self._host or plugin_host()

    def lookup(self, name: str) -> Any:
        """The spec class of an operation, or a name that stands beside one (``OpManifest.also``).

        To be called from the module's ``__getattr__`` only. Raises ``PluginError`` if several plugins provide
        it or its module cannot be imported, ``MissingOpError`` or ``MissingOpImportError`` if none has it.
        """
        if name.startswith("__"):
            raise AttributeError(f"module {self.module!r} has no attribute {name!r}")
        host = self.host
        for category in self.categories:
            found = host.load(f"{category}:{name}")
            if found is not None:
                connect_registry()
                return found
        for category in self.categories:
            found = host.load_companion(category, name)
            if found is not None:
                return found
        message = self._missing(name)
        if _in_from_import():
            raise MissingOpImportError(message)
        raise MissingOpError(message)

    def import_path(self, name: str) -> str | None:
        """The ``"module:Class"`` that a name stands for; None if no plugin provides it. Imports no operation.

        Raises ``PluginError`` if several plugins provide the name and the user has not picked one.
        """
        for category in self.categories:
            provided = self.host.provider(f"{category}:{name}")
            if provided is not None:
                return provided[1].target
        for category in self.categories:
            companion = self.host.companion(category, name)
            if companion is not None:
                return companion[1]
        return None

    def names(self) -> list[str]:
        """The names that installed plugins provide."""
        host = self.host
        return sorted(
            {
                name
                for category in self.categories
                for name in (*host.names(category), *host.companions(category))
            }
        )

    def _missing(self, name: str) -> str:
        import difflib  # only ever needed here

        what = f"{self.module}.{name}"
        for category in self.categories:
            distribution = distribution_for(category, name)
            if distribution:
                return (
                    self._broken(what, distribution) or f"{what} is not installed: pip install {distribution}"
                )
        if any(is_planned(category, name) for category in self.categories):
            return f"{what} {PLANNED}"
        installed = self.names()
        hinted = {name for category in self.categories for name in hinted_names(category)}
        near = difflib.get_close_matches(name, {*installed, *hinted}, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        return f"no installed plugin provides {what}; {guess}Installed are: {', '.join(installed) or 'none'}"

    def _broken(self, what: str, distribution: str) -> str | None:
        """Why the plugin of an installed distribution is not loaded; None if it is loaded or not installed."""
        for plugin in self.host.plugins:
            if not plugin.loaded and plugin.distribution()[0] == distribution:
                return (
                    f"{what} comes with {distribution}, which is installed but {plugin.status}: {plugin.reason}. "
                    "More: coco plugins -v"
                )
        return None


def _in_from_import() -> bool:
    """Whether ``from module import name`` called the module's ``__getattr__``.

    Python replaces an ``AttributeError`` from there by its own ``ImportError``, and the advice what to install would be
    lost. An ``ImportError`` is not replaced, but would break ``hasattr``; so the caller matters. Frames:
    this function,
    ``lookup``, ``__getattr__``, the asking code.
    """
    if not hasattr(sys, "_getframe"):
        return False
    frame = sys._getframe(3)
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM
