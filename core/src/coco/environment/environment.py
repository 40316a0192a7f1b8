"""Settings and services of one process, created at first use and closed by ``stop``."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from coco.env_file import note_env_file_read, read_env_file
from coco.errors import CallShapeError, ClientError, LifecycleError, StateStoreError
from coco.ops.origin import is_program_loaded_again
from coco.secrets import resolve_secret
from coco.setting import DatabaseConnectionSpec, GlobalExecutionOptions, Settings, mask_url

if TYPE_CHECKING:
    from coco.engine.functions import Executors
    from coco.engine.limits import Limiter
    from coco.engine.target_calls import TargetCalls
    from coco.engine.threads import Threads
    from coco.environment.leases import HeldLease
    from coco.environment.loop import BackgroundLoop
    from coco.environment.shared_runs import SharedRuns
    from coco.events import EmitFn, FlowEvent
    from coco.state.protocol import StateStore

T = TypeVar("T")

LOG = logging.getLogger("coco")
DEFAULT_STATE_URL = "sqlite:///.coco/state.db"


class Updater(Protocol):
    """The part of a live updater that the environment needs to end it."""

    flow: str
    """Full name of the flow that it follows."""

    @property
    def is_started(self) -> bool: ...
    @property
    def is_finished(self) -> bool: ...
    def abort(self) -> None: ...
    async def ended(self) -> None: ...


class Environment:
    """Settings, the services made from them, and the runs and updaters that use them.

    ``ENVIRONMENT`` is the one of the process; operations get it from ``environment_in_use``.
    """

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._settings: Settings | None = None
        self._settings_given = False
        self._settings_function: Callable[[], Settings] | None = None
        self._store: StateStore | None = None
        self._threads: Threads | None = None
        self._executors: Executors | None = None
        self._limiter: Limiter | None = None
        self._loop: BackgroundLoop | None = None
        self._runs: SharedRuns | None = None
        self._listeners: list[EmitFn] = []
        self._updaters: list[Updater] = []
        self._connected = False
        self.memo_left: tuple[int, int] | None = None
        """Entries and bytes of the memo after its limits were last applied."""

    # -- settings ---------------------------------------------------------------------------------
    def set_settings_function(self, function: Callable[[], Settings]) -> bool:
        """Register a settings function. Returns whether it replaces another one, not just a reloaded version of itself."""
        from coco.ops.editions import definition_of

        with self._guard:
            first, self._settings_function = self._settings_function, function
        return first is not None and not definition_of(function).is_edition_of(definition_of(first))

    def init(self, settings: Settings | None) -> None:
        """Set the settings now."""
        if settings is not None and not isinstance(settings, Settings):
            raise CallShapeError(
                "init() takes a Settings object: coco.init(coco.Settings(app_namespace='dev'))"
            )
        with self._guard:
            if self._settings is not None:
                if settings is not None and settings != self._settings:
                    raise LifecycleError("coco is initialised with other settings; call coco.stop() first")
                return
            read_env_file()
            self._settings = settings if settings is not None else self._resolve()
            self._settings_given = settings is not None

    def _resolve(self) -> Settings:
        if self._settings_function is not None:
            return self._settings_function()
        return Settings.from_env()

    @property
    def settings_origin(self) -> Literal["init", "env"] | Callable[[], Settings]:
        """The origin of the settings: a call of ``init`` with settings, environment variables, or this function."""
        self.init(None)
        if self._settings_given:
            return "init"
        return self._settings_function or "env"

    @property
    def settings(self) -> Settings:
        self.init(None)
        assert self._settings is not None
        return self._settings

    @property
    def namespace(self) -> str:
        namespace: str = self.settings.app_namespace
        return namespace

    def full_name(self, name: str) -> str:
        """``namespace.name``, or the bare name without a namespace."""
        namespace = self.namespace
        return f"{namespace}.{name}" if namespace else name

    # -- events -----------------------------------------------------------------------------------
    def add_listener(self, listener: EmitFn) -> Callable[[], None]:
        """Call ``listener`` with every event of every run in this process; returns a function that removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: FlowEvent) -> None:
        """Pass an event to listeners and plugins."""
        from coco.plugins import plugin_host

        for listener in list(self._listeners):
            listener(event)
        host = plugin_host()
        if host.has_observers():
            host.emit(event)

    # -- work -------------------------------------------------------------------------------------
    def connect(self) -> None:
        """Connect the registry of operations with the plugins."""
        if not self._connected:
            from coco.plugins import connect_registry

            connect_registry()
            self._connected = True

    @property
    def loop(self) -> BackgroundLoop:
        """The loop on which all work runs, so that blocking calls work from notebooks and web handlers too."""
        from coco.environment.loop import BackgroundLoop

        with self._guard:
            if self._loop is None:
                self._loop = BackgroundLoop(self.explained)
            return self._loop

    def run(self, operation: Coroutine[Any, Any, T], twin: str) -> T:
        """Run an operation for a blocking caller. ``twin``: the coroutine to recommend in an event loop."""
        return self.loop.run(operation, twin)

    async def run_async(self, operation: Coroutine[Any, Any, T]) -> T:
        """Run an operation for a caller that awaits."""
        return await self.loop.run_async(operation)

    async def explained(self, error: Exception) -> Exception | None:
        """The error to raise instead of one that a damaged state causes; None for other errors."""
        from coco.environment.damage import explained

        return await explained(error, self)

    @property
    def runs(self) -> SharedRuns:
        """The runs of flows in this process."""
        from coco.environment.shared_runs import SharedRuns

        with self._guard:
            if self._runs is None:
                self._runs = SharedRuns()
            return self._runs

    @contextlib.asynccontextmanager
    async def leased(self, flow: str, what: str) -> AsyncIterator[HeldLease]:
        """Hold the lease of a flow (full name). Runs on the loop."""
        from coco.environment.leases import lease

        store = await self.threads.store(self.store)
        async with lease(store, self.threads, flow, what, emit=self.emit) as in_doubt:
            yield in_doubt

    async def in_store(self, function: Callable[[StateStore], T]) -> T:
        """``function(store)`` in the store's thread; opens the store at first use. Runs on the loop."""
        return await self.threads.store(function, await self.threads.store(self.store))

    # -- live updaters ----------------------------------------------------------------------------
    def add_updater(self, updater: Updater) -> None:
        """Register an updater, so that it ends with its flow or with the environment."""
        self._updaters = [item for item in self._updaters if not item.is_finished]
        self._updaters.append(updater)

    def is_followed(self, flow: str) -> bool:
        """Whether an updater over the flow (full name) was started in this process and has not ended."""
        return any(item.flow == flow and item.is_started and not item.is_finished for item in self._updaters)

    def end_updaters(self, flow: str | None = None) -> None:
        """Abort the updaters of a flow (full name; None: of all flows) and wait for them."""
        for updater in [item for item in self._updaters if flow is None or item.flow == flow]:
            updater.abort()
            if updater.is_started and not updater.is_finished:
                with contextlib.suppress(Exception):
                    self.run(updater.ended(), "wait_async()")
            self._updaters.remove(updater)

    # -- services ---------------------------------------------------------------------------------
    @property
    def threads(self) -> Threads:
        from coco.engine.threads import Threads

        with self._guard:
            if self._threads is None:
                self._threads = Threads()
            return self._threads

    @property
    def executors(self) -> Executors:
        from coco.engine.functions import Executors
        from coco.engine.remote_calls import Runners

        with self._guard:
            if self._executors is None:
                self._executors = Executors(self.threads, Runners(find_runner))
            return self._executors

    @property
    def target_calls(self) -> TargetCalls:
        """Calls methods of target connectors."""
        from coco.engine.target_calls import TargetCalls

        return TargetCalls(self.threads, self.settings.target_call_timeout or None)

    @property
    def limiter(self) -> Limiter:
        from coco.engine.limits import Limiter

        with self._guard:
            if self._limiter is None:
                options = self.settings.global_execution_options or GlobalExecutionOptions()
                self._limiter = Limiter(options.source_max_inflight_rows, options.source_max_inflight_bytes)
            return self._limiter

    def state_url(self) -> str:
        """The URL of the state: ``COCO_STATE_URL``; else the Postgres database of the settings, if the plugin for it is
        installed; else a file in the project.
        """
        read_env_file()
        explicit = os.environ.get("COCO_STATE_URL")
        if explicit:
            return explicit
        database = self.settings.database
        if database is None or (isinstance(database.url, str) and not _is_postgres(database.url)):
            return DEFAULT_STATE_URL
        from coco.plugins import plugin_host

        if plugin_host().store("postgres") is None:
            return DEFAULT_STATE_URL
        url = resolve_secret(database.url, wanted_by="the state store")
        return _with_login(database, url) if _is_postgres(url) else DEFAULT_STATE_URL

    @property
    def is_persistent(self) -> bool:
        """Whether state outlives the process, as the store for its URL declares. Opens nothing."""
        from coco.plugins.loader import store_manifest

        manifest = store_manifest(self.state_url().partition(":")[0])
        return manifest is None or manifest.persistent

    def store(self) -> StateStore:
        """The opened state store. Call in the store's thread."""
        with self._guard:
            if self._store is None:
                store = _store_of(self.state_url())
                store.open()
                self._store = store
            return self._store

    @property
    def opened_store(self) -> StateStore | None:
        """The state store; None if it has not been opened."""
        return self._store

    def store_exists(self) -> bool:
        """Whether a stored state exists. Creates nothing."""
        if self._store is not None:
            return True
        exists = getattr(_store_of(self.state_url()), "exists", None)
        return exists is None or bool(exists())

    def stop(self) -> None:
        """End updaters, close pools and the store; the next use starts them again."""
        self.end_updaters()
        if self._executors is not None:
            self.run(self._executors.close(), "stop()")
        if self._loop is not None:
            self._loop.stop()
        self.close()
        self._runs = None

    def close(self) -> None:
        """Close all services; the next use opens them again."""
        with self._guard:
            if self._store is not None:
                self._store.close()
            if self._threads is not None:
                self._threads.close()
            note_env_file_read(False)
            self._store = self._threads = self._executors = self._limiter = self._settings = None


