"""What a report says, and where it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

from coco_testing.badge import message_of, write_badge
from coco_testing.report import (
    BEGIN,
    END,
    NOT_DECLARED,
    Report,
    Result,
    not_run,
    real_server,
    stand_in,
    versions,
)
from coco_testing.target_suite import ALL_TARGET_ABILITIES

PASSED = Result("TestIt", "TargetSuite", "test_upsert", None, "full", "passed")
REFUSED = Result(
    "TestIt", "TargetSuite", "test_values[value Json]", "value Json", "unsupported (no)", "refused", "a | b"
)
FAILED = Result("TestIt", "TargetSuite", "test_delete", None, "full", "failed", "two\nlines")


HOLDS = Result("TestIt", "TargetSuite", "test_values[value Str]", "value Str", "full", "passed")
LATER = Result("TestIt", "TargetSuite", "test_adoption", "setup.adopt", NOT_DECLARED, NOT_DECLARED)
KIT = {"coco-testing": "1.2"}


def test_complete() -> None:
    assert Report([PASSED, REFUSED, LATER]).complete
    assert not Report([PASSED, FAILED]).complete
    assert not Report([PASSED], missing={"TestIt": ["test_delete"]}).complete
    assert not Report([Result("T", "S", "c", None, "full", "skipped")]).complete
    assert not Report().complete


def test_an_ability_holds_if_all_its_checks_pass() -> None:
    again = Result("TestIt", "TargetSuite", "test_wrong_dimension", "value Str", "full", "failed")
    assert Report([HOLDS]).abilities("TestIt") == {"value Str": "holds"}
    assert Report([HOLDS, again]).abilities("TestIt") == {"value Str": "failed"}
    assert Report([again, HOLDS]).abilities("TestIt") == {"value Str": "failed"}
    assert Report([REFUSED, PASSED]).abilities("TestIt") == {"value Json": "unsupported (no)"}


def test_markdown() -> None:
    report = Report([PASSED, HOLDS, REFUSED, FAILED, LATER], {"coco-core": "1"}, {"TestIt": ["test_create"]})
    text = report.to_markdown()
    assert "Conformance (coco-core 1): **incomplete**." in text
    assert (
        "**TestIt** (TargetSuite, against an unnamed product): "
        "2 passed, 1 refused, 1 failed, 1 not declared." in text
    )
    assert (
        "| value | holds | Str |\n| value | unsupported (no) | Json |\n| setup | not declared | adopt |"
        in text
    )
    assert "| test_values[value Json] | value Json | refused | a \\| b |" in text
    assert "| test_delete |  | failed | two lines |" in text
    assert "| test_create | | not run | |" in text
    assert "test_upsert" not in text


def test_what_it_ran_against() -> None:
    met = {"TestIt": [real_server("Postgres 17"), stand_in("PGlite")]}
    assert "against Postgres 17 and PGlite, a stand-in)" in Report([PASSED], met=met).to_markdown()


def test_json() -> None:
    data = json.loads(Report([REFUSED], KIT, met={"TestIt": [stand_in("fake")]}).to_json())
    assert (data["format"], data["complete"], data["versions"]) == (2, True, KIT)
    assert data["results"][0]["reason"] == "a | b"
    assert data["met"] == {"TestIt": [{"product": "fake", "is_real": False}]}
    assert data["abilities"] == {"TestIt": {"value Json": "unsupported (no)"}}


@pytest.mark.parametrize(
    ("report", "message", "colour"),
    [
        (Report(), "nothing ran", "lightgrey"),
        (Report([PASSED, FAILED], KIT), "1 checks failed (kit 1.2)", "red"),
        (Report([HOLDS], KIT, {"TestIt": ["x"]}), "incomplete (kit 1.2)", "lightgrey"),
        (Report([HOLDS], KIT), "1 of 1 abilities, kit 1.2, server not named", "yellowgreen"),
        (
            Report([HOLDS], KIT, met={"TestIt": [stand_in("x")]}),
            "1 of 1 abilities, kit 1.2, stand-in",
            "yellowgreen",
        ),
        (
            Report([HOLDS, REFUSED], KIT, met={"TestIt": [real_server("x")]}),
            "1 of 2 abilities, kit 1.2",
            "brightgreen",
        ),
    ],
)
def test_badge(report: Report, message: str, colour: str, tmp_path: Path) -> None:
    assert message_of(report) == (message, colour)
    write_badge(report, tmp_path / "badge.json")
    assert json.loads((tmp_path / "badge.json").read_text()) == {
        "schemaVersion": 1,
        "label": "coco conformance",
        "message": message,
        "color": colour,
    }
    write_badge(report, tmp_path / "badge.svg")
    image = xml.etree.ElementTree.parse(tmp_path / "badge.svg").getroot()
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    assert "".join(image.itertext()).endswith(f"coco conformance{message}")


SUITE = """
import itertools
import pytest
from memory_hooks import ABILITIES, MemoryHooks
from coco_testing.reference.target import MemoryTable
from coco_testing.target_suite import TargetSuite

numbers = itertools.count()

class TestMine(MemoryHooks, TargetSuite):
    abilities = ABILITIES
    secrets = lambda self, spec: ()

    @pytest.fixture
    def spec(self):
        return MemoryTable(name=f"mine{next(numbers)}")
"""


@pytest.mark.slow
def test_a_report_of_a_session_of_pytest(tmp_path: Path) -> None:
    """README, badge and JSON of one run."""
    (tmp_path / "test_mine.py").write_text(SUITE)
    readme = tmp_path / "README.md"
    readme.write_text(f"# Mine\n\n{BEGIN}\n{END}\n\n## Next\n")
    reports = (
        "--coco-report=README.md",
        "--coco-report=report.json",
        "--coco-badge=badge.svg",
        "--coco-badge=b.json",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *reports, "test_mine.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = readme.read_text()
    assert text.startswith(f"# Mine\n\n{BEGIN}\nConformance (coco-core ") and text.endswith(
        f"{END}\n\n## Next\n"
    )
    assert "): complete." in text
    assert "**TestMine** (TargetSuite, against a dictionary):" in text
    assert (
        "| crash | holds | setup, write |\n| crash | unsupported (its tables end with the process) | killed |"
        in text
    )
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["complete"] and set(data["abilities"]["TestMine"]) == set(ALL_TARGET_ABILITIES)
    badge = json.loads((tmp_path / "b.json").read_text())
    count = len(ALL_TARGET_ABILITIES)
    assert badge["message"] == f"{count - 2} of {count} abilities, kit {data['versions']['coco-testing']}"
    assert "<svg" in (tmp_path / "badge.svg").read_text()


def test_a_new_file_and_an_old_one(tmp_path: Path) -> None:
    new, old = tmp_path / "new.md", tmp_path / "README.md"
    Report([PASSED]).write(new)
    old.write_text(f"# It\n{BEGIN}\nold\n{END}\nrest\n")
    for _ in range(2):
        Report([PASSED]).write(old)
        Report([PASSED]).write(new)
    assert old.read_text() == f"# It\n{BEGIN}\n{Report([PASSED]).to_markdown()}{END}\nrest\n"
    assert new.read_text().count(BEGIN) == 1


def test_a_file_without_marks_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# It\n")
    with pytest.raises(ValueError, match="no marks for the report"):
        Report([PASSED]).write(path)
    assert path.read_text() == "# It\n"


def test_versions_and_checks_that_did_not_run() -> None:
    assert set(versions(("coco-core", "no-such-thing"))) == {"coco-core"}
    assert not_run(["test_values", "test_create"], [REFUSED]) == ["test_create"]
