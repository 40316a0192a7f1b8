"""The flows of this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from coco.api.flow import Flow, FlowFunction
from coco.environment.environment import environment_in_use
from coco.errors import CallShapeError, DefinitionError, UnknownNameError
from coco.flow.places import definition_place
from coco.naming import state_name

if TYPE_CHECKING:
    from coco.flow.graph import DefinitionPlace
    from coco.operations.setup_bundle import SetupChangeBundle

LOG = logging.getLogger("coco.flow")
_lock = threading.Lock()
_flows: dict[str, Flow] = {}


def flow_def(name: str | None = None) -> Callable[[FlowFunction], Flow]:
    """Decorator: define and register a flow. The function runs when the flow is first needed.

    name: default is the function's name. Raises ``DefinitionError`` for an illegal or taken name and an async
    function, ``CallShapeError`` (a ``TypeError``) if the parentheses are missing.
    """
    if name is not None and not isinstance(name, str):
        raise CallShapeError("flow_def needs parentheses: write @flow_def() or @flow_def(name=...)")

    def define(function: FlowFunction) -> Flow:
        return open_flow(name if name is not None else getattr(function, "__name__", ""), function)

    return define


def open_flow(name: str, fl_def: FlowFunction) -> Flow:
    """Define and register a flow, like ``flow_def`` without a decorator.

    If the same definition runs again, as in a cell of a notebook or a reloaded module, the new flow replaces the old one,
    which is closed. Raises ``DefinitionError`` for a name that another definition has, and for one that differs from it only
    in case; ``close()`` of the old flow frees its name.
    """
    flow = Flow(name, fl_def)
    with _lock:
        first = _flows.get(name)
        if first is not None and not flow._definition.is_edition_of(first._definition):
            raise DefinitionError(
                f"a flow named {name!r} is registered already; close() it to use the name again, or choose another "
                f"name. The first is defined at {first._definition}, this one at {flow._definition}"
            )
        for other in _flows:
            if other != name and state_name(other) == state_name(name):
                raise DefinitionError(
                    f"the names of flows {other!r} and {name!r} differ only in case, which some stores and targets "
                    "ignore; rename one of them"
                )
        _flows[name] = flow
    if first is not None:
        LOG.debug("flow %s, defined again at %s, replaces the one before", name, flow._definition)
        first.close()
    return flow


add_flow_def = open_flow
"""The former name of ``open_flow``."""


def flows() -> dict[str, Flow]:
    """Return a copy of the flows by short name, in the order of registration."""
    with _lock:
        return dict(_flows)


def flow_names() -> list[str]:
    """Return the short names of all flows, in the order of registration."""
    return list(flows())


def flow_by_name(name: str) -> Flow:
    """Return the flow with this short name. Raises ``UnknownNameError`` (a ``KeyError``), with all names, if there is none."""
    known = flows()
    if name not in known:
        raise UnknownNameError(f"there is no flow named {name!r}; known flows: {', '.join(known) or 'none'}")
    return known[name]


def remove_flow(fl: Flow) -> None:
    """Call ``fl.close()``."""
    fl.close()


def forget(flow: Flow) -> None:
    """Free the name of a flow. ``Flow.close`` calls it."""
    with _lock:
        if _flows.get(flow.name) is flow:
            del _flows[flow.name]


def ensure_all_flows_built() -> None:
    """Build all flows of this process that are not built, in the order of registration.

    Raises the error of the first flow that cannot be built.
    """
    for flow in flows().values():
        flow.internal_flow()


async def ensure_all_flows_built_async() -> None:
    """Async twin of ``ensure_all_flows_built``."""
    for flow in flows().values():
        await flow.internal_flow_async()


def get_flow_full_name(name: str) -> str:
    """Return ``namespace.name``, or the name alone without a namespace."""
    return environment_in_use().full_name(name)


def flow_names_with_setup() -> list[str]:
    """Return the short names of the flows of this app namespace that are set up, even if code no longer defines them."""
    from coco.operations.status import flows_with_setup

    environment = environment_in_use()
    if not environment.store_exists():
        return []
    return environment.run(flows_with_setup(environment), "flow_names_with_setup_async()")


async def flow_names_with_setup_async() -> list[str]:
    """Async twin of ``flow_names_with_setup``."""
    from coco.operations.status import flows_with_setup

    environment = environment_in_use()
    if not environment.store_exists():
        return []
    return await environment.run_async(flows_with_setup(environment))


def make_setup_bundle(flows: Iterable[Flow], *, forget: bool = False) -> SetupChangeBundle:
    """Return a plan of the setup of these flows.

    forget: whether to remove targets of former exports from the state, and keep the targets, if this process cannot drop
    them.
    """
    from coco.operations.setup_bundle import SetupChangeBundle
    from coco.operations.setup_work import SetupWork

    chosen = _open(flows)
    environment = environment_in_use()
    environment.connect()
    return SetupChangeBundle(SetupWork(environment, [flow.graph for flow in chosen], None, forget=forget))


async def make_setup_bundle_async(flows: Iterable[Flow], *, forget: bool = False) -> SetupChangeBundle:
    """Async twin of ``make_setup_bundle``."""
    import asyncio

    return await asyncio.to_thread(make_setup_bundle, flows, forget=forget)


def make_drop_bundle(
    flows: Iterable[Flow],
    *,
    names: Iterable[str] = (),
    keep_results: bool = False,
    forget: bool = False,
) -> SetupChangeBundle:
    """Return a plan of the drop of these flows.

    names: short names of further flows, which the program no longer defines. keep_results: whether results of functions
    stay in the memo, for a flow that is set up again. forget: whether to remove targets from the state, and keep the
    targets, if their plugin is not installed.
    """
    from coco.operations.setup_bundle import SetupChangeBundle
    from coco.operations.setup_work import SetupWork

    chosen = _open(flows)
    environment = environment_in_use()
    environment.connect()
    wanted: dict[str, DefinitionPlace | None] = {
        flow.full_name: definition_place(flow.function) for flow in chosen
    }
    wanted |= {environment.full_name(name): None for name in names}
    return SetupChangeBundle(SetupWork(environment, [], wanted, keep_results=keep_results, forget=forget))


async def make_drop_bundle_async(
    flows: Iterable[Flow],
    *,
    names: Iterable[str] = (),
    keep_results: bool = False,
    forget: bool = False,
) -> SetupChangeBundle:
    """Async twin of ``make_drop_bundle``."""
    import asyncio

    return await asyncio.to_thread(
        make_drop_bundle, flows, names=names, keep_results=keep_results, forget=forget
    )


def check_sources(flows: Iterable[Flow]) -> None:
    """Raise ``SourceError`` for a source whose ``check`` reports that the place to read does not exist."""
    from coco.operations.check_sources import check_sources as check

    chosen = _open(flows)
    environment = environment_in_use()
    environment.connect()
    operation = check([flow.graph for flow in chosen], environment.threads)
    environment.run(operation, "check_sources_async()")


def setup_all_flows(report_to_stdout: bool = False, *, allow_destructive: bool = False) -> None:
    """Set up all flows of this process as one plan; ``allow_destructive`` as for ``Flow.setup``."""
    operation = make_setup_bundle(flows().values()).carried_out(report_to_stdout, allow_destructive)
    environment_in_use().run(operation, "setup_all_flows_async()")


async def setup_all_flows_async(report_to_stdout: bool = False, *, allow_destructive: bool = False) -> None:
    """Async twin of ``setup_all_flows``."""
    bundle = await make_setup_bundle_async(flows().values())
    await bundle.describe_and_apply_async(report_to_stdout, allow_destructive)


def drop_all_flows(report_to_stdout: bool = False) -> None:
    """Drop state and targets of all flows of this process."""
    operation = make_drop_bundle(flows().values()).carried_out(report_to_stdout, allow_destructive=False)
    environment_in_use().run(operation, "drop_all_flows_async()")


async def drop_all_flows_async(report_to_stdout: bool = False) -> None:
    """Async twin of ``drop_all_flows``."""
    bundle = await make_drop_bundle_async(flows().values())
    await bundle.describe_and_apply_async(report_to_stdout)


def _open(flows: Iterable[Flow]) -> list[Flow]:
    found: list[Any] = list(flows)
    for flow in found:
        if not isinstance(flow, Flow):
            raise CallShapeError(f"expected flows, got {type(flow).__name__}")
        flow._check_open()
    return found
