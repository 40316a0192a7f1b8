"""Secrets by reference, end to end: used where a connection is made, and found nowhere else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import coco
from coco.cli.group import cli
from coco.environment.environment import ENVIRONMENT
from coco.events import FlowEvent
from coco.plugins import hookimpl
from coco.plugins.built_in import built_in_plugin
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.metadata import Candidate, installed_candidates

FUNCTION = """
from coco import op
from coco.kit.secrets import resolve_secret
from coco.typing import Secret


class Stamp(op.FunctionSpec):
    api_key: Secret


@op.executor_class(gpu=True, behavior_version=1)
class StampExecutor:
    spec: Stamp

    def __call__(self, text: str) -> str:
        key = resolve_secret(self.spec.api_key)
        if "explode" in text:
            raise ValueError(f"key {key} rejected")
        return f"{len(key)} {text}"
"""

APP = """
from dataclasses import dataclass
from pathlib import Path
import json
import os

import coco
from coco import op
from coco.auth_registry import get_auth_entry
from coco.typing import Secret
from secret_function import Stamp

USED = []


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


class Locker(op.TargetSpec):
    path: str
    login: coco.AuthEntryReference[Login]


@op.target_connector(spec_cls=Locker, persistent_key_type=str)
class LockerConnector:
    @staticmethod
    def get_persistent_key(spec: Locker, target_name: str) -> str:
        return spec.path

    @staticmethod
    def apply_setup_change(key: str, previous: object, current: Locker | None) -> None:
        Path(key).unlink(missing_ok=True)
        if current is not None:
            Path(key).write_text("{}")

    @staticmethod
    def mutate(*batches: tuple[Locker, dict[str, dict[str, str] | None]]) -> None:
        for spec, rows in batches:
            login = get_auth_entry(Login, spec.login)
            USED.append(login.password)
            refused = {key: f"bad login {login.password}" for key, row in rows.items() if row and "refused" in row["text"]}
            held = json.loads(Path(spec.path).read_text())
            held |= {key: row for key, row in rows.items() if key not in refused}
            Path(spec.path).write_text(json.dumps(held))
            if refused:
                from coco.errors import MutationError

                raise MutationError(failed_keys=refused)


FOLDER = Path(__file__).parent
LOGIN = coco.add_auth_entry("shelf", Login("me", coco.secret("vault:name")), replace=True)


@coco.settings
def settings() -> coco.Settings:
    password = coco.secret("vault:database")
    return coco.Settings(database=coco.DatabaseConnectionSpec("postgres://u@h/d", password=password))


@coco.flow_def(name="Secretive")
def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(FOLDER / "docs")))
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        doc["stamped"] = doc["content"].transform(Stamp(coco.secret("env:STAMP_KEY")))
        out.collect(name=doc["filename"], text=doc["stamped"])
    out.export("shelf", Locker(str(FOLDER / "shelf.json"), LOGIN), primary_key_fields=["name"])
