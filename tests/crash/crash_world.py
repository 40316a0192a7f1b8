"""What is killed, and what must come of it: files, targets, and a case that is logged so that it can be replayed."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = 60
EXTRA = 8
PARTS = 3
ROWS_IN_FLIGHT = 10
"""As in ``crash_app``."""

IN_FLIGHT = ROWS_IN_FLIGHT * PARTS
"""Calls that a death may cost."""

LIMIT = 60
TARGETS = ("torn", "sqlite", "postgres")
Rows = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]
REPLAY = "CRASH_LOG={log} .venv/bin/python -m pytest tests/crash/test_crashes.py -k replay"


class Corpus:
    """Files of two sources, and the rows that a flow over them yields: the model that targets are held against."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._fresh = 0
        self.docs: dict[str, list[str]] = {}
        self.extra: dict[str, str] = {}
        self.ever: set[str] = set()
        for name in ("docs", "extra"):
            (folder / name).mkdir()
        for number in range(FILES):
            self.write(f"f{number:03}.txt", [self.part() for _ in range(PARTS)])
        for number in range(EXTRA):
            self.extra[f"e{number}.txt"] = text = self.part()
            (folder / "extra" / f"e{number}.txt").write_text(text)
        self.spoil()

    def part(self) -> str:
        self._fresh += 1
        return f"w{self._chance.randrange(30)} part {self._fresh} {self._chance.random()}"

    def write(self, name: str, parts: list[str]) -> None:
        (self._folder / "docs" / name).write_text("/".join(parts))
        self.docs[name] = parts
        self.ever.update(parts)

    def remove(self, name: str) -> list[str]:
        (self._folder / "docs" / name).unlink()
        return self.docs.pop(name)

    def spoil(self) -> None:
        """Two files get a part that cannot be."""
        for name in self._chance.sample(sorted(self.docs), 2):
            self.write(name, [*self.docs[name][1:], f"bad {self.part()}"])

    def edit(self) -> None:
        """Edits, deletions, renames, copies, touches: of each some; what was spoilt heals, other files are spoilt."""
        self.heal()
        names = sorted(self.docs)
        self._chance.shuffle(names)
        for name in names[:10]:
            self.write(name, [*self.docs[name][1:], self.part()])
        for name in names[10:16]:
            self.remove(name)
        for name in names[16:24]:
            self.write(f"m{self._fresh}-{name}"[:40], self.remove(name))
            self._fresh += 1
        for name in names[24:28]:
            self.write(f"c{self._fresh}-{name}"[:40], list(self.docs[name]))
            self._fresh += 1
        for name in names[28:36]:
            os.utime(self._folder / "docs" / name)
        for _ in range(6):
            self._fresh += 1
            self.write(f"n{self._fresh}.txt", [self.part() for _ in range(PARTS)])
        self.spoil()

    def heal(self) -> None:
        for name, parts in list(self.docs.items()):
            if any(part.startswith("bad") for part in parts):
                self.write(name, [part for part in parts if not part.startswith("bad")])

    def check(self, rows: Rows, edition: int) -> None:
        """Exactly the rows of a from-scratch evaluation: none is lost, none is left over."""
        assert rows.keys() == ({"parts", "words", "heads"} if edition == 1 else {"parts", "words"})
        more = (lambda text: (len(text),)) if edition == 2 else (lambda text: ())
        expected = {
            (name, text): (text.upper(), *more(text)) for name, texts in self.docs.items() for text in texts
        }
        assert rows["parts"] == expected
        owners: dict[tuple[str], set[str]] = {}
        texts = [(name, text) for name, parts in self.docs.items() for text in parts]
        for name, text in [*texts, *(self.extra.items() if edition == 1 else ())]:
            owners.setdefault((text.partition(" ")[0],), set()).add(name)
        assert rows["words"].keys() == owners.keys()
        assert {key: row for key, row in rows["words"].items() if row[0] not in owners[key]} == {}
        if edition == 1:
            heads = {(name,): (parts[0].partition(" ")[0],) for name, parts in self.docs.items()}
            assert rows["heads"] == heads


COLUMNS = {"parts": ("file", "text", "loud", "size"), "words": ("word", "file"), "heads": ("file", "head")}
KEYS = {"parts": 2, "words": 1, "heads": 1}


