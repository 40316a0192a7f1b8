"""Which runners there are, by name: coco's own, those of this process, and those of plugins."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from coco.errors import DefinitionError

if TYPE_CHECKING:
    from coco.ops.runners import Runner

PROCESS = "process"
"""The runner of functions with ``gpu=True``, a child process for each; coco-core brings it. Nothing else may have its name."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")

Factory: TypeAlias = "Callable[[], Runner]"
F = TypeVar("F", bound="Callable[[], Runner]")


class RunnerNames:
    """Runners of this process by name, and where to ask for others. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._factories: dict[str, Factory] = {}
        self._explain: Callable[[str], str | None] | None = None

    def register(self, name: str, factory: Factory) -> None:
        """Add one; a second definition of a name replaces the first."""
        check_name("runner", name)
        if name == PROCESS:
            raise DefinitionError(f"runner: {PROCESS!r} is coco's own; choose another name")
        with self._lock:
            self._factories[name] = factory

    def get(self, name: str) -> Factory | None:
        """What was registered in this process."""
        with self._lock:
            return self._factories.get(name)

    def names(self) -> list[str]:
        """Those of this process, coco's own first."""
        with self._lock:
            return [PROCESS, *sorted(self._factories)]

    def set_resolver(self, explain: Callable[[str], str | None] | None) -> None:
        """Whom to ask about a name that is not registered here: it says why there is no such runner, or None."""
        self._explain = explain

    def check(self, owner: str, name: str) -> None:
        """Raise ``DefinitionError`` if no runner has this name, as far as that is known by now."""
        if self.get(name) is not None or self._explain is None:
            return
        problem = self._explain(name)
        if problem is not None:
            raise DefinitionError(f"{owner}: {problem}")


RUNNERS = RunnerNames()


def runner(name: str) -> Callable[[F], F]:
    """Register a class of runners, or a function without arguments that makes one, under a name, for this process.

    For runners of a project, and for one that is configured: a package announces its own by ``coco_runners``. What is
    registered here is taken before what a plugin provides. Raises ``DefinitionError`` for a class that is no
    ``op.Runner``.
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
    """Raise ``DefinitionError`` for what cannot be a runner's name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{owner} must be a name of lower case letters, digits and -, such as 'process', got {name!r}"
        )
