"""Following a tree: what a fresh listing would show is what the follower holds, whatever happens to the tree.

A follower does what the engine does with a change stream: it lists when asked to, and looks at the keys it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco.errors import SourceError, SourceReadError
from coco.op import NON_EXISTENCE, SourceReadOptions
from coco_source_localfs import watch
from coco_source_localfs.rows import FileKey
from coco_source_localfs.spec import LocalFile, LocalFileConnector
from coco_source_localfs.watchers import Happened, InotifyWatcher, WatchfilesWatcher

OPTIONS = SourceReadOptions(include_ordinal=True, include_value=True)
pytest.importorskip("watchfiles")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PROBE_SECONDS", 0.02)


def write(path: Path, text: str = "one") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Follower:
    """Holds what it was told of. ``listings``: how often it was asked to list."""

    def __init__(self, spec: LocalFile, owned: tuple[str, ...] = ()) -> None:
        self.held: dict[str, str] = {}
        self.listings = 0
        self._spec = spec
        self._owned = owned
        following = self._connector()
        self._stream = following.change_stream()

    def _connector(self) -> LocalFileConnector:
        made = LocalFileConnector.create(self._spec)
        made.exclude_paths(self._owned)
        return made

    def truth(self) -> dict[str, str]:
        """What a listing shows now."""
        made = self._connector()
        return {row.key.filename: self._read(made, row.key.filename) for row in made.list(OPTIONS)}

    def _read(self, made: LocalFileConnector, name: str) -> Any:
        try:
            data = made.get_value(FileKey(name), OPTIONS)
        except SourceReadError:
            return "unreadable"
        return None if data.value is NON_EXISTENCE else data.value.content  # type: ignore[union-attr]

    async def step(self) -> None:
        batch = await anext(self._stream)
        if not batch:
            self.listings += 1
            try:
                self.held = self.truth()
            except SourceError:
                return
        made = self._connector()
        for key, _, _ in batch:
            text = self._read(made, key.filename)
            if text is None:
                self.held.pop(key.filename, None)
            else:
                self.held[key.filename] = text

    async def catch_up(self) -> dict[str, str]:
        """Until it holds the truth."""

        async def steps() -> None:
            while self.held != self.truth():
                await self.step()

        try:
            await asyncio.wait_for(steps(), 10)
        except TimeoutError:
            raise AssertionError(f"holds {self.held}, not {self.truth()}") from None
        return self.held

    async def close(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def followed(root: Path, owned: tuple[str, ...] = (), **fields: Any) -> AsyncIterator[Follower]:
    follower = Follower(LocalFile(path=str(root), watch_changes=True, **fields), owned)
    try:
        await asyncio.wait_for(follower.step(), 10)
        await follower.catch_up()
        yield follower
    finally:
        await follower.close()


def live(test: Callable[..., Awaitable[None]]) -> Callable[[Path, pytest.MonkeyPatch, str], None]:
    """A test for each watcher, in an event loop of its own. It takes a folder, ``monkeypatch`` and the kind of
    watcher if it wants."""
    wants = inspect.signature(test).parameters

    @pytest.mark.parametrize("kind", ["inotify", "watchfiles"])
    def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        if kind == "inotify":
            pytest.importorskip("inotify_simple")
        made = InotifyWatcher if kind == "inotify" else WatchfilesWatcher
        monkeypatch.setattr(watch, "installed_watcher", made)
        given = {"monkeypatch": monkeypatch, "kind": kind}
        asyncio.run(test(tmp_path, **{name: given[name] for name in given if name in wants}))  # type: ignore[arg-type]

    return run


@live
async def test_files_and_folders_are_added_changed_and_deleted(base: Path) -> None:
    root = base / "in"
    write(root / "a.txt")
    write(root / "docs/b.txt")
    async with followed(root) as follower:
        write(root / "a.txt", "two")
        assert (await follower.catch_up())["a.txt"] == "two"
        write(root / "new.txt")
        write(root / "docs/c.txt")
        write(root / "deep/er/d.txt")
        await follower.catch_up()
        write(root / "deep/er/d.txt", "two")
        write(root / "deep/er/still/e.txt")
        await follower.catch_up()
        os.rename(root / "deep", root / "docs/moved")
        await follower.catch_up()
        write(root / "docs/moved/er/d.txt", "three")
        await follower.catch_up()
        shutil.rmtree(root / "docs")
        assert set(await follower.catch_up()) == {"a.txt", "new.txt"}


@live
async def test_an_edit_requests_no_listing(base: Path) -> None:
    write(base / "in/docs/a.txt")
    async with followed(base / "in") as follower:
        before = follower.listings
        write(base / "in/docs/a.txt", "two")
        write(base / "in/docs/b.txt")
        await follower.catch_up()
        os.unlink(base / "in/docs/b.txt")
        await follower.catch_up()
        assert follower.listings == before


@live
async def test_a_tree_is_moved_in(base: Path) -> None:
    write(base / "in/a.txt")
    write(base / "elsewhere/x/y/z.txt")
    async with followed(base / "in") as follower:
        os.rename(base / "elsewhere", base / "in/here")
        await follower.catch_up()
        write(base / "in/here/x/y/z.txt", "two")
        assert (await follower.catch_up())["here/x/y/z.txt"] == "two"


@live
async def test_a_file_becomes_a_folder_and_a_folder_a_file(base: Path) -> None:
    write(base / "in/a")
    write(base / "in/b/x")
    async with followed(base / "in") as follower:
        os.unlink(base / "in/a")
        write(base / "in/a/x")
        await follower.catch_up()
        shutil.rmtree(base / "in/b")
        write(base / "in/b")
        await follower.catch_up()
        write(base / "in/a/x", "two")
        write(base / "in/b", "two")
        assert await follower.catch_up() == {"a/x": "two", "b": "two"}


# -- the root ---------------------------------------------------------------------------------------


def build(root: Path, text: str = "one") -> None:
    write(root / "docs/a.txt", text)
    write(root / "b.txt", text)


async def edits_count(follower: Follower, root: Path) -> None:
    """Whether the tree that is there now is followed."""
    write(root / "b.txt", "edited")
    await follower.catch_up()
    write(root / "docs/a.txt", "edited")
    write(root / "c.txt", "new")
    assert await follower.catch_up() == {"b.txt": "edited", "docs/a.txt": "edited", "c.txt": "new"}


@live
async def test_the_root_is_deleted_and_recreated(base: Path) -> None:
    root = base / "in"
    build(root)
    async with followed(root) as follower:
        shutil.rmtree(root)
        build(root, "again")
        await follower.catch_up()
        await edits_count(follower, root)


@live
async def test_the_root_is_renamed_and_another_takes_its_name(base: Path) -> None:
    root = base / "in"
    build(root)
    build(base / "other", "other")
    async with followed(root) as follower:
        os.rename(root, base / "old")
        os.rename(base / "other", root)
        await follower.catch_up()
        await edits_count(follower, root)


@live
async def test_a_folder_above_the_root_is_renamed(base: Path) -> None:
    root = base / "up/er/in"
    build(root)
    build(base / "other/er/in", "other")
    async with followed(root) as follower:
        os.rename(base / "up", base / "old")
        os.rename(base / "other", base / "up")
        await follower.catch_up()
        await edits_count(follower, root)


@live
async def test_the_root_is_a_link_to_a_link(base: Path) -> None:
    build(base / "v1", "v1")
    build(base / "v2", "v2")
    (base / "latest").symlink_to("v1")
    (base / "current").symlink_to("latest")
    async with followed(base / "current") as follower:
        (base / "next").symlink_to("v2")
        os.replace(base / "next", base / "latest")
        assert set((await follower.catch_up()).values()) == {"v2"}
        await edits_count(follower, base / "current")


@live
async def test_a_missing_root_is_waited_for(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = base / "in"
    build(root)
    async with followed(root) as follower:
        said = asyncio.Event()
        monkeypatch.setattr(watch.logger, "warning", lambda *_: said.set())
        os.rename(root, base / "away")
        step = asyncio.create_task(follower.step())
        await asyncio.wait_for(said.wait(), 10)
        held = follower.held
        os.rename(base / "away", root)
        await asyncio.wait_for(step, 10)
        assert follower.held == held
        await edits_count(follower, root)


@live
async def test_a_root_may_appear_later(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = base / "in"
    said = asyncio.Event()
    monkeypatch.setattr(watch.logger, "warning", lambda *_: said.set())
    follower = Follower(LocalFile(path=str(root), watch_changes=True))
    step = asyncio.create_task(follower.step())
    await asyncio.wait_for(said.wait(), 10)
    build(root)
    await asyncio.wait_for(step, 10)
    await follower.catch_up()
    await edits_count(follower, root)
    await follower.close()


# -- one inode, several names -----------------------------------------------------------------------


@live
async def test_a_folder_and_a_link_to_it(base: Path) -> None:
    root = base / "in"
    write(root / "middle/sub/x.txt")
    (root / "earlier").symlink_to("middle")
    (root / "later").symlink_to("middle/sub")
    async with followed(root) as follower:
        for place, text in (
            ("middle/sub", "by its real name"),
            ("earlier/sub", "by a link"),
            ("later", "by another"),
        ):
            write(root / place / "x.txt", text)
            held = await follower.catch_up()
            assert set(held) == {"middle/sub/x.txt", "earlier/sub/x.txt", "later/x.txt"}
            assert set(held.values()) == {text}
        write(root / "middle/sub/y.txt")
        assert len(await follower.catch_up()) == 6
        os.unlink(root / "later/y.txt")
        assert len(await follower.catch_up()) == 3


@live
async def test_a_link_is_pointed_elsewhere(base: Path) -> None:
    root = base / "in"
    build(base / "v1", "v1")
    build(base / "v2", "v2")
    root.mkdir()
    (root / "current").symlink_to("../v1")
    async with followed(root) as follower:
        (root / "next").symlink_to("../v2")
        os.replace(root / "next", root / "current")
        assert set((await follower.catch_up()).values()) == {"v2"}
        write(base / "v2/docs/a.txt", "edited")
        assert (await follower.catch_up())["current/docs/a.txt"] == "edited"


@live
async def test_a_folder_above_the_target_of_a_link_is_renamed(base: Path) -> None:
    root = base / "in"
    build(base / "up/v", "one")
    build(base / "other/v", "other")
    root.mkdir()
    (root / "link").symlink_to(base / "up/v")
    (root / "file").symlink_to(base / "up/v/b.txt")
    async with followed(root) as follower:
        os.rename(base / "up", base / "old")
        await follower.catch_up()
        os.rename(base / "other", base / "up")
        held = await follower.catch_up()
        assert set(held) == {"link/docs/a.txt", "link/b.txt", "file"} and set(held.values()) == {"other"}
        write(base / "up/v/b.txt", "edited")
        held = await follower.catch_up()
        assert held["link/b.txt"] == held["file"] == "edited"


@live
async def test_hard_links_inside_and_outside(base: Path) -> None:
    root = base / "in"
    write(root / "a.txt")
    write(root / "b/c.txt")
    write(base / "out.txt")
    os.link(root / "a.txt", root / "b/a2.txt")
    os.link(base / "out.txt", root / "far.txt")
    async with followed(root) as follower:
        write(root / "b/a2.txt", "by the second name")
        assert (await follower.catch_up())["a.txt"] == "by the second name"
        write(root / "a.txt", "by the first name")
        assert (await follower.catch_up())["b/a2.txt"] == "by the first name"
        write(base / "out.txt", "by the name outside")
        assert (await follower.catch_up())["far.txt"] == "by the name outside"
        os.link(root / "b/c.txt", root / "made-later.txt")
        await follower.catch_up()
        write(root / "b/c.txt", "three")
        assert (await follower.catch_up())["made-later.txt"] == "three"
        write(root / "made-later.txt", "four")
        assert (await follower.catch_up())["b/c.txt"] == "four"


@live
async def test_links_to_files(base: Path) -> None:
    root = base / "in"
    write(root / "real.txt")
    write(base / "out.txt")
    (root / "near").symlink_to("real.txt")
    (root / "far").symlink_to("../out.txt")
    (root / "nothing-yet").symlink_to("../later.txt")
    async with followed(root) as follower:
        write(root / "real.txt", "two")
        assert (await follower.catch_up())["near"] == "two"
        write(base / "out.txt", "two")
        assert (await follower.catch_up())["far"] == "two"
        write(base / "later.txt")
        assert (await follower.catch_up())["nothing-yet"] == "one"
        os.unlink(root / "real.txt")
        assert set(await follower.catch_up()) == {"far", "nothing-yet"}
        (root / "new").symlink_to("../out.txt")
        await follower.catch_up()
        write(base / "out.txt", "three")
        assert (await follower.catch_up())["new"] == "three"


@live
async def test_only_links_that_follow_links_permits_are_followed(base: Path) -> None:
    root = base / "in"
    write(root / "real/x.txt")
    write(base / "out/x.txt")
    (root / "near").symlink_to("real")
    (root / "far").symlink_to("../out")
    (root / "file").symlink_to("../out/x.txt")
    async with followed(root, follow_links=False) as follower:
        write(root / "real/x.txt", "two")
        write(base / "out/x.txt", "two")
        (root / "new").symlink_to("../out/x.txt")
        write(root / "real/y.txt")
        assert await follower.catch_up() == {"real/x.txt": "two", "real/y.txt": "one"}
    async with followed(root, follow_links="inside") as follower:
        write(root / "real/x.txt", "three")
        assert await follower.catch_up() == {
            "real/x.txt": "three",
            "near/x.txt": "three",
            "real/y.txt": "one",
            "near/y.txt": "one",
        }


# -- what cannot be read, what is left out ------------------------------------------------------------


class Locked:
    """A stand-in for permissions, which do not bind a superuser: folders that cannot be listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: set[str] = set()
        scandir, access = os.scandir, os.access

        def denied(path: Any) -> Any:
            if str(path).rstrip(os.sep) in self.folders:
                raise PermissionError(13, "Permission denied", path)
            return scandir(path)

        def allowed(path: Any, mode: int) -> bool:
            return str(path).rstrip(os.sep) not in self.folders and access(path, mode)

        monkeypatch.setattr(os, "scandir", denied)
        monkeypatch.setattr(os, "access", allowed)


