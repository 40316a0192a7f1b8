"""Attachments and declarations come and go with their resource (ATT)."""

from __future__ import annotations

import pytest
from setup_lab import TEXT, WIDE, Lab, LabIndex, LabTarget, LabTrigger, define, plan_of

import coco


def test_attachments_come_go_and_change(lab: Lab) -> None:
    define(LabTarget("one"), attachments=(LabIndex("i", "1"), LabIndex("j", "1"))).setup()
    assert lab.taken() == [
        ("change", "one", None, TEXT),
        ("attach", "one", "i", "1"),
        ("attach", "one", "j", "1"),
    ]
    flow = define(
        LabTarget("one"),
        fields=("text", "size"),
        attachments=(LabIndex("j", "2"), LabIndex("k", "1")),
    )
    text, _ = plan_of(flow)
    assert "TODO: tear down attachment i" in text
    assert "TODO: set up attachment j" in text
    assert "TODO: set up attachment k" in text
    flow.setup(allow_destructive=True)
    assert lab.taken() == [
        ("detach", "one", "i", "1"),
        ("change", "one", TEXT, WIDE),
        ("attach", "one", "j", "2"),
        ("attach", "one", "k", "1"),
    ]
    define(
        LabTarget("one"),
        fields=("text", "size"),
        attachments=(LabIndex("j", "2", "noted"), LabIndex("k", "1")),
    ).setup()
    assert lab.taken() == []  # the saved text only
    coco.flows()["Lab"].drop()
    assert {call[:3] for call in lab.taken()[:2]} == {("detach", "one", "j"), ("detach", "one", "k")}


def test_attachments_are_recreated_with_their_resource(lab: Lab) -> None:
    define(LabTarget("one"), attachments=(LabIndex("i", "1"),)).setup()
    lab.taken()
    define(LabTarget("one"), key="other", attachments=(LabIndex("i", "1"),)).setup(allow_destructive=True)
    assert [call[0] for call in lab.taken()] == ["detach", "change", "change", "attach"]


def test_after_a_failed_replacement_nothing_is_torn_down_twice(lab: Lab) -> None:
    """The old one went; the new one never came, so that its teardown does not run either, whatever follows."""
    define(LabTarget("one"), attachments=(LabIndex("i", "old"), LabIndex("k", "1"))).setup()
    lab.taken()
    lab.fail = lambda call: call[0] == "attach"
    replaced = (LabTrigger("i", "new"), LabIndex("k", "1"))
    for _ in range(2):
        with pytest.raises(OSError, match="cannot attach"):
            define(LabTarget("one"), attachments=replaced).setup()
    assert lab.taken() == [("detach", "one", "i", "old")]
    lab.fail = lambda call: False
    flow = define(LabTarget("one"), attachments=(LabIndex("k", "1"),))
    assert "attachment" not in plan_of(flow)[0]
    flow.setup()
    assert lab.taken() == []
    flow.drop()
    assert lab.taken() == [("detach", "one", "k", "1"), ("change", "one", TEXT, None)]


def test_a_failed_change_leaves_the_old_version_attached(lab: Lab) -> None:
    """Only what succeeded counts: the teardown of the old version is the one that runs."""
    define(LabTarget("one"), attachments=(LabIndex("i", "1"),)).setup()
    lab.fail = lambda call: call[0] == "attach"
    with pytest.raises(OSError, match="cannot attach"):
        define(LabTarget("one"), attachments=(LabIndex("i", "2"),)).setup()
    lab.fail = lambda call: call[0] == "change"  # attachments go first, then the table, which fails
    with pytest.raises(OSError, match="cannot change"):
        coco.flows()["Lab"].drop()
    lab.taken()
    lab.fail = lambda call: False
    coco.flows()["Lab"].drop()
    assert lab.taken() == [("change", "one", TEXT, None)]


def test_a_new_table_is_not_attached_to_twice(lab: Lab) -> None:
    """Nor is forgotten what was attached by a setup that failed later."""
    both = (LabIndex("i", "1"), LabIndex("j", "1"))
    lab.fail = lambda call: call[:3] == ("attach", "one", "j")
    with pytest.raises(OSError, match="cannot attach"):
        define(LabTarget("one"), attachments=both).setup()
    lab.fail = lambda call: False
    assert lab.taken() == [("change", "one", None, TEXT), ("attach", "one", "i", "1")]
    define(LabTarget("one"), attachments=both[1:]).setup()
    assert lab.taken() == [
        ("detach", "one", "i", "1"),
        ("change", "one", None, TEXT),
        ("attach", "one", "j", "1"),
    ]


def test_changes_of_one_kind_come_at_once_where_the_connector_asks(lab: Lab) -> None:
    """So that it can order them."""
    define(LabTarget("one"), extras=("x", "y")).setup()
    assert ("extras", "x False->True", "y False->True") in lab.taken()
    define(LabTarget("one"), extras=("y", "z")).setup(allow_destructive=True)
    assert lab.taken() == [("extras", "z False->True", "x True->False")]


def test_repair_recreates_declarations(lab: Lab) -> None:
    """Targets may need them, and nobody can be asked whether they are there."""
    flow = define(LabTarget("one"), extras=("x", "y"))
    flow.setup()
    flow.update()
    lab.taken()
    assert flow.verify().ok
    assert lab.taken() == []
    assert flow.verify(repair=True).ok
    assert lab.taken() == [("extras", "x False->True"), ("extras", "y False->True")]