"""

VALUES = ("tiger-lily-42", "snap-dragon-43", "marsh-mallow-44", "fox-glove-45")


class World:
    """A project, a vault, and everything that coco said."""

    def __init__(self, folder: Path, answers: dict[str, str]) -> None:
        self.folder, self.answers = folder, answers
        self.said: list[str] = []
        (folder / "docs").mkdir()
        (folder / "secret_function.py").write_text(FUNCTION)  # a worker imports it, without the vault
        self.write_app("vault:name")

    def write_app(self, reference: str) -> None:
        (self.folder / "secret_app.py").write_text(APP.replace("vault:name", reference))

    def doc(self, name: str, text: str) -> None:
        (self.folder / "docs" / name).write_text(text)

    def coco(self, *arguments: str, code: int = 0) -> str:
        coco.stop()
        for flow in list(coco.flows().values()):
            flow.close()
        sys.modules.pop("secret_app", None)
        ENVIRONMENT._settings_function = None  # that of the app as it was loaded before
        result = CliRunner().invoke(cli, arguments)
        self.said.append(result.output)
        assert result.exit_code == code, result.output
        return result.output

    @property
    def used(self) -> list[str]:
        found: list[str] = sys.modules["secret_app"].USED
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    answers = {"name": VALUES[0], "other": VALUES[0], "database": VALUES[3]}
    module = ModuleType("vault_of_tests")
    module.COCO_API = 1  # type: ignore[attr-defined]

    @hookimpl
    def coco_resolve_secret(ref: str) -> str | None:
        scheme, _, name = ref.partition(":")
        return answers[name] if scheme == "vault" else None

    module.coco_resolve_secret = coco_resolve_secret  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vault_of_tests", module)
    monkeypatch.setenv("STAMP_KEY", VALUES[2])
    monkeypatch.setattr(ENVIRONMENT, "_settings_function", None)
    monkeypatch.chdir(tmp_path)
    vault = Candidate("secrets-vault", "vault_of_tests", lambda: ("coco-secrets-vault", "1.2"))
    with temporary_host(PluginHost(lambda: [*installed_candidates(), vault], {}, built_in=built_in_plugin())):
        yield World(tmp_path, answers)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_value_is_used_and_found_nowhere(
    world: World, caplog: pytest.LogCaptureFixture, events: list[FlowEvent]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.doc("a.txt", "good")
    world.doc("b.txt", "explode")
    world.doc("c.txt", "refused")
    app = "secret_app.py"
    shown = world.coco("show", app, "--json")
    assert '"secret": "env:STAMP_KEY"' in shown
    world.coco("show", app)
    world.coco("plan", app)
    world.coco("setup", app, "--force")
    world.coco("plan", app, "-o", "plan.json")
    world.coco("update", app, code=1)
    assert world.used and set(world.used) == {VALUES[0]}
    listed = world.coco("errors", app, "--json")
    assert "key *** rejected" in listed and "bad login ***" in listed
    world.coco("errors", app, "-v")
    world.coco("verify", app, "--json", code=1)
    world.coco("evaluate", app, "-o", "evaluated", code=1)
    assert "SecretRef('vault:database')" in world.coco("settings", app)
    world.coco("settings", app, "--json")
    world.coco("plugins", "-v")

    world.answers["name"] = VALUES[1]  # rotated
    world.doc("d.txt", "good")
    world.coco("update", app, "-v", code=1)
    assert set(world.used) == {VALUES[1]}

    texts = {f"output {place}": text.encode() for place, text in enumerate(world.said)}
    texts |= {"log": caplog.text.encode(), "events": repr(events).encode()}
    texts |= files_below(world.folder)
    assert any("state.db" in name for name in texts) and any("evaluated" in name for name in texts)
    for where, text in texts.items():
        for value in VALUES:
            assert value.encode() not in text, (where, value)


def test_another_reference_is_the_same_target(world: World) -> None:
    world.doc("a.txt", "good")
    world.coco("setup", "secret_app.py", "--force")
    world.coco("update", "secret_app.py")
    before = (world.folder / "shelf.json").stat()
    world.write_app("vault:other")
    assert "up to date" in world.coco("setup", "secret_app.py")
    world.coco("update", "secret_app.py")
    after = (world.folder / "shelf.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert world.used == []  # nothing to write, so nothing was asked for
    world.doc("b.txt", "good")
    world.coco("update", "secret_app.py")
    assert world.used == [VALUES[0]]


def test_a_secret_that_cannot_be_had_fails_the_rows_that_need_it(world: World) -> None:
    world.doc("a.txt", "good")
    world.write_app("env:NEVER_SET_ANYWHERE")
    world.coco("setup", "secret_app.py", "--force")
    said = world.coco("update", "secret_app.py", code=1)
    assert (
        "SecretRef('env:NEVER_SET_ANYWHERE') (wanted by the auth entry 'shelf'): the environment variable "
        "NEVER_SET_ANYWHERE is not set" in said
    )


def test_setup_does_not_compare_references(world: World) -> None:
    """A spec that would store one with its setup is refused where the flow is defined."""
    text = (world.folder / "secret_app.py").read_text()
    text = text.replace(
        "    login: coco.AuthEntryReference[Login]\n",
        "    login: coco.AuthEntryReference[Login]\n    pin: Secret | None = None\n",
    )
    text = text.replace('"shelf.json"), LOGIN', '"shelf.json"), LOGIN, coco.secret("env:STAMP_KEY")')
    (world.folder / "secret_app.py").write_text(text)
    said = world.coco("setup", "secret_app.py", "--force", code=1)
    assert "'pin' of Locker is a secret and would be part of what setup compares and stores" in said
