"""What commands print: one JSON document whoever else prints, in any encoding, and nothing that steers a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from coco.cli import group, streams
from coco.cli.apps import APP_VARIABLE
from coco.cli.failures import report, show_warning
from coco.cli.group import cli, own_commands
from coco.cli.logs import prepare_logs
from coco.plugins import CommandManifest

COCO = str(Path(sys.executable).with_name("coco"))
EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e"
NOISY = """
import ctypes, os, subprocess, sys
import coco

def noise(where):
    print("printed", where)
    os.write(1, b"written\\n")
    ctypes.CDLL(None).puts(b"put by C")
    subprocess.run(["echo", "echoed"])
    open("/dev/stdout", "w").write("opened\\n")

noise("at import")

@coco.op.function()
def shout(text: str) -> str:
    noise("in a function")
    return text.upper()

@coco.flow_def(name="Noisy")
def flow(builder, scope):
    noise("in the flow")
    scope["f"] = builder.add_source(coco.sources.LocalFile(path="in"))
    rows = scope.add_collector()
    with scope["f"].row() as file:
        rows.collect(name=file["filename"], text=file["content"].transform(shout))
    rows.export("o", coco.targets.Sqlite(path="o.db"), primary_key_fields=["name"])
"""
APP = """
import logging
import coco

print("printed at import")

@coco.op.function()
def odd(text: str) -> str:
    print("printed in a function")
    logging.getLogger("app").warning("logged %s", EVIL)
    if "bad" in text:
        raise ValueError("reason " + EVIL + "\\nsecond line")
    return text + EVIL

@coco.flow_def(name="Odd")
def flow(builder, scope):
    scope["f"] = builder.add_source(coco.sources.LocalFile(path="in"))
    rows = scope.add_collector()
    with scope["f"].row() as file:
        rows.collect(name=file["filename"], text=file["content"].transform(odd), mark=EVIL)
    rows.export("o", coco.targets.Sqlite(path="o.db"), primary_key_fields=["name"])
"""
PLAIN = """
import coco

print("畫 \\udce9")

@coco.flow_def(name="Plain")
def flow(builder, scope):
    scope["f"] = builder.add_source(coco.sources.LocalFile(path="in"))
    rows = scope.add_collector()
    with scope["f"].row() as file:
        rows.collect(name=file["filename"], mark="畫")
    rows.export("o", coco.targets.Sqlite(path="o.db"), primary_key_fields=["name"])
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with hostile file names and an app that prints, logs, warns and fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(APP_VARIABLE, "")
    (tmp_path / ".env").write_text("")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{EVIL[:-2]}name").write_text("bad")
    (tmp_path / "in" / "two\nlines").write_text("bad")
    (tmp_path / "in" / "dürer-畫.txt").write_text("good")
    (tmp_path / "app_of_output.py").write_text(f"EVIL = {EVIL!r}\n{APP}")
    yield tmp_path
    sys.modules.pop("app_of_output", None)


def run(*args: str, code: int | None = 0) -> Result:
    result = CliRunner().invoke(cli, list(args), color=True)  # as on a terminal: codes are kept
    assert code in (None, result.exit_code), result.output
    return result


def with_json() -> set[str]:
    found = set()
    for name in own_commands():
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        if any("--json" in param.opts for param in command.params):
            found.add(name)
    return found


STEPS: dict[str, tuple[list[str], int]] = {
    "setup": (["-f", "app_of_output.py"], 0),
    "plan": (["-o", "plan.json", "app_of_output.py"], 0),
    "apply": (["plan.json"], 1),
    "update": (["-f", "--full-reprocess", "app_of_output.py"], 1),
    "errors": (["app_of_output.py"], 0),
    "retry": (["app_of_output.py"], 1),
    "verify": (["app_of_output.py"], 1),
    "evaluate": (["-o", "dump", "app_of_output.py"], 1),
    "show": (["app_of_output.py"], 0),
    "ls": (["app_of_output.py"], 0),
    "settings": (["app_of_output.py"], 0),
    "plugins": ([], 0),
    "cache": (["prune", "app_of_output.py"], 0),
    "unlock": (["-f", "app_of_output.py"], 0),
    "drop": (["-f", "app_of_output.py"], 0),
}
"""In an order in which each has something to do."""


def test_json_is_one_document_for_every_command() -> None:
    assert with_json() <= set(STEPS), "give each command with --json its step"
    for name in [step for step in STEPS if step in with_json()]:
        args, code = STEPS[name]
        result = run(name, "--json", *args, code=code if name != "verify" else None)
        document = json.loads(result.stdout)
        assert isinstance(document, dict) and "error" not in document, name
        assert not re.search("[\x7f-\x9f\u202e]", result.stdout), name
    assert "printed in a function" not in result.stdout


def test_a_command_that_fails_gives_a_document_too(project: Path) -> None:
    (project / "broken_app.py").write_text("print('printed'); raise RuntimeError('no ' + chr(27))")
    for name in sorted(with_json() - {"plugins", "apply"}):
        action = ["stats"] if name == "cache" else []
        document = json.loads(run(name, "--json", *action, "broken_app.py", code=1).stdout)
        assert document["ok"] is False
        assert "Failed to load APP_TARGET 'broken_app.py'" in document["error"]["message"]
        assert document["error"]["exit_code"] == 1
    for args in (
        ["update", "--json"],
        ["update", "--json", "--nope", "x.py"],
        ["updat", "--json"],
        ["--nope", "--json"],
    ):
        document = json.loads(run(*args, code=2).stdout)
        assert (document["error"]["type"], document["error"]["exit_code"]) == ("UsageError", 2)
    (project / "file").write_text("")
    document = json.loads(run("plan", "--json", "-o", "file/x", "app_of_output.py", code=1).stdout)
    assert "cannot write file/x" in document["error"]["message"]
    document = json.loads(run("update", "--json", "--no-setup", "app_of_output.py", code=1).stdout)
    assert "Setup is pending" in document["error"]["message"]


