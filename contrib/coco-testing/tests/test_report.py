"""What a report says, and where it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coco_testing.report import BEGIN, END, Report, Result, not_run, versions

PASSED = Result("TestIt", "TargetSuite", "test_upsert", None, "full", "passed")
REFUSED = Result(
    "TestIt", "TargetSuite", "test_values[value Json]", "value Json", "unsupported (no)", "refused", "a | b"
)
FAILED = Result("TestIt", "TargetSuite", "test_delete", None, "full", "failed", "two\nlines")


def test_complete() -> None:
    assert Report([PASSED, REFUSED]).complete
    assert not Report([PASSED, FAILED]).complete
    assert not Report([PASSED], missing={"TestIt": ["test_delete"]}).complete
    assert not Report([Result("T", "S", "c", None, "full", "skipped")]).complete


def test_markdown() -> None:
    text = Report([PASSED, REFUSED, FAILED], {"coco-core": "1"}, {"TestIt": ["test_create"]}).to_markdown()
    assert "Conformance (coco-core 1): **incomplete**." in text
    assert "**TestIt** (TargetSuite): 1 passed, 1 refused, 1 failed." in text
    assert "| test_values[value Json] | value Json | refused | a \\| b |" in text
    assert "| test_delete |  | failed | two lines |" in text
    assert "| test_create | | not run | |" in text
    assert "test_upsert" not in text


def test_json() -> None:
    data = json.loads(Report([REFUSED], {"coco-core": "1"}).to_json())
    assert (data["format"], data["complete"], data["versions"]) == (1, True, {"coco-core": "1"})
    assert data["results"][0]["reason"] == "a | b"


def test_a_new_file_and_an_old_one(tmp_path: Path) -> None:
    new, old = tmp_path / "new.md", tmp_path / "README.md"
    Report([PASSED]).write(new)
    old.write_text(f"# It\n{BEGIN}\nold\n{END}\nrest\n")
    for _ in range(2):
        Report([PASSED]).write(old)
        Report([PASSED]).write(new)
    assert old.read_text() == f"# It\n{BEGIN}\n{Report([PASSED]).to_markdown()}{END}\nrest\n"
    assert new.read_text().count(BEGIN) == 1


def test_no_text_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# It\n")
    with pytest.raises(ValueError, match="no place for a report"):
        Report([PASSED]).write(path)
    assert path.read_text() == "# It\n"


def test_versions_and_checks_that_did_not_run() -> None:
    assert set(versions(("coco-core", "no-such-thing"))) == {"coco-core"}
    assert not_run(["test_values", "test_create"], [REFUSED]) == ["test_create"]
