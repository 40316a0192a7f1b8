"""Loads the plugins, each separately, so that a faulty plugin disables only itself.

The steps for each entry point: read the metadata, apply the user's choice, import the module, check the API number,
register the hooks, call them, check the names that they return. A failed step disables the plugin, and
``coco plugins -v`` shows the reason. Environment:

COCO_PLUGINS          which plugins load, see ``selection``
COCO_STRICT_PLUGINS   1: a plugin that fails, or a name that two plugins provide, raises (for authors and CI)
COCO_TRACE_PLUGINS    1: imports and hook calls are printed to standard error
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coco.env_file import read_env_file
from coco.errors import PluginError
from coco.plugins.built_in import built_in_manifest, built_in_plugin
from coco.plugins.manifest import (
    CommandManifest,
    Manifest,
    OpManifest,
    RunnerManifest,
    StoreManifest,
    load_target,
)
from coco.plugins.metadata import Candidate, installed_candidates
from coco.plugins.plugin import FAULTS, Plugin
from coco.plugins.selection import VARIABLE, Selection, parse_selection, plugin_name

if TYPE_CHECKING:
    import pluggy

_log = logging.getLogger("coco.plugins")

VERY_SLOW_SECONDS = 1.0
"""A start that takes longer logs a warning, since every command includes it."""


class PluginHost:
    """All installed plugins, loaded or not, and what the loaded ones provide.

    candidates: returns the plugins to load; by default the installed ones. environ: the variables above. clock: seconds,
    to time imports. built_in: coco's own plugin, loaded already; no other plugin can provide its names. The constructor
    loads the plugins. Raises ``PluginError`` for a ``COCO_PLUGINS`` that is malformed or leaves out the built-in plugin and,
    under ``COCO_STRICT_PLUGINS``, for any other problem.
    """

    def __init__(
        self,
        candidates: Callable[[], Iterable[Candidate]] = installed_candidates,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.perf_counter,
        built_in: Plugin | None = None,
    ) -> None:
        self.selection: Selection = parse_selection(environ.get(VARIABLE))
        self._own = {} if built_in is None else {item.key: built_in for item in built_in.manifests}
        self._strict = _yes(environ, "COCO_STRICT_PLUGINS")
        self._trace = _yes(environ, "COCO_TRACE_PLUGINS")
        self._clock = clock
        own = () if built_in is None else (built_in,)
        self.plugins: tuple[Plugin, ...] = (*own, *(Plugin(candidate) for candidate in candidates()))
        self._load()
        self._providers = self._index()
        if self._strict:
            self._raise_for_doubt()

    # --- loading

    def _load(self) -> None:
        shared = _repeated(plugin.name for plugin in self.plugins if not plugin.built_in)
        own = {plugin.name for plugin in self.plugins if plugin.built_in}
        for name in own:
            if name in self.selection.deny:
                raise PluginError(
                    f"{VARIABLE}: -{name} would leave out coco's own stores, runner and commands, which is not possible; "
                    "remove it"
                )
        for plugin in self.plugins:
            if plugin.built_in:
                continue
            refusal = self.selection.refusal(plugin.name)
            if refusal:
                plugin.skip(refusal)
                continue
            try:
                if plugin.name in own:
                    raise PluginError(
                        f"{plugin.name!r} is the name of coco's own plugin: it needs another one"
                    )
                if plugin.name in shared:
                    raise PluginError(_shared_name(plugin, self.plugins))
                if self._trace:
                    _print(f"import {plugin.candidate.module}")
                plugin.start(self._clock, _monitor if self._trace else None)
            except FAULTS as error:
                plugin.disable(error)
                if self._strict:
                    raise PluginError(f"plugin {plugin.title()}: {plugin.reason}") from error
            if plugin.seconds >= VERY_SLOW_SECONDS:
                _log.warning("plugin %s: %s", plugin.title(), plugin.slowness())

    def _index(self) -> dict[str, list[Plugin]]:
        providers: dict[str, list[Plugin]] = {}
        for plugin in self.plugins:
            for manifest in plugin.manifests:
                if self._own.get(manifest.key, plugin) is plugin:
                    providers.setdefault(manifest.key, []).append(plugin)
        return providers

    def _raise_for_doubt(self) -> None:
        unknown = self.unknown_names()
        if unknown:
            raise PluginError(f"{VARIABLE} names plugins that are not installed: {', '.join(unknown)}")
        for text in self.unmet_picks().values():
            raise PluginError(text)
        for key, names in self.conflicts().items():
            raise PluginError(_conflict_message(key, names))

    # --- what there is

    def overridden(self) -> dict[str, str]:
        """coco's own names that plugins provide too, with coco's import path, which is the one in use."""
        return {
            item.key: next(own.target for own in self._own[item.key].manifests if own.key == item.key)
            for plugin in self.plugins
            for item in plugin.manifests
            if not plugin.built_in and item.key in self._own
        }

    def conflicts(self) -> dict[str, list[str]]:
        """Names that several plugins provide and the user has not picked one for, with those plugins."""
        return {
            key: [plugin.title() for plugin in plugins]
            for key, plugins in sorted(self._providers.items())
            if len(plugins) > 1 and key not in self.selection.picks
        }

    def unmet_picks(self) -> dict[str, str]:
        """Names that ``COCO_PLUGINS`` gives to a plugin that does not provide them, with the reason in words."""
        found = {key: self._unmet(key) for key in sorted(self.selection.picks)}
        return {key: text for key, text in found.items() if text}

    def _unmet(self, key: str) -> str:
        choice = self.selection.picks.get(key)
        if choice is None or self._picked(key) is not None:
            return ""
        if key in self._own:
            return (
                f"{VARIABLE} picks the plugin {choice} for {key}, which is coco's own and cannot be replaced"
            )
        chosen = next((plugin for plugin in self.plugins if plugin_name(plugin.name) == choice), None)
        if chosen is None:
            why = "is not installed"
        else:
            why = "does not provide it" if chosen.loaded else f"is {chosen.status}: {chosen.reason}"
        others = ", ".join(plugin.title() for plugin in self._providers.get(key, ()))
        return f"{VARIABLE} picks the plugin {choice} for {key}, which {why}" + (
            f"; it is provided by {others}" if others else ""
        )

    def unknown_names(self) -> list[str]:
        """Plugins that ``COCO_PLUGINS`` names and that are not installed."""
        return self.selection.unknown([plugin.name for plugin in self.plugins])

    def names(self, prefix: str) -> list[str]:
        """Names under a prefix such as ``target``, ``store`` or ``command``, with those that several plugins provide."""
        return sorted(key.partition(":")[2] for key in self._providers if key.startswith(f"{prefix}:"))

    def provider(self, key: str) -> tuple[Plugin, Manifest] | None:
        """The plugin that provides ``category:name``, and its manifest; None if no plugin does.

        Raises ``PluginError`` if several plugins provide it and ``COCO_PLUGINS`` picks none, or if the picked plugin does
        not provide it. coco never takes another plugin instead of the picked one.
        """
        unmet = self._unmet(key)
        if unmet:
            raise PluginError(unmet)
        plugins = self._providers.get(key, [])
        picked = self._picked(key)
        if len(plugins) > 1 and picked is None:
            raise PluginError(_conflict_message(key, [plugin.title() for plugin in plugins]))
        for plugin in plugins if picked is None else [picked]:
            return plugin, next(manifest for manifest in plugin.manifests if manifest.key == key)
        return None

    def _picked(self, key: str) -> Plugin | None:
        choice = self.selection.picks.get(key)
        for plugin in self._providers.get(key, ()):
            if choice == plugin_name(plugin.name):
                return plugin
        return None

    def store(self, scheme: str) -> StoreManifest | None:
        """The state store for a URL scheme."""
        found = self.provider(f"store:{scheme}")
        return found[1] if found and isinstance(found[1], StoreManifest) else None

    def runner(self, name: str) -> RunnerManifest | None:
        """The runner of a name."""
        found = self.provider(f"runner:{name}")
        return found[1] if found and isinstance(found[1], RunnerManifest) else None

    def commands(self) -> list[CommandManifest]:
        """Commands of the program, without names that several plugins provide; ``coco plugins`` reports those."""
        keys = sorted(key for key in self._providers if key.startswith("command:"))
        doubtful = {**self.conflicts(), **self.unmet_picks()}
        found = [self.provider(key) for key in keys if key not in doubtful]
        return [item[1] for item in found if item and isinstance(item[1], CommandManifest)]

    # --- use

    def load(self, key: str) -> Any:
        """Import what ``category:name`` names; None if no plugin provides it.

        Raises ``PluginError`` that names the plugin if the import fails; the failure is its cause.
        """
        found = self.provider(key)
        if found is None:
            return None
        plugin, manifest = found
        loaded = _load(plugin, manifest.key, manifest.target)
        plugin.check_loaded(manifest, loaded)
        return loaded

    def companions(self, category: str) -> list[str]:
        """Names that stand beside the operations of a category, such as classes of their options."""
        return sorted({name for _, manifest in self._ops(category) for name in manifest.companions})

    def load_companion(self, category: str, name: str) -> Any:
        """Import such a name; None if no plugin provides it. Raises ``PluginError`` like ``load``."""
        found = self.companion(category, name)
        if found is None:
            return None
        plugin, target = found
        return _load(plugin, f"{category}:{name}", target)

    def companion(self, category: str, name: str) -> tuple[Plugin, str] | None:
        """The plugin that provides such a name, and its ``"module:Name"``; None if no plugin does.

        Raises ``PluginError`` if plugins mean different things by it.
        """
        found = {
            manifest.companions[name]: plugin
            for plugin, manifest in self._ops(category)
            if name in manifest.companions
        }
        if len(found) > 1:
            key = f"{category}:{name}"
            owners = ", ".join(sorted(f"{plugin.title()} as {target}" for target, plugin in found.items()))
            raise PluginError(f"{key} means several things: {owners}. Import it from its module")
        for target, plugin in found.items():
            return plugin, target
        return None

    def _ops(self, category: str) -> Iterator[tuple[Plugin, OpManifest]]:
        for plugin in self.plugins:
            for manifest in plugin.manifests:
                if isinstance(manifest, OpManifest) and manifest.category == category:
                    yield plugin, manifest

    def resolve_op(self, category: Any, kind: str) -> bool:
        """Import the module of an operation, which registers it. False if no plugin provides it.

        category: text, or a member of ``OpCategory``. Raises ``PluginError`` like ``load``.
        """
        return self.load(f"{getattr(category, 'value', category)}:{kind}") is not None

    def resolve_secret(self, ref: str) -> str | None:
        """The value from the first plugin that returns one; None if none does. An error of a plugin is raised as it is."""
        for plugin in self.secret_plugins():
            secret: str | None = plugin.hooks["coco_resolve_secret"](ref=ref)
            if secret is not None:
                return secret
        return None

    def secret_plugins(self) -> list[Plugin]:
        """Plugins that resolve secrets, coco's own first."""
        return [plugin for plugin in self.plugins if "coco_resolve_secret" in plugin.hooks]

    def has_observers(self) -> bool:
        """Whether any plugin observes events."""
        return any(True for _ in self._callers("coco_flow_event"))

    def emit(self, event: Any) -> None:
        """Call all observers with an event of ``coco.events``. An observer that raises is not called again."""
        for plugin, caller in self._callers("coco_flow_event"):
            try:
                caller(event=event)
            except FAULTS as error:
                plugin.muted = f"{type(error).__name__}: {error}"
                _log.warning(
                    "plugin %s: its observer failed and is not called any more",
                    plugin.title(),
                    exc_info=error,
                )

    def _callers(self, hook: str) -> Iterator[tuple[Plugin, Callable[..., Any]]]:
        for plugin in self.plugins:
            if hook in plugin.hooks and not (hook == "coco_flow_event" and plugin.muted):
                yield plugin, plugin.hooks[hook]


