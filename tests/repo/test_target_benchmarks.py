"""The benchmarks of targets load the same rows both ways, count them, and name what they could not measure."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.targets import __main__ as program
from benchmarks.targets.contest import Contest, NotAvailableError, Watch, WrongRowsError, timed
from benchmarks.targets.sample import Sample, make_sample

SMALL = ["--rows", "30", "--batch", "20", "--dimension", "3", "--repeat", "2"]


def run(tmp_path: Path, targets: str) -> dict[str, Any]:
    path = tmp_path / "found.json"
    program.main(["--targets", targets, *SMALL, "--json", str(path)])
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    "name",
    [
        "sqlite",
        "files",
        pytest.param("kuzu", marks=pytest.mark.long),
        pytest.param("qdrant", marks=pytest.mark.long),
    ],
)
def test_both_ways_are_measured(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, name)
    if found["not_measured"]:
        pytest.skip(found["not_measured"][name])
    ways = found["runs"][name]
    assert next(iter(ways)) == "coco" and len(ways) > 1
    assert all(
        len(watches) == 2 and all(item["seconds"] > 0 for item in watches) for watches in ways.values()
    )
    assert f"{name}, {list(ways)[1]}" in capsys.readouterr().out


def test_a_target_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(folder: Path) -> Contest:
        raise NotAvailableError("no server")

    monkeypatch.setattr(program, "module_of", lambda name: SimpleNamespace(opened=opened))
    assert run(tmp_path, "neo4j")["not_measured"] == {"neo4j": "no server"}
    assert "not measured: neo4j: no server" in capsys.readouterr().out


def test_unknown_targets_are_refused() -> None:
    with pytest.raises(SystemExit, match="no such target: nope"):
        program.main(["--targets", "nope"])


def test_a_load_that_loses_rows_is_no_result() -> None:
    def load(sample: Sample, watch: Watch) -> int:
        return sample.size - 1

    with pytest.raises(WrongRowsError, match="29 rows are there, not 30"):
        timed(load, make_sample(30, 20, 3))


def test_samples_are_the_same_in_both_forms() -> None:
    sample = make_sample(30, 20, 3)
    assert [len(part) for part in sample.natural] == [20, 10]
    columns = [
        (*key, *row)
        for part in sample.columns
        for key, row in zip(part.upsert_keys, part.upsert_rows, strict=True)
    ]
    decoded = [
        (name, text, number, memoryview(data).cast("f").tolist()) for name, text, number, data in columns
    ]
    assert decoded == [tuple(row) for row in sample.rows()]
    assert sample.natural == make_sample(30, 20, 3).natural
