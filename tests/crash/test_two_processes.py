"""Two processes on one flow: one waits, takes over from the dead, or says why not; and the end state is right."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from crash_processes import (
    COCO,
    LIMIT,
    calls,
    check_end,
    end,
    environment,
    heard,
    let_go,
    met,
    rows,
    run,
    start,
)


def test_a_waiting_process_takes_over_when_the_other_is_killed(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    (project / "docs" / "a.md").write_text("wait a moment")
    one = start(running, project, "update", "-f", "app.py", APP_MEETS="call")
    met(project)
    two = start(running, project, "update", "-f", "app.py")
    assert f"waits for process {one.pid} on" in heard(two, "waits for")
    one.send_signal(signal.SIGKILL)
    end(one, -signal.SIGKILL)
    end(two)
    assert calls(project) in (
        ["text of b", "wait a moment", "wait a moment"],
        ["text of b", "text of b", "wait a moment", "wait a moment"],
    ), "only what was in flight is done again"
    check_end(project)


def test_a_process_that_does_not_wait_names_the_lease_holder(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    (project / "docs" / "a.md").write_text("wait a moment")
    one = start(running, project, "update", "-f", "app.py", APP_MEETS="call")
    met(project)
    done = run(project, "update", "-f", "app.py", code=1, APP_PATIENCE="0.3")
    assert "cannot start an update of flow 'Two'" in done.stderr
    said = " ".join(done.stderr.split())
    assert f"process {one.pid} on" in said and "wait for it or stop it" in said
    let_go(project)
    end(one)
    check_end(project)


@pytest.mark.parametrize("killed", [False, True])
def test_an_update_while_setup_runs(
    killed: bool, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    one = start(running, project, "setup", "-f", "app.py", APP_MEETS="setup")
    met(project)
    two = start(running, project, "update", "-f", "app.py")
    assert f"process {one.pid} on" in heard(two, "waits for")
    if killed:
        one.send_signal(signal.SIGKILL)
        end(one, -signal.SIGKILL)
    else:
        let_go(project)
        end(one)
    end(two)
    check_end(project)
    assert "up to date" in run(project, "setup", "-f", "app.py").stdout.lower()


@pytest.mark.parametrize("killed", [False, True])
def test_setup_while_an_update_runs(
    killed: bool, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    run(project, "setup", "-f", "app.py")
    one = start(running, project, "update", "app.py", APP_MEETS="mutate")
    met(project)
    two = start(running, project, "setup", "-f", "app.py", APP_MORE="second")
    assert f"process {one.pid} on" in heard(two, "waits for")
    if killed:
        one.send_signal(signal.SIGKILL)
        end(one, -signal.SIGKILL)
    else:
        let_go(project)
        end(one)
    end(two)
    assert rows(project, "second") == {}
    run(project, "update", "app.py", APP_MORE="second")
    check_end(project, "second")


def test_many_processes_at_once_do_everything_once(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    """All begin with nothing, setup included; between them they do everything once."""
    for number in range(10):
        (project / "docs" / f"m{number}.md").write_text(f"text {number}")
    for _ in range(4):
        start(running, project, "update", "-f", "app.py")
    for process in running:
        end(process)
    assert len(calls(project)) == len(set(calls(project))) == 12
    check_end(project)


def test_a_process_suspended_beyond_its_lease_overwrites_no_newer_row(
    project: Path, running: list[subprocess.Popen[str]]
) -> None:
    """A process sleeps inside a write until its lease is over and another one has written something newer."""
    run(project, "setup", "-f", "app.py")
    (project / "docs" / "a.md").write_text("old text")
    one = start(running, project, "update", "app.py", APP_MEETS="mutate", APP_LEASE="1")
    met(project)
    one.send_signal(signal.SIGSTOP)
    (project / "docs" / "a.md").write_text("new text")
    run(project, "update", "app.py")
    assert rows(project)["a.md"] == "NEW TEXT"
    one.send_signal(signal.SIGCONT)
    let_go(project)
    out, err = one.communicate(timeout=LIMIT)
    assert one.returncode in (0, 1), out + err
    assert "another process worked on flow 'Two'" in " ".join((out + err).split())
    assert rows(project)["a.md"] == "OLD TEXT", "it wrote last"
    run(project, "update", "app.py")
    check_end(project)


CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
"""A namespace of process numbers, in which a process is number 1, under the same host name."""


def in_container(
    running: list[subprocess.Popen[str]], folder: Path, *args: str, **more: str
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*CONTAINER, COCO, *args],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.append(process)
    return process


def has_containers() -> bool:
    try:
        return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("killed", [False, True])
def test_two_containers_with_one_host_name_and_one_process_number(
    killed: bool, project: Path, running: list[subprocess.Popen[str]]
) -> None:
    if not has_containers():
        pytest.skip("this machine does not let us make namespaces")
    (project / "docs" / "a.md").write_text("wait a moment")
    more = {"APP_LEASE": "3"} if killed else {}
    one = in_container(running, project, "update", "-f", "app.py", APP_MEETS="call", **more)
    met(project)
    two = in_container(running, project, "update", "-f", "app.py")
    assert "waits for process 1 on" in heard(two, "waits for")
    if killed:
        one.kill()
    else:
        let_go(project)
    one.communicate(timeout=LIMIT)
    end(two)
    check_end(project)
