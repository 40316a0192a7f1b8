"""Targets that nobody can drop any more, as their plugin is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from setup_lab import Lab, LabTarget, define, plan_of

import coco
from coco.cli.group import cli
from coco.environment.environment import ENVIRONMENT
from coco.ops.registry import registry
from coco.spec import OpCategory


@pytest.fixture
def gone(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A flow that was set up with a target, and a declaration whose plugin is gone since."""
    define(LabTarget("one"), extras=("x",)).setup()
    coco.flows()["Lab"].update()
    coco.flows()["Lab"].close()
    lab.taken()
    monkeypatch.delitem(registry._records, (OpCategory.DECLARATION, "LabExtra"))
    monkeypatch.chdir(tmp_path)
    Path("empty_app.py").write_text("")


def drop(*more: str) -> Result:
    return CliRunner().invoke(cli, ["drop", "--force", "empty_app.py", "Lab", *more])


def test_a_drop_that_leaves_something_says_so(gone: None, lab: Lab) -> None:
    result = drop()
    assert result.exit_code == 1
    assert "[ UNKNOWN ] LabExtra" in result.output
    assert "[ TO KEEP ] internal state" in result.output
    assert "add --forget" in result.output
    assert [call[:2] for call in lab.taken()] == [("change", "one")]  # what can be dropped is
    assert coco.setup.flow_names_with_setup() == ["Lab"]
    result = drop("--json")
    data = json.loads(result.stdout)
    assert (result.exit_code, data["ok"], data["dropped"]) == (1, False, [])
    assert [item["flow"] for item in data["left"]] == ["Lab"]
    assert "LabExtra" in data["left"][0]["target"]


def test_records_of_resources_that_remain_can_be_deleted(gone: None, lab: Lab) -> None:
    assert drop().exit_code == 1
    lab.taken()
    result = drop("--forget")
    assert result.exit_code == 0
    assert "forget LabExtra" in result.output
    assert "it stays as it is" in result.output
    assert lab.taken() == []
    assert coco.setup.flow_names_with_setup() == []
    assert ENVIRONMENT.store().setup_records() == []
    assert drop("--json").exit_code == 1  # nobody knows that flow any more


def test_a_flow_that_is_still_defined_deletes_such_records_too(gone: None, lab: Lab) -> None:
    flow = define(LabTarget("one"))
    assert "[ UNKNOWN ] LabExtra" in plan_of(flow)[0]
    bundle = coco.flow.make_setup_bundle([flow], forget=True)
    text, current = bundle.describe()
    assert "forget LabExtra" in text
    assert current
    bundle.describe_and_apply()
    assert "LabExtra" not in plan_of(flow)[0]
    assert set(lab.rows["one"]) == {"a", "b"}


def test_a_drop_in_python_warns(gone: None, caplog: pytest.LogCaptureFixture) -> None:
    define(LabTarget("one")).drop()
    assert "flow 'Lab' was not dropped as a whole: LabExtra" in caplog.text
