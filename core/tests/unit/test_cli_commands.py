"""The commands against a stand-in for the runtime that records what it is asked for."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import coco.lib  # noqa: F401  has the environment of the process before tests replace it
from coco.api.flow import Flow
from coco.api.registry import flows
from coco.cli import live, output
from coco.cli.apps import APP_VARIABLE
from coco.cli.group import cli
from coco.engine.stats import IndexUpdateInfo, RowError, SourceUpdateInfo, UpdateStats
from coco.environment.environment import Environment
from coco.errors import DriftError, SourceError
from coco.events import RowFailed, RowsCommitted, RowsDetected, RunFinished, RunStarted
from coco.operations.evaluate import EvaluateReport
from coco.operations.plan import PlannedSource, SetupPlan, UpdatePlan

APP = """
import coco

@coco.flow_def(name="First")
def first(builder, scope):
    pass

@coco.flow_def(name="Second")
def second(builder, scope):
    pass
"""


class FakeBundle:
    destructive = True
    lossy = False
    left: tuple[Any, ...] = ()

    @property
    def invalid(self) -> list[str]:
        return [name for name in self.names if name in self.runtime.invalid]

    def __init__(self, runtime: FakeRuntime, what: str, names: list[str]) -> None:
        self.runtime, self.what, self.names = runtime, what, names

    def describe(self) -> tuple[str, bool]:
        pending = self.runtime.pending if self.what == "setup" else self.runtime.persisted
        return f"{self.what} of {self.names}", not set(self.names) & pending

    def apply(self, report_to_stdout: bool = False, allow_destructive: bool = False) -> None:
        assert allow_destructive  # the command line has asked
        self.runtime.calls.append((self.what, *self.names))
        if self.what == "setup":
            self.runtime.pending -= set(self.names)
            self.runtime.persisted |= set(self.names)
        else:
            self.runtime.pending |= set(self.names)
            self.runtime.persisted -= set(self.names)

    def describe_and_apply(self, report_to_stdout: bool = False) -> None:
        assert self.describe()[1]


@dataclass
class FakeReport:
    ok: bool

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.ok}

    def render(self) -> str:
        return f"rows: {self.ok}"


class FakeLive:
    def __init__(self, runtime: FakeRuntime, signalled: bool) -> None:
        self.runtime, self.signalled, self.aborted = runtime, signalled, False

    def start(self) -> None:
        self.runtime.calls.append(("live",))

    def wait(self) -> None:
        if self.signalled and not self.aborted:
            os.kill(os.getpid(), signal.SIGTERM)
            assert self.aborted, "the signal's handler aborts"

    def abort(self) -> None:
        self.aborted = True

    def update_stats(self) -> IndexUpdateInfo:
        return self.runtime.info


class FakeEnvironment(Environment):
    namespace = "dev"
    stopped = 0

    def stop(self) -> None:
        self.stopped += 1


@dataclass
class FakeRuntime:
    environment: FakeEnvironment = field(default_factory=FakeEnvironment)
    pending: set[str] = field(default_factory=set)
    persisted: set[str] = field(default_factory=lambda: {"First", "Second", "Old"})
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    info: IndexUpdateInfo = field(
        default_factory=lambda: IndexUpdateInfo([SourceUpdateInfo("files", UpdateStats(num_insertions=3))])
    )
    failing: dict[str, BaseException] = field(default_factory=dict)
    version: str = "v1"
    changed: int = 0
    good: bool = True
    rows: list[RowError] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    signalled: bool = True

    def make_setup_bundle(self, flows: Any, *, forget: bool = False) -> FakeBundle:
        return FakeBundle(self, "setup", [flow.name for flow in flows])

    def check_sources(self, flows: Any) -> None: ...

    def make_drop_bundle(
        self, flows: Any, *, names: Any = (), keep_results: bool = False, forget: bool = False
    ) -> FakeBundle:
        return FakeBundle(self, "drop", [*(flow.name for flow in flows), *names])

    def flow_names_with_setup(self) -> list[str]:
        return sorted(self.persisted)

    def update(self, flow: Any, **options: Any) -> IndexUpdateInfo:
        self.calls.append(("update", flow.name, {name for name, value in options.items() if value}))
        if flow.name in self.failing:
            raise self.failing[flow.name]
        for event in (
            RunStarted("dev.First", "normal", ("files",)),
            RowsDetected("dev.First", "files", 2, 1, 4),
            RowsCommitted("dev.First", "files", 2, 0),
            RowFailed("dev.First", "files", "a", "read", "op", "no"),
            RunFinished("dev.First", 0.25, False),
        ):
            self.environment.emit(event)
        return self.info

    def retry(self, flow: Any) -> IndexUpdateInfo:
        return self.update(flow, retry_quarantined=True)

    def plan(self, flow: Any, *, read: int) -> UpdatePlan:
        text, up_to_date = self.make_setup_bundle([flow]).describe()
        setup = SetupPlan(text, up_to_date, destructive=True)
        if not up_to_date or flow.name not in self.persisted:
            return UpdatePlan(flow.full_name, setup, setup_pending=True)
        marks = {"state": self.version, "listing": str(self.changed), "logic": "same"}
        return UpdatePlan(flow.full_name, setup, marks, [PlannedSource("files", new=1)])

    def verify(self, flow: Any, *, repair: bool = False, sample: int | None = None) -> FakeReport:
        self.calls.append(("verify", flow.name, repair, sample))
        return FakeReport(self.good)

    def errors(self, flow: Any) -> list[RowError]:
        return self.rows

    def evaluate(self, flow: Any, output_dir: Any, *, use_cache: bool) -> EvaluateReport:
        self.calls.append(("evaluate", flow.name, str(output_dir), use_cache))
        return EvaluateReport(str(output_dir), self.info)

    def live(self, flow: Any, options: Any) -> FakeLive:
        assert options.live_mode
        return FakeLive(self, self.signalled)

    @property
    def stopped(self) -> int:
        return self.environment.stopped


OPERATIONS = ("update", "retry", "plan", "verify", "errors", "evaluate")
LISTS = ("make_setup_bundle", "make_drop_bundle", "check_sources", "flow_names_with_setup")


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRuntime]:
    """Stands in for what flows do; the commands are the real ones."""
    fake = FakeRuntime()
    for module in ("coco.environment.environment", "coco.lib"):
        monkeypatch.setattr(f"{module}.ENVIRONMENT", fake.environment)
    for name in OPERATIONS:  # looked up at the call, for tests that replace one of them
        monkeypatch.setattr(Flow, name, lambda *a, name=name, **k: getattr(fake, name)(*a, **k))
    for name in LISTS:
        monkeypatch.setattr(f"coco.api.registry.{name}", getattr(fake, name))
    monkeypatch.setattr("coco.api.live.FlowLiveUpdater", fake.live)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(APP_VARIABLE, "")
    monkeypatch.delenv("COCO_TRACEBACK", raising=False)
    monkeypatch.setattr(output, "is_interactive", lambda: True)
    (tmp_path / ".env").write_text("")
    (tmp_path / "cli_app_commands.py").write_text(APP)
    yield fake
    sys.modules.pop("cli_app_commands", None)
    for flow in flows().values():
        flow.close()


def run(command: str, *more: str, answer: str = "", code: int = 0) -> Result:
    result = CliRunner().invoke(cli, [command, *more], input=answer)
    assert result.exit_code == code, result.output
    return result


APP_FILE = "cli_app_commands.py"


def test_ls(runtime: FakeRuntime) -> None:
    result = run("ls")
    assert result.stdout == "App namespace dev:\nFirst\nOld\nSecond\n"
    assert "Loaded environment variables from: " in result.stderr
    runtime.persisted = {"First"}
    assert "First\nSecond [+]\n\nNotes:\n  [+]" in run("ls", APP_FILE).stdout
    runtime.persisted = set()
    assert "No flows are set up." in run("ls").stdout
    assert runtime.stopped == 3


def test_setup_asks(runtime: FakeRuntime) -> None:
    assert "already up to date" in run("setup", APP_FILE).stdout
    runtime.pending = {"First"}
    refused = run("setup", APP_FILE, answer="no\n", code=1)
    assert output.QUESTION in refused.stderr and "Nothing was done" in refused.stderr
    assert "setup of ['First', 'Second']" in refused.stdout
    run("setup", APP_FILE, answer="\n", code=1)
    assert "Error: invalid input" in run("setup", APP_FILE, answer="perhaps\nn\n", code=1).stderr
    assert runtime.calls == []
    run("setup", APP_FILE, answer="YES\n")
    assert runtime.calls == [("setup", "First", "Second")]


def test_reset_asks_once(runtime: FakeRuntime) -> None:
    run("setup", "--reset", APP_FILE, answer="y\n")
    assert [call[0] for call in runtime.calls] == ["drop", "setup"]


def test_without_a_terminal_the_answer_is_no(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_interactive", lambda: False)
    monkeypatch.setattr(FakeBundle, "destructive", False)
    runtime.pending = {"First"}
    refused = run("update", APP_FILE, answer="yes\n", code=1).stderr
    assert "no terminal to ask" in refused and "setup of ['First', 'Second']" in refused
    assert "Add `--force` (or `--setup`, which asks only if data would be lost)" in refused
    assert "--setup" not in run("setup", APP_FILE, code=1).stderr
    run("update", "-f", APP_FILE)
    assert [call[0] for call in runtime.calls] == ["setup", "update", "update"]
    runtime.calls.clear()
    runtime.pending = {"First"}
    run("update", "--setup", APP_FILE)
    assert [call[0] for call in runtime.calls] == ["setup", "update", "update"]


def test_setup_by_an_option_asks_where_data_would_be_lost(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_interactive", lambda: False)
    runtime.pending = {"First"}
    refused = run("update", "--setup", APP_FILE, code=1).stderr
    assert "This deletes data" in refused and "Add `--force` to do it" in refused
    assert runtime.calls == []


def test_setup_does_not_ask_about_a_plan_that_cannot_be_applied(runtime: FakeRuntime) -> None:
    runtime.pending, runtime.invalid = {"First", "Second"}, ["Second"]
    for options in ([], ["-f"]):
        refused = run("setup", APP_FILE, *options, code=1)
        assert "setup of ['First', 'Second']" in refused.stdout
        assert "Second cannot be set up; nothing was changed" in refused.stderr
        assert output.QUESTION not in refused.output
    assert "setup of" in run("update", "-q", "-f", APP_FILE, code=1).stderr
    assert runtime.calls == []


def test_drop(runtime: FakeRuntime) -> None:
    result = run("drop", APP_FILE, "First", "Old", "Nope", answer="yes\n")
    assert runtime.calls == [("drop", "First", "Old")]
    assert "no flow 'Nope'" in result.stderr and "dev.First, dev.Old" in result.stderr
    assert "none of them is set up" in run("drop", "-f", APP_FILE, "First").stdout
    assert "None of the named" in run("drop", "-f", APP_FILE, "Nope", code=1).stderr
    run("drop", "-f", APP_FILE)
    assert runtime.calls[-1] == ("drop", "First", "Second")
    assert runtime.persisted == set()


def test_update_options_and_summary(runtime: FakeRuntime) -> None:
    result = run(
        "update", f"{APP_FILE}:First", "--reexport", "--full-reprocess", "--allow-deletes", "--setup"
    )
    assert runtime.calls == [("update", "First", {"reexport_targets", "full_reprocess", "allow_deletes"})]
    assert result.stdout == "First.files: 3 added, 0 removed, 0 updated\n"
    assert "dev.First: files 7/7 rows, 1 failed in 0.2 s" in result.stderr
    quiet = run("update", APP_FILE, "-q")
    assert quiet.stdout == "" and "rows" not in quiet.stderr


def test_update_json_keeps_stdout_clean(runtime: FakeRuntime) -> None:
    runtime.pending = {"First"}
    found = json.loads(run("update", "--json", "-f", APP_FILE).stdout)
    assert found["ok"] is True and list(found["flows"]) == ["First", "Second"]
    assert found["flows"]["First"]["sources"]["files"]["num_insertions"] == 3


def test_update_goes_on_after_a_failing_flow(runtime: FakeRuntime) -> None:
    runtime.failing = {"First": SourceError("no such folder")}
    result = run("update", APP_FILE, code=1)
    assert [call[1] for call in runtime.calls] == ["First", "Second"]
    assert "Error: no such folder" in result.stderr and "Traceback" not in result.output
    assert "Second.files: 3 added" in result.stdout
    found = json.loads(run("update", "--json", APP_FILE, code=1).stdout)
    assert found["ok"] is False and found["flows"]["First"]["error"].startswith("no such folder")


def test_update_with_failed_rows_exits_with_1(runtime: FakeRuntime) -> None:
    runtime.info.sources[0].stats.num_errors = 1
    assert "coco errors" in run("update", APP_FILE, code=1).stderr


def test_no_setup(runtime: FakeRuntime) -> None:
    run("update", "--no-setup", APP_FILE)
    runtime.calls.clear()
    runtime.pending = {"Second"}
    assert "Setup is pending" in run("update", "--no-setup", APP_FILE, code=1).stderr
    assert runtime.calls == []
    run("update", "--no-setup", "--reset", APP_FILE, code=2)


@pytest.fixture
def followable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flows here have no sources."""
    monkeypatch.setattr(live, "check_followable", lambda flows: None)


