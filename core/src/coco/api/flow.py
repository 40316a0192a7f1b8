"""``Flow``: a definition, built once on first need, and the operations on it."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from msgspec import structs

from coco.api.query_handlers import QueryHandler, QueryHandlers
from coco.environment.environment import Environment, environment_in_use
from coco.errors import CallShapeError, DefinitionError, LifecycleError, error_context
from coco.flow.builder import FlowBuilder
from coco.flow.finish import finish_flow
from coco.flow.graph import Graph
from coco.flow.names import check_flow_name
from coco.flow.options import EvaluateAndDumpOptions
from coco.flow.places import definition_place
from coco.flow.scopes import DataScope
from coco.flow.state import CURRENT, BuildState
from coco.ops.editions import definition_of

if TYPE_CHECKING:
    from coco.engine.stats import IndexUpdateInfo, RowErrors
    from coco.flow.graph import DefinitionPlace
    from coco.operations.evaluate import EvaluateReport
    from coco.operations.plan import UpdatePlan
    from coco.operations.status import FlowStatus
    from coco.operations.verify_report import VerifyReport
    from coco.query_handler import QueryHandlerResultFields

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
P = ParamSpec("P")

Operation = Callable[Concatenate[Environment, Graph, P], Coroutine[Any, Any, T]]
"""One of ``coco.operations``: takes the environment and the flow's graph."""

FlowFunction = Callable[[FlowBuilder, DataScope], Any]


