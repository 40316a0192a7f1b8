"""The plan in words, and the calls a connector sees, for each kind of change (SU, CT)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from setup_lab import TEXT, WIDE, Lab, LabIndex, LabState, LabTarget, define, plan_of

import coco
from coco.errors import DestructiveSetupError, SetupRequiredError
from coco.flow import make_drop_bundle, make_setup_bundle


def test_create_then_nothing(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Create, up to date, no further call."""
    flow = define(LabTarget("one"))
    text, current = plan_of(flow)
    assert not current
    assert text.splitlines() == [
        "Flow Lab [NEW]",
        "  [ TO CREATE ] table one",
        "    TODO: create table one",
    ]
    flow.setup(report_to_stdout=True)
    shown = capsys.readouterr().out
    assert shown.startswith("Setup status:\n")
    assert "create table one: DONE" in shown
    assert lab.taken() == [("change", "one", None, TEXT)]
    assert plan_of(flow) == ("Flow Lab [EXISTING]\n  [ READY ] table one", True)
    flow.setup(report_to_stdout=True)
    assert "No setup changes to apply." in capsys.readouterr().out
    assert lab.taken() == []


def test_describe_is_read_only(lab: Lab) -> None:
    flow = define(LabTarget("one"))
    before = plan_of(flow)
    assert plan_of(flow) == before
    assert lab.calls == []
    assert coco.setup.flow_names_with_setup() == []


def test_a_compatible_change_alters_and_exports_nothing_again(lab: Lab) -> None:
    define(LabTarget("one")).setup()
    define(LabTarget("one")).update()
    lab.taken()
    flow = define(LabTarget("one", comment="hello"))
    text, _ = plan_of(flow)
    assert "[ TO UPDATE ] table one" in text
    assert "destructive" not in text
    assert "lossy" not in text
    flow.setup()
    assert lab.taken() == [("change", "one", TEXT, LabState(["other", "text"], "hello"))]
    lab.rows["one"].clear()
    flow.update()
    assert lab.rows["one"] == {}


def test_a_further_field_loses_nothing_and_exports_again(lab: Lab) -> None:
    """The plan counts the rows; the update writes them again."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    lab.taken()
    flow = define(LabTarget("one"), fields=("text", "size"))
    bundle = make_setup_bundle([flow])
    text, current = bundle.describe()
    assert not current
    assert not bundle.destructive  # type: ignore[attr-defined]  # of the real one, not of the port
    assert "    TODO: alter one: ['other', 'text'] -> ['other', 'text', 'size']" in text
    assert "lossy" not in text
    assert "    NOTE: 2 rows there are written again by the next update" in text
    with pytest.raises(SetupRequiredError, match="alter one"):
        flow.update()
    bundle.apply()
    assert lab.taken() == [("change", "one", TEXT, WIDE)]
    flow.update()
    assert lab.rows["one"] == {
        "a": {"other": "a", "text": "text", "size": 4},
        "b": {"other": "b", "text": "text", "size": 4},
    }


def test_a_changed_key_recreates_the_resource(lab: Lab) -> None:
    """Destructive, said with the number of rows; drop, then create."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    lab.taken()
    flow = define(LabTarget("one"), key="other")
    bundle = make_setup_bundle([flow])
    text, _ = bundle.describe()
    assert bundle.destructive  # type: ignore[attr-defined]  # of the real one, not of the port
    assert "[ TO REBUILD ] table one" in text
    assert "NOTE: destructive: data in the target is deleted" in text
    assert "NOTE: 2 rows there are deleted and written again by the next update" in text
    bundle.apply(allow_destructive=True)
    calls = lab.taken()
    assert [(call[2] is None, call[3] is None) for call in calls] == [(False, True), (True, False)]
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


OTHER = {"fields": ("size",)}
LOSING = [
    pytest.param((LabTarget("two"),), {}, ["drop table one", "destructive"], id="renamed export"),
    pytest.param((LabTarget("one"),), {"key": "other"}, ["drop and create table one"], id="another key"),
    pytest.param((LabTarget("one"),), OTHER, ["alter one", "lossy"], id="a field goes"),
]


@pytest.mark.parametrize(("targets", "given", "words"), LOSING)
def test_a_change_that_loses_data_requires_permission(
    lab: Lab, targets: Any, given: Any, words: list[str]
) -> None:
    """Each way to set up raises, with the plan in words, and changes nothing; with the word for it each goes through."""
    first = define(LabTarget("one"))
    first.setup()
    first.update()
    lab.taken()
    flow = define(*targets, **given)
    pending = plan_of(flow)
    for refused in (
        flow.setup,
        lambda: asyncio.run(flow.setup_async()),
        coco.setup_all_flows,
        lambda: asyncio.run(coco.setup_all_flows_async()),
        lambda: make_setup_bundle([flow]).apply(),
        lambda: make_setup_bundle([flow]).describe_and_apply(),
        lambda: asyncio.run(make_setup_bundle([flow]).apply_async()),
    ):
        with pytest.raises(DestructiveSetupError) as caught:
            refused()
        assert all(word in str(caught.value) for word in words)
        assert "allow_destructive=True" in str(caught.value)
    assert lab.taken() == []
    assert set(lab.rows["one"]) == {"a", "b"}
    assert plan_of(flow) == pending
    flow.setup(allow_destructive=True)
    assert plan_of(flow)[1]
    flow.drop()  # says what it does by its name


def test_a_removed_export_is_dropped_by_what_is_on_record(lab: Lab) -> None:
    """Another table is delete and create; the creation comes first."""
    define(LabTarget("one")).setup()
    lab.taken()
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ TO CREATE ] table two" in text
    assert "[ TO DELETE ] table one" in text
    flow.setup(allow_destructive=True)
    assert lab.taken() == [("change", "two", None, TEXT), ("change", "one", TEXT, None)]
    assert plan_of(flow)[1]


def test_drop_and_setup_again(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Targets, then our own state; the flow stays usable."""
    flow = define(LabTarget("one"), LabTarget("two"))
    flow.setup()
    flow.update()
    lab.taken()
    text, current = make_drop_bundle([flow]).describe()
    assert not current
    assert text.splitlines()[-2:] == [
        "  [ TO DELETE ] internal state",
        "    NOTE: the records of its rows and failures, and the results of cached functions that no other flow uses",
    ]
    assert text.count("NOTE: 2 rows there are deleted") == 2
    flow.drop()
    assert sorted(lab.taken(), key=str) == [("change", "one", TEXT, None), ("change", "two", TEXT, None)]
    assert coco.setup.flow_names_with_setup() == []
    flow.drop(report_to_stdout=True)
    assert "No setup changes to apply." in capsys.readouterr().out
    flow.setup()
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


def test_drop_of_a_flow_that_is_no_longer_defined(lab: Lab) -> None:
    """By name, from records alone."""
    define(LabTarget("one"), attachments=(LabIndex("i", "saved"),)).setup()
    coco.flows()["Lab"].close()
    lab.taken()
    coco.flow.make_drop_bundle([], names=["Lab"]).describe_and_apply()
    assert lab.taken() == [("detach", "one", "i", "saved"), ("change", "one", TEXT, None)]