def test_commands_print_through_one_function() -> None:
    """``say`` writes control characters as escapes; nothing else of ours may print text."""
    folder = Path(streams.__file__).parent
    sources = {path.name: path.read_text() for path in folder.rglob("*.py")}
    found = {name for name, text in sources.items() if re.search(r"click\.s?echo\(|(?<![\w.])print\(", text)}
    assert found == {"output.py"}


def test_a_plugins_command_prints_its_results_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("own")
    @click.option("--json", "as_json", is_flag=True)
    def own(as_json: bool) -> None:
        click.echo(json.dumps({"own": as_json}))

    class Host:
        def load(self, key: str) -> click.Command | None:
            return own if key == "command:own" else None

        def commands(self) -> list[CommandManifest]:
            return [CommandManifest("own", "module:own", "Clears\x1b[2J.")]

    monkeypatch.setattr(group, "_host", Host)
    assert json.loads(run("own", "--json").stdout) == {"own": True}
    assert json.loads(run("owm", "--json", code=2).stdout)["error"]["type"] == "UsageError"
    assert "Clears\\x1b[2J." in run("--help").stdout


def test_messages_about_wrong_calls_are_printable() -> None:
    for args in (
        ["ls", f"{EVIL}.py"],
        ["update", f"app_of_output.py:{EVIL}"],
        ["-e", EVIL, "ls"],
        [f"{EVIL}"],
        ["ls", f"--{EVIL}"],
    ):
        said = run(*args, code=None).stderr
        assert "\\x1b[2J" in said and not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said), said


def test_help_is_text() -> None:
    assert "Usage" in run("update", "--json", "--help").stdout
    assert run("drop", "app_of_output.py", "--", "--json", code=1).stdout == "printed at import\n"


def test_terminal_control_codes_are_not_printed() -> None:
    """Only codes that colour our own words are, and one row is one line."""
    for name, (args, _) in STEPS.items():
        result = run(name, *args, code=None)
        said = result.output.replace("printed at import\n", "").replace("printed in a function\n", "")
        said = re.sub("\x1b\\[[0-9;]*m", "", said)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said), (name, said)
        if name == "errors":
            rows = [line for line in said.splitlines() if line.startswith("Odd f ")]
            assert len(rows) == 2 and any("two\\nlines" in line for line in rows), said
        if name == "plan":
            assert "new: \\x1b[2J" in said and "two\\nlines" in said


def test_logs_warnings_and_tracebacks_are_printable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COCO_TRACEBACK", "1")
    prepare_logs()
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        assert logging.lastResort is not None
        logging.lastResort.handle(
            logging.LogRecord(
                "app", logging.ERROR, "file.py", 1, "%s\nmore", (EVIL,), (ValueError, error, None)
            )
        )
        show_warning(EVIL, UserWarning, "file.py", 1)
        report(error)
    said = capsys.readouterr().err
    assert said.count("\\x1b]0;title") >= 4 and "Traceback" in said
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", said)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "utf-16"])
def test_any_encoding_takes_any_text(encoding: str) -> None:
    data = {"key": "a\udce9 é 畫 👩 \x9b\x7f\u2028\x00", "numbers": [float("nan"), 1.5]}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        streams.write_json(data)
    written = stream.buffer.getvalue().decode(encoding)
    assert json.loads(written) == {**data, "numbers": [None, 1.5]}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", written)
    if encoding == "utf-8":
        assert "é 畫 👩" in written


def process(
    project: Path, *args: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COCO", "PYTHON", "LC_", "LANG"))
    }
    done = subprocess.run(
        [COCO, *args], cwd=project, env={**kept, **(env or {})}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr and b"Error" not in done.stderr, done.stderr
    return done


@pytest.mark.slow
def test_json_of_a_process_whatever_writes_to_its_descriptors(project: Path) -> None:
    (project / "noisy.py").write_text(NOISY)
    done = process(project, "update", "-f", "--json", "noisy.py")
    document: Any = json.loads(done.stdout)
    assert document["flows"]["Noisy"]["sources"]["f"]["num_insertions"] == 3
    for text in (
        b"printed in a function",
        b"written",
        b"put by C",
        b"echoed",
        b"opened",
        b"printed at import",
    ):
        assert text in done.stderr
    assert b"printed at import" in process(project, "ls", "noisy.py").stdout, (
        "without --json they print as ever"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}],
)
def test_encodings_of_a_process(project: Path, env: dict[str, str]) -> None:
    (project / "plain.py").write_text(PLAIN)
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    document = json.loads(
        process(project, "update", "-f", "--json", "plain.py", env=env).stdout.decode(encoding)
    )
    assert document["flows"]["Plain"]["sources"]["f"]["num_insertions"] == 3
    shown = process(project, "show", "plain.py", env=env).stdout.decode(encoding)
    assert "畫" in shown if encoding == "utf-8" else "\\u756b" in shown