class Flow:
    """A pipeline from sources to targets. Made by ``flow_def`` and ``open_flow``, which also register it.

    Nothing runs until a method needs the definition. Every blocking method has an ``_async`` twin. After
    ``close()`` all of them raise ``LifecycleError`` (a ``RuntimeError``).
    """

    def __init__(self, name: str, function: FlowFunction) -> None:
        check_flow_name(name)
        _check_flow_function(function)
        self._name = name
        self._function = function
        self._definition = definition_of(function)
        self._lock = threading.RLock()
        self._full_name: str | None = None
        self._graph: Graph | None = None
        self._handlers = QueryHandlers(name)
        self._building = False
        self._closed = False

    # names

    @property
    def name(self) -> str:
        """The short name, unique in this process."""
        return self._name

    @property
    def full_name(self) -> str:
        """The name with the app namespace; fixed once it was asked for."""
        with self._lock:
            if self._full_name is None:
                self._full_name = environment_in_use().full_name(self._name)
            return self._full_name

    @property
    def function(self) -> FlowFunction:
        """The function that defines the flow."""
        return self._function

    # definition

    @property
    def graph(self) -> Graph:
        """The flow's graph; runs the flow function at first need, once."""
        self._check_open()
        with self._lock:
            if self._graph is None:
                if self._building:
                    raise LifecycleError(f"flow {self._name} is needed by its own definition")
                self._building = True
                try:
                    self._graph = self._build()
                finally:
                    self._building = False
            return self._graph

    @property
    def is_built(self) -> bool:
        return self._graph is not None

    @property
    def is_closed(self) -> bool:
        return self._closed

    def internal_flow(self) -> Graph:
        """Build the flow now if it is not built yet. Semi-internal; the graph may change between releases."""
        return self.graph

    async def internal_flow_async(self) -> Graph:
        """Like ``internal_flow``, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(self.internal_flow)

    def _build(self) -> Graph:
        full_name = self.full_name
        state = BuildState(self._name, f"flow {self._name}")
        token = CURRENT.set(state)
        try:
            with error_context(f"while defining flow {self._name}"):
                builder, root = FlowBuilder(state), DataScope(state, state.root)
                _check_signature(self._name, self._function)
                self._function(builder, root)
                return structs.replace(finish_flow(state, full_name), place=definition_place(self._function))
        finally:
            state.finished = True
            CURRENT.reset(token)

    # operations

    def _run(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Build the flow, and run an operation to its end."""
        environment = self._environment()
        return environment.run(
            operation(environment, self.graph, *args, **kwargs), f"{operation.__name__}_async()"
        )

    async def _run_async(self, operation: Operation[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a caller who awaits."""
        import asyncio

        environment = self._environment()
        graph = await asyncio.to_thread(self.internal_flow)
        return await environment.run_async(operation(environment, graph, *args, **kwargs))

    def _environment(self) -> Environment:
        self._check_open()
        environment = environment_in_use()
        environment.connect()
        return environment

    def setup(self, report_to_stdout: bool = False, *, allow_destructive: bool = False) -> None:
        """Create or adapt state and targets to the definition; does nothing if they fit.

        report_to_stdout: print the changes and each step. allow_destructive: also where that drops a table of an
        earlier definition, makes one anew, or loses a column until the next update. Without it such a setup changes
        nothing and raises ``DestructiveSetupError`` with the plan in words.
        """
        from coco.operations.setup import setup

        self._run(setup, report_to_stdout=report_to_stdout, allow_destructive=allow_destructive)

    async def setup_async(self, report_to_stdout: bool = False, *, allow_destructive: bool = False) -> None:
        """Async twin of ``setup``."""
        from coco.operations.setup import setup

        await self._run_async(setup, report_to_stdout=report_to_stdout, allow_destructive=allow_destructive)

    def drop(self, report_to_stdout: bool = False) -> None:
        """Remove the flow's state and all its targets; the flow can be set up again.

        report_to_stdout: print the changes and each step. The flow need not be built: what is dropped is on record.
        """
        from coco.operations.drop import drop

        environment = self._environment()
        environment.run(drop(environment, self._place(), report_to_stdout=report_to_stdout), "drop_async()")

    async def drop_async(self, report_to_stdout: bool = False) -> None:
        """Async twin of ``drop``."""
        from coco.operations.drop import drop

        environment = self._environment()
        await environment.run_async(drop(environment, self._place(), report_to_stdout=report_to_stdout))

    def _place(self) -> dict[str, DefinitionPlace | None]:
        return {self.full_name: definition_place(self._function)}

    def update(
        self,
        *,
        reexport_targets: bool = False,
        full_reprocess: bool = False,
        print_stats: bool = False,
        allow_deletes: bool = False,
    ) -> IndexUpdateInfo:
        """Bring the targets up to date with the sources, once; returns ``IndexUpdateInfo``.

        reexport_targets: write every row, changed or not. full_reprocess: also ignore memoised results, and take up
        quarantined rows. print_stats: statistics on standard output. allow_deletes: lift the guard against mass deletion.

        Rows that fail do not raise: they are logged (logger ``coco.`` and the flow's full name), counted, and listed by
        ``errors``; the first ones are in ``info.errors``. Raises ``UnwrittenTargetError`` if every write to a target
        failed, ``SourceError`` if a source cannot be listed, ``SetupRequiredError`` while setup is pending.
        """
        from coco.operations.update import update

        return self._run(
            update,
            reexport_targets=reexport_targets,
            full_reprocess=full_reprocess,
            print_stats=print_stats,
            allow_deletes=allow_deletes,
        )

    async def update_async(
        self,
        *,
        reexport_targets: bool = False,
        full_reprocess: bool = False,
        print_stats: bool = False,
        allow_deletes: bool = False,
    ) -> IndexUpdateInfo:
        """Async twin of ``update``."""
        from coco.operations.update import update

        return await self._run_async(
            update,
            reexport_targets=reexport_targets,
            full_reprocess=full_reprocess,
            print_stats=print_stats,
            allow_deletes=allow_deletes,
        )

    def errors(self) -> RowErrors:
        """The rows that are failed now, by source and key, whichever update they failed in.

        A list of ``RowError``: each has its reason, the innermost line of your code that was at work, and the whole
        traceback. Failed rows keep what they had in the targets. Empty for a flow that was never set up.
        """
        from coco.operations.errors import errors

        return self._run(errors)

    async def errors_async(self) -> RowErrors:
        """Async twin of ``errors``."""
        from coco.operations.errors import errors

        return await self._run_async(errors)

    def retry(self, *, print_stats: bool = False) -> IndexUpdateInfo:
        """An update that also retries quarantined rows: those that failed so often that updates skip them until they change.

        print_stats: statistics on standard output. Raises what ``update`` raises.
        """
        from coco.operations.retry import retry

        return self._run(retry, print_stats=print_stats)

    async def retry_async(self, *, print_stats: bool = False) -> IndexUpdateInfo:
        """Async twin of ``retry``."""
        from coco.operations.retry import retry

        return await self._run_async(retry, print_stats=print_stats)

    def plan(self, *, read: int = 1_000) -> UpdatePlan:
        """What setup and update would do: rows by source, calls by function, rows to write and to delete by target.

        Makes no call that costs anything and writes nothing. read: how many changed rows of each source are read, at
        most, to say which calls and writes they cause; 0 reads none. While setup is pending, the plan holds the setup
        alone (``plan.setup``): what an update does is known after it. ``apply`` carries a plan out.
        """
        from coco.operations.plan import plan

        return self._run(plan, read=_checked_read(read))

    async def plan_async(self, *, read: int = 1_000) -> UpdatePlan:
        """Async twin of ``plan``."""
        from coco.operations.plan import plan

        return await self._run_async(plan, read=_checked_read(read))

    def apply(
        self,
        plan: UpdatePlan | Mapping[str, Any],
        *,
        print_stats: bool = False,
        allow_deletes: bool = False,
    ) -> IndexUpdateInfo:
        """Carry out a plan, setup and then update, unless things have moved since it was made.

        plan: what ``plan`` returned, or its ``to_dict()``, as read back from a file. It is the consent to its setup,
        also where that loses data. print_stats, allow_deletes: as for ``update``. Raises ``PlanOutdatedError``, with
        what has moved, if sources, state, setup or definition are not as they were then; nothing is done in that case.
        Raises what ``setup`` and ``update`` raise.
        """
        from coco.operations.apply import apply

        return self._run(apply, plan, print_stats=print_stats, allow_deletes=allow_deletes)

    async def apply_async(
        self,
        plan: UpdatePlan | Mapping[str, Any],
        *,
        print_stats: bool = False,
        allow_deletes: bool = False,
    ) -> IndexUpdateInfo:
        """Async twin of ``apply``."""
        from coco.operations.apply import apply

        return await self._run_async(apply, plan, print_stats=print_stats, allow_deletes=allow_deletes)

    def verify(self, *, repair: bool = False, sample: int | None = None) -> VerifyReport:
        """Compare the sources with the state and the state with the targets, by keys and values.

        ``report.ok`` says whether nothing is wrong (any more), ``report.render()`` what was found. repair: also write
        what is missing or differs and remove what is too much. sample: compare at most so many rows of each source and
        target by value; all keys are compared. Raises ``SetupRequiredError`` while setup is pending.
        """
        from coco.operations.verify import verify

        return self._run(verify, repair=repair, sample=_checked_sample(sample))

    async def verify_async(self, *, repair: bool = False, sample: int | None = None) -> VerifyReport:
        """Async twin of ``verify``."""
        from coco.operations.verify import verify

        return await self._run_async(verify, repair=repair, sample=_checked_sample(sample))

    def evaluate(self, output_dir: str | os.PathLike[str], *, use_cache: bool = True) -> EvaluateReport:
        """Run the transforms into files; touches no target and stores nothing. Needs no setup.

        output_dir: folder for the files, made if missing; one YAML file for each source row, with what would be
        exported. use_cache: read memoised results (never write them). A row that fails has an ``error`` in its file.
        """
        from coco.operations.evaluate import evaluate

        return self._run(evaluate, EvaluateAndDumpOptions(os.fspath(output_dir), use_cache))

    async def evaluate_async(
        self, output_dir: str | os.PathLike[str], *, use_cache: bool = True
    ) -> EvaluateReport:
        """Async twin of ``evaluate``."""
        from coco.operations.evaluate import evaluate

        return await self._run_async(evaluate, EvaluateAndDumpOptions(os.fspath(output_dir), use_cache))

    def evaluate_and_dump(self, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        """The same as ``evaluate``, as CocoIndex v0 calls it."""
        from coco.operations.evaluate import evaluate_and_dump

        return self._run(evaluate_and_dump, _checked_options(options))

    async def evaluate_and_dump_async(self, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        """Async twin of ``evaluate_and_dump``."""
        from coco.operations.evaluate import evaluate_and_dump

        return await self._run_async(evaluate_and_dump, _checked_options(options))

    def status(self) -> FlowStatus:
        """What is known of the flow: setup, rows tracked, failed rows, and who works on it.

        Asks the state alone, neither sources nor targets, and creates nothing.
        """
        from coco.operations.status import status

        return self._run(status)

    async def status_async(self) -> FlowStatus:
        """Async twin of ``status``."""
        from coco.operations.status import status

        return await self._run_async(status)

    def close(self) -> None:
        """Forget the flow in this process: updaters stop, the name becomes free, targets stay."""
        from coco.api.registry import forget

        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            if self.is_built:
                environment_in_use().end_updaters(self.full_name)
        finally:
            forget(self)
            self._graph = None

    # queries

    @property
    def query_handlers(self) -> Mapping[str, QueryHandler]:
        """Handlers by name, in the order they were added."""
        return self._handlers.all()

    def add_query_handler(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        result_fields: QueryHandlerResultFields | None = None,
    ) -> None:
        """Attach a function that queries the targets; it returns a ``QueryOutput``.

        May be called at any time; the flow is not built for it. The name must be new in this flow.
        """
        self._check_open()
        self._handlers.add(name, handler, result_fields)

    def query_handler(
        self, name: str | None = None, *, result_fields: QueryHandlerResultFields | None = None
    ) -> Callable[[F], F]:
        """Decorator form of ``add_query_handler``; the name defaults to the function's."""
        if name is not None and not isinstance(name, str):
            raise CallShapeError(f"query_handler needs parentheses: write @{self._name}.query_handler()")

        def attach(handler: F) -> F:
            chosen = name if name is not None else getattr(handler, "__name__", "")
            self.add_query_handler(chosen, handler, result_fields=result_fields)
            return handler

        return attach

    def _check_open(self) -> None:
        if self._closed:
            raise LifecycleError(f"flow {self._name} is closed; define it again to use it")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "built" if self.is_built else "defined"
        return f"<Flow {self._name}: {state}>"


def _checked_read(read: int) -> int:
    if read < 0:
        raise CallShapeError(f"plan() takes read=0 or more, got {read}")
    return read


def _checked_sample(sample: int | None) -> int | None:
    if sample is not None and sample < 1:
        raise CallShapeError(f"verify takes sample=1 or more rows, or None for all; got {sample}")
    return sample


def _checked_options(options: Any) -> EvaluateAndDumpOptions:
    if not isinstance(options, EvaluateAndDumpOptions):
        raise CallShapeError(
            f"evaluate_and_dump() takes EvaluateAndDumpOptions(output_dir=...), got {type(options).__name__}"
        )
    return options


def _check_flow_function(function: Any) -> None:
    if not callable(function):
        raise CallShapeError(f"a flow is defined by a function, got {type(function).__name__}")
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"flow function {name} is async; it only describes the flow, so write it as a plain def"
        )
    if inspect.isgeneratorfunction(function):
        raise DefinitionError(f"flow function {name} is a generator; it must not contain yield")


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        shown = getattr(function, "__name__", type(function).__name__)
        raise DefinitionError(
            f"flow {name}: the flow function must take two positional arguments, the builder and the root "
            "scope; "
            f"it is {shown}{signature}"
        ) from error
