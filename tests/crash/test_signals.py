"""Ctrl-C and SIGTERM end a process that hangs in code that is not ours, and leave nothing that the next run minds.

What hangs here hangs for ever: it waits for a pipe that nobody opens. A process that waited for it would not end.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crash_processes import LIMIT, check_end, end, environment, met, run, start

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def hang(project: Path, running: list[subprocess.Popen[str]], where: str) -> subprocess.Popen[str]:
    """A process that hangs in a setup step, in a function of some kind, or in a target."""
    if where != "setup":
        run(project, "setup", "-f", "app.py")
    (project / "docs" / "a.md").write_text("wait for ever")
    process = start(running, project, "update", "-f", "app.py", APP_MEETS=where)
    met(project)
    return process


@pytest.mark.parametrize(
    ("where", "number"),
    [
        *((where, number) for where in ("setup", "call", "mutate") for number in CODES),
        ("loop", signal.SIGINT),
        ("deaf", signal.SIGTERM),
        ("child", signal.SIGINT),
    ],
)
def test_one_signal_ends_a_process_that_hangs(
    where: str, number: signal.Signals, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    process = hang(project, running, where)
    process.send_signal(number)
    assert "Interrupted" in end(process, CODES[number], noise=where == "deaf")
    done = run(project, "update", "-f", "app.py")
    assert "waits for" not in done.stderr, "the dead one holds nobody up"
    check_end(project)


@pytest.mark.parametrize("where", ["setup", "call", "deaf", "mutate"])
def test_a_second_signal_ends_the_process_at_once(
    where: str, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    """The second signal itself ends it: the orderly end, which the first one began, was not waited for."""
    process = hang(project, running, where)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    end(process, -signal.SIGTERM)
    run(project, "update", "-f", "app.py")
    check_end(project)


CANCELLING = """
import asyncio, threading
from app import two

async def main():
    task = asyncio.create_task(two.update_async())
    await asyncio.to_thread(lambda: open("go").read())
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")

two.setup()
asyncio.run(main())
"""


@pytest.mark.parametrize("where", ["call", "mutate"])
def test_a_cancelled_update_returns_though_its_function_or_target_hangs(
    where: str, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    (project / "docs" / "a.md").write_text("wait for ever")
    app = (project / "app.py").read_text()
    (project / "app.py").write_text(app.replace('open("go").read()', 'open("never").read()'))
    (project / "never").unlink(missing_ok=True)
    subprocess.run(["mkfifo", "never"], cwd=project, check=True)
    (project / "cancel.py").write_text(CANCELLING)
    process = subprocess.Popen(
        [sys.executable, "cancel.py"],
        cwd=project,
        env=environment(APP_MEETS=where),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    met(project)
    (project / "go").write_text("")  # tells it to cancel
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out.strip()) == (0, "cancelled"), err
    run(project, "update", "-f", "app.py")
    check_end(project)
