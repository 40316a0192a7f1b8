"""What an earlier release put on record stays the same resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from setup_lab import TEXT, WIDE, Lab, LabTarget, define, plan_of

import coco
from coco.environment.environment import ENVIRONMENT
from coco.state.protocol import SetupRecord, SetupWrite

KEY = '{"table":"one"}'
OLD_KEYS = [
    '{"name":"one"}',
    '{ "table": "one" }',
    '{"secret":null,"table":"one"}',
    '{"removed":3,"table":"one"}',
]


def record() -> SetupRecord:
    (found,) = [item for item in ENVIRONMENT.store().setup_records("Lab") if item.resource_type != "Flow"]
    return found


def age(key: str, alter: Callable[[dict[str, Any]], Any] = lambda state: state) -> SetupRecord:
    """Put the flow's one target on record as an earlier release would have; returns what was there."""
    store, now = ENVIRONMENT.store(), record()
    gone = SetupWrite(now.resource_type, now.key, None)
    state = alter(json.loads(json.dumps(now.state)))
    old = SetupWrite(now.resource_type, key, state)
    store.setup_write("Lab", store.setup_version("Lab"), [gone, old])
    return now


def older_state(state: dict[str, Any]) -> dict[str, Any]:
    """Without a field that has a default, with one that is no more, and in another form."""
    return {**state, "connector": {"columns": "other text", "gone": 1}}


def ready(lab: Lab) -> coco.Flow:
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    lab.taken()
    return flow


@pytest.mark.parametrize("key", OLD_KEYS)
@pytest.mark.parametrize("alter", [lambda state: state, older_state])
def test_an_old_spelling_is_no_change_and_the_next_apply_writes_it_anew(
    lab: Lab, key: str, alter: Callable[[dict[str, Any]], Any]
) -> None:
    """The table is neither dropped nor altered, no row is written, and the record moves with its id."""
    flow = ready(lab)
    before = age(key, alter)
    assert plan_of(flow) == ("Flow Lab [EXISTING]\n  [ READY ] table one", True)
    assert record().key == key, "describing writes nothing"
    lab.rows["one"].clear()
    flow.update()
    assert lab.rows["one"] == {} and lab.taken() == []
    assert record() == before and before.key == KEY


def test_setup_migrates_too(lab: Lab) -> None:
    flow = ready(lab)
    before = age(OLD_KEYS[0], older_state)
    flow.setup()
    assert lab.taken() == [] and record() == before


def test_a_change_starts_from_the_old_spelling(lab: Lab) -> None:
    """The connector sees the old state in its present class; one record is left."""
    ready(lab)
    age(OLD_KEYS[0], older_state)
    flow = define(LabTarget("one"), fields=("text", "size"))
    text, _ = plan_of(flow)
    assert "[ TO UPDATE ] table one" in text and "2 rows there are written again" in text
    flow.setup(allow_destructive=True)
    assert lab.taken() == [("change", "one", TEXT, WIDE)]
    assert record().key == KEY
    flow.update()
    assert lab.rows["one"]["a"]["size"] == 4


def test_a_change_that_fails_keeps_one_record(lab: Lab) -> None:
    ready(lab)
    age(OLD_KEYS[0], older_state)
    lab.fail = lambda call: True
    flow = define(LabTarget("one"), fields=("text", "size"))
    with pytest.raises(OSError, match="cannot change one"):
        flow.setup(allow_destructive=True)
    assert record().key == KEY and record().staging
    lab.fail = lambda call: False
    flow.setup(allow_destructive=True)
    assert lab.taken() == [("change", "one", TEXT, WIDE)] and not record().staging


def test_a_drop_takes_the_old_record_along(lab: Lab) -> None:
    flow = ready(lab)
    age(OLD_KEYS[0], older_state)
    flow.drop()
    assert lab.taken() == [("change", "one", TEXT, None)]
    assert ENVIRONMENT.store().setup_records() == []


def test_two_records_of_one_resource_become_one(lab: Lab) -> None:
    """After an older release ran in between: what it called by its old name is not dropped."""
    flow = ready(lab)
    store, now = ENVIRONMENT.store(), record()
    old = SetupWrite(now.resource_type, OLD_KEYS[0], {**now.state, "target_id": store.allocate_ids(1)[0]})  # type: ignore[dict-item]
    store.setup_write("Lab", store.setup_version("Lab"), [old])
    assert plan_of(flow)[1]
    flow.update()
    assert record() == now and lab.taken() == []


def test_an_unreadable_record_recreates_the_resource_with_a_note(lab: Lab) -> None:
    """Loudly, never by a crash."""
    flow = ready(lab)
    age(KEY, lambda state: {**state, "connector": {"columns": 5}})
    text, current = plan_of(flow)
    assert not current
    assert "[ TO REBUILD ] table one" in text and "the installed plugin cannot read its record" in text
