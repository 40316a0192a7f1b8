"""Symbolic links: each folder once by its real name and once per link, and what ``follow_links`` says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from coco.op import NON_EXISTENCE, SourceReadOptions
from coco_source_localfs import walk
from coco_source_localfs.rows import FileKey
from coco_source_localfs.spec import LocalFile, LocalFileConnector

OPTIONS = SourceReadOptions(include_ordinal=True, include_value=True)


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)


def connector(root: Path, **fields: Any) -> LocalFileConnector:
    return LocalFileConnector.create(LocalFile(path=str(root), **fields))


def listed(root: Path, **fields: Any) -> list[str]:
    return [row.key.filename for row in connector(root, **fields).list(OPTIONS)]


def farm(root: Path, count: int, store: str = "packages") -> None:
    """Packages that link to all packages before them: 2^count paths."""
    for number in range(count):
        write(root, f"{store}/p{number:02}/index.txt")
        for other in range(number):
            link(root / f"{store}/p{number:02}/node_modules/p{other:02}", f"../../p{other:02}")


def test_folders_that_link_to_each_other_do_not_multiply(tmp_path: Path) -> None:
    farm(tmp_path, 20)
    found = listed(tmp_path)
    assert len(found) == 20 + 20 * 19 // 2  # by its own name, and by each link to it
    assert "packages/p19/node_modules/p07/index.txt" in found


def test_the_same_reached_by_links_only_grows_with_folders_and_links(tmp_path: Path) -> None:
    farm(tmp_path, 12, store="outside")
    for number in range(12):
        link(tmp_path / f"root/p{number:02}", f"../outside/p{number:02}")
    links = 12 * 11 // 2
    assert len(listed(tmp_path / "root")) <= 12 * (links + 1)


def test_more_linked_folders_than_the_limit_are_reported_and_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MAX_LINKED_FOLDERS", 3)
    for number in range(5):
        write(tmp_path, f"out/{number}/x")
        link(tmp_path / f"in/l{number}", f"../out/{number}")
    made = connector(tmp_path / "in")
    assert [row.key.filename for row in made.list(OPTIONS)] == ["l0/x", "l1/x", "l2/x"]
    assert made.incomplete_prefixes() == ["l3/", "l4/"]
    [message] = made.listing_errors()
    assert "more than 3 folders" in message and "follow_links=False" in message and "l3/" in message


def test_a_linked_folder_is_listed_with_what_only_its_own_links_lead_to(tmp_path: Path) -> None:
    write(tmp_path, "out/v1/x", "more/y", "in/real/z")
    link(tmp_path / "out/current", "v1")
    link(tmp_path / "out/v1/more", "../../more")
    link(tmp_path / "in/far", "../out")
    link(tmp_path / "in/near", "real")
    link(tmp_path / "in/real/deeper", "../../more")
    assert listed(tmp_path / "in") == [
        "far/current/x",
        "far/v1/more/y",
        "far/v1/x",
        "near/z",
        "real/deeper/y",
        "real/z",
    ]


def test_a_link_in_a_folder_that_patterns_hide_is_still_found_by_the_link_to_it(tmp_path: Path) -> None:
    write(tmp_path, "shared/s", ".store/pkg/x")
    link(tmp_path / ".store/pkg/deps", "../../shared")
    link(tmp_path / "current", ".store/pkg")
    assert listed(tmp_path, excluded_patterns=[".store"]) == ["current/deps/s", "current/x", "shared/s"]


def test_a_link_to_a_folder_with_an_undecodable_name(tmp_path: Path) -> None:
    bad = os.fsencode(tmp_path) + b"/in/bad\xff"
    write(tmp_path, "in/a", "out/x")
    try:
        os.mkdir(bad)
    except OSError:
        pytest.skip("this file system refuses names that are no text")
    os.symlink(b"bad\xff", os.fsencode(tmp_path) + b"/in/good")
    os.symlink(b"../../out", bad + b"/more")
    made = connector(tmp_path / "in", excluded_patterns=["none"])
    assert [row.key.filename for row in made.list(OPTIONS)] == ["a", "good/more/x"]
    assert len(made.skipped_rows()) == 1


def test_links_are_not_followed_with_follow_links_false(tmp_path: Path) -> None:
    write(tmp_path, "in/real/x", "out/y")
    link(tmp_path / "in/near", "real")
    link(tmp_path / "in/near-file", "real/x")
    link(tmp_path / "in/far", "../out")
    link(tmp_path / "in/far-file", "../out/y")
    root = tmp_path / "in"
    assert listed(root) == ["far-file", "far/y", "near-file", "near/x", "real/x"]
    assert listed(root, follow_links="inside") == ["near-file", "near/x", "real/x"]
    assert listed(root, follow_links=False) == ["real/x"]
    link(tmp_path / "root", "in")
    assert listed(tmp_path / "root", follow_links=False) == ["real/x"]  # the root is named by the user


@pytest.mark.parametrize(
    ("follow", "seen"),
    [(True, {"far/y", "far-file", "near/x"}), ("inside", {"near/x"}), (False, set())],
)
def test_nothing_is_read_by_links_that_are_not_followed(tmp_path: Path, follow: Any, seen: set[str]) -> None:
    write(tmp_path, "in/real/x", "out/y")
    link(tmp_path / "in/near", "real")
    link(tmp_path / "in/far", "../out")
    link(tmp_path / "in/far-file", "../out/y")
    made = connector(tmp_path / "in", follow_links=follow)
    names = ["far/y", "far-file", "near/x"]
    found = {name for name in names if made.get_value(FileKey(name), OPTIONS).value is not NON_EXISTENCE}
    assert found == seen
    assert made.get_value(FileKey("real/x"), OPTIONS).value is not NON_EXISTENCE


def test_a_link_that_leads_to_itself_is_no_file(tmp_path: Path) -> None:
    link(tmp_path / "loop", "loop")
    made = connector(tmp_path)
    assert list(made.list(OPTIONS)) == [] and made.listing_errors() == []
    assert made.get_value(FileKey("loop"), OPTIONS).value is NON_EXISTENCE


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(ValueError, match="follow_links"):
        LocalFile(path=os.curdir, follow_links="some")  # type: ignore[arg-type]
