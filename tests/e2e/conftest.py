import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import coco
from coco import op
from coco.environment.runtime import RUNTIME
from coco.events import FlowEvent

SUPPORT = str(Path(__file__).parent.parent / "support")
if SUPPORT not in sys.path:  # plain modules that tests share
    sys.path.insert(0, SUPPORT)


class JsonFile(op.TargetSpec):
    """Rows in one JSON file."""

    path: str


@op.target_connector(spec_cls=JsonFile, persistent_key_type=str)
class JsonFileConnector:
    @staticmethod
    def get_persistent_key(spec: JsonFile, target_name: str) -> str:
        return spec.path

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        path = Path(key)
        if current is None:
            path.unlink(missing_ok=True)
        elif not path.exists():
            path.write_text("{}")

    @staticmethod
    def mutate(*batches: tuple[JsonFile, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            rows = json.loads(Path(spec.path).read_text())
            for key, value in changes.items():
                name = json.dumps(key)
                if value is None:
                    rows.pop(name, None)
                else:
                    rows[name] = value
            Path(spec.path).write_text(json.dumps(rows, default=list))

    @staticmethod
    def count_rows(spec: JsonFile) -> int:
        return len(json.loads(Path(spec.path).read_text()))


@pytest.fixture
def events() -> Iterator[list[FlowEvent]]:
    found: list[FlowEvent] = []
    remove = RUNTIME.add_listener(found.append)
    yield found
    remove()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    RUNTIME.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    RUNTIME.stop()
