"""``flow.plan()``: the work of setup and update, from records, listings and memo. Makes no call that costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from coco.deprecated import renamed
from coco.engine.batches import WorkRow
from coco.engine.context import Run, RunOptions
from coco.engine.failures import message_of
from coco.engine.process import readable_key
from coco.engine.read import ReadOutcome
from coco.engine.reconcile import RowInput, reconcile
from coco.engine.source_run import SourceRun
from coco.environment.environment import Environment
from coco.environment.preparation import check_setup, make_run, max_delete_share
from coco.errors import SafetyStopError
from coco.events import ignore_event
from coco.flow.graph import Graph
from coco.hot import fingerprint
from coco.hot.merge_cy import MAYBE, NEW
from coco.notebook import html_text
from coco.operations.known_results import CallCount, MemoEvaluator
from coco.operations.report import Record, complete
from coco.operations.setup_work import SetupWork
from coco.printable import printable
from coco.setup.describe import describe_changes
from coco.state.protocol import Owner, Tracked, unfinished
from coco.types.storage import pack

PLAN_READS = 1_000
"""Most rows of each source that a plan reads."""
EXAMPLES = 20
"""Most keys of each kind in a plan."""
READ_BYTES = 64 << 20
"""A plan stops reading a source after this many bytes."""
DELETED_BATCH = 1_000


@dataclass
class PlannedSource(Record):
    """Rows of one source, by what an update does with them."""

    source: str
    """Name of the source field."""
    new: int = 0
    changed: int = 0
    """Rows with other content."""
    reprocess: int = 0
    """Rows to process again, since the flow changed or the last run did not finish them."""
    touched: int = 0
    """Rows with a new ordinal and the content on record: an update does nothing with them."""
    unread: int = 0
    """Rows that may have changed and that the plan did not read."""
    deleted: int = 0
    unchanged: int = 0
    quarantined: int = 0
    """Rows that failed too often; updates skip them until they change."""
    keys: dict[str, list[str]] = field(default_factory=dict)
    """The first keys of each kind."""
    problems: list[str] = field(default_factory=list)
    """Errors of the listing, of reading and of evaluation, one sentence each."""

    gone = renamed("gone", "deleted")
    parked = renamed("parked", "quarantined")

    def to_dict(self) -> dict[str, Any]:
        """Field by field, for JSON. ``gone`` and ``parked`` repeat ``deleted`` and ``quarantined``."""
        keys = {**self.keys, **({"gone": self.keys["deleted"]} if "deleted" in self.keys else {})}
        return {**asdict(self), "gone": self.deleted, "parked": self.quarantined, "keys": keys}

    def add(self, kind: str, rows: Iterable[WorkRow]) -> None:
        """Count rows of one kind and keep some of their keys."""
        chosen = list(rows)
        setattr(self, kind, getattr(self, kind) + len(chosen))
        known = self.keys.setdefault(kind, [])
        known += [readable_key(row.parts) for row in chosen[: max(EXAMPLES - len(known), 0)]]
        if not known:
            del self.keys[kind]

    def render(self) -> str:
        words = [
            f"{self.new} new",
            f"{self.changed} changed",
            f"{self.deleted} deleted",
            *(
                f"{count} {word}"
                for count, word in (
                    (self.reprocess, "to reprocess (the flow changed, or the last run did not finish them)"),
                    (self.unread, "maybe changed (not read)"),
                    (self.touched, "touched only"),
                    (self.quarantined, "quarantined"),
                )
                if count
            ),
            f"{self.unchanged} unchanged",
        ]
        return f"{self.source}: {', '.join(words)}"


@dataclass
class PlannedTarget(Record):
    """Rows of one target."""

    target: str
    """Name of the export."""
    upserts: int = 0
    """Rows to write."""
    deletes: int = 0
    """Rows to delete."""
    unchanged: int = 0
    """Rows that the target holds already."""
    open_ended: bool = False
    """Whether there may be more, since they depend on calls that the plan did not make."""


@dataclass(frozen=True)
class SetupPlan:
    """What setup would do."""

    text: str
    """A line for each resource, with its actions and remarks below."""
    up_to_date: bool
    """Whether there is nothing to do."""
    destructive: bool = False
    """Whether it deletes data in a target."""


@dataclass(frozen=True)
class UpdatePlan:
    """What setup and update of a flow would do. ``flow.apply(plan)`` carries it out."""

    flow: str
    """Full name."""
    setup: SetupPlan
    marks: dict[str, str] = field(default_factory=dict)
    """Fingerprints of ``state``, ``listing`` and ``logic``; a plan is valid while they are equal."""
    sources: list[PlannedSource] = field(default_factory=list)
    calls: list[CallCount] = field(default_factory=list)
    targets: list[PlannedTarget] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Remarks, such as a guard that would stop the update."""
    setup_pending: bool = False
    """Whether the flow must be set up first. The plan then does not contain the update, which depends on the setup."""

    @property
    def state_version(self) -> str | None:
        """One fingerprint of all marks; None while setup is pending."""
        return None if self.setup_pending else fingerprint(pack(tuple(sorted(self.marks.items())))).hex()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, as `coco plan --json` prints it for each flow. ``update`` is None while setup is pending."""
        update = {
            "flow": self.flow,
            "state_version": self.state_version,
            "marks": self.marks,
            "sources": [item.to_dict() for item in self.sources],
            "calls": [{**asdict(item), "at_least": item.at_least} for item in self.calls],
            "targets": [asdict(item) for item in self.targets],
            "notes": list(self.notes),
        }
        return {
            "flow": self.flow,
            "setup": asdict(self.setup),
            "update": None if self.setup_pending else update,
            "update_text": "" if self.setup_pending else self._update_text(),
            "state_version": self.state_version,
        }

    def render(self) -> str:
        """Setup; then, of the update, sources, calls and rows, one line each."""
        return plan_text(self.to_dict())

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        return html_text(self.render())

    def _update_text(self) -> str:
        lines = []
        for source in self.sources:
            lines.append(source.render())
            for kind, keys in source.keys.items():
                if kind in ("new", "changed", "deleted"):
                    shown = ", ".join(map(printable, keys[:5]))
                    rest = getattr(source, kind) - min(len(keys), 5)
                    lines.append(f"  {kind}: {shown}{f' and {rest} more' if rest > 0 else ''}")
            lines += [f"  WARNING: {printable(text)}" for text in source.problems]
        for call in self.calls:
            lines.append(f"calls of {call.function}: {_calls(call)}")
        for target in self.targets:
            lines.append(f"rows of {target.target}: {_rows(target)}")
        return "\n".join([*lines, *(f"NOTE: {text}" for text in self.notes)])


def plan_text(plan: Mapping[str, Any]) -> str:
    """A plan (``UpdatePlan.to_dict()``) as text."""
    lines = [plan["setup"]["text"]]
    if plan["setup"]["destructive"]:
        lines.append("  This setup deletes data.")
    if plan["update"] is None:
        lines.append("  update: after the setup, all rows of its sources")
    else:
        lines += [f"  update: {line}" for line in plan["update_text"].split("\n")]
    return "\n".join(lines)


def _rows(target: PlannedTarget) -> str:
    if target.open_ended and not (target.upserts or target.deletes):
        return "unknown; the number depends on calls above, or on rows that were not read"
    least = "at least " if target.open_ended else ""
    return f"{least}{target.upserts} to write, {least}{target.deletes} to delete"


def _announced(stop: str) -> str:
    """The message of a guard that would stop the update."""
    return f"an update would stop: {stop.removeprefix('stopped: ')}"


def _calls(count: CallCount) -> str:
    if count.open_ended and not count.calls:
        text = "unknown; the number depends on calls above"
    elif count.open_ended:
        text = f"at least {count.calls}; the number depends on calls above"
    elif count.unknown:
        text = f"{count.calls} to {count.calls + count.unknown}; the arguments of {count.unknown} depend on calls above"
    else:
        text = str(count.calls)
    return text + (f" ({count.memo_hits} in the memo)" if count.memo_hits else "")


async def plan(environment: Environment, graph: Graph, *, read: int = PLAN_READS) -> UpdatePlan:
    """See ``Flow.plan``: compare setup with the records, list the sources, read up to ``read`` rows of each."""
    changes = await SetupWork(environment, [graph], None).changes()
    setup = SetupPlan(
        describe_changes(changes),
        all(item.up_to_date for item in changes),
        any(item.destructive for item in changes),
    )
    if not setup.up_to_date or any(item.status == "NEW" for item in changes):
        return UpdatePlan(graph.full_name, setup, setup_pending=True)
    threads = environment.threads
    store = await threads.store(environment.store)
    await threads.store(check_setup, store, graph)
    run = await threads.store(
        make_run,
        environment,
        store,
        graph,
        RunOptions(max_delete_share=max_delete_share()),
        ignore_event,
        write_memo=False,
    )
    counts = await threads.store(store.row_counts, [export.target_id for export in run.exports.values()])
    for name, export in run.exports.items():
        run.guard.begin(name, counts.get(export.target_id, 0))
    evaluator = MemoEvaluator(run)
    await evaluator.start()
    planned = _PlanBuilder(run, evaluator, read)
    for plan in run.plan.sources:
        source = SourceRun(run, plan, asyncio.Lock())
        try:
            await planned.add(source)
        finally:
            await source.close()
    return planned.plan(graph, setup)


class _PlanBuilder:
    """Builds the plan source by source."""

    def __init__(self, run: Run, evaluator: MemoEvaluator, read: int) -> None:
        self._run = run
        self._evaluator = evaluator
        self._read = read
        self._sources: list[PlannedSource] = []
        self._targets = {name: PlannedTarget(name) for name in run.exports}
        self._notes: list[str] = []
        self._marks: dict[str, list[Any]] = {"state": [], "listing": [], "logic": []}

    def plan(self, graph: Graph, setup: SetupPlan) -> UpdatePlan:
        marks = {name: fingerprint(pack(tuple(parts))).hex() for name, parts in self._marks.items()}
        calls = [
            item for item in self._evaluator.calls.values() if item.calls or item.memo_hits or item.at_least
        ]
        return UpdatePlan(
            graph.full_name,
            setup,
            marks,
            [complete(item) for item in self._sources],
            [complete(item) for item in calls],
            [complete(item) for item in self._targets.values()],
            self._notes,
        )

    async def add(self, source: SourceRun) -> None:
        looked = await source.look()
        found = PlannedSource(
            source.plan.name, quarantined=source.stats.num_quarantined, problems=looked.problems
        )
        found.unchanged = looked.listed - len(looked.work) - found.quarantined
        self._sources.append(found)
        self._marks["state"].append(looked.state_mark)
        self._marks["listing"].append(looked.listing_mark)
        self._marks["logic"].append(source.state.logic_fp)
        if looked.stop:
            self._notes.append(_announced(looked.stop))
        found.add("deleted", looked.deleted)
        chosen, rest = self._chosen(looked.work)
        found.add("new", [row for row in rest if row.code == NEW])
        found.add("unread", [row for row in rest if row.code == MAYBE])
        found.add("reprocess", [row for row in rest if row.code not in (NEW, MAYBE)])
        if rest:
            for export in source.plan.exports:
                self._targets[export].open_ended = True
            for call in self._calls_of(source):
                call.open_ended = True
            self._notes.append(
                f"{len(rest)} rows of source '{source.plan.name}' were not read; what they cause is not counted"
            )
        net: dict[str, int] = {}
        if chosen:
            await self._add_rows(source, chosen, found, net)
        for start in range(0, len(looked.deleted), DELETED_BATCH):
            rows = looked.deleted[start : start + DELETED_BATCH]
            tracked = await self._tracked(source, rows)
            await self._compare(source, rows, [dict.fromkeys(self._run.exports) for _ in rows], tracked, net)
        for name, change in net.items():
            try:
                self._run.guard.check(self._run.flow, name, change)
            except SafetyStopError as error:
                self._notes.append(_announced(str(error)))

    def _chosen(self, work: list[WorkRow]) -> tuple[list[WorkRow], list[WorkRow]]:
        """The rows to read, and the other ones."""
        size = 0
        for count, row in enumerate(work):
            size += row.size or 0
            if count >= self._read or size > READ_BYTES:
                return work[:count], work[count:]
        return work, []

    def _calls_of(self, source: SourceRun) -> list[CallCount]:
        program = self._run.planner.program(source.plan, frozenset(source.state.logic))
        return [self._evaluator.calls[step] for step in self._evaluator.steps(program)]

    async def _add_rows(
        self, source: SourceRun, rows: list[WorkRow], found: PlannedSource, net: dict[str, int]
    ) -> None:
        outcome = await self._outcome(source, rows)
        for row, problem in outcome.problems:
            found.problems.append(f"{readable_key(row.parts)} cannot be read: {message_of(problem)}")
        deleted = [row for row in outcome.deleted if row.head is not None]
        found.add("deleted", deleted)
        logic = source.state.logic_fp
        keep: list[int] = []
        kinds: dict[str, list[WorkRow]] = {}
        for position, row in enumerate(outcome.rows):
            head = row.head
            if head is None:
                kind = "new"
            elif head.content_fp != row.content_fp:
                kind = "changed"
            elif head.logic_fp != logic or unfinished(head) or head.failed:
                kind = "reprocess"
            else:
                kind = "touched"
            kinds.setdefault(kind, []).append(row)
            if kind != "touched":
                keep.append(position)
        for kind, members in kinds.items():
            found.add(kind, members)
        chosen = [outcome.rows[position] for position in keep]
        columns = [[column[position] for position in keep] for column in outcome.columns]
        tracked = await self._tracked(source, [*chosen, *deleted])
        evaluated = await self._evaluator.evaluate(source, chosen, columns, tracked)
        for position, problem in evaluated.problems.items():
            found.problems.append(
                f"{readable_key(chosen[position].parts)}: {problem.op}: {message_of(problem)}"
            )
        known = [
            position
            for position in range(len(chosen))
            if position not in evaluated.unknown and position not in evaluated.problems
        ]
        if evaluated.unknown:
            for export in source.plan.exports:
                self._targets[export].open_ended = True
        await self._compare(
            source,
            [chosen[position] for position in known] + deleted,
            [evaluated.produced[position] for position in known]
            + [dict.fromkeys(self._run.exports) for _ in deleted],
            tracked,
            net,
        )

    async def _outcome(self, source: SourceRun, rows: list[WorkRow]) -> ReadOutcome:
        if source.port is not None:
            return await source.port.read(rows)
        for row in rows:
            row.content_fp = b"root"
        return ReadOutcome(rows, [], [], [], 0)

    async def _tracked(self, source: SourceRun, rows: list[WorkRow]) -> dict[bytes, Tracked]:
        keys = [row.key for row in rows if row.head is not None]
        if not keys:
            return {}
        return await self._run.threads.store(self._run.store.get_many, source.state.source_id, keys)

    async def _owners(self, inputs: list[RowInput]) -> dict[int, dict[bytes, list[Owner]]]:
        """The owners of the target rows of these source rows, for exports whose rows may have several owners."""
        run = self._run
        found: dict[int, dict[bytes, list[Owner]]] = {}
        for export in run.exports.values():
            if not export.shared:
                continue
            keys: set[bytes] = set()
            for item in inputs:
                rows = item.rows.get(export.name)
                keys.update(rows.keys if rows is not None else ())
                for part in (item.tracked.targets, item.tracked.staged) if item.tracked is not None else ():
                    if export.target_id in part:
                        keys.update(key for key, _ in part[export.target_id].rows)
            found[export.target_id] = await run.threads.store(
                run.store.get_owners, export.target_id, sorted(keys)
            )
        return found

    async def _compare(
        self,
        source: SourceRun,
        rows: list[WorkRow],
        produced: list[Any],
        tracked: dict[bytes, Tracked],
        net: dict[str, int],
    ) -> None:
        """Count the writes and deletions in the targets for these rows."""
        if not rows:
            return
        inputs = [
            RowInput(row.key, tracked.get(row.key), 1 << 62, targets)
            for row, targets in zip(rows, produced, strict=True)
        ]
        owners = await self._owners(inputs)
        delta = reconcile(
            source.state.source_id, inputs, list(self._run.exports.values()), source.plan.name, owners
        )
        for name, target in delta.targets.items():
            counted = self._targets[name]
            counted.upserts += len(target.upsert_keys)
            counted.deletes += len(target.delete_keys)
            counted.unchanged += target.unchanged
            net[name] = net.get(name, 0) + sum(target.net.values())
