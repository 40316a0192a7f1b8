import json
from pathlib import Path
from typing import Any

import pytest
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

from coco_target_jsonl.target import Jsonl

TYPES = [name for name in ALL_TARGET_ABILITIES if name.startswith(("value ", "key "))]
HELD = ("Str", "Bool", "Int64", "Float64", "Json", "composite")
INDEXES = [name for name in ALL_TARGET_ABILITIES if name.startswith("index.")]
NOT_YET = (
    "setup.check_existing",
    "setup.adopt",
    "setup.upgrade",
    "late_writes",
    "verify.count_rows",
    "verify.list_keys",
    "verify.read_rows",
    "verify.epochs",
)


class TestJsonl(TargetSuite):
    abilities = claim(
        ALL_TARGET_ABILITIES,
        {
            **{name: UNSUPPORTED("JSON has no such type") for name in TYPES if name.split()[1] not in HELD},
            **dict.fromkeys(INDEXES, UNSUPPORTED("a file has no index")),
            **dict.fromkeys(NOT_YET, NOT_IMPLEMENTED),
            "partial_update": UNSUPPORTED("the file is written as a whole"),
            "bad_row": UNSUPPORTED("a line takes any row"),
            "reconnect": UNSUPPORTED("there is no connection"),
        },
    )

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Jsonl:
        return Jsonl(path=str(tmp_path / "rows.jsonl"))

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        path = Path(spec.path)
        if not path.exists():
            return None
        names = {field.name for field in shape.value_fields}
        found: dict[Any, dict[str, Any]] = {}
        for line in filter(None, path.read_text("utf-8").split("\n")):
            key, row = json.loads(line)
            found[tuple(key) if isinstance(key, list) else key] = {n: row[n] for n in names & row.keys()}
        return found
