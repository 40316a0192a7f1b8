"""Files on the disk: contents, files of others, links, folders, crashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from files_test_support import ID, OWN, SIZE, TEXT, Export, field, tree

from coco.errors import DefinitionError, MutationError, TargetError
from coco.index import FtsIndexDef, IndexOptions
from coco.op import MutationColumns
from coco_target_files import disk
from coco_target_files.render import UNREADABLE
from coco_target_files.spec import FilesConnector


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out"


def made(root: Path, **options: object) -> Export:
    export = Export(root, **options)  # type: ignore[arg-type]
    export.set_up()
    return export


# -- contents -------------------------------------------------------------------------------------
def test_markdown_has_front_matter_and_the_text(root: Path) -> None:
    export = made(root, content="text")
    export.write({("a",): ("# Title\n\n---\n\nno end of line", 7), ("b",): (None, None), ("c",): ("", 1)})
    assert tree(root) == {
        "a.md": '---\nid: "a"\nsize: 7\n---\n\n# Title\n\n---\n\nno end of line',
        "b.md": '---\nid: "b"\ntext: null\nsize: null\n---\n\n',
        "c.md": '---\nid: "c"\nsize: 1\n---\n\n',
    }
    assert export.rows() == {
        ("a",): ("# Title\n\n---\n\nno end of line", 7),
        ("b",): (None, None),
        ("c",): ("", 1),
    }


def test_a_page_has_its_text_and_hides_the_rest(root: Path) -> None:
    export = made(root, format="html", content="text", values=[TEXT, field("note")])
    export.write({("<a>",): ("<h1>Title</h1>", "</script><script>alert(1)</script>")})
    ((name, page),) = tree(root).items()
    assert name.startswith("_a_~") and name.endswith(".html")
    assert "<body>\n<h1>Title</h1>\n</body>" in page
    assert "<title>&lt;a&gt;</title>" in page
    assert page.count("<script") == page.count("</script>") == 1
    assert export.rows() == {("<a>",): ("<h1>Title</h1>", "</script><script>alert(1)</script>")}


def test_a_page_without_text_lists_its_fields(root: Path) -> None:
    export = made(root, format="html")
    export.write({("a",): ("<b>&", None)})
    assert "<dt>text</dt>\n<dd><pre>&lt;b&gt;&amp;</pre></dd>" in tree(root)["a.html"]


def test_json_is_one_object(root: Path) -> None:
    made(root, format="json").write({("ä",): ("one", None)})
    assert tree(root) == {"ä.json": '{\n  "id": "ä",\n  "text": "one",\n  "size": null\n}\n'}
    assert json.loads(tree(root)["ä.json"]) == {"id": "ä", "text": "one", "size": None}


def test_text_alone(root: Path) -> None:
    export = made(root, format="html", content="text", metadata=False, values=[TEXT])
    export.write({("a",): ("<!doctype html><p>whole page",), ("b",): (None,)})
    assert tree(root) == {"a.html": "<!doctype html><p>whole page", "b.html": ""}
    assert export.rows() == {("a",): ("<!doctype html><p>whole page",), ("b",): (...,)}


def test_another_suffix(root: Path) -> None:
    made(root, suffix=".page.mdx").write({("a",): ("one", 1)})
    assert list(tree(root)) == ["a.page.mdx"]


@pytest.mark.parametrize("change", ["more", "\n", ""])
def test_a_file_that_was_edited_is_no_row(root: Path, change: str) -> None:
    export = made(root, format="json")
    export.write({("a",): ("one", 1)})
    path = root / "a.json"
    path.write_text(path.read_text() + change if change else '{"id": "a"}')
    assert export.rows() == {("a",): (UNREADABLE, UNREADABLE)}
    export.write({("a",): ("one", 1)})
    assert export.rows() == {("a",): ("one", 1)}


def test_what_is_as_it_should_be_is_not_written(root: Path) -> None:
    export = made(root)
    export.write({("a",): ("one", 1)})
    before = (root / "a.md").stat()
    export.write({("a",): ("one", 1)})
    after = (root / "a.md").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


# -- files of others ------------------------------------------------------------------------------
def test_files_of_others_stay(root: Path) -> None:
    root.mkdir()
    (root / "mine.txt").write_text("mine")
    (root / "empty").mkdir()
    export = made(root)
    (root / "b.md").write_text("also mine")
    with pytest.raises(MutationError) as caught:
        export.write({("a",): ("one", 1), ("b",): ("two", 2), ("c",): ("three", 3)}, [("mine",)])
    assert set(caught.value.failed_keys) == {("b",)}
    assert "coco did not write it" in caught.value.failed_keys["b",]
    assert set(export.rows()) == {("a",), ("c",)}
    export.write(deletes=[("b",)])
    export.drop()
    assert tree(root) == {"b.md": "also mine", "empty/": "", "mine.txt": "mine"}
    assert sorted(os.listdir(root)) == ["b.md", "empty", "mine.txt"]


def test_the_same_bytes_are_taken_over(root: Path) -> None:
    """As after the loss of the catalog."""
    export = made(root)
    export.write({("a",): ("one", 1), ("b",): ("two", 2)})
    os.unlink(root / f"{OWN}.db")
    assert export.rows() == {}
    export.set_up()
    export.write({("a",): ("one", 1)})
    with pytest.raises(MutationError, match="1 row"):
        export.write({("b",): ("other", 2)})
    assert export.rows() == {("a",): ("one", 1)}


def test_a_link_leads_nowhere(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.md").write_text("mine")
    export = made(root)
    (root / "docs").symlink_to(outside)
    with pytest.raises(MutationError) as caught:
        export.write({("docs/a",): ("one", 1), ("docs/b",): ("two", 2)})
    assert all("is a link" in reason for reason in caught.value.failed_keys.values())
    (root / "x.md").symlink_to(outside / "a.md")
    with pytest.raises(MutationError):
        export.write({("x",): ("one", 1)})
    export.drop()
    assert tree(outside) == {"a.md": "mine"}
    assert (root / "docs").is_symlink() and (root / "x.md").is_symlink()


def test_a_folder_that_became_a_link(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    export = made(root)
    export.write({("docs/a",): ("one", 1)})
    os.rename(root / "docs", outside)
    (root / "docs").symlink_to(outside)
    export.write(deletes=[("docs/a",)])
    export.drop()
    assert list(tree(outside)) == ["a.md"]


def test_something_else_in_the_way(root: Path) -> None:
    export = made(root)
    (root / "docs").write_text("a file")
    (root / "a.md").mkdir()
    with pytest.raises(MutationError) as caught:
        export.write({("docs/x",): ("one", 1), ("a",): ("two", 2), ("b",): ("three", 3)})
    assert set(caught.value.failed_keys) == {("docs/x",), ("a",)}
    assert set(export.rows()) == {("b",)}


# -- folders --------------------------------------------------------------------------------------
def test_folders_are_created_and_deleted(root: Path) -> None:
    export = made(root)
    export.write({("a/b/c",): ("one", 1), ("a/d",): ("two", 2), ("x/y",): ("three", 3)})
    assert list(tree(root)) == ["a/b/c.md", "a/d.md", "x/y.md"]
    export.write(deletes=[("a/b/c",)])
    assert not (root / "a" / "b").exists()
    (root / "x" / "note.txt").write_text("mine")
    export.write(deletes=[("a/d",), ("x/y",)])
    assert tree(root) == {"x/note.txt": "mine"}


def test_a_folder_of_the_user_stays_though_empty(root: Path) -> None:
    (root / "docs").mkdir(parents=True)
    export = made(root)
    export.write({("docs/sub/a",): ("one", 1)})
    export.write(deletes=[("docs/sub/a",)])
    assert tree(root) == {"docs/": ""}
    export.drop()
    assert tree(root) == {"docs/": ""}


def test_a_row_that_moves_from_file_to_folder(root: Path) -> None:
    export = made(root, suffix=".x")
    export.write({("a",): ("one", 1)})
    export.write({("a.x/b",): ("one", 1)}, [("a",)])
    export.write({("a",): ("one", 1)})
    assert len(tree(root)) == 2


# -- crashes --------------------------------------------------------------------------------------
class Killed(BaseException):
    """What a test lets happen in the middle of a write."""


def test_a_killed_writer_leaves_old_or_new(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = made(root)
    export.write({("a",): ("old", 1)})
    rows = {("a",): ("new", 1), ("docs/b",): ("new", 2)}

    def kill(descriptor: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush", kill)
        with pytest.raises(Killed):
            export.write(rows)
    assert export.rows() == {("a",): ("old", 1)}
    assert (root / f"{OWN}.tmp").exists() is False  # swept when the folder was opened again
    export.write(rows)
    assert export.rows() == rows
    export.drop()
    assert not root.exists()


HOLD = """
import os, sys
from coco_target_files.scratch import Scratch
folder, = Scratch(sys.argv[1]).folders(1)
open(os.path.join(folder, "half"), "w").close()
print(folder, flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_temporary_files_of_running_processes_stay_and_those_of_ended_ones_are_deleted(root: Path) -> None:
    export = made(root)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        half = Path(other.stdout.readline().strip()) / "half"
        export.write({("a",): ("one", 1)})
        assert half.exists()
    export.write({("b",): ("two", 2)})
    assert not (root / f"{OWN}.tmp").exists()
    assert len(export.rows()) == 2


def test_half_written_files_of_the_first_release_go(root: Path) -> None:
    export = made(root)
    (root / f"{OWN}.tmp").mkdir()
    (root / f"{OWN}.tmp" / "123-0.tmp").write_text("ha")
    export.write({("a",): ("one", 1)})
    assert not (root / f"{OWN}.tmp").exists()


def test_a_folder_deleted_during_a_write_is_recreated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another process has deleted the last row in it."""
    export = made(root)
    export.write({("docs/a",): ("one", 1)})
    with closing(export.open()) as other:

        def vanish(descriptor: int) -> None:
            monkeypatch.setattr(disk, "flush", lambda descriptor: None)
            FilesConnector.mutate_columns((other, MutationColumns(*export.fields, [], [], [("docs/a",)])))

        monkeypatch.setattr(disk, "flush", vanish)
        export.write({("docs/b",): ("two", 2)})
    assert export.rows() == {("docs/b",): ("two", 2)}
    export.drop()
    assert not root.exists()


def test_a_full_disk_stops_the_batch(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    export = made(root)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "flush", full)
        with pytest.raises(TargetError, match="No space left"):
            export.write({(str(n),): ("x", n) for n in range(10)})
    assert export.rows() == {}
    assert tree(root) == {}
    export.write({(str(n),): ("x", n) for n in range(10)})
    assert len(export.rows()) == 10


def test_contents_reach_the_disk_before_the_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = made(root)
    seen: list[str] = []
    replace = os.replace

    def note_replace(source: str, target: str) -> None:
        seen.append(f"name {os.path.basename(target)}")
        replace(source, target)

    monkeypatch.setattr(disk, "flush", lambda descriptor: seen.append("flush"))
    monkeypatch.setattr(os, "replace", note_replace)
    export.write({("a",): ("one", 1)})
    assert seen == ["flush", "name a.md", "flush"]  # the file; then the folder that holds its name


# -- setup ----------------------------------------------------------------------------------------
def test_another_layout_moves_all_files(root: Path) -> None:
    export = made(root)
    export.write({("docs/a",): ("one", 1)})
    (root / "docs" / "mine.txt").write_text("mine")
    other = Export(root, suffix=".txt")
    answer = FilesConnector.check_state_compatibility(other.state, export.state)
    assert answer.name == "NOT_COMPATIBLE"
    other.set_up()  # as after a crash between the two steps
    assert tree(root) == {"docs/mine.txt": "mine"}


def test_other_contents_are_written_again(root: Path) -> None:
    plain = Export(root)
    for other in (
        Export(root, content="text"),
        Export(root, values=[TEXT]),
        Export(root, values=[SIZE, TEXT]),
    ):
        assert (
            FilesConnector.check_state_compatibility(other.state, plain.state).name == "PARTIALLY_COMPATIBLE"
        )
        assert (
            FilesConnector.describe_change(plain.key, plain.state, other.state)[-1] == "write all files again"
        )


def test_check_existing(root: Path) -> None:
    export = Export(root)
    check = FilesConnector.check_existing
    assert check(export.key, export.state) is None
    root.mkdir()
    (root / "mine.txt").write_text("mine")
    assert check(export.key, export.state) is None
    export.write({("a",): ("one", 1)})  # setup_by_user: no setup before
    assert check(export.key, export.state) is None
    export.set_up()
    assert "another flow" in (check(export.key, export.state) or "")
    file = Export(root / "mine.txt")
    assert "not a folder" in (check(file.key, file.state) or "")
    with pytest.raises(TargetError, match="cannot be set up"):
        file.set_up()


def test_a_catalog_that_is_damaged(root: Path) -> None:
    export = made(root)
    (root / f"{OWN}.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(TargetError, match="catalog"):
        export.open()


def test_case_sensitive_names(root: Path) -> None:
    export = made(root, case_sensitive=True)
    export.write({("README",): ("one", 1), ("readme",): ("two", 2)})
    assert list(tree(root)) == ["README.md", "readme.md"]


def test_a_missing_folder_is_reported(root: Path) -> None:
    export = made(root)
    with closing(export.open()) as folder:
        os.unlink(root / f"{OWN}.db")
        os.rmdir(root)
        with pytest.raises(TargetError):
            folder.count()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"format": "pdf"}, "format"),
        ({"suffix": "md"}, "suffix"),
        ({"suffix": ".MD"}, "suffix"),
        ({"suffix": "./../x"}, "suffix"),
        ({"suffix": ".x."}, "suffix"),
        ({"content": "id"}, "no part of the key"),
        ({"content": "size"}, "Str field"),
        ({"content": "nothing"}, "got text, size"),
        ({"content": "text", "format": "json"}, "JSON"),
        ({"metadata": False}, "content="),
        ({"metadata": False, "content": "text"}, "no place for size"),
    ],
)
def test_definitions_without_sense(root: Path, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        Export(root, **options)  # type: ignore[arg-type]


def test_no_path_and_no_index(root: Path) -> None:
    export = Export(root)
    indexes = IndexOptions(["id"], fts_indexes=[FtsIndexDef("text")])
    with pytest.raises(DefinitionError, match="no indexes"):
        FilesConnector.validate(export.spec, [ID], [TEXT], indexes, [])
