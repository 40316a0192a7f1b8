"""What users learn of rows that failed: from messages, the log, the flow's methods and the outcome of an update."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from counted import seen
from memory_rows import TROUBLE, MemoryRows, Misfortune, fill
from row_table import TABLES, RowTable, table

import coco
from coco import op
from coco.cli.group import cli
from coco.engine.failure_log import ROWS_OF_A_KIND
from coco.engine.stats import MAX_ERRORS
from coco.errors import CallShapeError, SourceError, UnwrittenTargetError
from coco.events import FlowEvent, RowFailed
from coco.query_handler import call_query_handler

HERE = f"(at {__file__}:"


def look_closer(text: str) -> str:
    hidden = "what variables hold"
    if "bad" in text:
        raise LookupError(f"no heading in {len(text)} characters" + hidden[:0])
    return text.upper()


LINE = 'raise LookupError(f"no heading in {len(text)} characters" + hidden[:0])'


@op.function(behavior_version=1)
def seen_plain(text: str) -> str:
    return look_closer(text)


@op.function(behavior_version=1)
async def seen_async(text: str) -> str:
    await asyncio.sleep(0)
    return look_closer(text)


@op.function(behavior_version=1, batching=True)
def seen_batching(texts: list[str]) -> list[str]:
    return [look_closer(text) for text in texts]


@op.function(behavior_version=1, batching=True)
async def seen_async_batching(texts: list[str]) -> list[str]:
    return [look_closer(text) for text in texts]


@op.function(behavior_version=1)
async def seen_in_a_group(text: str) -> str:
    async def part() -> str:
        return look_closer(text)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(part())
    return task.result()


FUNCTIONS = (seen_plain, seen_async, seen_batching, seen_async_batching, seen_in_a_group)


def flow_of(function: Any, name: str = "Seen", **options: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="seen", **options))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["said"] = doc["content"].transform(function)
            out.collect(file=doc["_key"], said=doc["said"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file"])

    table("out")
    flow = coco.open_flow(name, define)
    flow.setup()
    return flow


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda item: item.__name__)
def test_the_line_of_a_function_that_raised(
    function: Any, caplog: pytest.LogCaptureFixture, events: list[FlowEvent]
) -> None:
    fill("seen", {"a": "good", "b": "bad"})
    flow = flow_of(function)
    info = flow.update()
    (error,) = flow.errors()
    assert error.message.count(HERE) == 1 and f" in look_closer: {LINE})" in error.message
    assert "\n" not in error.message
    assert "Traceback (most recent call last)" in error.traceback and LINE in error.traceback
    assert "what variables hold" not in error.message + error.traceback
    assert info.errors == [error]
    (record,) = [item for item in caplog.records if item.name == "coco.Seen"]
    assert record.levelno == logging.ERROR
    assert (
        record.getMessage() == f"flow Seen: {error}" and "docs b: failed in evaluate" in record.getMessage()
    )
    assert [item.error for item in seen(events, RowFailed)] == [error.message]


def test_the_log_has_whole_tracebacks_if_asked_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCO_TRACEBACK", "1")
    fill("seen", {"b": "bad\x1b[2J"})
    flow = flow_of(seen_plain)
    flow.update()
    assert "in seen_plain\n" in caplog.text and "Traceback (most" in caplog.text


def test_the_log_stays_short(caplog: pytest.LogCaptureFixture) -> None:
    fill("seen", {f"k{number:03}": "bad" for number in range(100)})
    flow = flow_of(seen_plain)
    info = flow.update()
    texts = [item.getMessage() for item in caplog.records if item.name == "coco.Seen"]
    assert len(texts) == ROWS_OF_A_KIND + 1
    assert f"{100 - ROWS_OF_A_KIND} more row(s) failed" in texts[-1]
    assert len(info.errors) == MAX_ERRORS and len(flow.errors()) == 100


def test_control_characters_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    @op.function(behavior_version=1)
    def echo(text: str) -> str:
        raise ValueError(text)

    fill("seen", {"a\nb": "bad\x1b[2J"})
    flow_of(echo).update()
    assert "\x1b" not in caplog.text and "a\\nb" in caplog.text


@op.function(behavior_version=1)
def seen_wrong_type(text: str) -> str:
    return 7 if text == "bad" else text  # type: ignore[return-value]


class SeenClass(op.FunctionSpec):
    pass


@op.executor_class(behavior_version=1)
class SeenClassExecutor:
    spec: SeenClass

    def __call__(self, text: str) -> str:
        return 7 if text == "bad" else text  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (seen_wrong_type, "def seen_wrong_type(text: str) -> str:"),
        (SeenClass(), "def __call__(self, text: str) -> str:"),
    ],
    ids=["function", "class"],
)
def test_without_a_source_line_the_definition_is_named(function: Any, line: str) -> None:
    fill("seen", {"a": "good", "b": "bad"})
    flow = flow_of(function)
    flow.update()
    (error,) = flow.errors()
    assert error.message.startswith("expected Str, got int (")
    assert f" is defined at {__file__}:" in error.message and error.message.endswith(f": {line})")


# -- nested rows --------------------------------------------------------------------------------------
@dataclasses.dataclass
class SeenPart:
    text: str


@op.function(behavior_version=1)
def seen_parts(text: str) -> dict[int, SeenPart]:
    return {10 * number: SeenPart(part) for number, part in enumerate(text.split())}


@op.function(behavior_version=1)
def seen_letters(text: str) -> list[SeenPart]:
    return [SeenPart(letter) for letter in text]


@op.function(behavior_version=1)
def seen_letter(text: str) -> str:
    if text == "!":
        raise ValueError("no letter")
    return text


def test_an_error_names_the_element_of_nested_rows() -> None:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(MemoryRows(name="seen"))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["parts"] = doc["content"].transform(seen_parts)
            with doc["parts"].row() as part:
                part["letters"] = part["text"].transform(seen_letters)
                with part["letters"].row() as letter:
                    letter["checked"] = letter["text"].transform(seen_letter)
                    out.collect(file=doc["_key"], checked=letter["checked"])
        out.export("out", RowTable(name="out"), primary_key_fields=["file", "checked"])

    fill("seen", {"a": "ab cd", "b": "ef gh ij!k lm", "c": "no"})
    table("out")
    flow = coco.open_flow("Parts", define)
    flow.setup()
    assert flow.update()["docs"].num_errors == 1
    (error,) = flow.errors()
    assert error.key == "b" and error.message.endswith("; in parts[2] (_key=20) / letters[2]")
    assert [key[0] for key in TABLES["out"].rows] == ["a"] * 4 + ["c"] * 2


# -- sources, targets, query handlers of the user's own -----------------------------------------------
def test_the_line_of_a_source_that_raised() -> None:
    def unreadable(key: str) -> None:
        raise OSError("the tape is torn")

    fill("seen", {"a": "good"})
    TROUBLE["seen"] = Misfortune(on_read=unreadable)
    flow = flow_of(seen_plain)
    flow.update()
    (error,) = flow.errors()
    assert error.phase == "read" and HERE in error.message
    assert 'in unreadable: raise OSError("the tape is torn")' in error.message and error.traceback

    TROUBLE["seen"] = Misfortune(breaks_after=0)
    with pytest.raises(SourceError) as broken:
        flow.update()
    text = str(broken.value)
    assert "broke off: ConnectionError: the line went dead (at " in text and "memory_rows.py:" in text
    assert text.endswith('raise ConnectionError("the line went dead")); no deletion is inferred from it')


def test_a_target_that_refuses_the_only_row_did_not_fail() -> None:
    fill("seen", {"a": "good"})
    flow = flow_of(seen_plain)
    TABLES["out"].refuse = {"a"}
    info = flow.update()
    assert info["docs"].num_errors == 1 and info.failed_targets == {}
    (error,) = flow.errors()
    assert (error.op, error.error_type) == ("target:out", "RowRefusedError")


def test_a_target_whose_every_write_failed_is_reported() -> None:
    fill("seen", {"a": "good", "b": "fine", "c": "bad"})
    flow = flow_of(seen_plain)
    TABLES["out"].down = ValueError("the table is nailed shut")
    with pytest.raises(
        UnwrittenTargetError, match="every write to target 'out' of flow 'Seen' failed"
    ) as failed:
        flow.update()
    text = str(failed.value)
    assert "ValueError: the table is nailed shut (at " in text and "row_table.py:" in text
    info = failed.value.info
    assert info["docs"].num_errors == 3 and list(info.failed_targets) == ["out"]
    assert {error.op for error in flow.errors()} == {"target:out", "SeenPlain (docs.said)"}
    with (
        pytest.raises(UnwrittenTargetError),
        coco.FlowLiveUpdater(flow, coco.FlowLiveUpdaterOptions(live_mode=False)) as updater,
    ):
        updater.wait()
    TABLES["out"].down = None
    assert flow.update()["docs"].num_errors == 1, "one row that fails is no reason to raise"
    TABLES["out"].refuse = {"b"}
    fill("seen", {"a": "finer", "b": "finest"}, ordinal=2)
    assert flow.update(allow_deletes=True).failed_targets == {}, "one of two was written"


def test_errors_of_a_query_handler_reach_the_caller() -> None:
    flow = flow_of(seen_plain)

    @flow.query_handler(name="look")
    def look(text: str) -> coco.QueryOutput:
        return coco.QueryOutput([look_closer(text)])

    with pytest.raises(LookupError) as failed:
        call_query_handler(flow, "look", {"text": "bad"})
    from coco.ops.error_text import describe

    assert f" in look_closer: {LINE})" in describe(failed.value)


# -- the flow's methods -------------------------------------------------------------------------------
def test_errors_plan_verify_and_retry() -> None:
    moods: dict[str, Callable[[str], str]] = {"does": look_closer}

    @op.function(behavior_version=1)
    def moody_seen(text: str) -> str:
        return moods["does"](text)

    fill("seen", {"a": "good", "b": "bad"})
    flow = flow_of(moody_seen)
    assert flow.errors() == []
    plan = flow.plan()
    assert isinstance(plan, coco.UpdatePlan) and plan.sources[0].new == 2
    for _ in range(5):
        flow.update()
    (error,) = flow.errors()
    assert isinstance(error, coco.RowError) and error.quarantined and error.attempts == 5
    assert json.loads(json.dumps(error.to_dict()))["key"] == "b"
    assert flow.update()["docs"].num_quarantined == 1
    moods["does"] = str.upper
    assert flow.retry()["docs"].num_insertions == 1
    assert flow.errors() == [] and TABLES["out"].rows[("b",)] == {"said": "BAD"}
    TABLES["out"].rows.pop(("a",))
    report = flow.verify()
    assert isinstance(report, coco.VerifyReport) and not report.ok and report.targets[0].missing
    assert flow.verify(repair=True, sample=10).ok and ("a",) in TABLES["out"].rows
    for wrong in (lambda: flow.plan(read=-1), lambda: flow.verify(sample=0)):
        with pytest.raises(CallShapeError):
            wrong()


def test_the_async_twins() -> None:
    fill("seen", {"a": "good", "b": "bad"})
    flow = flow_of(seen_plain)

    async def all_of_them() -> list[Any]:
        await flow.update_async()
        return [
            await flow.errors_async(),
            await flow.plan_async(read=0),
            await flow.verify_async(),
            await flow.retry_async(),
        ]

    errors, plan, report, info = asyncio.run(all_of_them())
    assert [error.key for error in errors] == ["b"]
    assert plan.sources[0].keys == {"new": ["b"]}
    assert report.sources[0].behind == 1
    assert info["docs"].num_errors == 1


def test_a_closed_flow_refuses_every_call() -> None:
    flow = flow_of(seen_plain)
    flow.close()
    for name in ("errors", "retry", "plan", "verify"):
        with pytest.raises(coco.errors.LifecycleError):
            getattr(flow, name)()


# -- the command line ---------------------------------------------------------------------------------
APP = """
import coco, coco.op