@pytest.mark.usefixtures("followable")
def test_live_ends_well_by_signal(runtime: FakeRuntime) -> None:
    before = signal.getsignal(signal.SIGTERM)
    runtime.info.sources[0].stats.num_errors = 1
    result = run("update", "-L", f"{APP_FILE}:First")
    assert "after a restart" in result.stderr
    assert "First.files: 3 added" in result.stdout
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("followable")
def test_live_ends_when_nothing_is_left(runtime: FakeRuntime) -> None:
    runtime.signalled = False
    assert "Flow First has no source left to follow" in run("update", "-L", f"{APP_FILE}:First").stderr
    runtime.info.sources[0].stats.num_errors = 1
    run("update", "-L", f"{APP_FILE}:First", code=1)


def test_interrupt_is_130(runtime: FakeRuntime) -> None:
    runtime.failing = {"First": KeyboardInterrupt()}
    assert "Interrupted" in run("update", APP_FILE, code=130).stderr
    assert [call[1] for call in runtime.calls] == ["First"]
    assert runtime.stopped == 1


@pytest.mark.parametrize("error", [DriftError("the table is gone"), RuntimeError("a fault")])
def test_one_message_without_traceback(
    runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(runtime, "verify", lambda *args, **more: (_ for _ in ()).throw(error))
    result = run("verify", APP_FILE, code=1)
    assert str(error) in result.stderr and "Traceback" not in result.output
    monkeypatch.setenv("COCO_TRACEBACK", "1")
    assert "Traceback" in run("verify", APP_FILE, code=1).stderr


def test_evaluate(runtime: FakeRuntime, tmp_path: Path) -> None:
    run("evaluate", f"{APP_FILE}:First", "--no-cache", "-o", "out")
    run("evaluate", f"{APP_FILE}:First")
    assert runtime.calls[0] == ("evaluate", "First", "out", False)
    assert runtime.calls[1][2].startswith("eval_dev_First_") and runtime.calls[1][3] is True
    (tmp_path / "file").write_text("")
    assert "not a folder" in run("evaluate", f"{APP_FILE}:First", "-o", "file", code=1).stderr
    runtime.info.sources[0].stats.num_errors = 1
    run("evaluate", f"{APP_FILE}:First", code=1)


def test_plan_and_apply(runtime: FakeRuntime, tmp_path: Path) -> None:
    result = run("plan", APP_FILE, "-o", "plan.json")
    assert "update: files: 1 new" in result.stdout
    assert json.loads((tmp_path / "plan.json").read_text()) == json.loads(
        run("plan", APP_FILE, "--json").stdout
    )
    run("apply", "plan.json")
    assert [call[:2] for call in runtime.calls] == [("update", "First"), ("update", "Second")]
    runtime.version = "v2"
    refused = run("apply", "plan.json", code=1)
    assert "another update changed the state of flow First" in refused.stderr
    runtime.version, runtime.changed = "v1", 1
    assert "the sources changed of flow First" in run("apply", "plan.json", code=1).stderr
    runtime.changed, runtime.pending = 0, {"Second"}
    assert "the setup of flow Second differs from the plan" in run("apply", "plan.json", code=1).stderr
    assert len(runtime.calls) == 2


def test_plan_of_pending_setup(runtime: FakeRuntime) -> None:
    runtime.pending, runtime.persisted = {"First"}, set()
    assert "after the setup, all rows" in run("plan", f"{APP_FILE}:First", "-o", "p.json").stdout
    run("apply", "p.json", "--allow-deletes")
    assert runtime.calls == [("setup", "First"), ("update", "First", {"allow_deletes"})]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 99}', '{"format": 1, "app": 3, "flows": {}}'])
