"""The target suite on a target of one function, which has no setup."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from row_drawer import DRAWERS, row_drawer

from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED, claim
from coco_testing.report import real_server
from coco_testing.rows import NaturalRows, Shape
from coco_testing.target_suite import ALL_TARGET_ABILITIES, TargetSuite

_numbers = itertools.count()
WITHOUT_SETUP = UNSUPPORTED("nothing is set up")
ENDS = UNSUPPORTED("its rows end with the process")
INDEXES = [name for name in ALL_TARGET_ABILITIES if name.startswith("index.")]


class TestRowDrawer(TargetSuite):
    met = real_server("a dictionary")
    abilities = claim(
        ALL_TARGET_ABILITIES,
        {
            **dict.fromkeys(INDEXES, UNSUPPORTED("a dictionary has no index")),
            **dict.fromkeys(("drift", "setup.check_existing", "setup.adopt"), WITHOUT_SETUP),
            **dict.fromkeys(("crash.killed", "concurrent_processes"), ENDS),
            "setup.upgrade": NOT_IMPLEMENTED,
            "late_writes": NOT_IMPLEMENTED,
            "verify.count_rows": NOT_IMPLEMENTED,
            "verify.epochs": NOT_IMPLEMENTED,
            "partial_update": UNSUPPORTED("rows are written as a whole"),
            "bad_row": UNSUPPORTED("a dictionary takes any row"),
            "reconnect": UNSUPPORTED("there is no connection"),
        },
    )

    @pytest.fixture
    def spec(self) -> Any:
        return row_drawer(name=f"drawer{next(_numbers)}")

    def read_back(self, spec: Any, shape: Shape) -> NaturalRows | None:
        names = {field.name for field in shape.value_fields}
        rows = DRAWERS.get(spec.name)
        return rows and {key: {n: row[n] for n in names & row.keys()} for key, row in rows.items()}