@coco.op.function()
def strict(text: str) -> str:
    if "bad" in text:
        raise ValueError("nothing of the kind")
    return text


@coco.flow_def("SeenApp")
def seen_app(builder, scope):
    scope["d"] = builder.add_source(coco.sources.LocalFile(path="data"))
    out = scope.add_collector()
    with scope["d"].row() as row:
        out.collect(name=row["filename"], text=row["content"].transform(strict))
    out.export("o", coco.targets.Sqlite(path="o.db"), primary_key_fields=["name"])
"""
RAISING = ' in strict: raise ValueError("nothing of the kind"))'


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.md").write_text("good")
    (tmp_path / "data" / "b.md").write_text("bad")
    path = tmp_path / "seen_app.py"
    path.write_text(APP)
    yield path
    import sys

    sys.modules.pop("seen_app", None)


def run(*words: str) -> Any:
    result = CliRunner().invoke(cli, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_on_the_command_line(app: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = f"(at {app}:8{RAISING}"
    assert run("update", "-f", str(app)).exit_code == 1
    assert at in caplog.text, "an update says it at once"
    listed = run("errors", str(app)).stdout
    assert at in listed and "Traceback" not in listed
    (found,) = json.loads(run("errors", "--json", str(app)).stdout)["flows"]["SeenApp"]
    assert at in found["message"] and found["traceback"].startswith("Traceback (most recent call last)")
    assert "Traceback (most recent call last)" in run("errors", "-v", str(app)).stdout
    caplog.clear()
    run("update", "-v", str(app))
    assert "Traceback (most recent call last)" in caplog.text
    caplog.clear()
    run("update", str(app))
    assert "Traceback" not in caplog.text, "-v is about one command"
