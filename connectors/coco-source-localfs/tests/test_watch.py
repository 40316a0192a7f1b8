"""The change stream: what a watcher says, and what a real one says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from coco.errors import SourceError
from coco.op import SourceReadOptions
from coco_source_localfs import watch
from coco_source_localfs.glob import compile_filter
from coco_source_localfs.spec import LocalFile, LocalFileConnector
from coco_source_localfs.watch import BURST, change_batches

ADDED, MODIFIED, DELETED = 1, 2, 3
Events = Iterable[tuple[int, str]]


def run(
    root: Path,
    batches: list[list[tuple[int, str]]],
    *,
    directories: set[str] | None = frozenset(),  # type: ignore[assignment]
    excluded: list[str] | None = None,
    included: list[str] | None = None,
) -> list[list[str]]:
    """Names in each change batch that a scripted watcher leads to; the first script line is its readiness."""

    async def script(path: str, /, **_: Any) -> AsyncIterator[Events]:
        yield set()
        for batch in batches:
            yield {(kind, str(root / name)) for kind, name in batch}

    async def collect() -> list[list[str]]:
        paths = compile_filter(included, excluded)
        stream = change_batches(str(root) + os.sep, paths, lambda: directories, script)
        return [[key.filename for key, _, _ in batch] async for batch in stream]

    first, *rest = asyncio.run(collect())
    assert first == []
    return rest


def test_files_become_keys_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    events = [(MODIFIED, "b/c"), (ADDED, "a"), (MODIFIED, "a"), (DELETED, "z")]
    assert run(tmp_path, [events]) == [["a", "b/c", "z"]]


def test_patterns_hold(tmp_path: Path) -> None:
    events = [(MODIFIED, "a.md"), (MODIFIED, "a.txt"), (DELETED, "tmp/b.md"), (MODIFIED, "tmp/deep/c.md")]
    assert run(tmp_path, [events], included=["*.md"], excluded=["tmp"]) == [["a.md"]]


def test_events_of_no_interest_give_no_batch(tmp_path: Path) -> None:
    assert run(tmp_path, [[(MODIFIED, "tmp/a")], []], excluded=["tmp"]) == []


def test_new_directory_asks_for_a_listing(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert run(tmp_path, [[(ADDED, "sub"), (MODIFIED, "a")]]) == [[]]


def test_known_directory_is_not_news(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert run(tmp_path, [[(MODIFIED, "sub"), (MODIFIED, "a")]], directories={"sub"}) == [["a"]]


def test_directory_that_went_asks_for_a_listing(tmp_path: Path) -> None:
    assert run(tmp_path, [[(DELETED, "sub")]], directories={"sub"}) == [[]]


def test_excluded_directory_that_went_is_no_news(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    assert run(tmp_path, [[(ADDED, "tmp"), (DELETED, "tmp2")]], excluded=["tmp*"]) == []


def test_deletion_before_any_listing_asks_for_one(tmp_path: Path) -> None:
    assert run(tmp_path, [[(DELETED, "a")]], directories=None) == [[]]


def test_burst_asks_for_a_listing(tmp_path: Path) -> None:
    assert run(tmp_path, [[(MODIFIED, f"f{i}") for i in range(BURST)]]) == [[]]
    assert len(run(tmp_path, [[(MODIFIED, f"f{i}") for i in range(BURST - 1)]])[0]) == BURST - 1


def test_event_for_the_root_itself_asks_for_a_listing(tmp_path: Path) -> None:
    assert run(tmp_path, [[(DELETED, "")]]) == [[]]


def test_root_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)

    async def script(path: str, /, **_: Any) -> AsyncIterator[Events]:
        yield set()
        yield {(MODIFIED, str(tmp_path / "real" / "a"))}

    async def collect() -> list[list[str]]:
        stream = change_batches(
            str(tmp_path / "link") + os.sep, compile_filter(None, None), lambda: set(), script
        )
        return [[key.filename for key, _, _ in batch] async for batch in stream]

    assert asyncio.run(collect()) == [[], ["a"]]


def test_watcher_that_cannot_start_is_a_source_error(tmp_path: Path) -> None:
    async def broken(path: str, /, **_: Any) -> AsyncIterator[Events]:
        raise OSError(28, "No space left on device")
        yield set()

    async def collect() -> None:
        async for _ in change_batches(
            str(tmp_path) + os.sep, compile_filter(None, None), lambda: None, broken
        ):
            raise AssertionError("no batch expected")

    with pytest.raises(SourceError, match="limits on watches"):
        asyncio.run(collect())


def test_stream_ends_at_once_without_watch_changes(tmp_path: Path) -> None:
    async def collect() -> list[Any]:
        made = LocalFileConnector.create(LocalFile(path=str(tmp_path)))
        return [batch async for batch in made.change_stream()]

    assert asyncio.run(collect()) == []


def test_real_watcher_sees_create_change_delete_and_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("watchfiles")
    monkeypatch.setattr(watch, "READY_MS", 50)

    async def scenario() -> None:
        (tmp_path / "old").write_text("1")
        made = LocalFileConnector.create(LocalFile(path=str(tmp_path), watch_changes=True))
        list(made.list(SourceReadOptions()))
        stream = made.change_stream()

        async def wait_for(name: str | None) -> None:
            """Until ``name``, or with None a request to list, has come; what comes besides is harmless."""
            while True:
                batch = await anext(stream)
                found = [key.filename for key, data, ack in batch if data is None and ack() is None]
                if (name is None and not batch) or name in found:
                    return

        await wait_for(None)  # the watcher is ready
        (tmp_path / "new").write_text("1")
        await wait_for("new")
        (tmp_path / "old").write_text("2")
        await wait_for("old")
        (tmp_path / "new").unlink()
        await wait_for("new")
        (tmp_path / "sub").mkdir()
        await wait_for(None)
        await stream.aclose()

    asyncio.run(asyncio.wait_for(scenario(), 30))
