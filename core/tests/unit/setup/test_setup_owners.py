"""What belongs to the user, or stood there before coco came."""

from __future__ import annotations

import pytest
from setup_lab import SIZE, TEXT, Lab, LabTarget, define, plan_of

import coco
from coco.errors import CocoError, SetupConflictError
from coco.flow import make_setup_bundle


def test_a_users_resource_is_never_touched_and_never_pending(lab: Lab) -> None:
    """A flow is set up once, later changes of it need no setup."""
    lab.rows["mine"] = {}
    flow = define(LabTarget("mine"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "[ USER MANAGED ] table mine" in text
    flow.setup()
    flow.update()
    assert set(lab.rows["mine"]) == {"a", "b"}
    flow = define(LabTarget("mine"), fields=("text", "size"), setup_by_user=True)
    assert plan_of(flow)[1]
    flow.update()
    assert lab.rows["mine"]["a"]["size"] == 4
    flow = define(LabTarget("other"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "TODO: forget table mine (it is yours and stays as it is)" in text
    lab.rows["other"] = {}
    flow.update()
    flow.drop()
    assert lab.taken() == []
    assert set(lab.rows) == {"mine", "other"}


def test_handing_a_resource_over_to_the_user_leaves_it_alone(lab: Lab) -> None:
    define(LabTarget("one")).setup()
    lab.taken()
    flow = define(LabTarget("one"), setup_by_user=True)
    text, current = plan_of(flow)
    assert current
    assert "NOTE: was managed by coco: from now on its user manages it" in text
    flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert "one" in lab.tables


def test_taking_over_adopts_what_fits_and_refuses_what_does_not(lab: Lab) -> None:
    """And after a refusal nothing is on record that a later drop could act on."""
    lab.rows["mine"] = {}
    define(LabTarget("mine"), setup_by_user=True).setup()
    lab.tables["mine"] = SIZE
    flow = define(LabTarget("mine"))
    for _ in range(2):
        with pytest.raises(CocoError, match="exists and has other columns; nothing was changed"):
            flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert lab.tables == {"mine": SIZE}
    lab.tables["mine"] = TEXT
    flow.setup()
    assert lab.taken() == [("change", "mine", None, TEXT)]


def test_what_stands_there_already_is_refused_each_time(lab: Lab) -> None:
    """Not altered by the second try, not dropped by a drop."""
    lab.tables["one"] = SIZE
    flow = define(LabTarget("two"), LabTarget("one"))
    for _ in range(2):
        with pytest.raises(CocoError, match="table one exists"):
            flow.setup()
    flow.drop()
    assert lab.taken() == []
    assert lab.tables == {"one": SIZE}


def test_a_plan_says_what_setup_takes_over(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """What fits is adopted, and the note is there before anyone is asked; looking changes nothing."""
    lab.tables["one"], lab.rows["one"] = TEXT, {"old": {}}
    flow = define(LabTarget("one"))
    text, current = plan_of(flow)
    assert not current
    assert "[ TO CREATE ] table one\n    TODO: take over table one" in text
    assert "NOTE: it exists already, was not made by this flow, and fits: it is taken over as it is" in text
    assert "it holds 1 rows" in text
    assert lab.calls == []
    flow.setup(report_to_stdout=True)
    assert "NOTE: it exists already" in capsys.readouterr().out
    assert lab.taken() == [("change", "one", None, TEXT)]
    flow.update()
    assert set(lab.rows["one"]) == {"old", "a", "b"}, "rows of others are not the update's business"


def test_a_plan_says_what_cannot_be_made(lab: Lab) -> None:
    """Named as a difference, and nothing that could be confirmed."""
    lab.tables["one"] = SIZE
    text, current = plan_of(define(LabTarget("one")))
    assert not current
    assert "[ INVALID ] table one\n    NOTE: table one exists and has other columns" in text
    assert "TODO" not in text


def test_what_appears_after_the_plan_is_not_taken_over(lab: Lab) -> None:
    """Nobody was told of it."""
    bundle = make_setup_bundle([define(LabTarget("one"))])
    bundle.describe()
    lab.tables["one"] = TEXT
    with pytest.raises(SetupConflictError, match="created by another program meanwhile"):
        bundle.apply()
    assert lab.taken() == []


def test_a_backend_that_cannot_be_reached_does_not_hide_the_plan(lab: Lab) -> None:
    lab.unreachable = True
    flow = define(LabTarget("one"))
    assert "NOTE: cannot check whether it exists: OSError: no route to the lab" in plan_of(flow)[0]
    with pytest.raises(OSError, match="no route"):
        flow.setup()
    assert lab.taken() == []


def test_setup_looks_only_for_resources_that_it_would_create(lab: Lab) -> None:
    """An update, and a plan with nothing to create, ask no backend."""
    flow = define(LabTarget("one"))
    flow.setup()
    lab.looked = 0
    flow.update()
    assert plan_of(flow)[1]
    assert lab.looked == 0


def test_two_flows_cannot_have_one_resource(lab: Lab) -> None:
    """Each would delete the other's rows; the plan names the owner and the way out."""
    define(LabTarget("one"), name="First").setup()
    lab.taken()
    other = define(LabTarget("one"), name="Second")
    text, current = plan_of(other)
    assert not current
    assert "[ INVALID ] table one" in text
    assert "flow 'First' uses it" in text and "coco drop APP First" in text
    with pytest.raises(CocoError, match=r"flow 'First' uses it.*nothing was changed"):
        other.setup()
    assert lab.taken() == []
    coco.flows()["First"].drop()
    other.setup()
    assert lab.taken() == [("change", "one", TEXT, None), ("change", "one", None, TEXT)]
