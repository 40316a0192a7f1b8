"""What a suite does not declare: tried out and reported, an error only where it is asked for."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from row_drawer import row_drawer

from coco.plugins import OpManifest
from coco_testing import cli, first_suite
from coco_testing.abilities import NOT_IMPLEMENTED, UNSUPPORTED
from coco_testing.badge import message_of
from coco_testing.claims import claim_text, insert_claim
from coco_testing.function_suite import FunctionSuite
from coco_testing.reference.source import ReferenceRows
from coco_testing.report import NOT_DECLARED, Report, Result
from coco_testing.source_suite import SourceSuite

SUITE = '''
import pytest
from coco import op
from coco_testing.function_suite import Case, FunctionSuite


@op.function(behavior_version=1)
def discovered(text: str) -> str:
    return text.upper()


class TestDiscovered(FunctionSuite):
    """Upper case."""

    @pytest.fixture
    def function(self):
        return discovered

    def cases(self):
        return [Case(("a",), result="A"), Case(("b",), result="B")]
'''
CLAIM = """abilities = claim(
    FUNCTION_ABILITIES,
    {
        "batching": NOT_IMPLEMENTED,  # batching is not declared
    },
)
"""


@pytest.fixture(scope="module")
def run_of_an_author(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of a suite without a claim."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "test_it.py").write_text(SUITE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"),
            *("--coco-report=report.json", "--coco-claims=claims.json"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        "text": done.stdout,
        "report": json.loads((folder / "report.json").read_text()),
        "claims": json.loads((folder / "claims.json").read_text()),
    }


@pytest.mark.slow
class TestFirstRun:
    def test_an_undeclared_suite_passes_and_lists_its_abilities(
        self, run_of_an_author: dict[str, Any]
    ) -> None:
        text = run_of_an_author["text"]
        assert "coco conformance: TestDiscovered" in text
        assert "  2 hold: deterministic, pinned_version" in text
        assert "  1 are refused: batching" in text

    def test_an_undeclared_suite_is_incomplete(self, run_of_an_author: dict[str, Any]) -> None:
        data = run_of_an_author["report"]
        assert not data["complete"]
        assert data["undeclared"] == {"TestDiscovered": ["deterministic", "batching", "pinned_version"]}
        assert data["abilities"]["TestDiscovered"]["batching"] == "not declared, is refused"

    def test_claim_is_ready_to_paste(self, run_of_an_author: dict[str, Any]) -> None:
        told = run_of_an_author["claims"]["suites"]["TestDiscovered"]
        assert told["claim"] == CLAIM


def test_a_strict_run_fails_while_abilities_are_undeclared() -> None:
    class TestIt(FunctionSuite):
        abilities: ClassVar = {"batching": NOT_IMPLEMENTED}

    suite = TestIt()
    suite._strict = False
    suite.test_nothing_is_left_out()
    suite._strict = True
    with pytest.raises(AssertionError, match="abilities not declared: deterministic, pinned_version"):
        suite.test_nothing_is_left_out()


def test_written_claim_is_a_declaration(tmp_path: Path) -> None:
    imports = [
        "from coco_testing.abilities import NOT_IMPLEMENTED, claim",
        "from coco_testing.function_suite import FUNCTION_ABILITIES, FunctionSuite",
    ]
    text = insert_claim(SUITE, "TestDiscovered", CLAIM, imports)
    assert text is not None
    assert '    """Upper case."""\n\n    abilities = claim(\n        FUNCTION_ABILITIES,' in text
    assert (
        "from coco_testing.abilities import NOT_IMPLEMENTED, claim\n"
        "from coco_testing.function_suite import FUNCTION_ABILITIES, Case, FunctionSuite\n"
    ) in text
    ast.parse(text)
    assert insert_claim(text, "TestDiscovered", CLAIM, imports) is None
    assert insert_claim(SUITE, "TestOther", CLAIM, imports) is None


def test_claim_keeps_what_is_declared_and_names_what_fails() -> None:
    class TestIt(FunctionSuite):
        abilities: ClassVar = {"pinned_version": UNSUPPORTED('it "moves"'), "batching": NOT_IMPLEMENTED}

    def tried(ability: str, found: str, reason: str = "") -> Result:
        return Result("TestIt", "FunctionSuite", "c", ability, NOT_DECLARED, NOT_DECLARED, reason, found)

    results = [tried("deterministic", "holds"), tried("deterministic", "fails", "AssertionError: it\nflaps")]
    assert claim_text(TestIt, Report(results)) == (
        "abilities = claim(\n    FUNCTION_ABILITIES,\n    {\n"
        '        "batching": NOT_IMPLEMENTED,\n'
        '        "pinned_version": UNSUPPORTED("it \\"moves\\""),\n'
        "        # These neither work nor are refused. Implement or refuse them:\n"
        '        # "deterministic": AssertionError: it flaps\n'
        "    },\n)\n"
    )


def test_claim_of_a_suite_without_exceptions() -> None:
    class TestIt(SourceSuite):
        pass

    assert claim_text(TestIt, Report()) == "abilities = claim(ALL_SOURCE_ABILITIES)\n"


def test_badge_names_what_is_missing() -> None:
    result = Result("TestIt", "FunctionSuite", "c", "batching", NOT_DECLARED, NOT_DECLARED, found="holds")
    report = Report([result], {"coco-testing": "1.2"}, undeclared={"TestIt": ["batching"]})
    assert message_of(report) == ("incomplete: 1 abilities not declared (kit 1.2)", "lightgrey")
    assert "Not declared yet: batching. `coco-testing init` prints the claim." in report.to_markdown()


class TestCommands:
    """``coco-testing init`` and ``check``, with what pytest and the loader would tell."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("pyproject.toml").write_text('[project]\nname = "coco-testing"\n')

    def told(self, monkeypatch: pytest.MonkeyPatch, code: int = 0, **told: Any) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(arguments: list[str]) -> tuple[dict[str, Any], int]:
            calls.append(arguments)
            return {"complete": True, "suites": {}, **told}, code

        monkeypatch.setattr(cli, "run_suites", run)
        return calls

    def test_init_without_a_test_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        specs = {"target:RowDrawer": row_drawer, "source:ReferenceRows": ReferenceRows}
        ops = (
            OpManifest("target", "RowDrawer", "row_drawer:row_drawer"),
            OpManifest("source", "ReferenceRows", "coco_testing.reference.source:ReferenceRows"),
        )
        plugin = SimpleNamespace(distribution=lambda: ("coco-testing", "1"), ops=ops)
        host = SimpleNamespace(plugins=[plugin], load=specs.__getitem__)
        monkeypatch.setattr(first_suite, "plugin_host", lambda: host)
        result = CliRunner().invoke(cli.main, ["init"])
        assert result.exit_code == 0, result.output
        assert not Path("tests").exists()
        assert CliRunner().invoke(cli.main, ["init", "--write"]).exit_code == 0
        ast.parse(result.stdout)
        assert "class TestRowDrawer(TargetSuite):" in result.stdout
        assert "return row_drawer(name=...)" in result.stdout
        assert "class TestReferenceRows(SourceSuite):" in result.stdout
        assert 'self.spec = ReferenceRows(folder=str(place / "conformance"))' in result.stdout
        assert Path("tests/test_conformance.py").read_text() == result.stdout

    def test_init_of_a_folder_that_is_no_plugin(self) -> None:
        Path("pyproject.toml").write_text('[project]\nname = "coco-target-nowhere"\n')
        result = CliRunner().invoke(cli.main, ["init"])
        assert result.exit_code == 1
        assert (
            "coco-target-nowhere announces no source, function or target: install it first" in result.stderr
        )
        Path("pyproject.toml").unlink()
        assert "run this in the folder of a plugin" in CliRunner().invoke(cli.main, ["init"]).stderr

    def test_init_prints_or_writes_the_claim(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("test_it.py").write_text(SUITE)
        suite = {"claim": CLAIM, "imports": ["from coco_testing.abilities import claim"], "news": True}
        self.told(monkeypatch, suites={"TestDiscovered": suite})
        result = CliRunner().invoke(cli.main, ["init", "test_it.py"])
        assert (result.exit_code, CLAIM in result.stdout) == (0, True)
        assert Path("test_it.py").read_text() == SUITE
        assert CliRunner().invoke(cli.main, ["init", "test_it.py", "-w"]).exit_code == 0
        assert "    abilities = claim(" in Path("test_it.py").read_text()
        again = CliRunner().invoke(cli.main, ["init", "test_it.py", "-w"])
        assert "has a claim already" in again.stderr and CLAIM in again.stdout

    def test_the_check_command_requires_all_abilities(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = self.told(monkeypatch, suites={"TestIt": {}})
        result = CliRunner().invoke(cli.main, ["check"])
        assert (result.exit_code, calls) == (0, [["tests/test_conformance.py", "--coco-strict"]]), (
            result.output
        )

    @pytest.mark.parametrize(
        ("code", "told", "message"),
        [
            (1, {"suites": {"TestIt": {}}}, "tests failed"),
            (0, {}, "no conformance suite ran"),
            (0, {"suites": {"TestIt": {}}, "complete": False}, "the conformance report is incomplete"),
        ],
    )
    def test_check_says_what_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, code: int, told: dict[str, Any], message: str
    ) -> None:
        self.told(monkeypatch, code, **told)
        result = CliRunner().invoke(cli.main, ["check"])
        assert result.exit_code == 1
        assert message in result.stderr

    def test_check_of_a_package_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Path("pyproject.toml").write_text('[project]\nname = "coco-target-nowhere"\n')
        self.told(monkeypatch, suites={"TestIt": {}})
        result = CliRunner().invoke(cli.main, ["check"])
        assert result.exit_code == 1
        assert "coco-target-nowhere announces no plugin" in result.stderr
