"""``Flow``: a definition, which is built at first use, and the operations on it."""

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
    """A pipeline from sources to targets. ``flow_def`` and ``open_flow`` make and register it.

    The flow function runs when a method first needs the definition. Every blocking method has an ``_async`` twin. After
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
        """The name with the app namespace. It does not change after its first use."""
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
        """The graph of the flow. Its first use runs the flow function, once."""
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
        """Build the flow if it is not built, and return its graph, whose form may change between releases."""
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
        """Do the same for a caller on an event loop."""
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
        """Create state and targets, or change them, as the definition requires. Does nothing if they fit.

        report_to_stdout: whether to print the changes and each step. allow_destructive: whether setup may drop a table of
        an earlier definition, recreate one, or lose a column until the next update. Without it, such a setup changes
        nothing and raises ``DestructiveSetupError`` with the plan in words.
        """
        from coco.operations.setup import setup

        self._run(setup, report_to_stdout=report_to_stdout, allow_destructive=allow_destructive)

    async def setup_async(self, report_to_stdout: bool = False, *, allow_destructive: bool = False) -> None:
        """Async twin of ``setup``."""
        from coco.operations.setup import setup

        await self._run_async(setup, report_to_stdout=report_to_stdout, allow_destructive=allow_destructive)

    def drop(self, report_to_stdout: bool = False) -> None:
        """Drop the state and all targets of the flow. It can be set up again.

        report_to_stdout: whether to print the changes and each step. The flow is not built: the state has its targets on
        record.
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
        """Bring the targets up to date with the sources, once. Return statistics.

        reexport_targets: whether to write every row, changed or not. full_reprocess: whether to compute everything again,
        without cached results, and to retry quarantined rows. print_stats: whether to print statistics to standard output.
        allow_deletes: whether to delete rows in spite of the guard against mass deletion.

        A row that fails does not raise. It is logged by the logger ``coco.`` with the flow's full name, counted, and listed
        by ``errors``; the first ones are in ``info.errors``. Raises ``UnwrittenTargetError`` if every write to a target
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
        """Return the rows that are failed now, by source and key, of all updates.

        Each ``RowError`` has the reason, the innermost line of your code that was running, and the whole traceback. The
        earlier target rows of a failed row stay. Empty for a flow that was never set up.
        """
        from coco.operations.errors import errors

        return self._run(errors)

    async def errors_async(self) -> RowErrors:
        """Async twin of ``errors``."""
        from coco.operations.errors import errors

        return await self._run_async(errors)

    def retry(self, *, print_stats: bool = False) -> IndexUpdateInfo:
        """Update, and also retry quarantined rows, which failed so often that updates skip them until they change.

        print_stats: whether to print statistics to standard output. Raises what ``update`` raises.
        """
        from coco.operations.retry import retry

        return self._run(retry, print_stats=print_stats)

    async def retry_async(self, *, print_stats: bool = False) -> IndexUpdateInfo:
        """Async twin of ``retry``."""
        from coco.operations.retry import retry

        return await self._run_async(retry, print_stats=print_stats)

    def plan(self, *, read: int = 1_000) -> UpdatePlan:
        """Return what setup and update would do: rows by source, calls by function, and rows to write and delete by target.

        It makes no call that costs anything, and writes nothing. read: how many changed rows of each source it reads at most
        to find the calls and writes that they cause; 0 reads none. While setup is pending, the plan holds only the setup
        (``plan.setup``), because the update depends on it. ``apply`` applies a plan.
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
        """Apply a plan: set up and then update, unless the plan is outdated.

        plan: the result of ``plan``, or its ``to_dict()``, for example from a file. Applying a plan allows its setup, even if
        that loses data. print_stats, allow_deletes: as for ``update``. Raises ``PlanOutdatedError``, with the changes, and
        does nothing, if sources, state, setup or definition have changed since the plan was made. Raises what ``setup`` and
        ``update`` raise.
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

        ``report.ok`` is True if there is no difference, or none after the repair. ``report.render()`` returns the findings as
        text. repair: whether to write rows that are missing or differ, and to delete surplus ones. sample: how many rows of
        each source and target are compared by value, at most; None: all. All keys are compared. Raises
        ``SetupRequiredError`` while setup is pending.
        """
        from coco.operations.verify import verify

        return self._run(verify, repair=repair, sample=_checked_sample(sample))

    async def verify_async(self, *, repair: bool = False, sample: int | None = None) -> VerifyReport:
        """Async twin of ``verify``."""
        from coco.operations.verify import verify

        return await self._run_async(verify, repair=repair, sample=_checked_sample(sample))

    def evaluate(self, output_dir: str | os.PathLike[str], *, use_cache: bool = True) -> EvaluateReport:
        """Run the flow and write the results to files. Changes neither targets nor state, and needs no setup.

        output_dir: folder for the files, created if it is missing. It gets one YAML file for each source row, with the
        entries that would be exported. use_cache: whether to use cached results; new ones are never stored. The file of a
        row that fails has an ``error``.
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
        """Do the same as ``evaluate``. This is its name in CocoIndex v0."""
        from coco.operations.evaluate import evaluate_and_dump

        return self._run(evaluate_and_dump, _checked_options(options))

    async def evaluate_and_dump_async(self, options: EvaluateAndDumpOptions) -> IndexUpdateInfo:
        """Async twin of ``evaluate_and_dump``."""
        from coco.operations.evaluate import evaluate_and_dump

        return await self._run_async(evaluate_and_dump, _checked_options(options))

    def status(self) -> FlowStatus:
        """Return the status of the flow: setup, tracked rows, failed rows, and the process that works on it.

        Reads the state only, neither sources nor targets, and creates nothing.
        """
        from coco.operations.status import status

        return self._run(status)

    async def status_async(self) -> FlowStatus:
        """Async twin of ``status``."""
        from coco.operations.status import status

        return await self._run_async(status)

    def close(self) -> None:
        """Remove the flow from this process: its live updaters stop, and its name becomes free. State and targets stay."""
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
        """The query handlers by name, in the order of their addition."""
        return self._handlers.all()

    def add_query_handler(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        result_fields: QueryHandlerResultFields | None = None,
    ) -> None:
        """Attach a function that queries the targets and returns a ``QueryOutput``.

        It may be called at any time, and does not build the flow. The name must be new in this flow.
        """
        self._check_open()
        self._handlers.add(name, handler, result_fields)

    def query_handler(
        self, name: str | None = None, *, result_fields: QueryHandlerResultFields | None = None
    ) -> Callable[[F], F]:
        """Decorator form of ``add_query_handler``. The name defaults to that of the function."""
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
