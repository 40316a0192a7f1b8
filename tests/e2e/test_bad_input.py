"""Bad input of every kind: each has a message of its own that says where and what to do, and nothing is lost."""

from __future__ import annotations

import datetime
import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from json_file import JsonFile
from outcome import outcome

import coco
from coco import op
from coco.cli.group import cli
from coco.errors import SourceError, StateStoreError

OLD = 1_600_000_000
SECRET = "s3cret-Pa55word-0815"


STUCK = threading.Event()


@op.function(cache=True, behavior_version=1, timeout=datetime.timedelta(milliseconds=200))
def touchy(text: str) -> str:
    if "raise" in text:
        raise LookupError("no such word")
    if "hang" in text:
        STUCK.wait(60)
    if "type" in text:
        return 17  # type: ignore[return-value]
    if "group" in text:
        return "same"
    return text.upper()


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a.md", "b.md"):
        write(folder / name, f"text of {name}")
    STUCK.clear()
    yield folder
    STUCK.set()


def write(path: Path, text: str | bytes, at: int = OLD) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (at, at))


def make_flow(
    corpus: Path, target: Path, key: str = "filename", function: Any = touchy, rows: int | None = None
) -> coco.Flow:
    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        spec = coco.sources.LocalFile(path=str(corpus))
        scope["docs"] = builder.add_source(spec, max_inflight_rows=rows)
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["loud"] = doc["content"].transform(function)
            out.collect(filename=doc["filename"], loud=doc["loud"])
        out.export("out", JsonFile(path=str(target)), primary_key_fields=[key])

    return coco.open_flow("Bad", define)


def texts(target: Path) -> list[str]:
    return sorted(row["loud"] for row in json.loads(target.read_text()).values())


def ready(corpus: Path, target: Path, **options: Any) -> coco.Flow:
    flow = make_flow(corpus, target, **options)
    flow.setup()
    flow.update()
    return flow


