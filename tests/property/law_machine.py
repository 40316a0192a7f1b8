"""Histories: edits of sources, changes of the flow, updates, deaths; after each update the targets are checked."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from fuse import FUSE
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from law_flow import LOUD, SOURCES, TARGETS, Shape, flow_of
from law_model import Model
from law_targets import Backend
from memory_rows import READS, STYLES, WORLD, Entry

import coco
from coco.environment.environment import ENVIRONMENT
from coco.events import FlowEvent, FunctionCalled, TargetMutated

KEYS = st.sampled_from(["a", "b", "c", "d", "e/f"])
LINES = [
    "red",
    "red fox",
    "bad apple",
    "evil twin",
    "blue fox",
    "fox blue",
    "green",
    "Red",
    "  ",
    "one two three",
]
CONTENTS = st.lists(st.sampled_from(LINES), max_size=4).map("/".join)
SOURCE = st.sampled_from(SOURCES)


class LawMachine(RuleBasedStateMachine):
    """Subclasses set ``backend`` and ``state_file``."""

    backend: Backend
    folder: Path
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        LawMachine.runs += 1
        coco.stop()
        os.environ["COCO_STATE_URL"] = f"sqlite:///{self.folder / f'state-{LawMachine.runs}.db'}"
        self.backend.fresh()
        for source in SOURCES:
            WORLD[source] = {}
        self.clock = 1
        self.shape = Shape()
        self.model = Model()
        self.flow: coco.Flow | None = None
        self.events: list[FlowEvent] = []
        self.remove = coco.add_event_listener(self.events.append)
        self.ids: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def teardown(self) -> None:
        self.remove()
        self.close_flow()
        coco.stop()

    def close_flow(self) -> None:
        if self.flow is not None:
            self.flow.close()
            self.flow = None

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    # -- the world --------------------------------------------------------------------------------
    @initialize(
        style=st.sampled_from(STYLES),
        rows=st.lists(st.tuples(SOURCE, KEYS, CONTENTS), max_size=6),
        loud=st.integers(0, len(LOUD) - 1),
    )
    def begin(self, style: str, rows: list[tuple[str, str, str]], loud: int) -> None:
        self.shape = dataclasses.replace(self.shape, style=style, loud=loud)
        for source, key, content in rows:
            self.put(source, key, content)

    @rule(source=SOURCE, key=KEYS, content=CONTENTS)
    def put(self, source: str, key: str, content: str) -> None:
        WORLD[source][key] = Entry(content, self.tick())

    @rule(source=SOURCE, key=KEYS, line=st.sampled_from(LINES))
    def append(self, source: str, key: str, line: str) -> None:
        if key in WORLD[source]:
            WORLD[source][key] = Entry(f"{WORLD[source][key].content}/{line}", self.tick())

    @rule(source=SOURCE, key=KEYS)
    def delete(self, source: str, key: str) -> None:
        WORLD[source].pop(key, None)

    @rule(source=SOURCE, key=KEYS, other=SOURCE, name=KEYS, keep=st.booleans())
    def rename_or_copy(self, source: str, key: str, other: str, name: str, keep: bool) -> None:
        entry = WORLD[source].get(key)
        if entry is not None and (source, key) != (other, name):
            WORLD[other][name] = dataclasses.replace(entry)
            if not keep:
                del WORLD[source][key]

    @rule(back=st.booleans())
    def touch_all(self, back: bool) -> None:
        for rows in WORLD.values():
            for entry in rows.values():
                entry.ordinal = max(1, entry.ordinal - 1) if back else self.tick()

    @rule(source=SOURCE)
    def empty(self, source: str) -> None:
        WORLD[source].clear()

    # -- the flow ---------------------------------------------------------------------------------
    def change(self, **changes: Any) -> None:
        self.shape = dataclasses.replace(self.shape, **changes)
        self.close_flow()

    @rule(loud=st.integers(0, len(LOUD) - 1))
    def edit_function(self, loud: int) -> None:
        self.change(loud=loud)

    @rule(version=st.integers(0, 6))
    def set_version(self, version: int) -> None:
        self.change(version=version)

    @rule(extra=st.sampled_from(["size", "renamed", "origin", "tables"]))
    def switch_fields(self, extra: str) -> None:
        self.change(extra=self.shape.extra ^ {extra})

    @rule(name=st.sampled_from(TARGETS))
    def switch_target(self, name: str) -> None:
        self.change(targets=tuple(item for item in TARGETS if (item in self.shape.targets) != (item == name)))

    @rule(source=SOURCE)
    def switch_source(self, source: str) -> None:
        chosen = tuple(item for item in SOURCES if (item in self.shape.sources) != (item == source))
        if chosen:
            self.change(sources=chosen)

    @rule(name=st.sampled_from(TARGETS), source=SOURCE)
    def switch_branch(self, name: str, source: str) -> None:
        self.change(feeds=self.shape.feeds ^ {(name, source)})

    @rule(style=st.sampled_from(STYLES))
    def switch_style(self, style: str) -> None:
        self.change(style=style)

    @rule()
    def reopen(self) -> None:
        self.close_flow()
        coco.stop()

    # -- the engine -------------------------------------------------------------------------------
    @rule()
    def update(self) -> None:
        self.bring_up_to_date("")

    @rule()
    def update_too(self) -> None:  # rules are drawn evenly, and updates are what it is about
        self.bring_up_to_date("")

    @rule(source=SOURCE, key=KEYS, content=CONTENTS)
    def put_and_update(self, source: str, key: str, content: str) -> None:
        self.put(source, key, content)
        self.bring_up_to_date("")

    @rule(name=st.sampled_from(TARGETS), source=SOURCE)
    def switch_branch_and_update(self, name: str, source: str) -> None:
        self.switch_branch(name, source)
        self.bring_up_to_date("")

    @rule(mode=st.sampled_from(["reexport_targets", "full_reprocess"]))
    def update_by_force(self, mode: str) -> None:
        self.bring_up_to_date(mode)

    def bring_up_to_date(self, mode: str) -> None:
        if not self.shape.active():
            return
        if self.flow is None:
            self.flow = flow_of(self.shape, self.backend.spec)
        self.flow.setup(allow_destructive=True)
        self.events.clear()
        options: dict[str, Any] = {mode: True} if mode else {}
        info = self.flow.update(allow_deletes=True, **options)
        self.model.update(self.shape)
        stats = info.total
        assert stats.num_errors + stats.num_quarantined == len(self.model.failed), (info, self.model.failed)
        assert info.has_errors == bool(self.model.failed)
        self.check(info)
        self.events.clear()
        READS.clear()
        again = self.flow.update(allow_deletes=True)
        self.check_no_work(again)
        self.check(again)
        if self.backend.can_verify and not self.model.failed:
            report = self.flow.verify()
            assert report.ok, report.render()

    @rule(length=st.integers(1, 30), mode=st.sampled_from(["", "", "full_reprocess"]))
    def die_in_an_update(self, length: int, mode: str) -> None:
        if not self.shape.active():
            return
        if self.flow is None:
            self.flow = flow_of(self.shape, self.backend.spec)
        options: dict[str, Any] = {mode: True} if mode else {}
        FUSE.light(length)
        try:
            self.flow.setup(allow_destructive=True)
            self.flow.update(allow_deletes=True, **options)
        except Exception:
            assert FUSE.burnt
        self.model.die(self.shape)
        self.close_flow()
        coco.stop()  # what it may still want to write while it ends is lost as well
        FUSE.light(None)

    def check(self, info: coco.IndexUpdateInfo) -> None:
        assert not info.drifted
        known = self.known_counts()
        for target in TARGETS:
            if target not in self.shape.active():
                assert not self.backend.exists(target)
                continue
            keys, values = self.shape.key_fields(target), self.shape.value_fields(target)
            rows = self.backend.rows(target, keys, values)
            self.model.check(target, rows)
            if not self.model.failed:
                assert known[target] == len(rows), (target, known[target], len(rows))
        assert len({mark for mark, _ in self.failures()}) == len(self.failures())
        assert {mark for mark, _ in self.failures()} == self.model.failed

    def known_counts(self) -> dict[str, int]:
        """How many rows state believes each target to hold."""
        store = ENVIRONMENT.store()
        ids = {
            item.state["export"]: item.state["target_id"]
            for item in store.setup_records()
            if item.state is not None and "target_id" in item.state
        }
        counts = store.row_counts(list(ids.values()))
        return {name: counts[target_id] for name, target_id in ids.items()}

    def failures(self) -> list[tuple[tuple[str, str], str]]:
        assert self.flow is not None
        return [((item.source, item.key), item.phase) for item in self.flow.errors()]

    def check_no_work(self, info: coco.IndexUpdateInfo) -> None:
        mutated = [event for event in self.events if isinstance(event, TargetMutated)]
        assert not mutated, mutated
        stats = info.total
        assert stats.num_target_upserts == stats.num_target_deletes == 0
        assert stats.num_insertions == stats.num_updates == stats.num_deletions == stats.num_reprocesses == 0
        called = [event for event in self.events if isinstance(event, FunctionCalled) and event.calls]
        if not self.model.failed:
            assert not called, called
            assert stats.num_function_calls == 0
            if self.shape.style != "bare":
                assert not READS, READS
        else:
            rows = sum(event.rows for event in self.events if isinstance(event, FunctionCalled))
            assert stats.num_no_change + len(self.model.failed) == sum(
                len(WORLD[s]) for s in self.shape.sources
            )
            assert stats.num_quarantined < len(self.model.failed) or rows == 0
