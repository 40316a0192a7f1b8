import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import coco
from coco.events import FlowEvent
from coco_testing.postgres import postgres_database as postgres_database
from coco_testing.postgres import postgres_server as postgres_server


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = coco.add_event_listener(found.append)
    yield found
    remove()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an app whose processes can be met; see ``crash_processes``."""
    import crash_processes

    (tmp_path / "app.py").write_text(crash_processes.APP)
    (tmp_path / "docs").mkdir()
    for name in ("a", "b"):
        (tmp_path / "docs" / f"{name}.md").write_text(f"text of {name}")
    for name in ("started", "go"):
        os.mkfifo(tmp_path / name)
    return tmp_path


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started, ended whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
