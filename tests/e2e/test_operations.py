"""Operations of flows as programs use them: plan and apply, status, evaluate, and what reports look like."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from memory_rows import MemoryRows, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.cli.group import cli
from coco.errors import CallShapeError, LifecycleError, PlanOutdatedError
from coco.events import RunFinished
from coco.flow import make_setup_bundle


@op.function(behavior_version=1)
def louder(text: str) -> str:
    if "bad" in text:
        raise ValueError("no <b>heading</b>")
    return text.upper()


def flow_of(name: str = "Operated", target: str = "out", **fields: str) -> coco.Flow:
    """Rows of memory, in capitals, in a table; ``fields``: more columns of it, with constant values."""

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="operated"))
        out = scope.add_collector()
        with scope["docs"].row() as row:
            out.collect(file=row["_key"], said=row["content"].transform(louder), **fields)
        out.export("out", RowTable(name=target), primary_key_fields=["file"])

    table(target)
    return coco.open_flow(name, define)


def run(
    operation: Callable[..., Any], twin: Callable[..., Any], as_async: bool, *args: Any, **more: Any
) -> Any:
    return asyncio.run(twin(*args, **more)) if as_async else operation(*args, **more)


both = pytest.mark.parametrize("as_async", [False, True])


@both
def test_a_plan_is_applied_from_nothing_on(as_async: bool) -> None:
    fill("operated", {"a": "good", "b": "fine"})
    flow = flow_of()
    plan = run(flow.plan, flow.plan_async, as_async)
    assert (
        plan.setup_pending and not plan.setup.up_to_date and plan.sources == [] and plan.state_version is None
    )
    assert "TO CREATE" in str(plan) and "after the setup, all rows of its sources" in str(plan)
    assert plan.to_dict()["update"] is None and not TABLES["out"].rows
    info = run(flow.apply, flow.apply_async, as_async, plan)
    assert info.total.num_insertions == 2 and len(TABLES["out"].rows) == 2

    fill("operated", {"a": "good", "c": "new"})
    plan = run(flow.plan, flow.plan_async, as_async)
    assert (plan.sources[0].new, plan.sources[0].deleted, plan.setup_pending) == (1, 1, False)
    read_back = json.loads(json.dumps(plan.to_dict()))
    info = run(flow.apply, flow.apply_async, as_async, read_back, allow_deletes=True)
    assert (info.total.num_insertions, info.total.num_deletions) == (1, 1)


def test_a_plan_of_the_command_line_and_one_of_the_program_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("operated", {"a": "good"})
    flow = flow_of()
    monkeypatch.setattr("coco.cli.commands.plan.load_chosen", lambda specifier: {flow.name: flow})
    monkeypatch.setattr("coco.cli.streams.write_json", print)
    result = CliRunner().invoke(cli, ["plan", "app.py", "-o", str(tmp_path / "plan.json")])
    assert result.exit_code == 0, result.output
    (planned,) = json.loads((tmp_path / "plan.json").read_text())["flows"].values()
    assert planned == json.loads(json.dumps(flow.plan().to_dict()))
    flow.apply(planned)
    assert TABLES["out"].rows == {("a",): {"said": "GOOD"}}


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("source", "the sources changed of flow Operated"),
        ("state", "another update changed the state of flow Operated"),
        ("setup", "the setup of flow Operated differs from the plan"),
    ],
)
def test_a_plan_that_holds_no_longer_does_nothing(change: str, moved: str) -> None:
    fill("operated", {"a": "good"})
    flow = flow_of()
    flow.setup()
    plan = flow.plan()
    if change == "source":
        fill("operated", {"a": "good", "b": "other"})
    elif change == "state":
        flow.update()
    else:
        flow.close()
        flow = flow_of(more="x")
    before = dict(TABLES["out"].rows)
    with pytest.raises(PlanOutdatedError, match="so nothing was done") as caught:
        flow.apply(plan)
    assert moved in caught.value.moved and moved in str(caught.value)
    assert TABLES["out"].rows == before


def test_what_is_no_plan() -> None:
    flow = flow_of()
    for wrong, why in ((3, "got int"), ({"flow": "Operated"}, "lacks setup, update")):
        with pytest.raises(CallShapeError, match=why):
            flow.apply(wrong)  # type: ignore[arg-type]


@both
def test_status(as_async: bool, tmp_path: Path) -> None:
    fill("operated", {"a": "good", "b": "bad"})
    flow = flow_of()
    status = run(flow.status, flow.status_async, as_async)
    assert (status.set_up, status.setup_pending, status.ok) == (False, True, False)
    assert not (tmp_path / "state.db").exists()

    flow.setup()
    status = flow.status()
    assert (status.set_up, status.setup_pending, status.ok, status.setup_text) == (True, False, True, "")
    assert status.sources == [coco.SourceStatus("docs")] and status.targets == [coco.TargetStatus("out", 0)]

    for _ in range(5):
        flow.update()
    status = run(flow.status, flow.status_async, as_async)
    (source,) = status.sources
    assert (source.rows, source.failed, source.quarantined, source.unfinished) == (1, 1, 1, 0)
    assert source.last_read_at is not None and status.targets == [coco.TargetStatus("out", 1)]
    assert not status.ok and "1 failed, 1 of them quarantined" in str(status)
    assert json.loads(json.dumps(status.to_dict()))["sources"][0]["quarantined"] == 1

    flow.close()
    status = flow_of(target="other").status()
    assert status.set_up and status.setup_pending and "other" in status.setup_text


def test_status_names_who_works_on_the_flow() -> None:
    fill("operated", {"a": "good"})
    flow = flow_of()
    flow.setup()
    seen: list[coco.FlowStatus] = []

    @op.function(behavior_version=1)
    async def asking(text: str) -> str:
        seen.append(await flow.status_async())
        return text

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="operated"))
        out = scope.add_collector()
        with scope["docs"].row() as row:
            out.collect(file=row["_key"], said=row["content"].transform(asking))
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    flow.close()
    flow = coco.open_flow("Operated", define)
    flow.setup()
    flow.update()
    (status,) = seen
    assert status.updating and status.lease is not None and status.lease.running
    assert "held by process" in str(status)
    assert flow.status().lease is None and not flow.status().updating
    with coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(live_mode=False)) as updater:
        assert flow.status().followed or not updater.next_status_updates().active_sources
        updater.wait()
    assert not flow.status().followed


@both
def test_evaluate(as_async: bool, tmp_path: Path) -> None:
    fill("operated", {"a": "good", "b": "bad"})
    report = run(
        flow_of().evaluate, flow_of("Other").evaluate_async, as_async, tmp_path / "seen", use_cache=False
    )
    assert isinstance(report, coco.EvaluateReport) and not report.ok
    assert report.to_dict() == {"ok": False, "output_dir": str(tmp_path / "seen"), **report.info.to_dict()}
    assert "docs: 1 rows evaluated, 1 failed" in str(report)
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == ["docs@a.yaml", "docs@b.yaml"]


def test_reports_are_complete_and_show_themselves() -> None:
    fill("operated", {"a": "good", "b": "bad"})
    flow = flow_of()
    flow.setup()
    plan = flow.plan()
    info = flow.update()
    reports: list[Any] = [plan, info, flow.errors(), flow.verify(), flow.status()]
    for report in reports:
        html = report._repr_html_()
        assert html.startswith("<") and "<b>" not in html and str(report)
    assert "no &lt;b&gt;heading" in flow.errors()._repr_html_()
    assert flow.errors().to_dict() == {"errors": [item.to_dict() for item in flow.errors()]}
    check = flow.verify()
    for record, field in (
        (plan, "flow"),
        (plan.sources[0], "new"),
        (plan.targets[0], "upserts"),
        (plan.calls[0], "calls"),
        (check, "repaired"),
        (check.sources[0], "behind"),
        (check.targets[0], "actual"),
        (flow.status(), "set_up"),
        (flow.errors()[0], "key"),
    ):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            setattr(record, field, 1)


def test_a_listener_hears_of_every_run_until_it_ends() -> None:
    fill("operated", {"a": "good"})
    flow = flow_of()
    flow.setup()
    heard: list[Any] = []
    remove = coco.add_event_listener(heard.append)
    flow.update()
    ends = [event for event in heard if isinstance(event, RunFinished)]
    assert [event.flow for event in ends] == ["Operated"]
    remove()
    heard.clear()
    flow.update()
    assert heard == []


def test_bundles_of_several_flows() -> None:
    fill("operated", {"a": "good"})
    first, second = flow_of(), flow_of("Second", "second")
    assert make_setup_bundle([first, second]).describe()[1] is False
    coco.setup_all_flows()
    assert sorted(coco.setup.flow_names_with_setup()) == ["Operated", "Second"]


def test_a_flow_that_is_closed_does_nothing() -> None:
    flow = flow_of()
    flow.close()
    for use in (flow.plan, flow.status, flow.verify, flow.errors, flow.retry):
        with pytest.raises(LifecycleError, match="is closed"):
            use()
    with pytest.raises(LifecycleError, match="is closed"):
        asyncio.run(flow.status_async())


def test_scripts_of_earlier_releases_find_the_runtime() -> None:
    from coco.environment.runtime import RUNTIME

    fill("operated", {"a": "good", "b": "bad"})
    flow = flow_of()
    flow.setup()
    flow.update()
    assert [error.key for error in RUNTIME.errors(flow)] == ["b"]
    TABLES["out"].rows.clear()
    assert not RUNTIME.verify(flow).ok
    assert RUNTIME.verify(flow, True).repaired == 1 and len(TABLES["out"].rows) == 1
