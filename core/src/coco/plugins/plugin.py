"""One plugin: its state, and the steps that load it."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from coco.errors import PluginError
from coco.plugins import API_NUMBER, hookspecs
from coco.plugins.manifest import (
    CommandManifest,
    Manifest,
    OpManifest,
    RunnerManifest,
    StoreManifest,
    inferred_op,
    names_operation,
)

if TYPE_CHECKING:
    from coco.plugins.metadata import Candidate

FAULTS = (Exception, SystemExit)
"""Exceptions of a plugin's code that disable the plugin and do not end the program; ``sys.exit`` raises one of them."""

SLOW_SECONDS = 0.2
"""A plugin whose start takes longer counts as slow. It is two thirds of the time limit of ``coco --help``."""

M = TypeVar("M", bound=Manifest)


@dataclass(slots=True)
class Plugin:
    """An announced plugin. ``status``: ``loaded``, ``skipped`` (the user's choice) or ``disabled`` (it
    failed).

    reason: why it is not loaded, in one line. trace: the traceback behind it, if there was an exception.
    muted: why its observer is not called any more. seconds: what its start took; brought: modules that a slow one imported.
    built_in: whether it is coco-core's own.
    """

    candidate: Candidate
    built_in: bool = False
    status: str = "loaded"
    reason: str = ""
    trace: str = ""
    muted: str = ""
    seconds: float = 0.0
    brought: frozenset[str] = frozenset()
    module: ModuleType | None = None
    ops: tuple[OpManifest, ...] = ()
    stores: tuple[StoreManifest, ...] = ()
    runners: tuple[RunnerManifest, ...] = ()
    commands: tuple[CommandManifest, ...] = ()
    hooks: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its entry point."""
        return self.candidate.name

    @property
    def loaded(self) -> bool:
        return self.status == "loaded"

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """All manifests."""
        return (*self.ops, *self.stores, *self.runners, *self.commands)

    def distribution(self) -> tuple[str, str]:
        """Name and version of the distribution; empty if unknown."""
        return self.candidate.identify()

    def title(self) -> str:
        """Name and distribution, for messages."""
        distribution, version = self.distribution()
        return (
            f"{self.name} ({distribution} {version})"
            if distribution
            else f"{self.name} ({self.candidate.module})"
        )

    @property
    def inferred(self) -> bool:
        """Whether its entry point is the operation itself: there is no module with hooks."""
        return names_operation(self.candidate.module)

    def summary(self) -> str:
        """One line on its distribution; empty if unknown. A file is read for it."""
        return self.candidate.summarize()

    def check_loaded(self, manifest: Manifest, loaded: Any) -> None:
        """Raise ``PluginError`` if what an inferred manifest led to is not what the entry point says."""
        if not self.inferred:
            return
        _check_api(sys.modules[manifest.target.partition(":")[0]])
        record = getattr(loaded, "__coco_record__", None)
        name = record.kind if record is not None else getattr(loaded, "__name__", "")
        category = getattr(getattr(loaded, "__coco_category__", None), "value", None)
        if record is not None:
            category = record.category.value
        if f"{category}:{name}" != manifest.key:
            found = f"the {category} {name}" if category is not None else f"no operation but {loaded!r}"
            raise PluginError(
                f"the entry point {self.name} stands for {manifest.key}, by its name and by that of "
                f"{manifest.target}, which is {found}"
            )

    def skip(self, reason: str) -> None:
        self.status, self.reason = "skipped", reason

    def disable(self, error: BaseException) -> None:
        """Store why the plugin failed, and drop everything that it provides."""
        self.status = "disabled"
        self.reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        self.trace = "".join(traceback.format_exception(error))
        self.ops, self.stores, self.runners, self.commands = (), (), (), ()
        self.hooks.clear()

    def slowness(self) -> str:
        """Why the start was slow and what to do; empty if it was not slow."""
        if self.seconds < SLOW_SECONDS:
            return ""
        own = self.candidate.module.partition(".")[0]
        tops = {name.partition(".")[0] for name in self.brought} - {own, "coco"} - sys.stdlib_module_names
        public = sorted(name for name in tops if not name.startswith("_"))
        named = f", with {', '.join(public[:5])}" if public else ""
        return (
            f"its import takes {self.seconds:.1f} s{named}; every command waits for that. "
            f"{self.candidate.module} must import nothing but coco.plugins"
        )

    def start(
        self, clock: Callable[[], float], monitor: Callable[[pluggy.PluginManager], Any] | None = None
    ) -> None:
        """Import, check and register the plugin, then call its hooks for manifests. Raises any error of these steps."""
        known, began = frozenset(sys.modules), clock()
        try:
            with redirect_stdout(sys.stderr):  # results are on standard output, and may be JSON
                self._start(monitor)
        finally:
            self.seconds = clock() - began
            if self.seconds >= SLOW_SECONDS:
                self.brought = frozenset(sys.modules) - known

    def _start(self, monitor: Callable[[pluggy.PluginManager], Any] | None) -> None:
        """Each plugin has a manager of its own (0.1 ms): a hook call reaches this plugin alone, and one that
        fails half way through its registration leaves nothing behind for the others.
        """
        if self.candidate.problem:
            raise PluginError(self.candidate.problem)
        if self.inferred:
            try:
                self.ops = (inferred_op(self.name, self.candidate.module),)
            except ValueError as error:
                raise PluginError(str(error)) from error
            return
        module = importlib.import_module(self.candidate.module)
        _check_api(module)
        manager = pluggy.PluginManager("coco")
        specs = _specs_of(module)
        if specs is not None:
            manager.add_hookspecs(specs)
        if monitor is not None:
            monitor(manager)
        manager.register(module, name=self.name)
        manager.check_pending()
        self.hooks = {caller.name: caller for caller in manager.get_hookcallers(module) or ()}
        self.ops = _ask(self.hooks, "coco_ops", OpManifest)
        self.stores = _ask(self.hooks, "coco_state_stores", StoreManifest)
        self.runners = _ask(self.hooks, "coco_runners", RunnerManifest)
        self.commands = _ask(self.hooks, "coco_cli_commands", CommandManifest)
        _check_names(self.manifests)
        self.module = module


def _specs_of(module: ModuleType) -> ModuleType | None:
    """The specifications of the hooks that a module implements; None if there are none.

    pluggy inspects each specification that it is given: all six would take most of the time of a plugin's start.
    """
    specs = ModuleType(hookspecs.__name__)
    found = False
    for name, value in vars(module).items():
        options = getattr(value, "coco_impl", None)
        hook = (options.get("specname") if isinstance(options, dict) else None) or name
        if hook.startswith("coco_") and hasattr(hookspecs, hook):
            setattr(specs, hook, getattr(hookspecs, hook))
            found = True
    return specs if found else None


def _check_api(module: ModuleType) -> None:
    number = getattr(module, "COCO_API", None)
    if number is None:
        raise PluginError(f"{module.__name__} has no COCO_API; this coco-core has plugin API {API_NUMBER}")
    if number != API_NUMBER:
        newer = isinstance(number, int) and number > API_NUMBER
        advice = "upgrade coco-core" if newer else "upgrade the plugin"
        raise PluginError(f"written for plugin API {number!r}, this coco-core has {API_NUMBER}: {advice}")


def _ask(hooks: Mapping[str, Any], hook: str, kind: type[M]) -> tuple[M, ...]:
    if hook not in hooks:
        return ()
    found: list[M] = []
    for answer in hooks[hook]():
        if not isinstance(answer, Sequence) or isinstance(answer, str):
            raise PluginError(f"{hook}: expected a list of {kind.__name__}, got {type(answer).__name__}")
        for item in answer:
            if not isinstance(item, kind):
                raise PluginError(f"{hook}: expected {kind.__name__}, got {item!r}")
            found.append(item)
    return tuple(found)


def _check_names(manifests: Sequence[Manifest]) -> None:
    seen: set[str] = set()
    for manifest in manifests:
        if manifest.key in seen:
            raise PluginError(f"{manifest.key} is given twice")
        seen.add(manifest.key)
