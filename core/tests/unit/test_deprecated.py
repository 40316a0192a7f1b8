"""Former names of public attributes and keys work for one release."""

from __future__ import annotations

from typing import Any

import pytest

from coco import events
from coco.engine.stats import IndexUpdateInfo, RowError, SourceUpdateInfo, UpdateStats
from coco.operations.plan import PlannedSource
from coco.operations.verify_report import TargetCheck, VerifyReport
from coco.state.protocol import Failure

ROW_ERROR = RowError("files", "a.md", "read", "source:files", "OSError", "no", 5, 1, 2, quarantined=True)
PLANNED = PlannedSource("files", deleted=2, quarantined=3, keys={"deleted": ["a", "b"]})


@pytest.mark.parametrize(
    ("record", "old", "new"),
    [
        (UpdateStats(num_quarantined=3), "num_parked", "num_quarantined"),
        (ROW_ERROR, "parked", "quarantined"),
        (Failure(1, b"", "read", "", "", "", 5, 1, 2, quarantined=True), "parked", "quarantined"),
        (events.RowsRead("f", "s", 3, 1, 2, 0), "vanished", "deleted"),
        (PLANNED, "gone", "deleted"),
        (PLANNED, "parked", "quarantined"),
        (TargetCheck("docs", recreated=True), "restored", "recreated"),
    ],
)
def test_a_former_attribute_warns_and_returns_the_new_one(record: Any, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now .*{new}") as caught:
        assert getattr(record, old) == getattr(record, new)
    assert caught[0].filename == __file__, "the warning names the line that uses the former name"
    assert getattr(record, new)


def test_a_former_event_is_the_new_class() -> None:
    with pytest.warns(DeprecationWarning, match="RowsDeleted"):
        assert events.RowsGone is events.RowsDeleted
    with pytest.raises(AttributeError, match="no attribute 'RowsLost'"):
        _ = events.RowsLost


def test_json_has_former_keys_beside_the_new_ones() -> None:
    stats = IndexUpdateInfo([SourceUpdateInfo("files", UpdateStats(num_quarantined=3))], errors=[ROW_ERROR])
    data = stats.to_dict()
    assert (data["sources"]["files"]["num_parked"], data["sources"]["files"]["num_quarantined"]) == (3, 3)
    assert (data["errors"][0]["parked"], data["errors"][0]["quarantined"]) == (True, True)
    plan = PLANNED.to_dict()
    assert (plan["gone"], plan["deleted"], plan["parked"], plan["quarantined"]) == (2, 2, 3, 3)
    assert plan["keys"] == {"deleted": ["a", "b"], "gone": ["a", "b"]}
    report = VerifyReport([TargetCheck("docs", recreated=True)]).to_dict()
    assert (report["targets"][0]["restored"], report["targets"][0]["recreated"]) == (True, True)