def _load(plugin: Plugin, key: str, target: str) -> Any:
    try:
        return load_target(target)
    except FAULTS as error:
        raise PluginError(
            f"{key} is provided by the plugin {plugin.title()}, but {target} cannot be "
            f"imported: {type(error).__name__}: {error}"
        ) from error


_lock = threading.Lock()
_process_host: PluginHost | None = None


def process_host() -> PluginHost:
    """The host of this process, made at the first call."""
    global _process_host
    if _process_host is None:
        with _lock:
            if _process_host is None:
                read_env_file()  # it may choose plugins
                _process_host = PluginHost(built_in=built_in_plugin())
    return _process_host


def load_provided(key: str) -> Any:
    """Import what ``category:name`` names: coco's own without loading plugins, else a plugin's; None if there is none.

    Raises ``PluginError`` like ``PluginHost.load``.
    """
    own = built_in_manifest(key)
    return process_host().load(key) if own is None else load_target(own.target)


def store_manifest(scheme: str) -> StoreManifest | None:
    """The manifest of the store for a URL scheme; None if there is none. Loads plugins only for schemes not coco's own."""
    own = built_in_manifest(f"store:{scheme}")
    return own if isinstance(own, StoreManifest) else process_host().store(scheme)


def known_command(name: str) -> CommandManifest | None:
    """The manifest of a command: coco's own, or a plugin's if plugins are loaded already. Loads none."""
    host = _process_host
    known = (*built_in_plugin().commands, *(host.commands() if host is not None else ()))
    return next((item for item in known if item.name == name), None)


