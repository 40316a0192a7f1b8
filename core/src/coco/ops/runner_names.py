"""The runners by name: coco's own, those of this process, and those of plugins."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from coco.errors import DefinitionError

if TYPE_CHECKING:
    from coco.ops.runners import Runner

PROCESS = "process"
"""The runner of functions with ``gpu=True``: a child process for each. It is part of coco-core, and its name is reserved."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")

Factory: TypeAlias = "Callable[[], Runner]"
F = TypeVar("F", bound="Callable[[], Runner]")


class RunnerNames:
    """The runners of this process by name, and a resolver for others. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._factories: dict[str, Factory] = {}
        self._explain: Callable[[str], str | None] | None = None

    def register(self, name: str, factory: Factory) -> None:
        """Add a runner. A second definition of a name replaces the first one."""
        check_name("runner", name)
        if name == PROCESS:
            raise DefinitionError(f"runner: {PROCESS!r} is coco's own; choose another name")
        with self._lock:
            self._factories[name] = factory

    def get(self, name: str) -> Factory | None:
        """Return a runner that was registered in this process; None if there is none."""
        with self._lock:
            return self._factories.get(name)

    def names(self) -> list[str]:
        """Return the names of the runners of this process, coco's own first."""
        with self._lock:
            return [PROCESS, *sorted(self._factories)]

    def set_resolver(self, explain: Callable[[str], str | None] | None) -> None:
        """Set the function for names that are not registered here. It returns why there is no such runner, or None."""
        self._explain = explain

    def check(self, owner: str, name: str) -> None:
        """Raise ``DefinitionError`` if no runner has this name."""
        if self.get(name) is not None or self._explain is None:
            return
        problem = self._explain(name)
        if problem is not None:
            raise DefinitionError(f"{owner}: {problem}")


RUNNERS = RunnerNames()


def runner(name: str) -> Callable[[F], F]:
    """Register a runner for this process under a name: a class, or a function without arguments that returns a runner.

    Use it for a runner of a project, or one with a configuration; a package provides its runners by the hook
    ``coco_runners``. A runner that is registered here takes precedence over one of a plugin. Raises ``DefinitionError`` for a
    class that is not an ``op.Runner``.
    """

    def register(factory: F) -> F:
        if isinstance(factory, type):
            from coco.ops.method_checks import check_methods
            from coco.ops.methods import RUNNER

            check_methods(factory, RUNNER, {})
        RUNNERS.register(name, factory)
        return factory

    return register


def check_name(owner: str, name: Any) -> None:
    """Raise ``DefinitionError`` for text that cannot be the name of a runner."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{owner} must be a name of lower case letters, digits and -, such as 'process', got {name!r}"
        )