@live
async def test_an_unreadable_folder_skips_only_itself(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = base / "in"
    locked = Locked(monkeypatch)
    write(root / "a.txt")
    write(root / "private/x.txt")
    locked.folders.add(str(root / "private"))
    async with followed(root) as follower:
        write(root / "a.txt", "two")
        assert await follower.catch_up() == {"a.txt": "two"}
        locked.folders.clear()  # as an access list changes: no event tells of it
        assert await follower.catch_up() == {"a.txt": "two", "private/x.txt": "one"}
        write(root / "private/x.txt", "two")
        assert (await follower.catch_up())["private/x.txt"] == "two"


@live
async def test_permissions_that_change_are_seen(base: Path) -> None:
    write(base / "in/docs/x.txt")
    async with followed(base / "in") as follower:
        before = follower.listings
        os.chmod(base / "in/docs", 0o700)
        while follower.listings == before:
            await asyncio.wait_for(follower.step(), 10)


@live
async def test_an_undecodable_name_stops_nothing(base: Path) -> None:
    root = base / "in"
    write(root / "a.txt")
    bad = os.fsencode(root) + b"/bad\xff.txt"
    try:
        os.mknod(bad)
    except OSError:
        pytest.skip("this file system refuses names that are no text")
    async with followed(root) as follower:
        write(Path(os.fsdecode(bad)), "two")
        write(root / "a.txt", "two")
        assert await follower.catch_up() == {"a.txt": "two"}
        os.mkdir(os.fsencode(root) + b"/folder\xfe")
        os.rename(bad, root / "good.txt")
        assert await follower.catch_up() == {"a.txt": "two", "good.txt": "two"}


@live
async def test_a_listing_is_requested_to_report_an_undecodable_name(base: Path, kind: str) -> None:
    root = base / "in"
    write(root / "a.txt")
    async with followed(root, included_patterns=["*.txt"]) as follower:
        for act in (
            lambda: os.mknod(os.fsencode(root) + b"/bad\xff.txt"),
            lambda: os.unlink(os.fsencode(root) + b"/bad\xff.txt"),
        ):
            before = follower.listings
            act()
            while follower.listings == before:
                await asyncio.wait_for(follower.step(), 10)
        os.mknod(os.fsencode(root) + b"/bad\xff.jpg")  # which no pattern wants
        before = follower.listings
        write(root / "a.txt", "two")
        await follower.catch_up()
        if kind == "inotify":  # the other one ends with any such name
            assert follower.listings == before


@live
async def test_files_that_coco_writes_cause_no_change(base: Path) -> None:
    root = base / "in"
    write(root / "a.txt")
    write(root / "out.db")
    write(root / "site/page.md")
    owned = (str(root / "out.db"), str(root / "out.db-wal"), str(root / "site"))
    async with followed(root, owned) as follower:
        before = follower.listings
        write(root / "out.db", "two")
        write(root / "out.db-wal", "two")
        write(root / "site/page.md", "two")
        write(root / "site/more/page.md", "two")
        write(root / "a.txt", "two")
        assert await follower.catch_up() == {"a.txt": "two"}
        assert follower.listings == before


@live
async def test_gitignore_files_are_followed(base: Path) -> None:
    root = base / "in"
    write(root / ".gitignore", "*.log\nbuild/\n")
    write(root / "a.txt")
    async with followed(root, gitignore=True, excluded_patterns=["**/.gitignore"]) as follower:
        before = follower.listings
        write(root / "build/x.txt")
        write(root / "a.log")
        write(root / "a.txt", "two")
        assert await follower.catch_up() == {"a.txt": "two"}
        assert follower.listings == before
        write(root / ".gitignore", "*.log\n")
        assert set(await follower.catch_up()) == {"a.txt", "build/x.txt"}


@live
async def test_rules_of_the_repository_are_followed(base: Path) -> None:
    write(base / "repo/.git/HEAD")
    write(base / "repo/docs/a.txt")
    write(base / "repo/docs/a.log")
    async with followed(base / "repo/docs", gitignore=True) as follower:
        write(base / "repo/.gitignore", "*.log\n")
        assert set(await follower.catch_up()) == {"a.txt"}
        write(base / "repo/.git/info/exclude", "*.txt\n")
        assert await follower.catch_up() == {}


# -- any history ------------------------------------------------------------------------------------

PLACES = ["in", "in/a", "in/b", "in/a/c", "in/b/a", "out", "out/a"]
NAMES = st.sampled_from(["a", "b", "c", "x", "y"])
STEPS = st.tuples(
    st.sampled_from(["write", "write", "remove", "folder", "rename", "link", "hard link", "point"]),
    st.sampled_from(PLACES),
    NAMES,
    st.sampled_from(PLACES),
    NAMES,
)


def act(base: Path, step: tuple[str, str, str, str, str]) -> None:
    """One step, as far as it is possible."""
    what, place, name, other_place, other_name = step
    path, other = base / place / name, base / other_place / other_name
    with contextlib.suppress(OSError, shutil.Error):
        if what == "write":
            path.write_text(f"text {time.monotonic_ns()}")
        elif what == "remove":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif what == "folder":
            write(path / "file", "in a new folder")
        elif what == "rename":
            os.rename(path, other)
        elif what == "link":
            path.symlink_to(other)
        elif what == "hard link":
            # A further name outside, made while the tree is followed, is announced nowhere.
            if other_place.startswith("in") or not place.startswith("in"):
                os.link(path, other)
        else:
            aside = base / "aside"
            aside.symlink_to(other)
            os.replace(aside, path)


@given(st.lists(STEPS, min_size=4, max_size=14))
@settings(max_examples=examples(60))
def test_any_history_is_followed(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    base = tmp_path_factory.mktemp("base")
    for place in ("in/a", "in/b", "out"):
        write(base / place / "x")

    async def scenario() -> None:
        async with followed(base / "in") as follower:
            for number, step in enumerate(steps):
                act(base, step)
                if number % 2:
                    await follower.catch_up()
            await follower.catch_up()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "PROBE_SECONDS", 0.01)
        asyncio.run(scenario())


# -- watchers ---------------------------------------------------------------------------------------


def test_an_overflow_requests_a_listing(tmp_path: Path) -> None:
    class Full:
        def __init__(self) -> None:
            self.calls = 0

        async def watch(self, folders: Any) -> bool:
            self.folders = folders
            return False

        async def wait(self, seconds: float) -> Happened:
            self.calls += 1
            return Happened(lost=self.calls == 1)

        async def close(self) -> None:
            self.folders = None

    async def scenario() -> None:
        watcher = Full()
        tree = LocalFileConnector(LocalFile(path=str(tmp_path)))._tree
        stream = watch.change_batches(tree, watcher)
        assert [await anext(stream), await anext(stream)] == [[], []]
        await stream.aclose()  # type: ignore[attr-defined]
        assert watcher.folders is None

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_a_burst_requests_a_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "BURST", 20)

    async def scenario() -> int:
        async with followed(tmp_path) as follower:
            before = follower.listings
            for number in range(100):
                (tmp_path / f"{number}").touch()
            assert len(await follower.catch_up()) == 100
            return follower.listings - before

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) > 0


