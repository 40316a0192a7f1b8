"""``coco settings``: what is in force, where it comes from, and no secret."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import coco
from coco.cli.apps import APP_VARIABLE
from coco.cli.group import cli
from coco.environment.environment import ENVIRONMENT
from coco.operations.settings_report import FIELDS
from coco.setting import DatabaseConnectionSpec, Settings

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith(("COCO_", "COCOINDEX_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(APP_VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / ".env").write_text("")
    coco.stop()
    monkeypatch.setattr(ENVIRONMENT, "_settings_function", None)
    yield tmp_path
    coco.stop()
    for name in [name for name in sys.modules if name.startswith("app_of_settings")]:
        del sys.modules[name]
    for name in [name for name in os.environ if name.startswith(("COCO_", "COCOINDEX_"))]:
        del os.environ[name]  # what .env files set


def run(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["settings", *args])
    assert result.exit_code == code, result.output
    assert SECRET not in result.output
    return result


def lines(*args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *args).stdout)["settings"]
    return found


def shown(line: dict[str, Any]) -> tuple[Any, str, str]:
    return line["value"], line["origin"], line["place"]


def app(folder: Path, code: str) -> str:
    path = folder / f"app_of_settings_{len(code)}.py"
    path.write_text("import coco\n" + code)
    return path.name


def test_defaults() -> None:
    found = lines()
    assert {line["origin"] for line in found.values()} == {"default"}
    assert set(FIELDS) < set(found)
    assert found["state_url"]["value"] == "sqlite:///.coco/state.db"
    assert found["global_execution_options.source_max_inflight_rows"]["value"] == 1024
    assert found["max_delete_share"]["value"] == 0.5


def test_variables_are_named_with_their_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text(
        f"COCOINDEX_APP_NAMESPACE=dev\nCOCO_STATE_URL=postgres://u:{SECRET}@h/state\n"
    )
    monkeypatch.setenv("COCO_MAX_DELETE_SHARE", "0.25")
    found = lines()
    assert shown(found["app_namespace"]) == ("dev", "env", "COCOINDEX_APP_NAMESPACE")
    assert found["app_namespace"]["file"] == str(folder / ".env")
    assert shown(found["state_url"]) == ("postgres://u:***@h/state", "env", "COCO_STATE_URL")
    assert shown(found["max_delete_share"]) == (0.25, "env", "COCO_MAX_DELETE_SHARE")
    assert found["max_delete_share"]["file"] is None


def test_the_table_names_variable_and_file(folder: Path) -> None:
    (folder / ".env").write_text("COCO_APP_NAMESPACE=dev\n")
    text = run().stdout
    assert f"dev                       COCO_APP_NAMESPACE in {folder / '.env'}\n" in text
    assert text.splitlines()[1].split() == ["database.url", "-", "default"]


def test_passwords_are_masked_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_DATABASE_URL", f"postgres://u:{SECRET}@h/db?sslpassword={SECRET}")
    monkeypatch.setenv("COCO_DATABASE_PASSWORD", SECRET)
    monkeypatch.setenv("COCO_DATABASE_USER", "someone")
    found = lines()
    assert shown(found["database.url"]) == (
        "postgres://u:***@h/db?sslpassword=***",
        "env",
        "COCO_DATABASE_URL",
    )
    assert shown(found["database.password"]) == ("***", "env", "COCO_DATABASE_PASSWORD")
    assert shown(found["database.user"]) == ("someone", "env", "COCO_DATABASE_USER")
    assert shown(found["database.max_connections"]) == (25, "default", "")
    run()


@pytest.mark.parametrize(
    "url",
    [
        f"postgres:/me:{SECRET}@host/db",
        f"postgres//me:{SECRET}@host/db",
        f"postgres://me:{SECRET}#host/db",
        f"postgres://me:{SECRET}host/db",
        f"postgres://me{SECRET}@host/db",
        f"postgres://[me:{SECRET}@host/db",
        f"me:{SECRET}@host/db",
        f"host=h pasword={SECRET}",
        f"postgres://host/db?pasword={SECRET}",
        SECRET,
    ],
)
def test_passwords_of_mistyped_urls_are_masked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_DATABASE_URL", url)
    monkeypatch.setenv("COCO_STATE_URL", url)
    assert "***" in run().stdout
    coco.stop()
    result = CliRunner().invoke(cli, ["cache", "stats"])
    assert result.exit_code == 1 and SECRET not in result.output
    assert SECRET not in repr(result.exception)


def test_a_settings_function_supplies_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fields are its own, and a variable that does not count is named."""
    monkeypatch.setenv("COCO_APP_NAMESPACE", "other")
    monkeypatch.setenv("COCO_SOURCE_MAX_INFLIGHT_ROWS", "7")
    name = app(
        folder,
        f"""
@coco.settings
def mine():
    return coco.Settings(app_namespace="prod", database=coco.DatabaseConnectionSpec("postgres://u:{SECRET}@h/db"))
""",
    )
    found = lines(name)
    place = f"mine at {folder / name}:3"
    assert shown(found["app_namespace"]) == ("prod", "function", place)
    assert shown(found["database.url"]) == ("postgres://u:***@h/db", "function", place)
    assert shown(found["global_execution_options.source_max_inflight_rows"]) == (1024, "default", "")
    said = run(name)
    assert f"function {place}" in said.stdout
    assert "COCO_APP_NAMESPACE is set and has no effect" in said.stderr
    assert "COCO_SOURCE_MAX_INFLIGHT_ROWS is set and has no effect" in said.stderr


def test_init_supplies_all(folder: Path) -> None:
    found = lines(app(folder, "coco.init(coco.Settings(ignore_target_drop_failures=True))\n"))
    assert shown(found["ignore_target_drop_failures"]) == (True, "init", "")
    assert shown(found["app_namespace"]) == ("", "default", "")


def test_without_the_app_the_environment_counts(folder: Path) -> None:
    app(folder, "coco.init(coco.Settings(app_namespace='prod'))\n")
    assert shown(lines()["app_namespace"]) == ("", "default", "")


def test_a_variable_that_does_not_parse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_SOURCE_MAX_INFLIGHT_ROWS", "many")
    assert "COCO_SOURCE_MAX_INFLIGHT_ROWS: many" in run(code=1).stderr


def test_nothing_is_opened_or_made(folder: Path) -> None:
    lines()
    assert sorted(path.name for path in folder.iterdir()) == [".env"]


def test_every_field_of_the_settings_is_shown() -> None:
    """A new one must be given its place here."""
    groups = {
        "database": DatabaseConnectionSpec("x"),
        "global_execution_options": coco.GlobalExecutionOptions(),
    }
    fields = {
        f"{name}.{part}" if name in groups else name
        for name in vars(Settings())
        for part in (vars(groups[name]) if name in groups else [""])
    }
    assert fields - {"db_schema_name"} == set(FIELDS), "what has no effect yet is not shown"
    assert not [name for name in lines() if name.startswith("server.")]