def test_an_undecodable_file_is_processed_and_named(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "out.json"
    write(corpus / "latin.md", b"caf\xe9")
    with caplog.at_level(logging.WARNING):
        flow = ready(corpus, target)
    assert len(texts(target)) == 3 and "CAF\ufffd" in texts(target)
    assert str(corpus / "latin.md") in caplog.text and "binary=True" in caplog.text
    assert flow.errors() == []


@pytest.mark.parametrize(
    ("text", "error_type", "said"),
    [
        ("raise", "LookupError", "no such word"),
        ("hang", "FunctionTimeoutError", "longer than its limit of 0.2 s; raise `timeout`"),
        ("type", "ValueConversionError", "expected Str, got int"),
    ],
)
def test_a_function_that_fails_costs_its_row_only(
    corpus: Path, tmp_path: Path, text: str, error_type: str, said: str
) -> None:
    target = tmp_path / "out.json"
    flow = ready(corpus, target)
    before = texts(target)
    write(corpus / "a.md", f"please {text}", OLD + 50)
    write(corpus / "c.md", "new", OLD + 50)
    info = flow.update()
    assert info["docs"].num_errors == 1 and info.has_errors
    assert texts(target) == sorted([*before, "NEW"]), "the row's old version stays, the others are done"
    (error,) = flow.errors()
    assert (error.source, error.key, error.phase) == ("docs", "a.md", "evaluate")
    assert error.error_type == error_type and said in error.message
    assert error.op == "Touchy (docs.loud)", "function and field"
    STUCK.set()
    write(corpus / "a.md", "healed", OLD + 90)
    assert not flow.update().has_errors
    assert texts(target) == ["HEALED", "NEW", "TEXT OF B.MD"] and flow.errors() == []


@op.function(cache=True, behavior_version=1)
def halved(text: str) -> str:
    return json.loads(f'"{text[0]}\\ud83d and \\udc00"')  # type: ignore[no-any-return]


def test_half_of_a_surrogate_pair_is_replaced(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(corpus, target, function=halved)
    assert flow.update().total.num_errors == 0
    assert texts(target) == ["t\ufffd and \ufffd"] * 2
    write(corpus / "a.md", "x again")
    assert flow.update().total.num_updates == 1
    assert texts(target) == ["t\ufffd and \ufffd", "x\ufffd and \ufffd"]


def test_of_two_rows_with_one_key_the_later_is_kept_and_counted(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write(corpus / "a.md", "# one\n\n# two")

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            doc["chunks"] = doc["content"].transform(
                coco.functions.SplitBySeparators(separators_regex=[r"\n\n"])
            )
            with doc["chunks"].row() as chunk:
                out.collect(filename=doc["filename"], loud=chunk["text"])
        out.export("out", JsonFile(path=str(target)), primary_key_fields=["filename"])

    flow = coco.open_flow("Bad", define)
    flow.setup()
    info = flow.update()
    assert texts(target) == ["# two", "text of b.md"]
    assert info["docs"].num_duplicate_keys == 1 and not info.has_errors
    assert "export 'out'" in info.warnings[0] and "a.md" in info.warnings[0]
    assert "last one was kept" in info.warnings[0]


def test_two_source_rows_with_one_key_are_warned_of(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    for name in ("a.md", "b.md"):
        write(corpus / name, f"group {name}")

    def define(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
        out = scope.add_collector()
        with scope["docs"].row() as doc:
            out.collect(id=doc["content"].transform(touchy), loud=doc["filename"])
        out.export("out", JsonFile(path=str(target)), primary_key_fields=["id"])

    flow = coco.open_flow("Bad", define)
    flow.setup()
    info = flow.update()
    assert len(texts(target)) == 1
    assert "several source rows yield one key" in info.warnings[0] and "'out'" in info.warnings[0]


def test_a_file_deleted_after_the_listing_is_no_error(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"

    @op.function(behavior_version=1)
    def removes_b(text: str) -> str:
        (corpus / "b.md").unlink(missing_ok=True)
        return text.upper()

    flow = ready(corpus, target, function=removes_b, rows=1)
    assert texts(target) == ["TEXT OF A.MD"]
    assert flow.errors() == []


def test_a_missing_root_deletes_nothing(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(corpus, target)
    before = texts(target)
    corpus.rename(tmp_path / "away")
    with pytest.raises(SourceError) as caught:
        flow.update()
    for said in ("source 'docs'", "flow 'Bad'", str(corpus), "does not exist", "nothing is deleted"):
        assert said in str(caught.value)
    assert texts(target) == before
    (tmp_path / "away").rename(corpus)
    assert flow.update()["docs"].num_no_change == 2


def test_an_unreachable_target_repeats_no_function_calls(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(corpus, target)
    before = texts(target)
    (tmp_path / "down").touch()
    write(corpus / "a.md", "edited", OLD + 50)
    info = outcome(flow)
    assert info["docs"].num_errors == 1 and texts(target) == before
    (error,) = flow.errors()
    assert (error.key, error.phase) == ("a.md", "apply")
    assert "connection to out.json refused" in error.message
    (tmp_path / "down").unlink()
    info = flow.update()
    assert not info.has_errors and info["docs"].num_function_calls == 0, "its results were kept"
    assert texts(target) == ["EDITED", "TEXT OF B.MD"]


# -- state ------------------------------------------------------------------------------------------


def damaged_state(tmp_path: Path, damage: Callable[[Path], object]) -> Path:
    coco.stop()
    path = tmp_path / "state.db"
    damage(path)
    return path


def test_a_corrupt_state_file_is_left_as_it_is(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    flow = ready(corpus, target)
    before = texts(target)
    path = damaged_state(tmp_path, lambda path: path.write_bytes(b"this is no database at all " * 200))
    content = path.read_bytes()
    with pytest.raises(StateStoreError) as caught:
        flow.update()
    for said in (str(path), "corrupt", "has not changed it", "restore a backup"):
        assert said in str(caught.value)
    assert path.read_bytes() == content and texts(target) == before


def test_a_newer_state_file_is_refused(corpus: Path, tmp_path: Path) -> None:
    flow = ready(corpus, tmp_path / "out.json")

    def newer(path: Path) -> None:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE header SET value='999' WHERE key='schema_version'")
        database.close()

    path = damaged_state(tmp_path, newer)
    with pytest.raises(StateStoreError) as caught:
        flow.update()
    for said in (str(path), "999", "newer"):
        assert said in str(caught.value)


# -- what root may do and others may not ------------------------------------------------------------

CHILD = """
import json, sys
import coco

@coco.flow_def(name="Refused")
def refused(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        out.collect(filename=doc["filename"], text=doc["content"])
    out.export("out", coco.targets.Sqlite(path="out.db"), primary_key_fields=["filename"])

try:
    refused.setup()
    info = refused.update()
    print(json.dumps({**info.to_dict(), "failed": [item.to_dict() for item in refused.errors()]}))
except coco.errors.CocoError as error:
    print(json.dumps({"error": str(error)}))
"""
WITHOUT_PRIVILEGES = """
import ctypes, os, sys
if os.getuid() == 0:  # root may read everything, which would prove nothing
    libc = ctypes.CDLL(None, use_errno=True)
    drop_bound, override, read_search = 24, 1, 2
    if any(libc.prctl(drop_bound, item, 0, 0, 0) for item in (override, read_search)):
        sys.exit(77)
os.execv(sys.executable, [sys.executable, "-B", "child.py"])
"""


@pytest.fixture
def public(corpus: Path, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "child.py").write_text(CHILD)
    for path in corpus.iterdir():
        path.unlink()
    (corpus / "inner").mkdir()
    yield tmp_path
    for path in [corpus, *corpus.rglob("*"), tmp_path / ".coco"]:
        if path.exists():
            path.chmod(0o700)


def as_somebody(folder: Path) -> dict[str, Any]:
    """Run the child as someone who may not read everything."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COCO")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PRIVILEGES],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("root that cannot give up its privileges reads everything")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="permissions and privileges are of another kind there")
def test_unreadable_files_and_folders(public: Path) -> None:
    pytest.importorskip("coco_target_sqlite.spec")
    docs = public / "docs"
    for name in ("a.md", "b.md", "inner/c.md"):
        write(docs / name, f"text of {name}")
    assert as_somebody(public)["sources"]["docs"]["num_insertions"] == 3
    write(docs / "a.md", "new text", OLD + 50)
    (docs / "a.md").chmod(0)
    (docs / "inner").chmod(0)
    found = as_somebody(public)
    (failed,) = (item for item in found["failed"] if item["key"])
    assert (failed["source"], failed["key"], failed["phase"]) == ("docs", "a.md", "read")
    assert f"cannot read {docs / 'a.md'}: Permission denied" in failed["message"]
    assert any("inner" in text and "rows are kept" in text for text in found["warnings"])
    assert found["sources"]["docs"]["num_deletions"] == 0, "what cannot be seen is not gone"
    (docs / "a.md").chmod(0o600)
    (docs / "inner").chmod(0o700)
    found = as_somebody(public)
    assert found["failed"] == [] and found["sources"]["docs"]["num_updates"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="permissions and privileges are of another kind there")
def test_a_state_folder_that_cannot_be_written(public: Path) -> None:
    write(public / "docs" / "a.md", "text")
    state = public / ".coco"
    state.mkdir()
    as_somebody(public)
    for path in [*state.iterdir()]:
        path.unlink()
    state.chmod(0o500)
    error = as_somebody(public)["error"]
    assert str(state / "state.db") in error
    assert "cannot be written" in error or "COCO_STATE_URL" in error


# -- plugins ----------------------------------------------------------------------------------------


def broken_plugin(folder: Path) -> dict[str, str]:
    """Environment of a process in which a plugin is installed that fails to import."""
    info = folder / "coco_source_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: coco-source-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[coco.plugins]\nsource-broken = coco_source_broken._plugin\n")
    (info / "RECORD").write_text("")
    package = folder / "coco_source_broken"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_plugin.py").write_text("import a_library_that_is_not_there\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_plugin_that_fails_to_import_disables_only_itself(corpus: Path, tmp_path: Path) -> None:
    environment = broken_plugin(tmp_path / "site")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("coco")), "plugins", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "a_library_that_is_not_there" in done.stdout and "source-broken" in done.stdout
    code = "import coco; print(coco.sources.LocalFile(path='docs').path); coco.sources.Broken"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "docs\n", "the other plugins work"
    assert "Broken" in done.stderr and done.returncode == 1


# -- the command line -------------------------------------------------------------------------------

APP = f"""
import coco
from coco import op
from json_file import JsonFile

@op.function(cache=True, behavior_version=1)
def grumpy_app(text: str) -> str:
    if "bad" in text:
        raise ValueError("I do not like it")
    return text.upper()

@coco.flow_def(name="Grumpy")
def grumpy(builder, scope):
    scope["docs"] = builder.add_source(coco.sources.LocalFile(path="docs"))
    out = scope.add_collector()
    with scope["docs"].row() as doc:
        doc["loud"] = doc["content"].transform(grumpy_app)
        out.collect(filename=doc["filename"], loud=doc["loud"])
    auth = coco.add_auth_entry("sink", {SECRET!r}, replace=True)
    out.export("out", JsonFile(path="out.json", auth=auth), primary_key_fields=["filename"])
"""


@pytest.fixture
def app(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"app_bad_{tmp_path.name}.py"
    (tmp_path / name).write_text(APP)
    return name


def invoke(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(args))
    assert result.exit_code == code, result.output
    return result


def test_the_command_line_names_what_failed_and_what_to_do(app: str, corpus: Path) -> None:
    write(corpus / "a.md", "bad text")
    failed = invoke("update", "-f", app, code=1)
    assert "Grumpy.docs: 1 added, 0 removed, 0 updated, 1 error" in failed.stdout
    assert "coco errors" in failed.stderr
    listed = invoke("errors", app)
    for said in (
        "Grumpy",
        "docs",
        "a.md",
        "evaluate",
        "GrumpyApp (docs.loud)",
        ": ValueError: I do not like it",
    ):
        assert said in listed.stdout
    assert "coco update" in listed.stderr
    data = json.loads(invoke("errors", app, "--json").stdout)["flows"]["Grumpy"]
    assert [(row["key"], row["attempts"]) for row in data] == [("a.md", 1)]
    for _ in range(4):
        invoke("update", "-f", app, code=1)
    assert "quarantined" in invoke("errors", app).stdout
    assert "1 quarantined" in invoke("update", "-f", app, code=1).stdout
    assert json.loads(invoke("errors", app, "--json").stdout)["flows"]["Grumpy"][0]["attempts"] == 5
    assert "1 error" in invoke("retry", app, code=1).stdout
    write(corpus / "a.md", "good text", OLD + 50)
    invoke("update", "-f", app)
    assert "No rows failed" in invoke("errors", app).stderr


def test_secrets_appear_in_no_output_and_no_file(app: str, corpus: Path, tmp_path: Path) -> None:
    said = [
        invoke("update", "-f", app).output,
        invoke("show", "-v", app).output,
        invoke("plan", app, "--json", "-o", "plan.json").output,
        invoke("verify", app, "--json").output,
        invoke("ls", app).output,
        (tmp_path / "plan.json").read_text(),
    ]
    (tmp_path / "down").touch()
    write(corpus / "a.md", "other", OLD + 50)
    said += [invoke("update", "-f", app, code=1).output, invoke("errors", app).output]
    for text in said:
        assert SECRET not in text
    coco.stop()
    for path in tmp_path.glob("state.db*"):
        assert SECRET.encode() not in path.read_bytes()
    assert "'sink'" in said[1] or "sink" in said[1], "the key is shown in its place"


class Keyed(op.TargetSpec):
    """A target whose author stores everything that the spec says."""

    place: str
    password: str
    columns: dict[str, str]


@op.target_connector(spec_cls=Keyed)
class KeyedConnector:
    @staticmethod
    def get_persistent_key(spec: Keyed, target_name: str) -> str:
        return spec.place

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None:
        pass

    @staticmethod
    def mutate(*batches: tuple[Keyed, dict[str, Any]]) -> None:
        pass


def test_a_secret_that_would_be_stored_with_the_setup_is_refused(corpus: Path, tmp_path: Path) -> None:
    """Names of columns are data: one that is called ``token`` is nobody's secret."""

    def define(password: str) -> Callable[[coco.FlowBuilder, coco.DataScope], None]:
        def flow(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
            scope["docs"] = builder.add_source(coco.sources.LocalFile(path=str(corpus)))
            rows = scope.add_collector()
            with scope["docs"].row() as doc:
                rows.collect(file=doc["filename"])
            spec = Keyed(place="here", password=password, columns={"token": "text"})
            rows.export("keyed", spec, primary_key_fields=["file"])

        return flow

    flow = coco.open_flow("Keyed", define(SECRET))
    with pytest.raises(
        coco.errors.DefinitionError, match=r"Keyed 'keyed' of flow 'Keyed'.*'password'"
    ) as caught:
        flow.setup()
    assert SECRET not in str(caught.value)
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    flow.close()
    coco.open_flow("Keyed", define("")).setup()


@pytest.mark.parametrize("command", ["update", "setup", "drop"])
def test_an_in_memory_state_is_refused_on_the_command_line(
    app: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", "memory://")
    refused = invoke(command, "-f", app, code=1)
    assert f"coco {command} needs a state that lasts" in refused.output
    assert "COCO_STATE_URL=sqlite:///" in refused.output
    invoke("show", app)
