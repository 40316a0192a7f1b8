"""Plans that say what an update does, and checks that tell whether targets hold what they should."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from json_file import JsonLedger, load, store

import coco
from coco import op
from coco.cli.group import cli
from coco.environment.environment import ENVIRONMENT
from coco.events import FlowEvent, FunctionCalled, TargetMutated
from coco.operations.plan import UpdatePlan
from coco.types.storage import pack

OLD = 1_600_000_000
CALLS: list[str] = []


@op.function(cache=True, behavior_version=1)
def shout_truth(text: str) -> str:
    CALLS.append(text)
    return text.upper()


@op.function(cache=True, behavior_version=1)
def weigh_truth(loud: str) -> float:
    CALLS.append(loud)
    return len(loud) / 3


@op.function(behavior_version=1)
def plain_truth(text: str) -> float:
    CALLS.append(text)
    return len(text) / 7


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in {"a.md": "one two", "b.md": "two three", "c.md": "four"}.items():
        write(folder / name, text)
    CALLS.clear()
    return folder


def write(path: Path, text: str, at: int = OLD) -> None:
    path.write_text(text)
    os.utime(path, (at, at))


def make_flow(corpus: Path, target: Path, *, chain: bool = False, digits: int | None = None) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["loud"] = doc["content"].transform(shout_truth)
            weight = doc["loud"].transform(weigh_truth) if chain else doc["content"].transform(plain_truth)
            rows.collect(filename=doc["filename"], loud=doc["loud"], weight=weight)
        rows.export("out", JsonLedger(path=str(target), digits=digits), primary_key_fields=["filename"])

    return coco.open_flow("Truth", define)


def split_flow(corpus: Path, target: Path, version: int = 1) -> coco.Flow:
    @op.function(cache=True, behavior_version=version)
    def echo_truth(text: str) -> str:
        CALLS.append(text)
        return text * version

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["chunks"] = doc["content"].transform(
                coco.functions.SplitBySeparators(separators_regex=[r"\n"])
            )
            with doc["chunks"].row() as chunk:
                rows.collect(
                    filename=doc["filename"],
                    location=chunk["location"],
                    text=chunk["text"].transform(echo_truth),
                )
        rows.export("out", JsonLedger(path=str(target)), primary_key_fields=["filename", "location"])

    return coco.open_flow("Truth", define)


def plan(flow: coco.Flow, read: int = 1_000) -> UpdatePlan:
    """The plan, and proof that making it neither called nor wrote anything."""
    made, facts = list(CALLS), state()
    found = flow.plan(read=read)
    assert made == CALLS and facts == state()
    return found


def state() -> dict[str, Any]:
    return ENVIRONMENT.store().facts()


def calls(found: UpdatePlan) -> dict[str, tuple[int, int, bool]]:
    return {
        item.function.partition(" ")[0]: (item.calls, item.memo_hits, item.at_least) for item in found.calls
    }


def rows(found: UpdatePlan) -> tuple[int, int, bool]:
    return found.targets[0].upserts, found.targets[0].deletes, found.targets[0].open_ended


def counts(found: UpdatePlan) -> dict[str, int]:
    kinds = ("new", "changed", "reprocess", "touched", "unread", "deleted", "unchanged")
    return {kind: getattr(found.sources[0], kind) for kind in kinds if getattr(found.sources[0], kind)}


# -- plans ------------------------------------------------------------------------------------------


def test_a_plan_says_calls_that_depend_on_others_are_unknown(corpus: Path, tmp_path: Path) -> None:
    flow = make_flow(corpus, tmp_path / "out.json", chain=True)
    flow.setup()
    found = plan(flow)
    assert counts(found) == {"new": 3}
    assert calls(found) == {"ShoutTruth": (3, 0, False), "WeighTruth": (0, 0, True)}
    assert rows(found) == (0, 0, True)
    assert "calls of WeighTruth" in found.render() and "0 to 3" in found.render()
    flow.update()
    found = plan(flow)
    assert counts(found) == {"unchanged": 3} and calls(found) == {} and rows(found) == (0, 0, False)


def test_a_plan_counts_cached_results(corpus: Path, tmp_path: Path) -> None:
    flow = make_flow(corpus, tmp_path / "out.json", chain=True)
    flow.setup()
    flow.update()
    (corpus / "a.md").rename(corpus / "z.md")
    found = plan(flow)
    assert counts(found) == {"new": 1, "deleted": 1, "unchanged": 2}
    assert calls(found) == {"ShoutTruth": (0, 1, False), "WeighTruth": (0, 1, False)}
    assert rows(found) == (1, 1, False), "all is known, so the rows are"
    assert found.sources[0].keys == {"new": ["z.md"], "deleted": ["a.md"]}
    assert found.to_dict()["update"]["sources"][0]["keys"]["deleted"] == ["a.md"]


def test_a_plan_distinguishes_touched_from_changed_files(corpus: Path, tmp_path: Path) -> None:
    flow = make_flow(corpus, tmp_path / "out.json", chain=True)
    flow.setup()
    flow.update()
    os.utime(corpus / "a.md", (OLD + 50, OLD + 50))
    write(corpus / "b.md", "other", OLD + 50)
    assert counts(plan(flow)) == {"changed": 1, "touched": 1, "unchanged": 1}
    unread = plan(flow, 0)
    assert counts(unread) == {"unread": 2, "unchanged": 1}
    assert rows(unread) == (0, 0, True) and "were not read" in unread.render()
    assert unread.marks == plan(flow).marks, "how much is read does not alter what a plan depends on"


def test_an_update_does_exactly_what_the_plan_lists(
    corpus: Path, tmp_path: Path, events: list[FlowEvent]
) -> None:
    """Over a series of edits: calls, writes and deletes as planned, exactly."""
    target = tmp_path / "out.json"
    flow = split_flow(corpus, target)
    flow.setup()
    edits: list[dict[str, str | None]] = [
        {"a.md": "one\ntwo\nthree", "b.md": "two\nfour"},
        {"a.md": "one\nfour\nthree"},
        {"c.md": None, "d.md": "five"},
        {"b.md": "two\nfour"},
        {"a.md": None, "e.md": "one\nfour\nthree\nthree"},
        {},
    ]
    for step, edit in enumerate(edits):
        for name, text in edit.items():
            if text is None:
                (corpus / name).unlink()
            else:
                write(corpus / name, text, OLD + 100 * step)
        found = plan(flow)
        events.clear()
        flow.update()
        done = sum(e.calls for e in events if isinstance(e, FunctionCalled) and e.op.startswith("EchoTruth"))
        wrote = [e for e in events if isinstance(e, TargetMutated)]
        assert calls(found).get("EchoTruth", (0, 0, False))[0] == done
        known = calls(found).get("EchoTruth", (0, 0, False))[0] == 0
        if known:  # nothing has to be computed, so the rows are known too
            assert rows(found) == (sum(e.upserts for e in wrote), sum(e.deletes for e in wrote), False)
        else:
            assert rows(found)[2]


def test_a_plan_lists_the_effects_of_a_code_change(corpus: Path, tmp_path: Path) -> None:
    write(corpus / "a.md", "one\ntwo")
    flow = split_flow(corpus, tmp_path / "out.json")
    flow.setup()
    flow.update()
    before = plan(flow)
    flow.close()
    flow = split_flow(corpus, tmp_path / "out.json", version=2)
    flow.setup()
    found = plan(flow)
    assert counts(found) == {"reprocess": 3}
    assert calls(found)["EchoTruth"] == (4, 0, False)
    assert before.marks["logic"] != found.marks["logic"] and before.marks["listing"] == found.marks["listing"]


def test_a_plan_reports_a_guard_that_would_stop_the_run(corpus: Path, tmp_path: Path) -> None:
    for number in range(20):
        write(corpus / f"n{number}.md", str(number))
    flow = make_flow(corpus, tmp_path / "out.json", chain=True)
    flow.setup()
    flow.update()
    for path in corpus.iterdir():
        path.unlink()
    found = plan(flow)
    assert counts(found) == {"deleted": 23} and rows(found) == (0, 23, False)
    assert any("lists nothing" in text for text in found.notes)
    assert any("would delete 23 of the 23 rows" in text for text in found.notes)


def invoke(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(args))
    assert result.exit_code == code, result.output
    return result


APP = """
import coco
from coco import op
from json_file import JsonLedger