def read_rows(target: str, folder: Path, database: str) -> Rows:
    """All there is, read without coco."""
    if target == "postgres":
        import psycopg

        with psycopg.connect(database) as connection:

            def query(sql: str) -> list[tuple[Any, ...]]:
                return connection.execute(sql.encode()).fetchall()

            names = query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            found: Rows = {}
            for name in (name for (name,) in names if name in KEYS):
                rows = query(f"SELECT to_jsonb(t) FROM {name} t")
                found[name] = dict(
                    _split(name, [row[column] for column in COLUMNS[name] if column in row])
                    for (row,) in rows
                )
            return found
    db = sqlite3.connect(folder / "out.db")
    try:
        db.row_factory = sqlite3.Row
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        result: Rows = {}
        for name in (name for name in tables if name in KEYS):
            stored = db.execute(f"SELECT * FROM {name}").fetchall()
            if target == "torn":
                result[name] = {}
                for row in stored:
                    key = json.loads(row["key"])
                    value = json.loads(row["value"])
                    parts = (key,) if isinstance(key, str) else tuple(key)
                    result[name][parts] = tuple(value[item] for item in COLUMNS[name] if item in value)
            else:
                result[name] = dict(
                    _split(name, [row[column] for column in COLUMNS[name] if column in row.keys()])  # noqa: SIM118
                    for row in stored
                )
        return result
    finally:
        db.close()


def _split(name: str, values: list[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return tuple(values[: KEYS[name]]), tuple(values[KEYS[name] :])


class Case:
    """One life: killed some times, with edits in between, then let finish, and held against the model.

    Every step is written to ``crash.json`` as it happens; a death from outside as the number of points that were
    reached, so that ``replay`` dies at the same place, as near as threads allow.
    """

    def __init__(self, folder: Path, target: str, seed: str, database: str = "") -> None:
        self.folder = folder
        self.target = target
        self.seed = seed
        self.kills = 0
        self.repeated = 0
        self.edition = 1
        self._database = database
        self._steps: list[list[Any]] = []
        self.log = folder / "crash.json"
        self.corpus = Corpus(folder, random.Random(seed))

    # -- steps ------------------------------------------------------------------------------------
    def run(self, fault: str = "", after: float | None = None) -> bool:
        """One process that is killed at a point, ``after`` seconds, or not at all; whether it was killed."""
        self._note("run", fault)
        process = self._start(fault)
        if after is not None:
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                process.kill()
        killed = self._outcome(process) is None
        if killed and after is not None:
            trace = self.folder / "trace"
            self._steps[-1][1] = f"any:{len(trace.read_text().splitlines())}" if trace.exists() else "any:1"
            self._write_log()
        self.kills += killed
        return killed

    def edit(self) -> None:
        self._note("edit")
        self.corpus.edit()

    def turn(self, edition: int) -> None:
        """Another edition of the flow from here on."""
        self._note("edition", edition)
        self.edition = edition

    def finish(self) -> None:
        """Let it finish, and check all that a death must not change."""
        self._note("finish")
        self.corpus.heal()
        outcome = self._outcome(self._start("", CRASH_CHECK="1"))
        assert outcome is not None, self.replay_hint()
        first, second, verified = outcome
        try:
            self.corpus.check(read_rows(self.target, self.folder, self._database), self.edition)
            assert (first["errors"], first["drifted"]) == (0, [])
            assert second == {"errors": 0, "drifted": [], "calls": 0, "writes": 0}
            assert verified, "state and targets differ"
            calls = Counter((self.folder / "calls").read_text().splitlines())
            good = {text: count for text, count in calls.items() if not text.startswith("bad")}
            assert good.keys() <= self.corpus.ever
            self.repeated = sum(good.values()) - len(good)
            assert self.repeated <= self.kills * IN_FLIGHT, f"{self.repeated} calls were repeated"
        except AssertionError as error:
            error.add_note(self.replay_hint())
            raise

    def replay_hint(self) -> str:
        return f"log: {self.log}\nreplay: {REPLAY.format(log=self.log)}"

    # -- log --------------------------------------------------------------------------------------
    def _note(self, *step: Any) -> None:
        self._steps.append(list(step))
        self._write_log()

    def _write_log(self) -> None:
        content = {"target": self.target, "seed": self.seed, "steps": self._steps}
        self.log.write_text(json.dumps(content, indent=1))

    def replay(self, steps: list[list[Any]]) -> None:
        for name, *arguments in steps:
            getattr(self, {"edition": "turn"}.get(name, name))(*arguments)

    # -- processes --------------------------------------------------------------------------------
    def _start(self, fault: str, **more: str) -> subprocess.Popen[str]:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("COCO", "CRASH"))},
            "COCO_STATE_URL": f"sqlite:///{self.folder / 'state.db'}",
            "COCO_FAULT": fault,
            "CRASH_TARGET": self.target,
            "CRASH_EDITION": str(self.edition),
            **more,
        }
        if self._database:
            environment["COCO_DATABASE_URL"] = self._database
        return subprocess.Popen(
            [sys.executable, str(HERE / "crash_app.py")],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _outcome(self, process: subprocess.Popen[str]) -> Any:
        """What it printed; None if it was killed."""
        out, err = process.communicate(timeout=LIMIT)
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode == 0, f"{err}\n{self.replay_hint()}"
        return json.loads(out.splitlines()[-1])
