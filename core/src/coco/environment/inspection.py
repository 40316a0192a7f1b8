"""Looking without changing: what an update would do, whether targets hold what state says, which rows failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coco.engine.batches import TargetDelta
from coco.engine.context import Run, RunOptions
from coco.engine.process import readable_key
from coco.environment.environment import Environment
from coco.environment.preparation import check_setup, make_run, stored_flow_state
from coco.events import EmitFn, ignore_event
from coco.flow.graph import Graph
from coco.hot import fingerprint
from coco.types.storage import pack, unpacker

if TYPE_CHECKING:
    from coco.engine.stats import IndexUpdateInfo

UpdateKeys = Callable[[dict[str, list[bytes]]], "Awaitable[IndexUpdateInfo]"]


@dataclass
class TargetCheck:
    """One target: keys that are missing, differ, or should not be there. ``checked``: rows compared by value."""

    target: str
    expected: int = 0
    actual: int = 0
    checked: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def ok(self) -> bool:
        return not (self.missing or self.different or self.extra)


@dataclass
class VerifyReport:
    """Outcome of ``verify``. ``repaired``: rows brought back and removed."""

    targets: list[TargetCheck]
    repaired: int = 0
    removed: int = 0
    remaining: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (any more)."""
        return not self.remaining

    def to_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "repaired": self.repaired,
            "removed": self.removed,
            "targets": [dict(vars(item)) for item in self.targets],
        }

    def render(self) -> str:
        """One line per target, examples below."""
        lines = []
        for item in self.targets:
            if item.skipped:
                lines.append(f"{item.target}: not checked ({item.skipped})")
                continue
            verdict = "ok" if item.ok else "DIFFERS"
            lines.append(
                f"{item.target}: {verdict}; {item.expected} rows expected, {item.actual} found, "
                f"{item.checked} compared, {len(item.missing)} missing, {len(item.different)} different, "
                f"{len(item.extra)} too many"
            )
            for word, keys in (
                ("missing", item.missing),
                ("different", item.different),
                ("too many", item.extra),
            ):
                lines += [f"  {word}: {key}" for key in keys[:5]]
        if self.repaired or self.removed:
            lines.append(f"repaired: {self.repaired} source rows exported again, {self.removed} rows removed")
        return "\n".join(lines)


async def verify(
    environment: Environment,
    graph: Graph,
    *,
    repair: bool,
    sample: int | None,
    update: UpdateKeys,
    emit: EmitFn,
) -> VerifyReport:
    """Compare every target that can be read back with state, by key and by row fingerprint."""
    report, broken, extras, run = await _compare(environment, graph, sample, emit)
    report.remaining = any(not item.ok for item in report.targets)
    if repair and report.remaining:
        for name, keys in extras.items():
            port = run.ports[name]
            delta = TargetDelta(delete_keys=keys, delete_owners=[0] * len(keys))
            failed = await port.apply(delta)
            report.removed += 0 if failed else len(keys)
        await _close(run)
        if any(broken.values()):
            await update({name: sorted(keys) for name, keys in broken.items() if keys})
            report.repaired = sum(len(keys) for keys in broken.values())
        again, _, _, second = await _compare(environment, graph, sample, emit)
        await _close(second)
        report.remaining = any(not item.ok for item in again.targets)
        return report
    await _close(run)
    return report


async def _close(run: Run) -> None:
    for port in run.ports.values():
        await port.close()


