"""``flow.status()``: what state has on record of a flow. Asks neither sources nor targets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from coco.environment.preparation import flow_change, stored_flow_state
from coco.naming import namespace_of
from coco.notebook import html_text
from coco.setup.describe import describe_changes
from coco.setup.states import TargetState
from coco.state.machine import describe_holder, is_running

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.flow.graph import Graph
    from coco.state.protocol import StateStore


@dataclass(frozen=True)
class SourceStatus:
    """The records of one source."""

    source: str
    """Name of the source field."""
    rows: int = 0
    """Source rows that the state tracks."""
    failed: int = 0
    """Rows whose last attempt failed; ``flow.errors()`` lists them."""
    quarantined: int = 0
    """Failed rows that updates skip until they change; ``flow.retry()`` processes them."""
    unfinished: int = 0
    """Rows that an interrupted update has not finished; the next update processes them."""
    last_read_at: int | None = None
    """When the newest processed version was read, in microseconds since 1970-01-01 UTC; None: no row was processed.
    An update without changes does not change it."""


@dataclass(frozen=True)
class TargetStatus:
    """The records of one target."""

    target: str
    """Name of the export."""
    rows: int
    """Rows of the target on record. ``flow.verify()`` asks the target itself."""


@dataclass(frozen=True)
class LeaseStatus:
    """The process that works on a flow, or that ended without releasing its lease."""

    holder: str
    """``process 12 on web-1``."""
    running: bool | None
    """Whether that process still runs; None if that cannot be determined here."""
    until: float
    """When the lease ends unless it is renewed, in seconds since 1970-01-01 UTC, by the clock of the holder."""


@dataclass(frozen=True)
class FlowStatus:
    """The status of a flow. ``str(status)`` is a text of several lines."""

    flow: str
    """Full name."""
    set_up: bool
    """Whether the flow was ever set up (and not dropped since)."""
    setup_pending: bool
    """Whether ``flow.setup()`` has pending changes; updates raise an error until it was called."""
    setup_text: str
    """The pending changes as text, as in a plan."""
    sources: list[SourceStatus] = field(default_factory=list)
    targets: list[TargetStatus] = field(default_factory=list)
    lease: LeaseStatus | None = None
    """The lease of the process that works on the flow."""
    updating: bool = False
    """Whether this process is updating the flow."""
    followed: bool = False
    """Whether a live updater of this process follows it."""

    @property
    def ok(self) -> bool:
        """Whether setup is current and no row has failed."""
        return not self.setup_pending and not any(item.failed for item in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"ok": self.ok, **asdict(self)}

    def render(self) -> str:
        """Setup, then a line for each source and target, then the holder of its lease."""
        state = "not set up" if not self.set_up else "setup is pending" if self.setup_pending else "set up"
        lines = [f"{self.flow}: {state}"]
        for source in self.sources:
            text = f"source {source.source}: {source.rows} rows"
            for count, word in (
                (source.failed, "failed"),
                (source.quarantined, "of them quarantined"),
                (source.unfinished, "unfinished"),
            ):
                text += f", {count} {word}" if count else ""
            if source.last_read_at is not None:
                at = datetime.fromtimestamp(source.last_read_at / 1_000_000, UTC)
                text += f", last change read {at:%Y-%m-%d %H:%M:%S} UTC"
            lines.append(text)
        lines += [f"target {target.target}: {target.rows} rows" for target in self.targets]
        if self.lease is not None:
            known = {
                True: "",
                False: ", which no longer runs",
                None: ", and coco cannot determine here whether it runs",
            }
            lines.append(f"held by {self.lease.holder}{known[self.lease.running]}")
        if self.followed:
            lines.append("followed by a live updater of this process")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        return html_text(self.render())


async def status(environment: Environment, graph: Graph) -> FlowStatus:
    """See ``Flow.status``."""
    flow = graph.full_name
    if not environment.store_exists():
        return FlowStatus(flow, False, True, "it was never set up")
    found = await environment.in_store(lambda store: _known(store, graph))
    leases = await environment.in_store(lambda store: [item for item in store.leases() if item.flow == flow])
    lease = None
    if leases:
        holder = leases[0].holder
        lease = LeaseStatus(describe_holder(holder), is_running(holder), leases[0].until)
    return FlowStatus(
        **found,
        lease=lease,
        updating=environment.runs.is_running(flow),
        followed=environment.is_followed(flow),
    )


def _known(store: StateStore, graph: Graph) -> dict[str, Any]:
    change = flow_change(store, graph)
    flow = graph.full_name
    state = stored_flow_state(store, flow)
    names: dict[int, str] = {}
    for record in store.setup_records(flow):
        if record.state is not None and "target_id" in record.state:
            target = TargetState.from_json(record.state)
            if target.export:
                names[target.target_id] = target.export
    counts = store.row_counts(list(names)) if names else {}
    new = change.status == "NEW"
    pending = new or not change.up_to_date
    return {
        "flow": flow,
        "set_up": not new,
        "setup_pending": pending,
        "setup_text": describe_changes([change]) if pending else "",
        "sources": [_source(store, name, record.source_id) for name, record in state.sources.items()],
        "targets": [TargetStatus(name, counts.get(target_id, 0)) for target_id, name in names.items()],
    }


def _source(store: StateStore, name: str, source_id: int) -> SourceStatus:
    rows = unfinished_rows = 0
    newest: int | None = None
    for batch in store.scan(source_id):
        for _, head in batch:
            if head.max_process_ordinal > head.process_ordinal:
                unfinished_rows += 1
            if head.content_fp is not None or head.logic_fp is not None:
                rows += 1
                newest = head.read_at if newest is None else max(newest, head.read_at)
    failures = store.get_failures(source_id)
    return SourceStatus(
        name,
        rows,
        len(failures),
        sum(item.quarantined for item in failures.values()),
        unfinished_rows,
        newest,
    )


async def flows_with_setup(environment: Environment) -> list[str]:
    """Short names of the flows of this app namespace that are set up."""
    found = await environment.in_store(lambda store: store.flows())
    return [full.rpartition(".")[2] for full in found if namespace_of(full) == environment.namespace]
