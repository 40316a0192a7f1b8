"""What a listing leaves out, and what it warns of: coco's own files, ``.gitignore``, secrets, patterns without a match."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.errors import SourceError
from coco.op import NON_EXISTENCE, SourceReadOptions
from coco_source_localfs.names import SortedNames
from coco_source_localfs.rows import FileKey
from coco_source_localfs.spec import LocalFile, LocalFileConnector

OPTIONS = SourceReadOptions(include_ordinal=True, include_value=True)


def write(root: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def connector(root: Path, *owned: Path, **fields: Any) -> LocalFileConnector:
    made = LocalFileConnector.create(LocalFile(path=str(root), **fields))
    made.exclude_paths([str(path) for path in owned])
    return made


def listed(root: Path, *owned: Path, **fields: Any) -> list[str]:
    return names_of(connector(root, *owned, **fields))


def names_of(made: LocalFileConnector) -> list[str]:
    return [row.key.filename for row in made.list(OPTIONS)]


# -- coco's own files -------------------------------------------------------------------------------


def test_owned_files_and_folders_are_left_out_whatever_the_patterns(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.md",
        ".coco/state.db",
        ".coco/notes.md",
        "out.db",
        "out.db.md",
        "site/a.md",
        "sub/site/b.md",
    )
    owned = (tmp_path / ".coco", tmp_path / "out.db", tmp_path / "site")
    assert listed(tmp_path, *owned) == ["a.md", "out.db.md", "sub/site/b.md"]
    assert listed(tmp_path, *owned, included_patterns=["out.db", "site/*", "a.md"]) == ["a.md"]
    made = connector(tmp_path, *owned)
    for name in ("out.db", "site/a.md", ".coco/state.db"):
        assert made.get_value(FileKey(name), OPTIONS).value is NON_EXISTENCE
    assert made.get_value(FileKey("out.db.md"), OPTIONS).value is not NON_EXISTENCE


def test_owned_files_are_left_out_by_any_name(tmp_path: Path) -> None:
    write(tmp_path, "root/a.md", "root/data/out.db", "root/site/a.md", "elsewhere/far.db")
    root = tmp_path / "root"
    (root / "link.db").symlink_to("data/out.db")
    os.link(root / "data/out.db", root / "hard.db")
    (root / "by-link").symlink_to("site")
    (root / "data-link").symlink_to("data")
    (root / "far.db").symlink_to(tmp_path / "elsewhere/far.db")
    (tmp_path / "root-link").symlink_to("root")
    owned = (root / "data/out.db", root / "site", tmp_path / "elsewhere/far.db")
    assert listed(root, *owned) == ["a.md"]
    assert listed(tmp_path / "root-link", *owned) == ["a.md"]
    by_link = (tmp_path / "root-link/data-link/out.db", tmp_path / "root-link/by-link", root / "far.db")
    assert listed(root, *by_link) == ["a.md"]


def test_a_folder_that_a_flow_writes_may_be_the_root_of_another(tmp_path: Path) -> None:
    write(tmp_path, "site/a.md", "site/sub/b.md")
    assert listed(tmp_path / "site", tmp_path / "site") == ["a.md", "sub/b.md"]
    assert listed(tmp_path / "site/sub", tmp_path / "site") == ["b.md"]


# -- .gitignore ---------------------------------------------------------------------------------------


def test_gitignore_files_count_if_asked_for(tmp_path: Path) -> None:
    write(tmp_path, ".gitignore", content="*.log\n/build/\n!keep.log\n# a comment\n\nmade\\ up.txt\n")
    write(tmp_path, "sub/.gitignore", content="!special.log\r\n*.tmp\r\n")
    write(
        tmp_path,
        "a.md",
        "a.log",
        "keep.log",
        "build/x",
        "sub/build/x",
        "sub/special.log",
        "sub/b.log",
        "b.tmp",
    )
    write(tmp_path, "sub/c.tmp", "made up.txt", ".git/config", "sub/.git/config")
    kept = ["a.md", "b.tmp", "keep.log", "sub/build/x", "sub/special.log"]
    assert listed(tmp_path, gitignore=True, excluded_patterns=["**/.gitignore"]) == kept
    assert len(listed(tmp_path)) == 14
    assert listed(tmp_path, gitignore=True, included_patterns=["sub/**"]) == [
        "sub/.gitignore",
        "sub/build/x",
        "sub/special.log",
    ]


def test_files_in_an_ignored_folder_cannot_be_included_again(tmp_path: Path) -> None:
    write(tmp_path, ".gitignore", content="build\n!build/x\n")
    write(tmp_path, "build/x", "y")
    assert listed(tmp_path, gitignore=True) == [".gitignore", "y"]


def test_rules_of_the_repository_around_the_root_count(tmp_path: Path) -> None:
    write(tmp_path, "repo/.git/info/exclude", content="secret.md\n")
    write(tmp_path, "repo/.gitignore", content="*.log\n/docs/build/\nbuild.txt/\n")
    write(tmp_path, ".gitignore", content="*\n")  # beyond the repository
    write(tmp_path, "repo/docs/a.md", "repo/docs/a.log", "repo/docs/build/x", "repo/docs/secret.md")
    write(tmp_path, "repo/docs/sub/build/x", "repo/docs/build.txt")
    assert listed(tmp_path / "repo/docs", gitignore=True) == ["a.md", "build.txt", "sub/build/x"]


def test_without_a_repository_only_files_below_the_root_count(tmp_path: Path) -> None:
    write(tmp_path, ".gitignore", content="*\n")
    write(tmp_path, "docs/a.md")
    assert listed(tmp_path / "docs", gitignore=True) == ["a.md"]


def test_lines_that_are_no_pattern_are_skipped(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbf*.log\n!\n\xff\xfe\nx\x85y\n")
    write(tmp_path, "a.log", "a.md")
    assert listed(tmp_path, gitignore=True) == [".gitignore", "a.md"]


# -- warnings -----------------------------------------------------------------------------------------


def warnings(root: Path, **fields: Any) -> list[str]:
    made = connector(root, **fields)
    names_of(made)
    return made.listing_warnings()


def test_files_that_should_not_be_indexed_are_warned_of(tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".github/b.md", "my_node_modules/c.md", ".environment", "x.env")
    assert warnings(tmp_path) == []
    write(tmp_path, "web/.env", ".git/config", "web/node_modules/x/y.md")
    secret, git, modules = warnings(tmp_path)
    assert str(tmp_path / "web/.env") in secret and "excluded_patterns=['**/.env*']" in secret
    assert str(tmp_path / "web/node_modules") in modules and "gitignore=True" in modules
    assert str(tmp_path / ".git") in git
    assert warnings(tmp_path, included_patterns=["*.md"], excluded_patterns=["**/node_modules"]) == []
    assert warnings(tmp_path, excluded_patterns=["**/.env*", "**/.git", "**/node_modules"]) == []


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("*.mdx", ["'*.mdx'", "'a.md'"]),
        ("docs/*.md", ["patterns are relative to path", "'docs/'"]),
        ("*.MD", ["upper and lower case", "'a.md'"]),
    ],
)
def test_a_pattern_without_a_match_is_warned_of(tmp_path: Path, pattern: str, parts: list[str]) -> None:
    root = tmp_path / "docs"
    write(root, "a.md", "b.txt")
    [text] = warnings(root, included_patterns=[pattern])
    assert str(root) in text and all(part in text for part in parts)
    [text] = warnings(root, included_patterns=["*.md", "*.txt", pattern])
    assert repr(pattern) in text
    assert warnings(root, included_patterns=["*.md"]) == []
    assert warnings(root, included_patterns=["*.md"], max_file_size=0) == []  # matched, but too large
    write(root, "c.mdx", "C.MD", "docs/d.md")
    assert warnings(root, included_patterns=["*.txt", pattern]) == []


# -- the root -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "root", "pattern"),
    [
        ("./src/**/*.py", "./src", "**/*.py"),
        ("docs/*.md", "docs", "*.md"),
        ("*.md", ".", "*.md"),
        ("/data/{a,b}/x.md", "/data", "{a,b}/x.md"),
        ("/*.md", "/", "*.md"),
    ],
)
def test_a_pattern_as_path_gets_the_right_spelling(path: str, root: str, pattern: str) -> None:
    with pytest.raises(ValueError, match="no directory") as caught:
        LocalFile(path=path)
    assert f"LocalFile(path={root!r}, included_patterns=[{pattern!r}])" in str(caught.value)


def test_a_folder_may_be_named_like_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, "[draft]*/a.md")
    assert listed(tmp_path / "[draft]*") == ["a.md"]


def test_a_missing_root_is_reported_before_setup(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist; create it") as caught:
        LocalFileConnector.check(LocalFile(path=str(tmp_path / "none")))
    assert str(tmp_path / "none") in str(caught.value)
    write(tmp_path, "file")
    with pytest.raises(SourceError, match="is not a directory"):
        LocalFileConnector.check(LocalFile(path=str(tmp_path / "file")))
    LocalFileConnector.check(LocalFile(path=str(tmp_path)))


# -- large folders ------------------------------------------------------------------------------------


@given(
    names=st.sets(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)),
    run=st.integers(1, 5),
)
def test_names_come_in_order_however_they_are_packed(names: set[str], run: int) -> None:
    wanted = sorted(name + "/" if number % 3 == 0 else name for number, name in enumerate(sorted(names)))
    collected = SortedNames(run)
    for name in reversed(wanted):
        collected.append(name)
    assert list(collected) == wanted


def test_a_large_folder_costs_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def __init__(self, number: int) -> None:
            self.name = f"a-document-with-a-long-name-{number:06}.md"

        def is_dir(self) -> bool:
            return False

    class Listing:
        def __enter__(self) -> Any:
            return map(Entry, reversed(range(count)))

        def __exit__(self, *_: object) -> None: ...

    facts = os.stat(__file__)
    made = connector(tmp_path)
    monkeypatch.setattr(os, "scandir", lambda path: Listing())
    monkeypatch.setattr(os, "stat", lambda path: facts)
    peaks = []
    for count in (2_000, 7_000):
        tracemalloc.start()
        try:
            assert sum(len(rows) for rows in made.list_batches(OPTIONS)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 5_000 < 120, "bytes for each file of one folder"