async def _compare(
    environment: Environment, graph: Graph, sample: int | None, emit: EmitFn
) -> tuple[VerifyReport, dict[str, set[bytes]], dict[str, list[Any]], Run]:
    threads = environment.threads
    store = await threads.store(environment.store)
    await threads.store(check_setup, store, graph)
    run = await threads.store(make_run, environment, store, graph, RunOptions(), emit)
    expected = await threads.store(_expected_rows, run)
    broken: dict[str, set[bytes]] = {}
    extras: dict[str, list[Any]] = {}
    checks = []
    for name, export in run.exports.items():
        check = TargetCheck(name)
        checks.append(check)
        list_keys = export.step.target.method("list_keys")
        read_rows = export.step.target.method("read_rows")
        if list_keys is None:
            check.skipped = "this target cannot list its keys"
            continue
        wanted = expected[name]
        check.expected = len(wanted)
        prepared = await run.ports[name].prepare()

        def all_keys(list_keys: Any = list_keys, prepared: Any = prepared) -> list[Any]:
            return [key for batch in list_keys(prepared) for key in batch]

        found = {pack(key): key for key in await threads.run(all_keys)}
        check.actual = len(found)
        for key, (_, source, source_key) in wanted.items():
            if key not in found:
                check.missing.append(_shown(export, key))
                broken.setdefault(source, set()).add(source_key)
        for key, parts in found.items():
            if key not in wanted:
                check.extra.append(readable_key(parts))
                extras.setdefault(name, []).append(parts)
        if read_rows is None:
            continue
        present = [key for key in wanted if key in found]
        if sample is not None:
            present = present[:: max(1, len(present) // max(sample, 1))][:sample]
        check.checked = len(present)
        prefix = export.schema_version.to_bytes(4, "big")
        for start in range(0, len(present), 1_000):
            part = present[start : start + 1_000]
            rows = await threads.call(read_rows, prepared, [found[key] for key in part])
            for key in part:
                row = rows.get(found[key])
                if row is None or fingerprint(prefix + pack(row)) != wanted[key][0][:16]:
                    if row is not None and export.step.target.method("values_equal") is not None:
                        continue  # a lossy store: values are compared only where they come back exactly
                    check.different.append(_shown(export, key))
                    _, source, source_key = wanted[key]
                    broken.setdefault(source, set()).add(source_key)
    return VerifyReport(checks), broken, extras, run


def _shown(export: Any, key: bytes) -> str:
    return readable_key(unpacker(list(export.step.key_fields))(key))


def _expected_rows(run: Run) -> dict[str, dict[bytes, tuple[bytes, str, bytes]]]:
    """By export: packed key -> (fingerprint, source, source key). Runs in the store's thread."""
    by_id = {export.target_id: name for name, export in run.exports.items()}
    expected: dict[str, dict[bytes, tuple[bytes, str, bytes]]] = {name: {} for name in run.exports}
    newest: dict[tuple[str, bytes], int] = {}
    for source, source_id in run.source_ids.items():
        for batch in run.store.scan(source_id, 1_000):
            for source_key, tracked in run.store.get_many(source_id, [key for key, _ in batch]).items():
                for target_id, keys in tracked.targets.items():
                    name = by_id.get(target_id)
                    if name is None:
                        continue
                    for key, fp in keys.rows:
                        order = tracked.head.process_ordinal
                        if newest.get((name, key), -1) <= order:
                            newest[(name, key)] = order
                            expected[name][key] = (fp, source, source_key)
    return expected


async def list_errors(environment: Environment, graph: Graph) -> list[dict[str, Any]]:
    """Recorded failures of a flow, by source and key."""
    threads = environment.threads
    store = await threads.store(environment.store)
    state = await threads.store(stored_flow_state, store, graph.full_name)
    readers = {step.name: unpacker(list(step.table.key_fields)) for step in graph.sources}
    found = []
    for name, record in state.sources.items():
        failures = await threads.store(store.get_failures, record.source_id)
        for key, item in failures.items():
            parts = readers[name](key) if name in readers else (key.hex(),)
            found.append(
                {
                    "source": name,
                    "key": readable_key(parts),
                    "phase": item.phase,
                    "op": item.op,
                    "error_type": item.error_type,
                    "message": item.message,
                    "attempts": item.attempts,
                    "first_at": item.first_at,
                    "last_at": item.last_at,
                    "parked": item.parked,
                }
            )
    return sorted(found, key=lambda item: (item["source"], str(item["key"])))


@dataclass
class UpdatePlan:
    """Keys an update would take up, by source. Counted from listings and state alone: nothing is called."""

    flow: str
    state_version: str
    sources: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {"flow": self.flow, "state_version": self.state_version, "sources": self.sources}

    def render(self) -> str:
        """One line per source."""
        return "\n".join(
            f"{item['source']}: {item['new']} new, {item['changed']} to look at, {item['gone']} gone, "
            f"{item['unchanged']} unchanged"
            for item in self.sources
        )


async def plan_update(environment: Environment, graph: Graph) -> UpdatePlan:
    """List the sources and compare with state; reads no value, calls no function, writes nothing."""
    import asyncio

    from coco.engine.pipeline import SourceRun, load_heads

    threads = environment.threads
    store = await threads.store(environment.store)
    await threads.store(check_setup, store, graph)
    run = await threads.store(
        make_run, environment, store, graph, RunOptions(), ignore_event, write_memo=False
    )
    sources = []
    marks = []
    for plan in run.plan.sources:
        source = SourceRun(run, plan, asyncio.Lock())
        try:
            counts, mark = await source.look(await threads.store(load_heads, store, source.state.source_id))
        finally:
            await source.close()
        sources.append({"source": plan.name, **counts})
        marks.append(mark)
    return UpdatePlan(graph.full_name, fingerprint(pack(tuple(marks))).hex(), sources)
