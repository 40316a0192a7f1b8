"""The loader: what one plugin does wrong concerns no other."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coco.errors import PluginError
from coco.plugins.built_in import built_in_manifest, built_in_plugin
from coco.plugins.loader import PluginHost
from coco.plugins.manifest import load_target
from coco.plugins.metadata import Candidate
from coco.plugins.report import has_problems, plugin_report, report_lines

HEAD = "from coco.plugins import *\nCOCO_API = 1\n"
GOOD = (
    HEAD
    + """
@hookimpl
def coco_ops():
    return [OpManifest("target", "Good", "good_plugin_ops:Good", doc="A good one.")]
"""
)

Make = Callable[..., Candidate]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Writes a plugin's module and gives its candidate."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(name: str, source: str, distribution: str | None = None) -> Candidate:
        module = f"{name.replace('-', '_')}_plugin_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        return Candidate(name, module, lambda: (distribution or f"coco-{name}", "1.2"))

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name in set(sys.modules) - before:
        if "_plugin" in name:
            del sys.modules[name]


def host(*candidates: Candidate, **environ: str) -> PluginHost:
    return PluginHost(lambda: candidates, environ)


def status(plugins: PluginHost) -> dict[str, str]:
    return {plugin.name: plugin.status for plugin in plugins.plugins}


BAD: dict[str, tuple[str, str]] = {
    "import error": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
    "syntax error": ("def broken(:", "SyntaxError"),
    "exit": ("raise RuntimeError('licence expired')", "licence expired"),
    "leaving": ("raise SystemExit(3)", "SystemExit: 3"),
    "leaving hook": (HEAD + "@hookimpl\ndef coco_ops(): raise SystemExit('bye')", "SystemExit: bye"),
    "no number": ("x = 1", "has no COCO_API"),
    "newer number": (HEAD + "COCO_API = 2", "this coco-core has 1: upgrade coco-core"),
    "older number": (HEAD + "COCO_API = 0", "this coco-core has 1: upgrade the plugin"),
    "raising hook": (HEAD + "@hookimpl\ndef coco_ops(): raise OSError('disk on fire')", "disk on fire"),
    "unknown hook": (HEAD + "@hookimpl\ndef coco_opps(): return []", "coco_opps"),
    "unknown argument": (HEAD + "@hookimpl\ndef coco_flow_event(happening): pass", "happening"),
    "one manifest, no list": (
        HEAD + "@hookimpl\ndef coco_ops(): return OpManifest('target', 'X', 'x:X')",
        "expected a list of OpManifest, got OpManifest",
    ),
    "wrong manifest": (
        HEAD + "@hookimpl\ndef coco_ops(): return [StoreManifest('x', 'x:X')]",
        "expected OpManifest, got StoreManifest",
    ),
    "bad category": (
        HEAD + "@hookimpl\ndef coco_ops(): return [OpManifest('sink', 'X', 'x:X')]",
        "expected a category of source, function, target",
    ),
    "bad target": (
        HEAD + "@hookimpl\ndef coco_ops(): return [OpManifest('target', 'X', 'x.X')]",
        "expected a target like 'package.module:Name', got 'x.X'",
    ),
    "name twice": (
        HEAD + "@hookimpl\ndef coco_ops(): return 2 * [OpManifest('target', 'X', 'x:X')]",
        "target:X is given twice",
    ),
    "good ops, bad stores": (
        GOOD + "@hookimpl\ndef coco_state_stores(): return [StoreManifest('Bad Scheme', 'x:X')]",
        "expected a URL scheme",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_plugin_is_disabled_alone(make: Make, fault: str) -> None:
    source, reason = BAD[fault]
    plugins = host(make("a-bad", source), make("good", GOOD), make("z-bad", source))
    assert status(plugins) == {"a-bad": "disabled", "good": "loaded", "z-bad": "disabled"}
    bad, good, _ = plugins.plugins
    assert reason in bad.reason
    assert "Traceback" in bad.trace
    assert not bad.manifests
    assert not bad.hooks
    assert [op.name for op in good.ops] == ["Good"]
    assert plugins.names("target") == ["Good"]
    assert plugins.conflicts() == {}


@pytest.mark.parametrize("fault", BAD)
def test_strict_raises(make: Make, fault: str) -> None:
    source, reason = BAD[fault]
    with pytest.raises(PluginError, match=r"plugin bad \(coco-bad 1\.2\)") as caught:
        host(make("bad", source), COCO_STRICT_PLUGINS="1")
    assert reason in str(caught.value)
    assert caught.value.__cause__ is not None


def test_report_says_why(make: Make) -> None:
    plugins = host(make("bad", "import no_such_module_anywhere"), make("good", GOOD))
    report = plugin_report(plugins, verbose=True)
    assert has_problems(report)
    assert report["plugins"][0]["status"] == "disabled"
    assert report["plugins"][1]["ops"] == [
        {
            "category": "target",
            "name": "Good",
            "target": "good_plugin_ops:Good",
            "doc": "A good one.",
            "also": [],
        }
    ]
    text = "\n".join(report_lines(report))
    assert "bad  (coco-bad 1.2)  DISABLED: ModuleNotFoundError" in text
    assert "| ModuleNotFoundError: No module named 'no_such_module_anywhere'" in text
    assert "target Good: A good one." in text
    assert "Traceback" not in "\n".join(report_lines(plugin_report(plugins)))
    assert not has_problems(plugin_report(host(make("good2", GOOD))))


class TestChoice:
    """COCO_PLUGINS."""

    def load(self, make: Make, choice: str) -> dict[str, str]:
        unwanted = "raise AssertionError('must not be imported')"
        return status(host(make("one", GOOD), make("two", unwanted), COCO_PLUGINS=choice))

    @pytest.mark.parametrize("choice", ["one", "coco-one", "-two", "one,-two", " coco_one , "])
    def test_left_out_before_import(self, make: Make, choice: str) -> None:
        assert self.load(make, choice) == {"one": "loaded", "two": "skipped"}

    @pytest.mark.parametrize("choice", ["none", "-one -two", "three"])
    def test_nothing(self, make: Make, choice: str) -> None:
        assert self.load(make, choice) == {"one": "skipped", "two": "skipped"}

    def test_empty_is_no_choice(self, make: Make) -> None:
        assert self.load(make, "") == {"one": "loaded", "two": "disabled"}

    def test_unknown_name(self, make: Make) -> None:
        candidate = make("one", GOOD)
        assert host(candidate, COCO_PLUGINS="-threee").unknown_names() == ["threee"]
        with pytest.raises(PluginError, match="not installed: threee"):
            host(candidate, COCO_PLUGINS="-threee", COCO_STRICT_PLUGINS="1")

    @pytest.mark.parametrize("choice", ["Good=one", "target:=one", "target:Good="])
    def test_unreadable(self, make: Make, choice: str) -> None:
        with pytest.raises(PluginError, match="expected 'category:Name=plugin'"):
            host(make("one", GOOD), COCO_PLUGINS=choice)


class TestTwoProviders:
    """One name, two plugins."""

    def candidates(self, make: Make) -> tuple[Candidate, Candidate]:
        other = GOOD.replace("good_plugin_ops", "other_plugin_ops") + (
            "\n@hookimpl\ndef coco_runners(): return [RunnerManifest('more', 'x:y')]"
        )
        return make("first", GOOD), make("second", other)

    def test_refused_naming_both(self, make: Make) -> None:
        plugins = host(*self.candidates(make))
        assert status(plugins) == {"first": "loaded", "second": "loaded"}
        assert plugins.conflicts() == {"target:Good": ["first (coco-first 1.2)", "second (coco-second 1.2)"]}
        with pytest.raises(PluginError) as caught:
            plugins.resolve_op("target", "Good")
        for part in ("coco-first", "coco-second", "COCO_PLUGINS=target:Good=first"):
            assert part in str(caught.value)
        assert plugins.runner("more") is not None
        assert has_problems(plugin_report(plugins))
        assert "in doubt: target:Good" in "\n".join(report_lines(plugin_report(plugins)))

    def test_user_picks(self, make: Make) -> None:
        candidates = self.candidates(make)
        for name, module in (("first", "good_plugin_ops"), ("coco-second", "other_plugin_ops")):
            plugins = host(*candidates, COCO_PLUGINS=f"target:Good={name}")
            found = plugins.provider("target:Good")
            assert found is not None
            assert found[1].target == f"{module}:Good"
            assert plugins.conflicts() == {}
            assert plugins.runner("more") is not None

    @pytest.mark.parametrize(
        ("picked", "why"),
        [
            ("third", "which does not provide it"),
            ("broken", "which is disabled: ZeroDivisionError"),
            ("fourth", "which is not installed"),
        ],
    )
    def test_a_chosen_plugin_is_never_replaced_by_another(self, make: Make, picked: str, why: str) -> None:
        """Nobody stands in for the plugin that the user chose, even where no doubt would be left."""
        others = (make("third", HEAD), make("broken", "1 / 0"))
        for candidates in (self.candidates(make), self.candidates(make)[:1]):
            plugins = host(*candidates, *others, COCO_PLUGINS=f"target:Good={picked}")
            with pytest.raises(PluginError, match=why) as caught:
                plugins.resolve_op("target", "Good")
            assert "first (coco-first 1.2)" in str(caught.value)
            report = plugin_report(plugins)
            assert has_problems(report)
            assert report["unmet"]["target:Good"] in report_lines(report)
            assert plugins.conflicts() == {}
            assert plugins.resolve_op("target", "Other") is False

    def test_an_unmet_pick_raises_under_strict(self, make: Make) -> None:
        with pytest.raises(PluginError, match="picks the plugin first for target:Godo"):
            host(make("first", GOOD), COCO_PLUGINS="target:Godo=first", COCO_STRICT_PLUGINS="1")

    def test_leaving_one_plugin_out_resolves_the_conflict(self, make: Make) -> None:
        assert host(*self.candidates(make), COCO_PLUGINS="-first").conflicts() == {}

    def test_strict(self, make: Make) -> None:
        with pytest.raises(PluginError, match="provided by 2 plugins"):
            host(*self.candidates(make), COCO_STRICT_PLUGINS="1")

    def test_a_command_of_two_plugins_is_left_out(self, make: Make) -> None:
        source = HEAD + "@hookimpl\ndef coco_cli_commands(): return [CommandManifest('serve', 'x:y'){}]"
        plugins = host(
            make("a", source.format("")), make("b", source.format(", CommandManifest('mcp', 'x:z')"))
        )
        assert [command.name for command in plugins.commands()] == ["mcp"]

    def test_command_of_an_unmet_pick_is_left_out(self, make: Make) -> None:
        source = HEAD + "@hookimpl\ndef coco_cli_commands(): return [CommandManifest('serve', 'x:y')]"
        plugins = host(make("a", source), make("b", HEAD), COCO_PLUGINS="command:serve=b")
        assert plugins.commands() == []

    def test_two_distributions_announce_one_plugin(self, make: Make) -> None:
        first = make("same", GOOD, "coco-same")
        second = Candidate("same", first.module, lambda: ("coco-same-fork", "3"))
        plugins = host(first, second, make("good", GOOD))
        assert [plugin.status for plugin in plugins.plugins] == ["disabled", "disabled", "loaded"]
        assert "coco-same and coco-same-fork both announce" in plugins.plugins[0].reason


class TestUse:
    """What the host does with what it loaded."""

    def test_resolving_imports_then_only(self, make: Make, tmp_path: Path) -> None:
        plugins = host(make("good", GOOD))
        (tmp_path / "good_plugin_ops.py").write_text("class Good: pass")
        assert "good_plugin_ops" not in sys.modules
        assert plugins.resolve_op("target", "Good")
        assert "good_plugin_ops" in sys.modules
        assert not plugins.resolve_op("target", "Better")
        assert not plugins.resolve_op("source", "Good")

    @pytest.mark.parametrize(
        ("source", "reason"),
        [("import no_client_library", "no_client_library"), ("Bad = 1", "has no attribute 'Good'")],
    )
    def test_failing_import_names_the_plugin(
        self, make: Make, tmp_path: Path, source: str, reason: str
    ) -> None:
        plugins = host(make("good", GOOD))
        (tmp_path / "good_plugin_ops.py").write_text(source)
        with pytest.raises(
            PluginError, match=r"target:Good is provided by the plugin good \(coco-good 1\.2\)"
        ) as caught:
            plugins.resolve_op("target", "Good")
        assert reason in str(caught.value)
        assert isinstance(caught.value.__cause__, (ImportError, AttributeError))

    def test_categories_may_be_enum_members(self, make: Make, tmp_path: Path) -> None:
        from coco.spec import OpCategory

        plugins = host(make("good", GOOD))
        (tmp_path / "good_plugin_ops.py").write_text("class Good: pass")
        assert plugins.resolve_op(OpCategory.TARGET, "Good")

    def test_store_by_scheme(self, make: Make) -> None:
        source = (
            HEAD + "@hookimpl\ndef coco_state_stores(): return [StoreManifest('postgres', 'x:Store', 'doc')]"
        )
        plugins = host(make("store", source))
        store = plugins.store("postgres")
        assert store is not None
        assert store.target == "x:Store"
        assert plugins.store("redis") is None
        assert plugins.names("store") == ["postgres"]

    def test_first_secret_wins(self, make: Make) -> None:
        source = HEAD + "@hookimpl\ndef coco_resolve_secret(ref): return {}.get(ref)"
        plugins = host(
            make("a", source.format("{'x': '1'}")),
            make("b", source.format("{'x': '2', 'y': '3'}")),
        )
        assert "    secrets: looks up references of coco.secret" in report_lines(plugin_report(plugins))
        assert [plugins.resolve_secret(ref) for ref in "xyz"] == ["1", "3", None]

    def test_failing_observer_is_muted(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        source = HEAD + "seen = []\n@hookimpl\ndef coco_flow_event(event): seen.append(event); {}"
        plugins = host(make("a", source.format("1 / 0")), make("b", source.format("pass")))
        assert plugins.has_observers()
        with caplog.at_level(logging.WARNING, "coco.plugins"):
            plugins.emit("first")
            plugins.emit("second")
        bad, good = plugins.plugins
        seen: list[Any] = [sys.modules[plugin.candidate.module].seen for plugin in (bad, good)]
        assert seen == [["first"], ["first", "second"]]
        assert bad.muted == "ZeroDivisionError: division by zero"
        assert [record.message for record in caplog.records] == [
            "plugin a (coco-a 1.2): its observer failed and is not called any more"
        ]

    def test_hooks_may_take_fewer_arguments(self, make: Make) -> None:
        plugins = host(make("a", HEAD + "count = []\n@hookimpl\ndef coco_flow_event(): count.append(1)"))
        plugins.emit("event")
        assert sys.modules[plugins.plugins[0].candidate.module].count == [1]

    def test_trace(self, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
        bad = HEAD + "@hookimpl\ndef coco_ops(): raise OSError('disk on fire')"
        host(make("good", GOOD), make("bad", bad), COCO_TRACE_PLUGINS="1")
        lines = capsys.readouterr().err.splitlines()
        assert any(line.startswith("coco plugins: import good_plugin_") for line in lines)
        assert "coco plugins: call coco_ops() of good" in lines
        assert any(line.startswith("coco plugins: coco_ops gave [[OpManifest(") for line in lines)
        assert "coco plugins: coco_ops raised OSError('disk on fire')" in lines
        host(make("quiet", GOOD))
        assert capsys.readouterr().err == ""


def test_report_shows_what_the_process_defines_itself(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from coco.spec import TargetSpec

    class Good(TargetSpec):
        """One of the user's own."""

    records = [SimpleNamespace(kind="Good", spec_cls=Good)]
    registry = SimpleNamespace(registry=SimpleNamespace(records=lambda: records))
    monkeypatch.setitem(sys.modules, "coco.ops.registry", registry)
    plugins = host(make("good", GOOD))
    assert list(plugin_report(plugins)["overridden"]) == ["target:Good"]
    assert "overridden: target:Good is defined by " in "\n".join(report_lines(plugin_report(plugins)))
    Good.__module__ = "good_plugin_ops.inner"
    assert plugin_report(plugins)["overridden"] == {}