def test_a_folder_that_cannot_be_watched_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("inotify_simple")
    from inotify_simple import INotify

    add = INotify.add_watch

    def denied(self: Any, path: str, mask: int) -> int:
        if "private" in path:
            raise PermissionError(13, "Permission denied")
        return int(add(self, path, mask))

    monkeypatch.setattr(INotify, "add_watch", denied)
    monkeypatch.setattr(watch, "installed_watcher", InotifyWatcher)
    write(tmp_path / "private/x")
    write(tmp_path / "docs/x")

    async def scenario() -> None:
        async with followed(tmp_path) as follower:
            write(tmp_path / "docs/x", "two")
            assert await follower.catch_up() == {"private/x": "one", "docs/x": "two"}

    asyncio.run(scenario())


def test_limits_of_the_system_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("inotify_simple")
    from inotify_simple import INotify

    def refuse(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(INotify, "add_watch", refuse)
    monkeypatch.setattr(watch, "installed_watcher", InotifyWatcher)

    async def scenario() -> None:
        follower = Follower(LocalFile(path=str(tmp_path), watch_changes=True))
        await follower.step()

    with pytest.raises(SourceError, match=r"max_user_watches.*refresh_interval"):
        asyncio.run(asyncio.wait_for(scenario(), 10))


def test_without_watch_changes_the_stream_ends_at_once(tmp_path: Path) -> None:
    async def scenario() -> list[Any]:
        made = LocalFileConnector.create(LocalFile(path=str(tmp_path)))
        return [batch async for batch in made.change_stream()]

    assert asyncio.run(scenario()) == []