def test_bad_plan_file(runtime: FakeRuntime, tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    assert "plan.json" in run("apply", "plan.json", code=1).stderr


def test_verify(runtime: FakeRuntime) -> None:
    assert "Flow First\nrows: True" in run("verify", APP_FILE, "--repair", "--sample", "5").stdout
    assert runtime.calls == [("verify", "First", True, 5), ("verify", "Second", True, 5)]
    runtime.good = False
    assert json.loads(run("verify", APP_FILE, "--json", code=1).stdout)["ok"] is False


def test_errors_and_retry(runtime: FakeRuntime) -> None:
    assert "No rows failed" in run("errors", APP_FILE).stderr
    runtime.rows = [
        RowError("files", "a.md", "evaluate", "embed", "ValueError", "no", 3, 1, 2, True, "Trace")
    ]
    result = run("errors", f"{APP_FILE}:First")
    assert (
        result.stdout
        == "First files a.md: quarantined in evaluate embed after 3 attempt(s): ValueError: no\n"
    )
    assert "1 failed row(s), 1 quarantined" in result.stderr
    assert json.loads(run("errors", f"{APP_FILE}:First", "--json").stdout)["flows"]["First"] == [
        runtime.rows[0].to_dict()
    ]
    run("retry", f"{APP_FILE}:First")
    assert runtime.calls == [("update", "First", {"retry_quarantined"})]


def test_show(runtime: FakeRuntime) -> None:
    text = run("show", f"{APP_FILE}:First", "--no-color", "-v").stdout
    assert "First" in text and "\x1b" not in text
    found = json.loads(run("show", f"{APP_FILE}:First", "--json").stdout)
    assert (found["name"], found["full_name"], found["targets"]) == ("First", "dev.First", [])


def test_env_file(runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(cli, ["-e", "none.env", "ls"]).exit_code == 2
    (tmp_path / "bad.env").write_text("what is this")
    result = CliRunner().invoke(cli, ["-e", "bad.env", "ls"])
    assert result.exit_code == 2 and "line 1" in result.stderr


def test_plugins(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    from coco.plugins.loader import PluginHost, temporary_host

    with temporary_host(PluginHost(candidates=lambda: ())):
        assert "no plugins are installed" in run("plugins").stdout
        assert json.loads(run("plugins", "--json").stdout)["plugins"] == []
    chosen = {"COCO_PLUGINS": "gone"}
    with temporary_host(PluginHost(candidates=lambda: (), environ=chosen)):
        assert json.loads(run("plugins", "--json", code=1).stdout)["unknown"] == ["gone"]


def test_init(runtime: FakeRuntime, tmp_path: Path) -> None:
    result = run("init", "my-notes")
    assert "cd my-notes && coco update --setup main.py" in result.stderr
    folder = tmp_path / "my-notes"
    text = (folder / "main.py").read_text()
    compile(text, "main.py", "exec")
    assert 'name="MyNotes"' in text and "my-notes.db" in text and "{" not in text
    assert (folder / "docs" / "welcome.md").is_file() and ".coco/" in (folder / ".gitignore").read_text()
    before = (folder / "README.md").read_text()
    assert "exist(s)" in run("init", "my-notes", code=1).stderr
    assert (folder / "README.md").read_text() == before
