"""Setup that fails, is interrupted, or meets another one."""

from __future__ import annotations

import pytest
from setup_lab import SIZE, TEXT, WIDE, Lab, LabIndex, LabTarget, define, plan_of

import coco
from coco.errors import SetupConflictError, SetupRequiredError
from coco.flow import make_setup_bundle


def test_a_failure_says_what_is_done_and_the_next_setup_goes_on(lab: Lab) -> None:
    flow = define(LabTarget("one"), LabTarget("two"), LabTarget("three"))
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two") as caught:
        flow.setup()
    notes = "\n".join(caught.value.__notes__)
    assert "while applying setup of flow 'Lab': table two" in notes
    assert "done: table one; not done: table two, table three; run setup again to continue" in notes
    with pytest.raises(SetupRequiredError):
        flow.update()
    lab.fail = lambda call: False
    lab.taken()
    text, _ = plan_of(flow)
    assert "[ READY ] table one" in text
    assert "create table two (continue after an interrupted setup)" in text
    flow.setup()
    assert lab.taken() == [("change", "two", None, TEXT), ("change", "three", None, TEXT)]
    flow.update()


def test_after_an_interrupted_change_every_possible_state_is_a_previous_one(lab: Lab) -> None:
    define(LabTarget("one")).setup()
    lab.fail = lambda call: True
    with pytest.raises(OSError, match="cannot change"):
        define(LabTarget("one"), fields=("text", "size")).setup(allow_destructive=True)
    lab.fail = lambda call: False
    lab.taken()
    flow = define(LabTarget("one"), fields=("size",))
    text, _ = plan_of(flow)
    assert "NOTE: continues after an interrupted setup" in text
    flow.setup(allow_destructive=True)
    assert lab.taken() == [("change", "one", TEXT, SIZE), ("change", "one", WIDE, SIZE)]
    assert plan_of(flow)[1]


def test_an_interrupted_change_that_is_taken_back_is_undone(lab: Lab) -> None:
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    flow.setup()
    lab.fail = lambda call: call[0] == "attach"
    with pytest.raises(OSError, match="cannot attach"):
        define(LabTarget("one"), fields=("text", "size"), attachments=(LabIndex("j", "1"),)).setup(
            allow_destructive=True
        )
    lab.fail = lambda call: False
    lab.taken()
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    assert not plan_of(flow)[1]
    flow.setup(allow_destructive=True)
    assert lab.taken() == [("change", "one", WIDE, TEXT), ("attach", "one", "i", "1")]  # j never was attached


def test_an_interrupted_attachment_is_attached_by_the_next_setup(lab: Lab) -> None:
    """Also where nothing else is to do."""
    define(LabTarget("one")).setup()
    lab.fail = lambda call: call[0] == "attach"
    flow = define(LabTarget("one"), attachments=(LabIndex("i", "1"),))
    with pytest.raises(OSError, match="cannot attach one"):
        flow.setup()
    lab.fail = lambda call: False
    lab.taken()
    flow.setup()
    assert lab.taken() == [("attach", "one", "i", "1")]


def test_a_failed_drop_is_repeated_or_abandoned(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the setting; with it the rest goes and this one is forgotten."""
    flow = define(LabTarget("one"), LabTarget("two"))
    flow.setup()
    lab.taken()
    lab.fail = lambda call: call[1] == "one"
    with pytest.raises(OSError, match="cannot change one") as caught:
        flow.drop()
    assert "COCO_IGNORE_TARGET_DROP_FAILURES=1" in "\n".join(caught.value.__notes__)
    assert coco.setup.flow_names_with_setup() == ["Lab"]
    coco.stop()
    monkeypatch.setenv("COCO_IGNORE_TARGET_DROP_FAILURES", "1")
    flow.drop()
    assert lab.taken() == [("change", "two", TEXT, None)]
    assert coco.setup.flow_names_with_setup() == []
    assert "one" in lab.tables


def test_a_plan_that_grew_stale_is_refused_where_it_would_do_more(lab: Lab) -> None:
    """What was not described is not done."""
    flow = define(LabTarget("one"))
    bundle = make_setup_bundle([flow])
    bundle.describe()
    define(LabTarget("two"), name="Lab").setup()  # somebody else, meanwhile
    lab.taken()
    with pytest.raises(SetupConflictError, match="changed by another process"):
        bundle.apply()
    assert lab.taken() == []


def test_a_plan_that_grew_stale_is_applied_where_it_does_no_more(lab: Lab) -> None:
    """The rest of a bundle whose first try failed, say."""
    flow = define(LabTarget("one"), LabTarget("two"))
    bundle = make_setup_bundle([flow])
    bundle.describe()
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two"):
        bundle.apply()
    lab.fail = lambda call: False
    lab.taken()
    bundle.apply()
    assert lab.taken() == [("change", "two", None, TEXT)]
    assert plan_of(flow)[1]


def test_a_failing_flow_does_not_affect_the_setup_of_others(lab: Lab) -> None:
    """The error names the flow; the one before it is done."""
    first, second = define(LabTarget("one"), name="First"), define(LabTarget("two"), name="Second")
    lab.fail = lambda call: call[1] == "two"
    with pytest.raises(OSError, match="cannot change two") as caught:
        make_setup_bundle([first, second]).describe_and_apply()
    assert any("'Second'" in note for note in caught.value.__notes__)
    assert plan_of(first)[1]
    assert not plan_of(second)[1]
