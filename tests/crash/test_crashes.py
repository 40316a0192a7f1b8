"""Killed anywhere, the next update ends where an update without a death would have ended (I-42).

Each case kills the same work once or twice, with edits in between, then lets it finish.
"""

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

import pytest

APP = Path(__file__).with_name("crash_app.py")
FILES = 100
PARTS = 3
IN_FLIGHT = 24 * PARTS
"""Calls that a death may cost: those of the rows in flight (see the limit in the app)."""

POINTS: dict[str, tuple[int, ...]] = {
    "before-setup_write": (2,),
    "before-create": (2,),
    "after-create": (1,),
    "SetupStepDone": (1,),
    "before-put_cursor": (2,),
    "RowsDetected": (1,),
    "RowsRead": (3,),
    "FunctionCalled": (5,),
    "call": (77, 9),
    "before-memo_put_many": (3,),
    "MemoWritten": (3, 1),
    "before-stage": (4, 1),
    "RowsStaged": (3, 2),
    "write": (20, 4),
    "TargetMutated": (5, 1),
    "before-commit": (3, 2),
    "RowsCommitted": (4, 1),
    "RowsGone": (1, 1),
}
"""Point -> at which occurrence to die: in the first run, and perhaps in a second one, after edits."""


class Corpus:
    """The files, and what must come of them."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._docs = folder / "docs"
        self._docs.mkdir()
        self._chance = chance
        self.texts: dict[str, list[str]] = {}
        self.ever: set[str] = set()
        for number in range(FILES):
            self.write(f"f{number:03}.txt", [self.part(number, place) for place in range(PARTS)])

    def part(self, number: int, place: int) -> str:
        return f"w{self._chance.randrange(40)} part {place} of {number} {self._chance.random()}"

    def write(self, name: str, parts: list[str]) -> None:
        (self._docs / name).write_text("/".join(parts))
        self.texts[name] = parts
        self.ever.update(parts)

    def remove(self, name: str) -> list[str]:
        (self._docs / name).unlink()
        return self.texts.pop(name)

    def edit(self) -> None:
        """Edits, deletions, renames, copies, touches: of each some."""
        names = sorted(self.texts)
        for name in names[:20]:
            self.write(name, [*self.texts[name][1:], self.part(999, 0)])
        for name in names[20:35]:
            self.remove(name)
        for name in names[35:55]:
            self.write(f"moved-{name}", self.remove(name))
        for name in names[55:60]:
            self.write(f"copy-{name}", list(self.texts[name]))
        for name in names[60:80]:
            os.utime(self._docs / name)

    def check(self, folder: Path) -> None:
        db = sqlite3.connect(folder / "out.db")
        parts = {
            tuple(json.loads(key)): json.loads(value) for key, value in db.execute("SELECT * FROM parts")
        }
        words = {
            json.loads(key): json.loads(value)["file"] for key, value in db.execute("SELECT * FROM words")
        }
        db.close()
        assert parts == {
            (name, text): {"loud": text.upper()} for name, texts in self.texts.items() for text in texts
        }
        owners: dict[str, set[str]] = {}
        for name, texts in self.texts.items():
            for text in texts:
                owners.setdefault(text.partition(" ")[0], set()).add(name)
        assert words.keys() == owners.keys()
        assert all(words[word] in owners[word] for word in words)


def start(folder: Path, fault: str = "") -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "COCO_STATE_URL": f"sqlite:///{folder / 'state.db'}",
        "COCO_FAULT": fault,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [sys.executable, str(APP)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[bool, Any]:
    """(killed, what it printed)."""
    out, err = process.communicate(timeout=60)
    if process.returncode == -signal.SIGKILL:
        return True, None
    assert process.returncode == 0, err
    return False, json.loads(out.splitlines()[-1])


def finish(folder: Path, corpus: Corpus, kills: int) -> None:
    killed, (first, second) = outcome(start(folder))
    assert not killed
    corpus.check(folder)
    assert first["errors"] == 0
    assert first["drifted"] == []
    assert second == {"errors": 0, "drifted": [], "calls": 0, "writes": 0}
    calls = Counter((folder / "calls").read_text().splitlines())
    assert calls.keys() <= corpus.ever
    repeated = sum(count - 1 for count in calls.values())
    assert repeated <= kills * IN_FLIGHT


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(point: str, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, random.Random(point))
    kills = 0
    for number in POINTS[point]:
        killed, _ = outcome(start(tmp_path, f"{point}:{number}"))
        kills += killed
        corpus.edit()
    assert kills, "the point was never reached"
    finish(tmp_path, corpus, kills)


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    corpus = Corpus(tmp_path, chance)
    kills = 0
    for _ in range(3):
        process = start(tmp_path)
        try:
            process.wait(chance.uniform(0.4, 1.2))
        except subprocess.TimeoutExpired:
            process.kill()
        kills += outcome(process)[0]
        corpus.edit()
    finish(tmp_path, corpus, kills)
