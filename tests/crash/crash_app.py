"""The process that is killed: one setup and update over ``docs``, into tables of ``out.db``.

``COCO_FAULT=POINT:N`` kills it, by SIGKILL to itself, when it comes to the point the N-th time. Points are the
engine's own events, the state store's methods just before they run, and places in the function and the target.
Prints, as JSON, what two updates did, if it lives.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import threading
import time
from typing import Any

import coco
from coco import op
from coco.environment.runtime import RUNTIME
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.functions import SplitBySeparators
from coco.state.sqlite import SqliteStore

POINT, _, NUMBER = os.environ.get("COCO_FAULT", "").partition(":")
COUNT = itertools.count(1)
GUARD = threading.Lock()
ROWS_PER_COMMIT = 5


def reach(point: str) -> None:
    """Die here, if it is time."""
    if point == POINT:
        with GUARD:
            if next(COUNT) == int(NUMBER):
                os.kill(os.getpid(), signal.SIGKILL)


@op.function(cache=True, behavior_version=1)
def crash_loud(text: str) -> str:
    reach("call")
    handle = os.open("calls", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(handle, (text + "\n").encode())
    os.close(handle)
    return text.upper()


@op.function(behavior_version=1)
def crash_first_word(text: str) -> str:
    return text.partition(" ")[0]


class CrashTable(op.TargetSpec):
    """A table of ``out.db``."""

    name: str


def connect() -> sqlite3.Connection:
    db = sqlite3.connect("out.db", timeout=30)
    db.execute("PRAGMA synchronous=OFF")
    return db


@op.target_connector(spec_cls=CrashTable, persistent_key_type=str)
class CrashTableConnector:
    """Writes a few rows per transaction, so that a death leaves a batch half written."""

    @staticmethod
    def get_persistent_key(spec: CrashTable, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        reach("before-create")
        db = connect()
        if current is None:
            db.execute(f"DROP TABLE IF EXISTS {key}")
        else:
            db.execute(f"CREATE TABLE IF NOT EXISTS {key}(key TEXT PRIMARY KEY, value TEXT)")
        db.commit()
        db.close()
        reach("after-create")

    @staticmethod
    def mutate(*batches: tuple[CrashTable, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            db = connect()
            for number, (key, value) in enumerate(changes.items(), 1):
                name = json.dumps(key)
                if value is None:
                    db.execute(f"DELETE FROM {spec.name} WHERE key=?", (name,))
                else:
                    db.execute(f"INSERT OR REPLACE INTO {spec.name} VALUES(?, ?)", (name, json.dumps(value)))
                if number % ROWS_PER_COMMIT == 0:
                    db.commit()
                    reach("write")
                    time.sleep(0.0005)
            db.commit()
            db.close()

    @staticmethod
    def count_rows(spec: CrashTable) -> int:
        db = connect()
        count: int = db.execute(f"SELECT count(*) FROM {spec.name}").fetchone()[0]
        db.close()
        return count


@coco.flow_def(name="Crash")
def crash(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"), max_inflight_rows=24)
    parts, words = scope.add_collector(), scope.add_collector()
    with scope["docs"].row() as doc:
        doc["parts"] = doc["content"].transform(SplitBySeparators(separators_regex=["/"]))
        with doc["parts"].row() as part:
            part["loud"] = part["text"].transform(crash_loud)
            part["word"] = part["text"].transform(crash_first_word)
            parts.collect(file=doc["filename"], text=part["text"], loud=part["loud"])
            words.collect(word=part["word"], file=doc["filename"])
    parts.export("parts", CrashTable(name="parts"), primary_key_fields=["file", "text"])
    words.export("words", CrashTable(name="words"), primary_key_fields=["word"])


def prepare_faults() -> None:
    """Points before the store's transactions, and after whatever the engine tells."""

    def before(name: str) -> None:
        method = getattr(SqliteStore, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            reach(f"before-{name}")
            return method(*args, **kwargs)

        setattr(SqliteStore, name, wrapped)

    for name in ("stage", "commit", "collapse", "memo_put_many", "setup_write", "put_cursor"):
        before(name)
    RUNTIME.add_listener(lambda event: reach(type(event).__name__))


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
    if POINT:
        prepare_faults()
    events: list[FlowEvent] = []
    RUNTIME.add_listener(events.append)
    crash.setup()
    print(json.dumps([update(events), update(events)]))
    coco.stop()


if __name__ == "__main__":
    main()