@contextmanager
def temporary_host(host: PluginHost) -> Iterator[PluginHost]:
    """Replace the host of the process by ``host``, for tests."""
    global _process_host
    previous, _process_host = _process_host, host
    try:
        yield host
    finally:
        _process_host = previous


def _yes(environ: Mapping[str, str], variable: str) -> bool:
    return environ.get(variable, "") not in ("", "0")


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]


def _shared_name(plugin: Plugin, plugins: Iterable[Plugin]) -> str:
    owners = [
        other.distribution()[0] or other.candidate.module for other in plugins if other.name == plugin.name
    ]
    return f"{' and '.join(owners)} both announce a plugin named {plugin.name}: uninstall one of them"


def _conflict_message(key: str, names: list[str]) -> str:
    first = names[0].partition(" ")[0]
    return (
        f"{key} is provided by {len(names)} plugins: {', '.join(names)}. "
        f"Pick one, such as {VARIABLE}={key}={first}, or uninstall the others"
    )


def _print(text: str) -> None:
    print(f"coco plugins: {text}", file=sys.stderr)  # noqa: T201


def _monitor(manager: pluggy.PluginManager) -> None:
    manager.add_hookcall_monitoring(_print_call, _print_result)


def _print_call(name: str, implementations: Any, arguments: Mapping[str, Any]) -> None:
    plugins = ", ".join(item.plugin_name for item in implementations)
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    _print(f"call {name}({given}) of {plugins}")


def _print_result(outcome: Any, name: str, implementations: Any, arguments: Mapping[str, Any]) -> None:
    error = getattr(outcome, "exception", None)
    _print(f"{name} raised {error!r}" if error is not None else f"{name} gave {outcome.get_result()!r}")
