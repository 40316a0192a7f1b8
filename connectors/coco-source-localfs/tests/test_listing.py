"""What a listing shows, in which order, and what it owns up to not having seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco.errors import SourceError
from coco.op import SourceReadOptions
from coco_source_localfs.glob import compile_filter
from coco_source_localfs.spec import LocalFile, LocalFileConnector
from coco_source_localfs.tree import Selection, Tree
from coco_source_localfs.walk import TreeWalk

OPTIONS = SourceReadOptions(include_ordinal=True)


def write(root: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def whole(root: Path) -> Tree:
    return Tree(str(root) + os.sep, Selection(compile_filter(None, None)))


def connector(root: Path, **fields: Any) -> LocalFileConnector:
    return LocalFileConnector.create(LocalFile(path=str(root), **fields))


def listed(root: Path, **fields: Any) -> list[str]:
    return names_of(connector(root, **fields))


def names_of(made: LocalFileConnector) -> list[str]:
    return [row.key.filename for row in made.list(OPTIONS)]


def test_names_are_relative_with_slashes_and_hidden_files_count(tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".hidden", "sub/deep/b.md", ".git/config")
    assert listed(tmp_path) == [".git/config", ".hidden", "a.md", "sub/deep/b.md"]


def test_rows_carry_time_and_size_but_no_value(tmp_path: Path) -> None:
    write(tmp_path, "a", content="four")
    os.utime(tmp_path / "a", ns=(0, 1_234_567_890))
    [row] = connector(tmp_path).list(OPTIONS)
    assert (row.data.ordinal, row.data.size, row.data.value) == (1_234_567, 4, None)


def test_order_is_that_of_the_whole_path(tmp_path: Path) -> None:
    names = [
        "a",
        "a.b/x",
        "a0",
        "b-c/x",
        "b.x",
        "b/x",
        "b/y/z",
        "b/y.z",
        "b0/x",
        "é/ü",
        "z/1",
        "\U0001d4b3",
        "\uff5a",
    ]
    write(tmp_path, *names)
    assert listed(tmp_path) == sorted(names)


@settings(max_examples=examples(40))
@given(
    tree=st.sets(
        st.lists(st.text("ab.-0é", min_size=1, max_size=2), min_size=1, max_size=3).map(tuple), max_size=12
    )
)
def test_order_holds_for_any_tree(
    tree: set[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    made = set()
    for parts in sorted(tree):
        if any(part in (".", "..") for part in parts):
            continue
        path = root.joinpath(*parts)
        if path.exists() or any(root.joinpath(*parts[:i]).is_file() for i in range(1, len(parts))):
            continue
        write(root, "/".join(parts))
        made.add("/".join(parts))
    walk = TreeWalk(whole(root), batch=2)
    assert [row.key.filename for rows in walk for row in rows] == sorted(made)


def test_batches_are_bounded(tmp_path: Path) -> None:
    write(tmp_path, *(f"d{i % 3}/f{i}" for i in range(25)), *(f"g{i}" for i in range(11)))
    sizes = [len(rows) for rows in TreeWalk(whole(tmp_path), batch=4)]
    assert sum(sizes) == 36
    assert max(sizes) < 8


def test_patterns_and_size_limit_choose(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.txt", "tmp/c.md", "sub/tmp/d.md", "sub/e.md")
    write(tmp_path, "big.md", content="12345")
    write(tmp_path, "fits.md", content="1234")
    names = listed(tmp_path, included_patterns=["*.md"], excluded_patterns=["tmp"], max_file_size=4)
    assert names == ["a.md", "fits.md", "sub/e.md", "sub/tmp/d.md"]


def test_excluded_directories_are_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "keep/a", "node_modules/x/y", "sub/node_modules/z")
    entered = []
    scandir = os.scandir

    def spy(path: str) -> Any:
        entered.append(os.path.relpath(path, tmp_path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", spy)
    assert listed(tmp_path, excluded_patterns=["**/node_modules"]) == ["keep/a"]
    assert entered == [".", "keep", "sub"]


def test_empty_root_is_valid(tmp_path: Path) -> None:
    made = connector(tmp_path)
    assert names_of(made) == []
    assert made.incomplete_prefixes() == [] and made.listing_errors() == []


def test_missing_root_names_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        names_of(LocalFileConnector.create(LocalFile(path="not/there")))
    assert str(tmp_path / "not" / "there") in str(caught.value)


def test_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "file")
    with pytest.raises(SourceError, match="not a directory"):
        listed(tmp_path / "file")


def test_relative_root_is_fixed_when_the_connector_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "root/a")
    monkeypatch.chdir(tmp_path)
    made = LocalFileConnector.create(LocalFile(path="root"))
    monkeypatch.chdir("/")
    assert names_of(made) == ["a"]


def test_links_to_files_and_directories_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "root/real/a", "outside/b")
    (tmp_path / "root/link").symlink_to("real", target_is_directory=True)
    (tmp_path / "root/far").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "root/file").symlink_to(tmp_path / "outside/b")
    (tmp_path / "root/broken").symlink_to("nowhere")
    assert listed(tmp_path / "root") == ["far/b", "file", "link/a", "real/a"]


def test_link_cycles_end(tmp_path: Path) -> None:
    write(tmp_path, "a/x", "b/y")
    (tmp_path / "a/up").symlink_to("..", target_is_directory=True)
    (tmp_path / "a/self").symlink_to(".", target_is_directory=True)
    (tmp_path / "a/side").symlink_to("../b", target_is_directory=True)
    (tmp_path / "b/back").symlink_to("../a", target_is_directory=True)
    (tmp_path / "loop").symlink_to("loop")
    made = connector(tmp_path)
    assert names_of(made) == ["a/side/y", "a/x", "b/back/x", "b/y"]
    assert made.listing_errors() == []


def test_sockets_and_pipes_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "file")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # socket addresses are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert listed(tmp_path) == ["file"]


def test_undecodable_names_are_reported_and_skipped(tmp_path: Path) -> None:
    write(tmp_path, "good")
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))).write_text("x")
    except OSError:
        pytest.skip("this file system refuses names that are no text")
    made = connector(tmp_path)
    assert names_of(made) == ["good"]
    [(name, message)] = made.skipped_rows()
    assert name == "bad\\xff" and str(tmp_path / name) in message
    assert made.incomplete_prefixes() == [] and made.listing_errors() == []
    for fields in ({"included_patterns": ["good*"]}, {"excluded_patterns": ["bad*"]}):
        made = connector(tmp_path, **fields)
        assert names_of(made) == ["good"] and made.skipped_rows() == []
    write(tmp_path, ".gitignore", content="b*\n")
    made = connector(tmp_path, gitignore=True)
    assert names_of(made) == [".gitignore", "good"] and made.skipped_rows() == []


class Denied:
    """A stand-in for permissions, which do not bind a superuser: some paths raise."""

    def __init__(self, *denied: Path, error: type[OSError] = PermissionError) -> None:
        self.denied = {str(path) for path in denied}
        self.error = error
        self.real = os.scandir

    def __call__(self, path: str) -> Any:
        if path.rstrip(os.sep) in self.denied:
            raise self.error(13, "Permission denied", path)
        return self.real(path)


def test_unreadable_directory_is_incomplete_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/x", "locked/y", "locked/in/z", "z")
    monkeypatch.setattr(os, "scandir", Denied(tmp_path / "locked"))
    made = connector(tmp_path)
    assert names_of(made) == ["a/x", "z"]
    assert made.incomplete_prefixes() == ["locked/"]
    [message] = made.listing_errors()
    assert str(tmp_path / "locked") in message and "Permission denied" in message


def test_a_later_complete_listing_clears_the_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "locked/y")
    made = connector(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", Denied(tmp_path / "locked"))
        assert names_of(made) == []
    assert names_of(made) == ["locked/y"]
    assert made.incomplete_prefixes() == [] and made.listing_errors() == []


def test_unreadable_root_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", Denied(tmp_path))
    with pytest.raises(SourceError, match="Permission denied"):
        listed(tmp_path)


class Breaking:
    """A directory listing that fails after one entry."""

    def __init__(self, path: str, entries: Any) -> None:
        self.path = path
        self.entries = entries

    def __enter__(self) -> Breaking:
        return self

    def __exit__(self, *_: object) -> None:
        self.entries.close()

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        yield next(self.entries)
        raise OSError(5, "Input/output error", self.path)


def test_an_interrupted_listing_keeps_the_rows_it_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "sub/a", "sub/b", "z")
    real = os.scandir

    def scandir(path: str) -> Any:
        return Breaking(path, real(path)) if "sub" in os.path.relpath(path, tmp_path) else real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    made = connector(tmp_path)
    names = names_of(made)
    assert len(names) == 2 and names[-1] == "z"
    assert made.incomplete_prefixes() == ["sub/"]


def test_a_directory_deleted_while_listing_is_not_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a/x", "gone/y")
    monkeypatch.setattr(os, "scandir", Denied(tmp_path / "gone", error=FileNotFoundError))
    made = connector(tmp_path)
    assert names_of(made) == ["a/x"]
    assert made.incomplete_prefixes() == []


def test_a_file_deleted_while_listing_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b/2", "b/3")
    walk = TreeWalk(whole(tmp_path), batch=1)
    batches = iter(walk)
    assert [row.key.filename for row in next(batches)] == ["a/1"]
    (tmp_path / "b/2").unlink()
    assert [row.key.filename for rows in batches for row in rows] == ["b/3"]
    assert walk.report.incomplete == []


def test_a_root_deleted_while_listing_deletes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a/1", "b/2")
    batches = iter(TreeWalk(whole(root), batch=1))
    next(batches)
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="disappeared"):
        list(batches)
