"""Tables that another program dropped, altered or created: reported, and recreated from the memo."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from outcome import outcome

import coco
from coco import op
from coco.cli.group import cli
from coco.events import FlowEvent, SetupStepDone, TargetMutated
from coco_testing.postgres import postgres_database as postgres_database
from coco_testing.postgres import postgres_server as postgres_server

CALLS: list[str] = []
TEXTS = {"a.md": "one two", "b.md": "two three", "c.md": "four"}
WANTED = {name: text.upper() for name, text in TEXTS.items()}


@op.function(cache=True, behavior_version=1)
def shout_lost(text: str) -> str:
    CALLS.append(text)
    return text.upper()


@dataclass
class Backend:
    """A table that a flow fills, and a door of its own to it."""

    spec: op.TargetSpec
    run: Callable[[str], list[tuple[Any, ...]]]
    table: str
    losses: list[Callable[[], object]]
    attachments: list[op.TargetAttachmentSpec] = field(default_factory=list)
    indexes: Callable[[], list[str]] = list

    def rows(self) -> dict[str, str]:
        return dict(self.run(f"SELECT filename, loud FROM {self.table}"))

    def exists(self) -> bool:
        try:
            self.rows()
        except (sqlite3.Error, psycopg.Error):
            return False
        return True


def sqlite_backend(path: Path) -> Backend:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as db, db:
            return db.execute(statement).fetchall()

    def indexes() -> list[str]:
        return [name for (name,) in run("SELECT name FROM sqlite_master WHERE name LIKE '%fts__loud'")]

    return Backend(
        coco.targets.Sqlite(path=str(path), table="lost"),
        run,
        "lost",
        [lambda: run("DROP TABLE lost"), path.unlink],
        indexes=indexes,
    )


def postgres_backend(url: str, schema: str) -> Backend:
    from coco_target_postgres.attachments import PostgresSqlCommand

    def run(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def indexes() -> list[str]:
        return [
            name for (name,) in run("SELECT indexname FROM pg_indexes WHERE tablename = 'lost' ORDER BY 1")
        ]

    return Backend(
        coco.targets.Postgres(table_name="lost", schema=schema),
        run,
        f"{schema}.lost",
        [lambda: run(f"DROP TABLE {schema}.lost"), lambda: run(f"DROP SCHEMA {schema} CASCADE")],
        [
            PostgresSqlCommand(
                name="speed",
                setup_sql=f"CREATE INDEX IF NOT EXISTS speed ON {schema}.lost (loud)",
                teardown_sql=f"DROP INDEX IF EXISTS {schema}.speed",
            )
        ],
        indexes,
    )


@pytest.fixture(params=["sqlite", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    if request.param == "sqlite":
        return sqlite_backend(tmp_path / "out.db")
    url = request.getfixturevalue("postgres_database")
    monkeypatch.setenv("COCO_DATABASE_URL", url)
    return postgres_backend(url, "kept")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    CALLS.clear()
    return folder


def make_flow(corpus: Path, spec: Any, setup_by_user: bool = False, **options: Any) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
        rows = scope.add_collector()
        with scope["docs"].row() as doc:
            rows.collect(filename=doc["filename"], loud=doc["content"].transform(shout_lost))
        rows.export("out", spec, primary_key_fields=["filename"], setup_by_user=setup_by_user, **options)

    return coco.open_flow("Lost", define)


def ready(corpus: Path, backend: Backend) -> coco.Flow:
    flow = make_flow(
        corpus,
        backend.spec,
        attachments=backend.attachments,
        fts_indexes=[coco.FtsIndexDef("loud")],
    )
    flow.setup()
    flow.update()
    assert backend.rows() == WANTED
    CALLS.clear()
    return flow


@pytest.mark.parametrize("loss", [0, 1])
def test_a_missing_table_is_reported_recreated_and_filled(
    corpus: Path, backend: Backend, loss: int, events: list[FlowEvent]
) -> None:
    """Without one function call, with indexes and attachments, through the connector's own setup."""
    flow = ready(corpus, backend)
    indexes = backend.indexes()
    backend.losses[loss]()

    info = flow.update()
    assert info.drifted == ["out"] and info.has_errors
    (warning,) = info.warnings
    assert "target 'out' is missing or altered" in warning and "does not exist" in warning
    assert "run `coco verify --repair APP`" in warning and "coco drop" not in warning

    report = flow.verify()
    assert not report.ok and not backend.exists(), "looking makes nothing"
    assert "does not exist" in report.render() and "coco verify --repair" in report.render()

    events.clear()
    report = flow.verify(repair=True)
    assert report.ok, report.render()
    assert (report.repaired, report.calls, CALLS) == (3, 0, [])
    assert backend.rows() == WANTED and backend.indexes() == indexes and indexes
    assert "it was missing or altered, and has been recreated" in report.render()
    assert "compared again: no differences" in report.render()
    assert [event.action for event in events if isinstance(event, SetupStepDone)] == ["RECREATED"]

    events.clear()
    info = flow.update()
    assert not info.drifted and not info.has_errors
    assert not any(isinstance(event, TargetMutated) for event in events)
    assert flow.verify().ok


