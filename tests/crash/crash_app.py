"""The process that is killed: setup and update of a flow over ``docs`` and ``extra``; see ``crash_faults``.

``CRASH_TARGET``: ``torn`` (a connector of our own that commits every few rows, so that a death leaves a batch half
written), ``sqlite`` or ``postgres``. ``CRASH_EDITION``: 1, or 2 in which a column came, a target and a source left.
``CRASH_CHECK``: a second update, and verification. Prints, as JSON, what came of it, if it lives.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import Any

import crash_faults as faults

import coco
from coco import op
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.functions import SplitBySeparators
from coco.ops.registry import registry

TARGET = os.environ["CRASH_TARGET"]
EDITION = int(os.environ["CRASH_EDITION"])
ROWS_IN_FLIGHT = 10
ROWS_PER_COMMIT = 5


@op.function(cache=True, behavior_version=1)
def crash_loud(text: str) -> str:
    faults.reach("before-call")
    handle = os.open("calls", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(handle, (text + "\n").encode())
    os.close(handle)
    if text.startswith("bad"):
        raise ValueError("a text that cannot be")
    faults.reach("after-call")
    return text.upper()


@op.function(behavior_version=1)
def crash_first_word(text: str) -> str:
    return text.partition(" ")[0]


@op.function(behavior_version=1)
def crash_length(text: str) -> int:
    return len(text)


class TornTable(op.TargetSpec):
    """A table of ``out.db``: keys and values as JSON."""

    table: str


def connect() -> sqlite3.Connection:
    db = sqlite3.connect("out.db", timeout=30)
    db.execute("PRAGMA synchronous=OFF")
    return db


@op.target_connector(spec_cls=TornTable, persistent_key_type=str)
class TornTableConnector:
    """Writes a few rows per transaction."""

    @staticmethod
    def get_persistent_key(spec: TornTable, target_name: str) -> str:
        return spec.table

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        db = connect()
        if current is None:
            db.execute(f"DROP TABLE IF EXISTS {key}")
        else:
            db.execute(f"CREATE TABLE IF NOT EXISTS {key}(key TEXT PRIMARY KEY, value TEXT)")
        db.commit()
        db.close()

    @staticmethod
    def mutate(*batches: tuple[TornTable, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            db = connect()
            for number, (key, value) in enumerate(changes.items(), 1):
                name = json.dumps(key)
                if value is None:
                    db.execute(f"DELETE FROM {spec.table} WHERE key=?", (name,))
                else:
                    db.execute(f"INSERT OR REPLACE INTO {spec.table} VALUES(?, ?)", (name, json.dumps(value)))
                if number % ROWS_PER_COMMIT == 0:
                    db.commit()
                    faults.reach("mid-mutate")
                    time.sleep(0.0005)
            db.commit()
            db.close()

    @staticmethod
    def count_rows(spec: TornTable) -> int:
        db = connect()
        count: int = db.execute(f"SELECT count(*) FROM {spec.table}").fetchone()[0]
        db.close()
        return count


def table(name: str) -> Any:
    if TARGET == "sqlite":
        return coco.targets.Sqlite(path="out.db", table_name=name)
    if TARGET == "postgres":
        return coco.targets.Postgres(table_name=name)
    return TornTable(table=name)


@coco.flow_def(name="Crash")
def crash(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    parts, words = scope.add_collector(), scope.add_collector()
    heads = scope.add_collector() if EDITION == 1 else None
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"), max_inflight_rows=ROWS_IN_FLIGHT)
    with scope["docs"].row() as doc:
        doc["parts"] = doc["content"].transform(SplitBySeparators(separators_regex=["/"]))
        if heads is not None:
            heads.collect(file=doc["filename"], head=doc["content"].transform(crash_first_word))
        with doc["parts"].row() as part:
            part["loud"] = part["text"].transform(crash_loud)
            part["word"] = part["text"].transform(crash_first_word)
            more = {} if EDITION == 1 else {"size": part["text"].transform(crash_length)}
            parts.collect(file=doc["filename"], text=part["text"], loud=part["loud"], **more)
            words.collect(word=part["word"], file=doc["filename"])
    if heads is not None:
        scope["extra"] = builder.add_source(coco.sources.LocalFile(path="extra"), max_inflight_rows=4)
        with scope["extra"].row() as doc:
            words.collect(word=doc["content"].transform(crash_first_word), file=doc["filename"])
        heads.export("heads", table("heads"), primary_key_fields=["file"])
    parts.export("parts", table("parts"), primary_key_fields=["file", "text"])
    words.export("words", table("words"), primary_key_fields=["word"])


def update(events: list[FlowEvent]) -> dict[str, Any]:
    events.clear()
    info = crash.update(allow_deletes=True)
    return {
        "errors": info.total.num_errors,
        "drifted": info.drifted,
        "calls": sum(event.calls for event in events if isinstance(event, FunctionCalled)),
        "writes": sum(event.upserts + event.deletes for event in events if isinstance(event, TargetMutated)),
    }


def main() -> None:
    def connector(category: Any, spec: Any) -> type:
        found: type = registry.get(category, type(spec).__name__).connector_cls
        return found

    faults.prepare(
        connector(op.OpCategory.SOURCE, coco.sources.LocalFile(path="docs")),
        connector(op.OpCategory.TARGET, table("parts")),
    )
    events: list[FlowEvent] = []
    coco.add_event_listener(events.append)
    crash.setup(allow_destructive=True)
    done: list[Any] = [update(events)]
    if "CRASH_CHECK" in os.environ:
        done += [update(events), crash.verify().ok]
    print(json.dumps(done))
    coco.stop()


if __name__ == "__main__":
    main()