class Clock:
    """Seconds, as many later at each reading as is said."""

    def __init__(self, *steps: float) -> None:
        self._steps = iter(steps)
        self._now = 0.0

    def __call__(self) -> float:
        self._now += next(self._steps)
        return self._now


def test_slow_import_is_shown_with_what_it_brings(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "some_client_plugin_lib.py").write_text("")
    slow = make("slow", "import some_client_plugin_lib\n" + HEAD)
    good = make("good", GOOD)
    with caplog.at_level(logging.WARNING, "coco.plugins"):
        plugins = PluginHost(lambda: (slow, good), {}, Clock(0, 0.4, 0, 0.1))
    assert status(plugins) == {"slow": "loaded", "good": "loaded"}
    report = plugin_report(plugins)
    assert not has_problems(report)
    assert [plugin["seconds"] for plugin in report["plugins"]] == [0.4, 0.1]
    assert report["plugins"][1]["slow"] == ""
    [line] = [line for line in report_lines(report) if "SLOW" in line]
    assert "its import takes 0.4 s, with some_client_plugin_lib;" in line
    assert f"{slow.module} must import nothing but coco.plugins" in line
    assert caplog.records == []


def test_very_slow_import_is_warned_of(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "coco.plugins"):
        PluginHost(lambda: (make("slow", HEAD),), {}, Clock(0, 3))
    [record] = caplog.records
    assert record.message.startswith("plugin slow (coco-slow 1.2): its import takes 3.0 s;")


