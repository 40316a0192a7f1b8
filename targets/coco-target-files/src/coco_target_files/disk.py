"""Files written wholly or not at all, and folders that are made, entered and left with care."""

from __future__ import annotations

import contextlib
import enum
import errno
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from coco_target_files.scratch import Scratch

WRITERS = 8
_FEW = 4
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

FOR_ALL = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""Numbers of errors that no single file is guilty of."""


class Seen(enum.Enum):
    """What is at a path: nothing; a regular file; anything else, such as a link."""

    NOTHING = enum.auto()
    FILE = enum.auto()
    OTHER = enum.auto()


class RefusedPathError(Exception):
    """A place where we must not write; the message says why."""


def flush(descriptor: int) -> None:
    """Data to the disk, past all caches of the system."""
    os.fsync(descriptor)


class Disk:
    """The files of a folder. ``root``: absolute; paths are relative to it, with ``/``."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._base = os.path.join(root, "")
        self._scratch = Scratch(root)
        self._numbers = itertools.count()
        self._safe_folders: set[str] = set()

    def place(self, path: str) -> str:
        """The path for calls of the system."""
        return self._base + (path if os.sep == "/" else path.replace("/", os.sep))

    def close(self) -> None:
        """Remove the place for half-written files."""
        self._scratch.close()

    # -- looking ----------------------------------------------------------------------------------
    def look(self, path: str) -> Seen:
        """What is there; links are not followed."""
        try:
            mode = os.lstat(self.place(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return Seen.NOTHING
        return Seen.FILE if stat.S_ISREG(mode) else Seen.OTHER

    def read(self, path: str) -> bytes | None:
        """The bytes of a regular file that no link leads to, or None."""
        try:
            self.check_folders(path)
        except RefusedPathError:
            return None
        return self.read_here(path) if self.look(path) is Seen.FILE else None

    def read_here(self, path: str) -> bytes:
        """The bytes of what ``look`` found to be a file, in folders that were checked."""
        with open(self.place(path), "rb") as file:
            return file.read()

    def check_folders(self, path: str) -> list[str]:
        """Folders above ``path`` that are missing, outermost first.

        Raises ``RefusedPathError`` where something else is in the way, or a link that may lead out of the root.
        """
        missing: list[str] = []
        if folder_of(path) in self._safe_folders:
            return missing
        for folder in folders_above(path):
            if missing or folder in self._safe_folders:
                if missing:
                    missing.append(folder)
                continue
            try:
                mode = os.lstat(self.place(folder)).st_mode
            except FileNotFoundError:
                missing.append(folder)
                continue
            if stat.S_ISLNK(mode):
                raise RefusedPathError(
                    f"{self.place(folder)} is a link, and coco does not write through links"
                )
            if not stat.S_ISDIR(mode):
                raise RefusedPathError(f"{self.place(folder)} is no folder")
            self._safe_folders.add(folder)
        return missing

    def look_again(self) -> None:
        """Forget what is known of folders: others may change them between two batches."""
        self._safe_folders.clear()

    # -- changing ---------------------------------------------------------------------------------
    def make_folders(self, folders: Iterable[str]) -> None:
        """Make folders, outermost first; those that are there are fine."""
        for folder in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.place(folder))

    def write_all(self, files: Iterable[tuple[str, bytes]]) -> dict[str, OSError]:
        """Write files, several at a time since each waits for the disk. Returns the failures that concern one file.

        Raises ``OSError`` for one that concerns all.
        """
        todo = list(files)
        if not todo:
            return {}
        folders = self._scratch.folders(1 if len(todo) <= _FEW else WRITERS)
        rest = iter(todo)
        if len(folders) == 1:
            return self._write_some(rest, folders[0])
        with ThreadPoolExecutor(len(folders), "coco-files") as pool:
            parts = list(pool.map(lambda folder: self._write_some(rest, folder), folders))
        return {path: problem for part in parts for path, problem in part.items()}

    def _write_some(self, files: Iterator[tuple[str, bytes]], folder: str) -> dict[str, OSError]:
        """Take files from an iterator that other threads share, and write them by way of a folder."""
        failed: dict[str, OSError] = {}
        for path, data in files:
            try:
                self._write(path, data, folder)
            except OSError as error:
                if error.errno in FOR_ALL:
                    raise
                failed[path] = error
        return failed

    def _write(self, path: str, data: bytes, folder: str) -> None:
        temporary = f"{folder}{os.sep}{next(self._numbers)}"
        try:
            descriptor = os.open(temporary, _FLAGS, 0o666)
            try:
                written = os.write(descriptor, data)
                while written < len(data):
                    written += os.write(descriptor, memoryview(data)[written:])
                flush(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, self.place(path))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def delete(self, path: str) -> None:
        """Delete a regular file; anything else, or nothing, is left as it is."""
        try:
            self.check_folders(path)
        except RefusedPathError:
            return
        if self.look(path) is Seen.FILE:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.place(path))

    def remove_if_empty(self, folder: str) -> bool:
        """Whether the folder is removed now."""
        try:
            os.rmdir(self.place(folder))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return False
        self._safe_folders.discard(folder)
        return True

    def flush_folders(self, folders: Iterable[str]) -> None:
        """Make names that were added or removed last; where the system cannot, it need not."""
        for folder in folders:
            try:
                descriptor = os.open(self.place(folder) if folder else self.root, os.O_RDONLY)
            except OSError:
                continue  # missing, or a system whose folders cannot be opened
            try:
                with contextlib.suppress(OSError):
                    flush(descriptor)
            finally:
                os.close(descriptor)


def folders_above(path: str) -> list[str]:
    """``a/b/c`` -> ``a``, ``a/b``."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def folder_of(path: str) -> str:
    """The folder that holds ``path``; empty for the root."""
    return path.rpartition("/")[0]