def test_a_missing_column_is_recreated_with_its_values(corpus: Path, backend: Backend) -> None:
    flow = make_flow(corpus, backend.spec)
    flow.setup()
    flow.update()
    CALLS.clear()
    backend.run(f"ALTER TABLE {backend.table} DROP COLUMN loud")
    assert "has no columns loud" in (text := flow.update().warnings[0]) or "lacks the columns loud" in text
    assert flow.verify(repair=True).ok
    assert backend.rows() == WANTED and CALLS == []


def test_rows_added_while_the_table_is_missing_fail_and_are_written_later(
    corpus: Path, backend: Backend
) -> None:
    flow = ready(corpus, backend)
    backend.losses[0]()
    (corpus / "d.md").write_text("five")
    (corpus / "c.md").unlink()
    info = outcome(flow)
    assert info.total.num_errors == 2
    messages = [item.message for item in flow.errors()]
    assert messages and all("coco verify --repair APP" in text for text in messages)
    assert not flow.verify(repair=True).ok, "an update is due"
    assert backend.rows() == {name: WANTED[name] for name in ("a.md", "b.md")}, "c.md is no more"
    assert not flow.update().has_errors
    assert backend.rows() == {"a.md": "ONE TWO", "b.md": "TWO THREE", "d.md": "FIVE"}
    assert flow.verify().ok


def test_another_table_of_the_same_name_is_not_touched(corpus: Path, backend: Backend) -> None:
    """Somebody's own table of another shape is no table of ours."""
    flow = make_flow(corpus, backend.spec)
    flow.setup()
    flow.update()
    backend.losses[0]()
    backend.run(f"CREATE TABLE {backend.table} (mine int)")
    backend.run(f"INSERT INTO {backend.table} VALUES (7)")
    report = flow.verify(repair=True)
    assert not report.ok
    assert "could not be recreated" in report.render()
    assert backend.run(f"SELECT mine FROM {backend.table}") == [(7,)]


def test_a_missing_table_of_the_user_is_not_created(corpus: Path, backend: Backend) -> None:
    backend.run("CREATE SCHEMA kept") if backend.table.startswith("kept.") else None
    backend.run(f"CREATE TABLE {backend.table} (filename text PRIMARY KEY, loud text)")
    flow = make_flow(corpus, backend.spec, setup_by_user=True)
    flow.setup()
    flow.update()
    backend.losses[0]()
    report = flow.verify(repair=True)
    assert not report.ok and not backend.exists()
    assert "it is yours (setup_by_user=True): recreate it" in report.render()


# -- a target that can only count ---------------------------------------------------------------------


def json_flow(corpus: Path, path: Path) -> coco.Flow:
    from coco.ops.registry import registry

    return make_flow(corpus, registry.get(op.OpCategory.TARGET, "JsonFile").spec_cls(path=str(path)))


