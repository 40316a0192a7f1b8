"""What is on record of a flow: credentials, sources, plugins, namespaces."""

from __future__ import annotations

import pytest
from setup_lab import TEXT, Lab, LabSource, LabTarget, define, plan_of

import coco
from coco.errors import DefinitionError


def test_a_missing_auth_entry_blocks_the_drop_and_nothing_else(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said with the key; the record stays until it is there."""
    from coco.auth_registry import default_registry

    key = "lab-secret"
    define(LabTarget("one", secret=coco.add_auth_entry(key, "value"))).setup()
    lab.taken()
    default_registry().remove([key])
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ UNKNOWN ] table one" in text
    assert f"NOTE: cannot be dropped: auth entry '{key}' is not registered" in text
    flow.setup(report_to_stdout=True)
    assert "WARNING: table one: cannot be dropped" in capsys.readouterr().out
    flow.update()
    flow.drop()
    assert [call[1] for call in lab.taken()] == ["two", "two"]
    assert coco.setup.flow_names_with_setup() == ["Lab"]
    coco.add_auth_entry(key, "value")
    flow.drop()
    assert lab.taken() == [("change", "one", TEXT, None)]
    assert coco.setup.flow_names_with_setup() == []
    default_registry().remove([key])


def test_a_password_that_changed_is_no_setup_change(lab: Lab) -> None:
    entry = coco.add_auth_entry("lab-rotated", "old")
    flow = define(LabTarget("one", secret=entry))
    flow.setup()
    coco.add_auth_entry("lab-rotated", "new", replace=True)
    assert plan_of(flow)[1]


def test_another_source_needs_no_setup_call(lab: Lab) -> None:
    """No decision, applied silently by the update."""
    flow = define(LabTarget("one"))
    flow.setup()
    flow.update()
    coco.flows()["Lab"].close()

    def build(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["renamed"] = builder.add_source(LabSource())
        collector = scope.add_collector()
        with scope["renamed"].row() as row:
            collector.collect(name=row["name"], other=row["name"], text=row["text"])
        collector.export("t0", LabTarget("one"), primary_key_fields=["name"])

    flow = coco.open_flow("Lab", build)
    assert plan_of(flow)[1]
    flow.update()
    assert set(lab.rows["one"]) == {"a", "b"}


def test_two_exports_of_one_resource_are_refused(lab: Lab) -> None:
    with pytest.raises(DefinitionError, match=r"t0.*t1|t1.*t0"):
        define(LabTarget("one"), LabTarget("one")).setup()


def test_a_target_whose_plugin_is_not_installed_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It blocks nothing else."""
    from coco.ops.registry import registry
    from coco.spec import OpCategory

    define(LabTarget("one"), extras=("x",)).setup()
    lab.taken()
    monkeypatch.delitem(registry._records, (OpCategory.DECLARATION, "LabExtra"))
    flow = define(LabTarget("two"))
    text, _ = plan_of(flow)
    assert "[ UNKNOWN ] LabExtra" in text
    assert "cannot be dropped: no declaration named 'LabExtra'" in text
    flow.setup(allow_destructive=True)
    assert [call[1] for call in lab.taken()] == ["two", "one"]


def test_namespaces_do_not_affect_each_other(lab: Lab) -> None:
    """Listing and dropping in one does not see the other."""
    flow = define(LabTarget("one"))
    flow.setup()
    coco.stop()
    coco.init(coco.Settings(app_namespace="dev"))
    flow = define(LabTarget("two"))
    assert flow.full_name == "dev.Lab"
    flow.setup()
    assert coco.setup.flow_names_with_setup() == ["Lab"]
    lab.taken()
    flow.drop()
    assert [call[1] for call in lab.taken()] == ["two"]
    assert coco.setup.flow_names_with_setup() == []
    coco.stop()
    assert coco.setup.flow_names_with_setup() == ["Lab"]