def test_what_a_plugin_prints_does_not_spoil_results(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    host(make("talker", "print('hello')\n" + HEAD))
    assert capsys.readouterr() == ("", "hello\n")


def test_what_is_coco_s_own_cannot_be_replaced(make: Make) -> None:
    source = HEAD + (
        "@hookimpl\ndef coco_state_stores(): return [StoreManifest('sqlite', 'x:y')]\n"
        "@hookimpl\ndef coco_cli_commands(): return [CommandManifest('update', 'x:y')]\n"
    )
    plugins = PluginHost(lambda: [make("greedy", source)], {}, built_in=built_in_plugin())
    assert plugin_report(plugins)["overridden"] == {
        "store:sqlite": "coco.state.sqlite:open_store",
        "command:update": "coco.cli.commands.update:command",
    }
    assert plugins.store("sqlite") == built_in_manifest("store:sqlite")
    assert [item.target for item in plugins.commands() if item.name == "update"] == [
        "coco.cli.commands.update:command"
    ]
    assert not has_problems(plugin_report(plugins))  # the plugin's other names work


def test_an_implementation_may_have_a_name_of_its_own(make: Make) -> None:
    source = (
        HEAD + "@hookimpl(specname='coco_ops')\ndef ops(): return [OpManifest('target', 'Named', 'x:y')]\n"
    )
    assert host(make("named", source)).names("target") == ["Named"]


class TestBuiltIn:
    """coco's own stores, runner and commands come by the hooks that plugins have."""

    @pytest.mark.parametrize("chosen", ["none", "target-x", "-target-x", "core"])
    def test_no_choice_of_plugins_removes_the_built_in_ones(self, chosen: str) -> None:
        plugins = PluginHost(list, {"COCO_PLUGINS": chosen}, built_in=built_in_plugin())
        assert plugins.names("store") == ["memory", "sqlite"]
        assert plugins.names("runner") == ["process"]
        assert "update" in plugins.names("command")

    def test_leaving_them_out_is_refused(self) -> None:
        with pytest.raises(PluginError, match="-core would leave out coco's own stores"):
            PluginHost(list, {"COCO_PLUGINS": "-coco-core"}, built_in=built_in_plugin())

    def test_none_of_them_can_be_picked_from_a_plugin(self, make: Make) -> None:
        source = HEAD + "@hookimpl\ndef coco_state_stores(): return [StoreManifest('sqlite', 'x:y')]\n"
        environ = {"COCO_PLUGINS": "store:sqlite=greedy"}
        plugins = PluginHost(lambda: [make("greedy", source)], environ, built_in=built_in_plugin())
        assert has_problems(plugin_report(plugins))
        with pytest.raises(PluginError, match="store:sqlite, which is coco's own and cannot be replaced"):
            plugins.load("store:sqlite")

    def test_a_plugin_of_their_name_is_disabled(self, make: Make) -> None:
        plugins = PluginHost(lambda: [make("core", GOOD)], {}, built_in=built_in_plugin())
        own, other = plugins.plugins
        assert (own.built_in, own.loaded, other.loaded) == (True, True, False)
        assert other.reason == "'core' is the name of coco's own plugin: it needs another one"

    def test_the_report_shows_them(self, make: Make) -> None:
        plugins = PluginHost(lambda: [make("good", GOOD)], {}, built_in=built_in_plugin())
        report = plugin_report(plugins)
        own, other = report["plugins"]
        assert (own["built_in"], other["built_in"]) == (True, False)
        assert [item["scheme"] for item in own["stores"]] == ["sqlite", "memory"]
        [line] = [line for line in report_lines(report) if line.startswith("core ")]
        assert "BUILT IN: stores sqlite, memory; runner process; commands init, show, ls" in line
        verbose = report_lines(plugin_report(plugins, verbose=True))
        assert "    store sqlite://: State in one SQLite file." in verbose
        assert "    runner process: A child process for each function." in verbose

    def test_everything_named_is_there(self) -> None:
        for manifest in built_in_plugin().manifests:
            assert callable(load_target(manifest.target)), manifest.key


def test_no_plugins() -> None:
    assert "no plugins are installed" in report_lines(plugin_report(host()))[0]


ONE_OP = """
from coco import op

COCO_API = {api}


def one_shelf(upserts: dict[str, dict[str, str]], deletes: list[str], folder: str) -> None: ...

one_shelf.__qualname__ = "made.<locals>.one_shelf"  # each test has one of its own
one_shelf = op.row_target()(one_shelf)


class Stranger: ...
"""


class TestOneOperation:
    """The entry point of a plugin with one operation may be that operation."""

    def made(self, make: Make, entry: str, name: str, api: object = 1) -> tuple[PluginHost, str]:
        module = make(entry, ONE_OP.format(api=api)).module
        value = f"{module}:{name}"
        candidate = Candidate(
            entry, value, lambda: (f"coco-{entry}", "1.2"), summarize=lambda: "Shelves for all."
        )
        return host(candidate), module

    def test_manifest_is_inferred_without_an_import(self, make: Make) -> None:
        plugins, module = self.made(make, "target-one-shelf", "one_shelf")
        [op] = plugins.plugins[0].ops
        assert (op.key, op.target) == ("target:OneShelf", f"{module}:one_shelf")
        assert module not in sys.modules
        assert plugins.load("target:OneShelf").__name__ == "OneShelf"

    def test_report_shows_it(self, make: Make) -> None:
        plugins, module = self.made(make, "target-one-shelf", "one_shelf")
        lines = report_lines(plugin_report(plugins, verbose=True))
        assert "    target OneShelf: Shelves for all." in lines
        assert f"    its entry point is the operation: {module}:one_shelf, imported at first use" in lines
        assert module not in sys.modules

    def test_entry_point_must_say_what_it_is(self, make: Make) -> None:
        plugins, _ = self.made(make, "one-shelf", "one_shelf")
        [plugin] = plugins.plugins
        assert plugin.status == "disabled"
        assert "has to begin with source-, function- or target-; it is 'one-shelf'" in plugin.reason

    @pytest.mark.parametrize(
        ("entry", "name", "api", "message"),
        [
            (
                "target-one",
                "one_shelf",
                "2",
                "written for plugin API 2, this coco-core has 1: upgrade coco-core",
            ),
            ("source-one", "one_shelf", "1", "stands for source:OneShelf, .*, which is the target OneShelf"),
            ("target-one", "Stranger", "1", "which is no operation but <class"),
            ("target-one", "missing", "1", "cannot be imported: AttributeError"),
        ],
    )
    def test_what_it_leads_to_is_checked_at_first_use(
        self, make: Make, entry: str, name: str, api: str, message: str
    ) -> None:
        plugins, _ = self.made(make, entry, name, api)
        [op] = plugins.plugins[0].ops
        with pytest.raises(PluginError, match=message):
            plugins.load(op.key)

    def test_api_number_is_needed(self, make: Make, tmp_path: Path) -> None:
        plugins, module = self.made(make, "target-one", "one_shelf")
        (tmp_path / f"{module}.py").write_text(ONE_OP.format(api=1).replace("COCO_API = 1", ""))
        with pytest.raises(PluginError, match="has no COCO_API"):
            plugins.load("target:OneShelf")