@pytest.mark.parametrize("left", [None, "{}", '{"\\"a.md\\"": {"loud": "ONE TWO"}}'])
def test_a_target_that_cannot_list_its_keys_is_filled_completely(
    corpus: Path, tmp_path: Path, left: str | None
) -> None:
    path = tmp_path / "out.json"
    flow = json_flow(corpus, path)
    flow.setup()
    flow.update()
    CALLS.clear()
    wanted = json.loads(path.read_text())
    path.unlink() if left is None else path.write_text(left)
    info = flow.update()
    assert info.drifted == ["out"] and "coco verify --repair APP" in info.warnings[0]
    assert not flow.verify().ok
    report = flow.verify(repair=True)
    assert report.ok and report.repaired == 3, report.render()
    assert json.loads(path.read_text()) == wanted and CALLS == []
    assert not flow.update().drifted


# -- the command line ---------------------------------------------------------------------------------

APP = """
import coco
from coco import op


@op.function(cache=True, behavior_version=1)
def shout_lost_app(text: str) -> str:
    return text.upper()

@coco.flow_def(name="LostApp")
def lost_app(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    rows = scope.add_collector()
    with scope["docs"].row() as doc:
        rows.collect(filename=doc["filename"], loud=doc["content"].transform(shout_lost_app))
    rows.export("out", coco.targets.Sqlite(path="out.db", table="lost"), primary_key_fields=["filename"])
"""


@pytest.fixture
def app(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "app_lost_target.py").write_text(APP)
    yield "app_lost_target.py"
    sys.modules.pop("app_lost_target", None)


def invoke(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(args))
    assert result.exit_code == code, result.output
    return result


def test_the_command_line_reports_the_missing_table_and_repairs_it(app: str, tmp_path: Path) -> None:
    invoke("update", "-f", app)
    (tmp_path / "out.db").unlink()
    said = invoke("update", app, code=1)
    assert "is missing or altered" in said.output and "coco verify --repair" in said.output
    assert "coco errors" not in said.output, "no row failed"
    assert "is missing or altered" in invoke("verify", app, code=1).stdout
    repaired = invoke("verify", "--repair", app)
    assert (
        "has been recreated" in repaired.stdout
        and "3 source rows exported again with 0 function" in repaired.stdout
    )
    assert sqlite_backend(tmp_path / "out.db").rows() == WANTED
    assert "3 unchanged" in invoke("update", app).stdout


def test_with_missing_state_the_table_is_adopted_and_reported(app: str, tmp_path: Path) -> None:
    """In the plan, in setup, and before anyone is asked; rows of vanished documents go on request."""
    invoke("update", "-f", app)
    coco.stop()
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    (tmp_path / "docs" / "c.md").unlink()
    for command in (["plan", app], ["setup", "-f", app]):
        said = invoke(*command).stdout
        assert "TODO: take over table lost" in said
        assert "NOTE: it exists already, was not made by this flow, and fits" in said
        assert "it holds 3 rows" in said
    invoke("update", app)
    backend = sqlite_backend(tmp_path / "out.db")
    assert backend.rows() == WANTED
    assert "1 too many" in invoke("verify", app, code=1).stdout
    invoke("verify", "--repair", app)
    assert set(backend.rows()) == {"a.md", "b.md"}


def test_a_table_that_does_not_fit_is_refused_without_a_question(app: str, tmp_path: Path) -> None:
    """There is nothing to confirm."""
    backend = sqlite_backend(tmp_path / "out.db")
    backend.run("CREATE TABLE lost (mine int)")
    for command in (["setup", app], ["update", app]):
        refused = invoke(*command, code=1)
        assert "[ INVALID ] table lost" in refused.output
        assert "it has no columns filename for the key" in refused.output
        assert "--force" not in refused.output and "Continue?" not in refused.output
    assert "[ INVALID ]" in invoke("plan", app).stdout
    assert backend.run("SELECT count(*) FROM lost") == [(0,)]
