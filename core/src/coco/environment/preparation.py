"""Makes a run from a flow and its stored setup; raises with the command to run if the setup is not current."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from typing import Any

from msgspec import structs

from coco.engine.context import Run, RunOptions
from coco.engine.exports import ExportRun
from coco.engine.fencing import Fencing
from coco.engine.guards import DEFAULT_MAX_DELETE_SHARE
from coco.engine.memo import MemoSession
from coco.engine.preparing import RunExecutors
from coco.engine.read import NO_PATHS
from coco.environment.environment import Environment
from coco.environment.own_paths import own_paths
from coco.environment.places import noted_place, project_folder
from coco.errors import ClientError, SetupRequiredError
from coco.events import EmitFn
from coco.flow.graph import Graph
from coco.plan.fingerprints import LogicFingerprints
from coco.plan.plan import Plan, Planner
from coco.setup.apply import write_silently
from coco.setup.changes import ChangeKind, FlowChange
from coco.setup.desired import desired_sources, desired_targets
from coco.setup.diff import diff_flow
from coco.setup.existing import check_flow_name, refuse_shared
from coco.setup.states import FLOW_RESOURCE, FlowState, SourceRecord, TargetState
from coco.state.protocol import SetupWrite, StateStore

LOG = logging.getLogger("coco")


def flow_change(store: StateStore, graph: Graph) -> FlowChange:
    """The changes that a setup of the flow would make now. Runs in the store's thread."""
    records = store.setup_records(graph.full_name)
    ids = [
        item.state["target_id"] for item in records if item.state is not None and "target_id" in item.state
    ]
    change = diff_flow(
        graph.full_name,
        store.setup_version(graph.full_name),
        records,
        desired_targets(graph),
        desired_sources(graph),
        store.row_counts(ids) if ids else {},
        noted_place(graph.place, store.location),
        project_folder(store.location),
    )
    if change.status == "NEW":
        check_flow_name(graph.full_name, store.flows())
    if any(item.kind is ChangeKind.CREATE for item in change.resources):
        refuse_shared(change, store.setup_records())
    return change


def check_setup(store: StateStore, graph: Graph) -> str:
    """Raise ``SetupRequiredError`` unless the targets are set up as the flow requires; update internal records.

    Returns a note for the user, which is also logged; usually empty.
    """
    change = flow_change(store, graph)
    if change.status == "NEW" or not change.up_to_date:
        pending = "; ".join(
            line for item in change.resources if item.pending and not item.silent for line in item.actions
        )
        raise SetupRequiredError(
            f"setup of flow '{graph.full_name}' is not up to date ({pending or 'it was never set up'}); "
            "run `coco setup APP` or flow.setup() first"
        )
    if change.silent:
        write_silently(store, change)
    if change.note:
        LOG.warning(change.note)
    return change.note


def stored_flow_state(store: StateStore, flow: str) -> FlowState:
    """The setup record of the flow itself."""
    for record in store.setup_records(flow):
        if record.resource_type == FLOW_RESOURCE and record.state is not None:
            return FlowState.from_json(record.state)
    return FlowState()


def note_run_done(store: StateStore, graph: Graph, purged: list[int]) -> None:
    """After a complete run, store the current source identities and remove purged sources."""
    state = stored_flow_state(store, graph.full_name)
    wanted = {item.name: item.identity for item in desired_sources(graph)}
    sources = {
        name: SourceRecord(item.source_id, item.kind, item.key_fields, wanted.get(name, item.identity))
        for name, item in state.sources.items()
    }
    removed = tuple(item for item in state.removed if item not in purged)
    after = structs.replace(state, sources=sources, removed=removed)
    if after != state:
        version = store.setup_version(graph.full_name)
        store.setup_write(graph.full_name, version, [SetupWrite(FLOW_RESOURCE, "", after.to_json())])


def narrowed(plan: Plan, sources: Collection[str]) -> Plan:
    """The plan for some sources, and for sources that feed a target together with them.

    The latter are needed: if a row of one source is deleted, a row of another one may have to be written in its place.
    """
    chosen = set(sources)
    while True:
        fed = {name for item in plan.sources if item.name in chosen for name in item.exports}
        wider = chosen | {item.name for item in plan.sources if fed.intersection(item.exports)}
        if wider == chosen:
            break
        chosen = wider
    return structs.replace(plan, sources=tuple(item for item in plan.sources if item.name in chosen))


def max_delete_share() -> float:
    """``COCO_MAX_DELETE_SHARE``: part of a target's rows that one update may delete, 0 to 1."""
    text = os.environ.get("COCO_MAX_DELETE_SHARE")
    if not text:
        return DEFAULT_MAX_DELETE_SHARE
    try:
        share = float(text)
    except ValueError as error:
        raise ClientError(f"failed to parse environment variable COCO_MAX_DELETE_SHARE: {text}") from error
    if not 0 <= share <= 1:
        raise ClientError(f"COCO_MAX_DELETE_SHARE must lie between 0 and 1, got {text}")
    return share


def make_run(
    environment: Environment,
    store: StateStore,
    graph: Graph,
    options: RunOptions,
    emit: EmitFn,
    *,
    write_memo: bool = True,
) -> Run:
    """A run of a flow whose setup is current. Runs in the store's thread."""
    planner = Planner(graph)
    plan = planner.plan()
    logic = LogicFingerprints(graph)
    targets: dict[tuple[str, str], TargetState] = {}
    for record in store.setup_records(graph.full_name):
        if record.state is not None and "target_id" in record.state:
            targets[(record.resource_type, record.key)] = TargetState.from_json(record.state)
    flow_state = stored_flow_state(store, graph.full_name)
    exports: dict[str, ExportRun] = {}
    for wanted in desired_targets(graph):
        step = wanted.export
        if step is None:
            continue
        state = targets[(wanted.resource_type, wanted.key)]
        identity: list[Any] = [state.target_id, state.schema_version]
        declared = step.target.method("data_identity")
        if declared is not None:
            identity.append(declared(step.spec))
        feeding = [source for source in plan.sources if step.name in source.collects]
        exports[step.name] = ExportRun(
            step,
            state.target_id,
            state.schema_version,
            {source.name: logic.of_export(step, source.collects[step.name], identity) for source in feeding},
            bool(getattr(step.target.connector_cls, "partial_update", False)),
            not (len(feeding) == 1 and step.name in feeding[0].exclusive),
        )
    wanted_identity = {item.name: item.identity for item in desired_sources(graph)}
    return Run(
        flow=graph.full_name,
        plan=plan,
        whole_plan=plan,
        planner=planner,
        store=store,
        threads=environment.threads,
        executors=RunExecutors(environment.executors, environment.executors.pauses, patient=options.patient),
        emit=emit,
        memo=MemoSession(
            store, environment.threads, emit, graph.full_name, write=write_memo, ignore=options.reprocess
        ),
        options=options,
        source_ids={name: item.source_id for name, item in flow_state.sources.items()},
        exports=exports,
        global_limiter=environment.limiter,
        target_calls=environment.target_calls,
        fencing=Fencing(store, environment.threads, graph.full_name),
        namespace=environment.namespace,
        trust_ordinals={
            name: item.identity == wanted_identity.get(name) for name, item in flow_state.sources.items()
        },
        removed_sources=list(flow_state.removed),
        # Keys from a change stream need no listing, and the stream has excluded these paths already.
        own_paths=own_paths(store, graph) if options.only_keys is None else NO_PATHS,
    )