def _is_postgres(url: str) -> bool:
    return url.partition(":")[0] in ("postgres", "postgresql")


def _with_login(database: DatabaseConnectionSpec, url: str) -> str:
    """The URL with the user and password of the settings in place of its own."""
    given_user, given_password = (
        None if value is None else resolve_secret(value, wanted_by="the state store")
        for value in (database.user, database.password)
    )
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # its text may quote the password
        raise ClientError(
            f"the database URL {mask_url(url)} cannot be read; its form is "
            "postgresql://user:password@host:port/database, with special characters in user and password "
            "percent-encoded (or given as user= and password=)"
        ) from None
    user = parts.username if given_user is None else urllib.parse.quote(given_user, safe="")
    password = parts.password if given_password is None else urllib.parse.quote(given_password, safe="")
    place = parts.netloc.rpartition("@")[2]
    login = (user or "") + (f":{password}" if password is not None else "")
    return parts._replace(scheme="postgres", netloc=f"{login}@{place}" if login else place).geturl()


def _store_of(url: str) -> Any:
    """The store for a URL, not yet opened. Raises ``StateStoreError`` if no plugin provides one."""
    from coco.plugins.loader import load_provided

    scheme = url.partition(":")[0]
    factory = load_provided(f"store:{scheme}")
    if factory is None:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*:.*", url, re.IGNORECASE | re.DOTALL):
            raise StateStoreError(
                f"the state URL {mask_url(url)} cannot be read; use COCO_STATE_URL=sqlite:///PATH or memory://"
            )
        from coco.plugins.hints import PLANNED, distribution_for, is_planned

        distribution = distribution_for("store", scheme)
        why = (
            PLANNED if is_planned("store", scheme)
            else f"is not installed: pip install {distribution}" if distribution
            else "is not known"
        )  # fmt: skip
        raise StateStoreError(
            f"a state store for '{scheme}:' {why}; use COCO_STATE_URL=sqlite:///PATH or memory://"
        )
    return factory(url)


def find_runner(name: str) -> Any:
    """The factory of a runner by name; None if there is none."""
    from coco.ops.runner_names import RUNNERS
    from coco.plugins.loader import load_provided

    return RUNNERS.get(name) or load_provided(f"runner:{name}")


ENVIRONMENT = Environment()


def environment_in_use() -> Environment:
    """The process's environment, for an operation.

    Raises ``LifecycleError`` while the program is loaded again to find a function: it must run no flow then.
    """
    if is_program_loaded_again():
        raise LifecycleError(
            "the program is being loaded again to find a function that runs in another process (gpu=True or runner=), "
            'and runs flows while it is; put what it does under `if __name__ == "__main__":`'
        )
    return ENVIRONMENT


def current_settings() -> Settings:
    """The settings in force; initialises them at first use."""
    return ENVIRONMENT.settings
