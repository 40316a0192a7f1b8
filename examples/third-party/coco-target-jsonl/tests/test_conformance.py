import json
from pathlib import Path
from typing import Any

import pytest
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

from coco_target_jsonl import jsonl

HELD = ("Str", "Bool", "Int64", "Float64", "Json", "composite")
OTHER_TYPES = [
    name
    for name in ALL_TARGET_ABILITIES
    if name.startswith(("value ", "key ")) and name.split()[1] not in HELD
]
INDEXES = [name for name in ALL_TARGET_ABILITIES if name.startswith("index.")]
NO_SETUP = ("drift", "setup.check_existing", "setup.adopt", "setup.upgrade")
NOT_YET = ("late_writes", "verify.count_rows", "verify.epochs")


class TestJsonl(TargetSuite):
    abilities = claim(
        ALL_TARGET_ABILITIES,
        {
            **dict.fromkeys(OTHER_TYPES, UNSUPPORTED("JSON has no such type")),
            **dict.fromkeys(INDEXES, UNSUPPORTED("a file has no index")),
            **dict.fromkeys(NO_SETUP, UNSUPPORTED("nothing is set up")),
            **dict.fromkeys(NOT_YET, NOT_IMPLEMENTED),
            "partial_update": UNSUPPORTED("the file is written as a whole"),
            "bad_row": UNSUPPORTED("a line takes any row"),
            "reconnect": UNSUPPORTED("there is no connection"),
        },
    )

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Any:
        return jsonl(path=str(tmp_path / "rows.jsonl"))

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        path = Path(spec.path)
        names = {field.name for field in shape.value_fields}
        lines = path.read_text("utf-8").split("\n") if path.exists() else []
        found: dict[Any, dict[str, Any]] = {}
        for key, row in map(json.loads, filter(None, lines)):
            found[tuple(key) if isinstance(key, list) else key] = {n: row[n] for n in names & row.keys()}
        return found