@op.function(cache=True, behavior_version=VERSION)
def shout_app(text: str) -> str:
    return text.upper()

@coco.flow_def(name="Planned")
def planned(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        rows.collect(filename=doc["filename"], loud=doc["content"].transform(shout_app))
    rows.export("out", JsonLedger(path="out.json"), primary_key_fields=["filename"])
"""


def test_apply_refuses_an_outdated_plan(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    app = tmp_path / "app_truth_planned.py"
    app.write_text(APP.replace("VERSION", "1"))
    invoke("update", "-f", app.name)
    write(corpus / "a.md", "other words", OLD + 50)
    invoke("plan", app.name, "-o", "first.json")
    write(corpus / "a.md", "other again", OLD + 90)
    assert "the sources changed of flow Planned" in invoke("apply", "first.json", code=1).stderr
    invoke("plan", app.name, "-o", "second.json")
    write(corpus / "new.md", "a file that the plan does not know", OLD)
    assert "the sources changed" in invoke("apply", "second.json", code=1).stderr
    (corpus / "new.md").unlink()
    assert load("out.json")[("a.md",)] == {"loud": "ONE TWO"}, "nothing was done so far"
    assert json.loads(invoke("apply", "second.json", "--json").stdout)["ok"]
    assert load("out.json")[("a.md",)] == {"loud": "OTHER AGAIN"}
    assert "another update changed the state" in invoke("apply", "second.json", code=1).stderr


# -- verify -----------------------------------------------------------------------------------------


def ready(flow: coco.Flow) -> coco.Flow:
    flow.setup()
    flow.update()
    CALLS.clear()
    return flow


def test_verify_finds_and_repairs_every_kind_of_damage(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(split_flow(corpus, target))
    assert flow.verify().ok
    good = load(target)
    damaged = dict(good)
    keys = sorted(damaged)
    del damaged[keys[0]]
    damaged[keys[1]] = {"text": "scribble"}
    damaged[("ghost.md", (0, 5))] = {"text": "boo"}
    store(target, damaged)
    report = flow.verify()
    check = report.targets[0]
    assert not report.ok
    assert (len(check.missing), len(check.different), len(check.extra)) == (1, 1, 1)
    assert "a.md" in report.render() and "ghost.md" in report.render()
    assert load(target) == damaged, "looking repairs nothing"
    report = flow.verify(repair=True)
    assert report.ok and load(target) == good
    assert (CALLS, report.repaired, report.removed) == ([], 2, 1), "repaired from the memo"
    assert flow.verify().ok


def test_verify_finds_changed_content_with_an_unchanged_ordinal(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(make_flow(corpus, target))
    write(corpus / "a.md", "two one")  # same length, same time
    assert flow.update()["docs"].num_no_change == 3
    report = flow.verify()
    assert report.sources[0].hidden == ["a.md"] and not report.ok
    assert "1 with other content and the same ordinal" in report.render()
    assert flow.verify(repair=True).ok
    assert load(target)[("a.md",)]["loud"] == "TWO ONE"


def test_verify_reports_a_pending_update(corpus: Path, tmp_path: Path) -> None:
    flow = ready(make_flow(corpus, tmp_path / "out.json"))
    os.utime(corpus / "b.md", (OLD + 50, OLD + 50))
    assert flow.verify().ok, "a touched file is no difference"
    write(corpus / "c.md", "more", OLD + 50)
    write(corpus / "d.md", "new")
    (corpus / "a.md").unlink()
    report = flow.verify()
    assert (report.sources[0].behind, report.targets[0].ok, report.ok) == (3, True, False)
    assert "run `coco update`" in report.render()


def test_verify_compares_values_that_a_target_stores_in_another_form(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(make_flow(corpus, target, chain=True, digits=3))
    report = flow.verify()
    assert report.ok and report.targets[0].checked == 3, "rounded numbers are no damage"
    damaged = load(target)
    damaged[("a.md",)]["weight"] += 0.5
    store(target, damaged)
    assert flow.verify().targets[0].different == ["a.md"]
    assert flow.verify(repair=True).ok
    assert CALLS == []


def test_verify_reports_what_it_cannot_check(corpus: Path, tmp_path: Path) -> None:
    flow = ready(make_flow(corpus, tmp_path / "out.json", digits=3))
    report = flow.verify()
    assert report.targets[0].unclear == 2 and CALLS == []
    assert "cannot be computed from the memo" in report.render()


def test_verify_compares_a_sample(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(make_flow(corpus, target, chain=True))
    rows_now = load(target)
    del rows_now[("c.md",)]
    store(target, rows_now)
    report = flow.verify(sample=1)
    assert (report.targets[0].checked, report.sources[0].checked) == (1, 1)
    assert report.targets[0].missing == ["c.md"], "keys are all compared"


@pytest.mark.parametrize("lost", ["{}", None])
def test_an_update_notices_a_missing_target(corpus: Path, tmp_path: Path, lost: str | None) -> None:
    target = tmp_path / "out.json"
    flow = ready(make_flow(corpus, target, chain=True))
    if lost is None:
        target.unlink()
    else:
        target.write_text(lost)
    info = flow.update()
    assert info.drifted == ["out"] and info.has_errors
    assert "coco verify --repair" in info.warnings[0]
    report = flow.verify()
    assert not report.ok
    if lost is None:
        assert "out.json" in report.targets[0].problem
        flow.setup()
        target.write_text("{}")
    assert flow.verify(repair=True).ok
    assert len(load(target)) == 3 and CALLS == []
    assert not flow.update().drifted


def test_a_plan_includes_rows_staged_but_not_confirmed(corpus: Path, tmp_path: Path) -> None:
    """A staged row that nobody confirmed is to be done again, and the plan says so."""
    flow = ready(make_flow(corpus, tmp_path / "out.json", chain=True))
    from coco.state.protocol import StageRow

    database = ENVIRONMENT.store()
    source = next(iter(json_sources(flow)))
    key = pack(("a.md",))
    head = database.get_heads(source, [key])[key]
    database.stage(source, [StageRow(key, head.max_process_ordinal, head.max_process_ordinal + 1, {})])
    found = plan(flow)
    assert counts(found) == {"reprocess": 1, "unchanged": 2}
    assert calls(found) == {"ShoutTruth": (0, 1, False), "WeighTruth": (0, 1, False)}


def json_sources(flow: coco.Flow) -> list[int]:
    from coco.environment.preparation import stored_flow_state

    found = stored_flow_state(ENVIRONMENT.store(), flow.full_name)
    return [item.source_id for item in found.sources.values()]
