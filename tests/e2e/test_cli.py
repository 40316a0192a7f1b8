"""The program as people and other programs run it: whole projects, two at a time, signals, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COCO = str(Path(sys.executable).with_name("coco"))
LIMIT = 60

APP = """
import coco
from coco import op

@op.function(cache=True, behavior_version=1)
def slow_app(text: str) -> str:
    with open("calls", "a") as calls:
        calls.write(text + "\\n")
    if "wait" in text:
        open("started", "w").close()
        open("go").read()
    return text.upper()

@coco.flow_def(name="Slow")
def slow(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"), **OPTIONS)
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        doc["loud"] = doc["content"].transform(slow_app)
        out.collect(filename=doc["filename"], loud=doc["loud"])
    out.export("out", coco.targets.Sqlite(path="out.db"), primary_key_fields=["filename"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_app(tmp_path)
    (tmp_path / "docs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "docs" / f"{name}.md").write_text(f"text of {name}")
    for name in ("started", "go"):
        os.mkfifo(tmp_path / name)
    return tmp_path


def write_app(folder: Path, options: str = "{}") -> None:
    (folder / "app.py").write_text(APP.replace("OPTIONS", options))


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started, ended whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
    return {**kept, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", "TERM": "xterm"}


def run(folder: Path, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [COCO, *args],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def start(
    running: list[subprocess.Popen[str]], folder: Path, *args: str, **options: Any
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [COCO, *args],
        cwd=folder,
        env=environment(),
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )
    running.append(process)
    return process


def wait_until_started(folder: Path) -> None:
    """Until a function has begun on a text with "wait" in it; it blocks there until ``let_go``."""
    (folder / "started").read_text()


def let_go(folder: Path) -> None:
    (folder / "go").write_text("")


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"{text!r} was not said; exit code {process.wait()}")


def rows(folder: Path, database: str = "out.db", table: str = "Slow__out") -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / database)
    try:
        return sorted(connection.execute(f'SELECT filename, loud FROM "{table}"').fetchall())
    finally:
        connection.close()


def calls(folder: Path) -> list[str]:
    found = (folder / "calls").read_text().splitlines()
    (folder / "calls").unlink()
    return sorted(found)


# -- a project --------------------------------------------------------------------------------------


def test_init_makes_a_project_that_runs(tmp_path: Path) -> None:
    run(tmp_path, "init", "my-notes")
    folder = tmp_path / "my-notes"
    os.utime(folder / "docs" / "welcome.md", (1e9, 1e9))  # so that its time alone tells that it is unchanged
    first = json.loads(run(folder, "update", "-f", "--json", "main").stdout)
    stats = first["flows"]["MyNotes"]["sources"]["files"]
    assert first["ok"] and stats["num_insertions"] == 1 and stats["num_target_upserts"] > 0
    assert stats["num_starts"] == stats["num_ends"] == stats["num_read"] == 1
    connection = sqlite3.connect(folder / "my-notes.db")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    connection.close()
    assert any("chunks" in name.lower() for name in tables)
    assert "1 unchanged" in run(folder, "update", "main").stdout
    assert "files" in run(folder, "show", "main").stdout
    assert (
        run(folder, "ls", "--json").stdout == '{\n  "flows": [\n    "MyNotes"\n  ],\n  "namespace": ""\n}\n'
    )
    (folder / "docs" / "more.md").write_text("# More\n\nwords")
    plan = json.loads(run(folder, "plan", "--json", "-o", "p.json", "main").stdout)
    planned = plan["flows"]["MyNotes"]["update"]
    assert planned["sources"][0]["keys"] == {"new": ["more.md"]}
    embeds = [item for item in planned["calls"] if item["function"].startswith("HashEmbed")]
    assert [(item["calls"], item["at_least"]) for item in embeds] == [(1, False)]
    applied = json.loads(run(folder, "apply", "p.json", "--json").stdout)
    assert applied["flows"]["MyNotes"]["sources"]["files"]["num_insertions"] == 1
    verified = json.loads(run(folder, "verify", "--json", "main").stdout)
    assert verified["ok"] and verified["flows"]["MyNotes"]["targets"][0]["expected"] > 1
    run(folder, "evaluate", "main", "-o", "dump")
    assert len(list((folder / "dump").iterdir())) == 2
    run(folder, "drop", "-f", "main")
    assert "No flows are set up" in run(folder, "ls").stdout


# -- two at a time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [("update", "-f", "app.py"), ("drop", "-f", "app.py")])
def test_a_second_process_waits_and_names_the_first(
    project: Path, running: list[subprocess.Popen[str]], second: tuple[str, ...]
) -> None:
    (project / "docs" / "a.md").write_text("wait a moment")
    one = start(running, project, "update", "-f", "app.py")
    wait_until_started(project)
    two = start(running, project, *second)
    assert f"waits for process {one.pid} on" in line_with(two, "waits for")
    let_go(project)
    out, err = one.communicate(timeout=LIMIT)
    assert one.returncode == 0, out + err
    out, err = two.communicate(timeout=LIMIT)
    assert two.returncode == 0, out + err
    assert calls(project) == ["text of b", "wait a moment"], "nothing was done twice"
    if second[0] == "update":
        assert rows(project) == [("a.md", "WAIT A MOMENT"), ("b.md", "TEXT OF B")]


def test_a_killed_process_blocks_no_other(project: Path, running: list[subprocess.Popen[str]]) -> None:
    (project / "docs" / "a.md").write_text("wait a moment")
    one = start(running, project, "update", "-f", "app.py")
    wait_until_started(project)
    one.send_signal(signal.SIGKILL)
    one.communicate(timeout=LIMIT)
    (project / "docs" / "a.md").write_text("no more of that")
    done = run(project, "update", "-f", "app.py")
    assert "waits for" not in done.stderr
    assert rows(project) == [("a.md", "NO MORE OF THAT"), ("b.md", "TEXT OF B")]


# -- signals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_update_that_hangs(
    project: Path, running: list[subprocess.Popen[str]], number: int, code: int
) -> None:
    run(project, "update", "-f", "app.py")
    calls(project)
    (project / "docs" / "a.md").write_text("wait for ever")
    (project / "docs" / "c.md").write_text("text of c")
    process = start(running, project, "update", "app.py")
    wait_until_started(project)
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)  # the function would hang as long as nobody lets it go
    assert process.returncode == code, out + err
    assert "Interrupted" in err and "Traceback" not in err and "Exception" not in err
    assert ("a.md", "TEXT OF A") in rows(project), "the old row stays"
    (project / "docs" / "a.md").write_text("no more of that")
    calls(project)
    done = run(project, "update", "app.py")
    assert "waits for" not in done.stderr, "the lease was given back"
    assert rows(project) == [("a.md", "NO MORE OF THAT"), ("b.md", "TEXT OF B"), ("c.md", "TEXT OF C")]


HOLDING = """
import re
import coco

@coco.op.function()
def hold(text: str) -> str:
    with open("started", "w") as started:
        started.write("now")
    return str(re.match("(a|aa)+$", text))  # exponential, and the interpreter is held all the time

@coco.flow_def(name="Holding")
def holding(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        out.collect(filename=doc["filename"], held=doc["content"].transform(hold))
    out.export("out", coco.targets.Sqlite(path="out.db"), primary_key_fields=["filename"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which signals are caught")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_what_holds_the_interpreter(
    project: Path, running: list[subprocess.Popen[str]], number: int
) -> None:
    (project / "app.py").write_text(HOLDING)
    (project / "docs" / "b.md").unlink()
    (project / "docs" / "a.md").write_text("a" * 200 + "b")
    process = start(running, project, "update", "-f", "app.py")
    wait_until_started(project)
    assert catches(process.pid, number)
    process.send_signal(number)
    while catches(
        process.pid, number
    ):  # Python's own handler cannot run, but the kernel has called the one below it
        os.sched_yield()
    assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=LIMIT)
    assert process.returncode == -number


def catches(pid: int, number: int) -> bool:
    """Whether a process handles a signal itself, as the kernel sees it."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    assert found is not None
    return bool(int(found[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_live_mode_with_exit_code_0(
    project: Path, running: list[subprocess.Popen[str]], number: int
) -> None:
    write_app(project, "{'refresh_interval': __import__('datetime').timedelta(milliseconds=20)}")
    run(project, "update", "-f", "app.py")
    (project / "docs" / "c.md").write_text("wait a moment")
    process = start(running, project, "update", "-L", "--json", "app.py")
    wait_until_started(project)
    let_go(project)
    line_with(process, "rows in")
    (project / "docs" / "d.md").write_text("text of d")
    line_with(process, "rows in")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out + err
    assert json.loads(out)["flows"]["Slow"]["sources"]["docs"]["num_insertions"] == 2
    assert "destroyed" not in err and "Traceback" not in err
    assert len(rows(project)) == 4


def test_live_mode_ends_at_a_signal_although_a_function_hangs(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    write_app(project, "{'refresh_interval': __import__('datetime').timedelta(seconds=1)}")
    (project / "docs" / "a.md").write_text("wait for ever")
    process = start(running, project, "update", "-L", "-f", "app.py")
    wait_until_started(project)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err


def test_a_flow_that_cannot_be_followed_is_refused_at_once(project: Path) -> None:
    done = run(project, "update", "-L", "-f", "app.py", code=2)
    assert "flow Slow has no source to follow: source 'docs' (LocalFile)" in done.stderr
    assert "refresh_interval=" in done.stderr and "watch_changes=True" in done.stderr
    assert not (project / "out.db").exists() and not (project / ".coco").exists()


# -- terminals --------------------------------------------------------------------------------------


def test_on_a_terminal_progress_bars_name_what_is_running(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    run(project, "setup", "-f", "app.py")
    (project / "docs" / "a.md").write_text("wait a moment")
    master, slave = pty.openpty()
    try:
        process = start(running, project, "update", "app.py", stderr=slave)
        os.close(slave)
        wait_until_started(project)
        seen = ""
        while "in functions 2" not in seen:
            seen += os.read(master, 4096).decode()
        assert "Slow docs" in seen and "\x1b[" in seen
        let_go(project)
        while "2/2 rows in" not in seen:
            seen += os.read(master, 4096).decode()
        out, _ = process.communicate(timeout=LIMIT)
    finally:
        os.close(master)
    assert process.returncode == 0
    assert out == "Slow.docs: 2 added, 0 removed, 0 updated\n", "the result goes to standard output"


def test_without_a_terminal_progress_is_plain_lines(project: Path) -> None:
    done = run(project, "update", "-f", "app.py")
    assert re.search(r"^Slow: docs 2/2 rows in [0-9.]+ s; out 2 written$", done.stderr, re.MULTILINE)
    assert "\x1b" not in done.stdout + done.stderr
    quiet = run(project, "update", "-q", "app.py")
    assert quiet.stdout == "" and quiet.stderr == ""
