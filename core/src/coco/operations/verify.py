"""``flow.verify()``: compares the sources with state, and state with the targets."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coco.engine.batches import TargetDelta, WorkRow
from coco.engine.context import Run, RunOptions
from coco.engine.exports import ExportRun
from coco.engine.failures import message_of
from coco.engine.ownership import winning_owner
from coco.engine.process import readable_key
from coco.engine.source_run import SourceRun, load_heads
from coco.environment.environment import Environment
from coco.environment.preparation import check_setup, make_run
from coco.errors import TargetError
from coco.events import EmitFn
from coco.flow.graph import Graph
from coco.hot import fingerprint
from coco.hot.merge_cy import MAYBE
from coco.hot.reconcile_cy import ROW_FP
from coco.kit.interruption import progressed
from coco.operations.known_results import MemoEvaluator
from coco.operations.recreate import look_or_recreate, recreate_declarations
from coco.operations.report import complete
from coco.operations.update import run_flow
from coco.operations.verify_report import SourceCheck, TargetCheck, VerifyReport
from coco.state.protocol import Head
from coco.types.storage import pack, unpacker

BATCH = 1_000


class Expected(NamedTuple):
    """A target row on record: its fingerprint, and the source row that yields it."""

    fp: bytes
    source: str
    source_key: bytes


async def verify(
    environment: Environment, graph: Graph, *, repair: bool = False, sample: int | None = None
) -> VerifyReport:
    """Compare. With ``repair``: recreate missing targets, export rows again that are missing or differ, delete surplus
    rows, and compare again. See ``Flow.verify``.

    The caller holds the lease of the flow; otherwise half of a batch would look like damage.
    """
    emit = environment.emit
    async with environment.leased(graph.full_name, "verify"):
        found = await _compare(environment, graph, sample, emit, repair=repair)
    report = found.report
    report.remaining = not _fine(report)
    if not (repair and report.remaining):
        return complete(report)
    report.removed = found.removed
    if any(found.broken.values()):
        keys = {name: sorted(keys) for name, keys in found.broken.items() if keys}
        options = RunOptions(only_keys=keys, allow_deletes=True, retry_quarantined=True, heartbeat=False)
        info = await run_flow(environment, graph, options)
        report.repaired = sum(len(keys) for keys in found.broken.values()) - info.total.num_errors
        report.calls = info.total.num_function_calls
    async with environment.leased(graph.full_name, "verify"):
        again = await _compare(environment, graph, sample, emit, repair=False)
    report.remaining = not _fine(again.report)
    return complete(report)


def _fine(report: VerifyReport) -> bool:
    return all(item.ok for item in report.targets) and all(item.ok for item in report.sources)


@dataclass
class _Found:
    report: VerifyReport
    broken: dict[str, set[bytes]] = field(default_factory=dict)
    removed: int = 0

    def broke(self, row: Expected) -> None:
        self.broken.setdefault(row.source, set()).add(row.source_key)


async def _compare(
    environment: Environment, graph: Graph, sample: int | None, emit: EmitFn, *, repair: bool
) -> _Found:
    threads = environment.threads
    store = await threads.store(environment.store)
    await threads.store(check_setup, store, graph)
    run = await threads.store(make_run, environment, store, graph, RunOptions(), emit, write_memo=False)
    found = _Found(VerifyReport([]))
    sources = {plan.name: SourceRun(run, plan, asyncio.Lock()) for plan in run.plan.sources}
    try:
        for name, source in sources.items():
            await _check_source(run, name, source, sample, found)
        expected = await threads.store(_expected_rows, run)
        if repair:
            found.report.targets += await recreate_declarations(run, graph)
        for name, export in run.exports.items():
            check = TargetCheck(name, expected=len(expected[name]))
            found.report.targets.append(check)
            look = functools.partial(
                _check_target, run, export, check, expected[name], sample, sources, found, remove_extra=repair
            )
            if await look_or_recreate(run, graph, export, check, look, repair=repair):
                for key, row in expected[name].items():
                    check.missing.append(readable_key(unpacker(list(export.step.key_fields))(key)))
                    found.broke(row)
            if sample is None and check.ok and not check.skipped:
                with contextlib.suppress(TargetError):  # then the mismatch stays on record
                    await run.epochs[name].settle()
    finally:
        for source in sources.values():
            await source.close()
        for port in run.ports.values():
            await port.close()
    return found


# -- source = state ---------------------------------------------------------------------------------


async def _check_source(run: Run, name: str, source: SourceRun, sample: int | None, found: _Found) -> None:
    check = SourceCheck(name)
    if source.port is None:
        return
    found.report.sources.append(check)
    try:
        looked = await source.look()
    except Exception as error:
        check.problems.append(str(error))
        return
    check.listed = looked.listed
    check.problems += looked.problems
    in_work = {row.key for row in looked.work}
    deleted = {row.key for row in looked.deleted}
    heads = await run.threads.store(load_heads, run.store, source.state.source_id)
    still = [key for key in heads if key not in in_work and key not in deleted]
    doubtful = [row for row in looked.work if row.code == MAYBE and row.head is not None]
    check.behind = len(looked.work) - len(doubtful) + len(deleted)
    read_parts = unpacker(list(source.port.step.table.key_fields))
    rows = [WorkRow(key, read_parts(key), None, heads[key], MAYBE) for key in _sampled(still, sample)]
    for start in range(0, len(rows), BATCH):
        for row, same in await _read_again(source, rows[start : start + BATCH], check):
            if not same:
                check.hidden.append(readable_key(row.parts))
                found.broken.setdefault(name, set()).add(row.key)
    # Rows that may have changed are always read: a touched file is not a difference.
    for start in range(0, len(doubtful), BATCH):
        for _, same in await _read_again(source, doubtful[start : start + BATCH], check):
            check.behind += not same


async def _read_again(
    source: SourceRun, rows: list[WorkRow], check: SourceCheck
) -> list[tuple[WorkRow, bool]]:
    """(row, whether its content is the one on record)."""
    assert source.port is not None
    heads: dict[bytes, Head | None] = {row.key: row.head for row in rows}
    outcome = await source.port.read(rows)
    check.checked += len(rows)
    check.problems += [
        f"{readable_key(row.parts)} cannot be read: {message_of(problem)}"
        for row, problem in outcome.problems
    ]
    answers = [(row, _content(heads[row.key]) == row.content_fp) for row in outcome.rows]
    return answers + [(row, False) for row in outcome.deleted]


def _content(head: Head | None) -> bytes | None:
    return head.content_fp if head is not None else None


def _sampled(keys: list[bytes], sample: int | None) -> list[bytes]:
    """At most ``sample`` of the keys, evenly distributed."""
    if sample is None or len(keys) <= sample:
        return keys
    return [keys[position * len(keys) // sample] for position in range(sample)]


# -- state = target ---------------------------------------------------------------------------------


async def _check_target(
    run: Run,
    export: ExportRun,
    check: TargetCheck,
    wanted: dict[bytes, Expected],
    sample: int | None,
    sources: dict[str, SourceRun],
    found: _Found,
    *,
    remove_extra: bool,
) -> None:
    list_keys = export.step.target.method("list_keys")
    read_rows = export.step.target.method("read_rows")
    port = run.ports[export.name]
    prepared = await port.prepare()
    if list_keys is None:
        check.skipped = "this target cannot list its keys"
        await _count_only(run, export, check)
        return

    def all_keys() -> dict[bytes, Any]:
        keys: dict[bytes, Any] = {}
        for batch in list_keys(prepared):
            progressed()
            keys.update((pack(key), key) for key in batch)
        return keys

    present = await port.call("listing keys", all_keys)
    check.actual = len(present)
    read_key = unpacker(list(export.step.key_fields))
    for key, row in wanted.items():
        if key not in present:
            check.missing.append(readable_key(read_key(key)))
            found.broke(row)
    extra = [parts for key, parts in present.items() if key not in wanted]
    check.extra = [readable_key(parts) for parts in extra]
    if remove_extra and extra and not export.step.setup_by_user:
        failed = await port.apply(TargetDelta(delete_keys=extra, delete_owners=list(range(len(extra)))))
        found.removed += len(extra) - len(failed)
    if read_rows is None:
        return
    keys = _sampled([key for key in wanted if key in present], sample)
    check.checked = len(keys)
    prefix = export.row_prefix()
    doubts: dict[bytes, tuple[Any, ...]] = {}
    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        rows = await port.call("reading rows", read_rows, prepared, [present[key] for key in part])
        for key in part:
            row = rows.get(present[key])
            if row is None or ... in row or fingerprint(prefix + pack(row)) != wanted[key].fp[:ROW_FP]:
                doubts[key] = () if row is None else tuple(row)
    await _settle(run, export, check, wanted, doubts, sources, found)


async def _count_only(run: Run, export: ExportRun, check: TargetCheck) -> None:
    count = export.step.target.method("count_rows")
    if count is None or export.step.setup_by_user:
        return
    port = run.ports[export.name]
    check.actual = await port.call("counting rows", count, await port.prepare())
    if check.actual != check.expected:
        check.problem = (
            f"holds {check.actual} rows, state has {check.expected} on record, and it cannot list its keys; "
            "`coco update --reexport` writes all of them again"
        )


async def _settle(
    run: Run,
    export: ExportRun,
    check: TargetCheck,
    wanted: dict[bytes, Expected],
    doubts: dict[bytes, tuple[Any, ...]],
    sources: dict[str, SourceRun],
    found: _Found,
) -> None:
    """Examine rows whose fingerprint differs: they are equal if the target alters values and stores both alike."""
    equal = export.step.target.method("values_equal")
    lossy = {key: row for key, row in doubts.items() if row and (equal is not None or ... in row)}
    computed = await _computed(run, export, wanted, lossy, sources) if lossy else {}
    read_key = unpacker(list(export.step.key_fields))
    for key, row in doubts.items():
        if key in lossy:
            if key not in computed:
                check.unclear += 1
                continue
            if _equal_rows(export, equal, computed[key], row):
                continue
        check.different.append(readable_key(read_key(key)))
        found.broke(wanted[key])


def _equal_rows(export: ExportRun, equal: Any, computed: tuple[Any, ...], row: tuple[Any, ...]) -> bool:
    for item, mine, theirs in zip(export.step.value_fields, computed, row, strict=True):
        if theirs is ... or pack(mine) == pack(theirs):  # packed, NaN equals itself
            continue
        if equal is None or not equal(item, mine, theirs):
            return False
    return True


async def _computed(
    run: Run,
    export: ExportRun,
    wanted: dict[bytes, Expected],
    keys: Iterable[bytes],
    sources: dict[str, SourceRun],
) -> dict[bytes, tuple[Any, ...]]:
    """Values that the flow yields, for target keys whose source rows can be evaluated from the memo."""
    by_source: dict[str, set[bytes]] = {}
    for key in keys:
        by_source.setdefault(wanted[key].source, set()).add(wanted[key].source_key)
    evaluator = MemoEvaluator(run)
    await evaluator.start()
    values: dict[bytes, tuple[Any, ...]] = {}
    for name, source_keys in by_source.items():
        source = sources.get(name)
        if source is None or source.port is None:
            continue
        read_parts = unpacker(list(source.port.step.table.key_fields))
        chosen = sorted(source_keys)
        for start in range(0, len(chosen), BATCH):
            rows = [WorkRow(key, read_parts(key), None, None, MAYBE) for key in chosen[start : start + BATCH]]
            outcome = await source.port.read(rows)
            evaluated = await evaluator.evaluate(source, outcome.rows, outcome.columns, None)
            for position, produced in enumerate(evaluated.produced):
                target = produced.get(export.name)
                if target is not None and position not in evaluated.unknown:
                    values.update(zip(target.keys, target.values, strict=True))
    return values


def _expected_rows(run: Run) -> dict[str, dict[bytes, Expected]]:
    """Rows on record by export and packed key; of several owners, the winner counts. Runs in the store's thread."""
    by_id = {export.target_id: name for name, export in run.exports.items()}
    expected: dict[str, dict[bytes, Expected]] = {name: {} for name in run.exports}
    contested: dict[str, set[bytes]] = {}
    for source, source_id in run.source_ids.items():
        for batch in run.store.scan(source_id, BATCH):
            for source_key, tracked in run.store.get_many(source_id, [key for key, _ in batch]).items():
                for target_id, keys in tracked.targets.items():
                    name = by_id.get(target_id)
                    if name is None:
                        continue
                    for key, fp in keys.rows:
                        if key in expected[name]:
                            contested.setdefault(name, set()).add(key)
                        expected[name][key] = Expected(fp, source, source_key)
    names = dict(zip(run.source_ids.values(), run.source_ids, strict=True))
    for name, several in contested.items():
        owners = run.store.get_owners(run.exports[name].target_id, sorted(several))
        for key, claims in owners.items():
            winner = winning_owner(claims)
            if winner.source_id in names:
                expected[name][key] = Expected(winner.row_fp, names[winner.source_id], winner.source_key)
    return expected
